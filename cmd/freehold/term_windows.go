package main

import (
	"os"

	"golang.org/x/sys/windows"
)

// isTerminal tells whether f is a console that understands escape sequences.
func isTerminal(f *os.File) bool {
	var mode uint32
	if windows.GetConsoleMode(windows.Handle(f.Fd()), &mode) != nil {
		return false
	}
	return mode&windows.ENABLE_VIRTUAL_TERMINAL_PROCESSING != 0 || f == os.Stdin
}

// terminalWidth is the number of columns, 0 when it cannot be told.
func terminalWidth(f *os.File) int {
	var info windows.ConsoleScreenBufferInfo
	if windows.GetConsoleScreenBufferInfo(windows.Handle(f.Fd()), &info) != nil {
		return 0
	}
	return int(info.Window.Right-info.Window.Left) + 1
}
