//go:build linux && (amd64 || arm64)

package lock

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"
)

// Process locks the process. Where the kernel lacks a part of it the state says so; what the kernel has and refuses is an error.
func Process(f Folders) (State, error) {
	for _, dir := range slices.Concat(f.Read, f.Write, f.Own) { // before anything is in force
		if st, err := os.Stat(dir); err != nil {
			return State{}, fmt.Errorf("lock: %w", err)
		} else if !st.IsDir() {
			return State{}, fmt.Errorf("lock: %s is no folder", dir)
		}
	}
	runtime.LockOSThread() // the filter goes from this thread to the others
	defer runtime.UnlockOSThread()
	if err := everyThread(unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0); err != nil && !errors.Is(err, unix.ENOTSUP) {
		return State{}, fmt.Errorf("lock: no_new_privs: %w", err)
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return State{}, fmt.Errorf("lock: no_new_privs: %w", err)
	}
	files, err := landlock(f)
	if err != nil {
		return State{}, fmt.Errorf("lock: files: %w", err)
	}
	connections := "allowed: " + f.Network
	if f.Network == "" {
		connections, err = seccomp()
	}
	if err != nil {
		return State{}, fmt.Errorf("lock: connections: %w", err)
	}
	return State{connections, files}, nil
}

// everyThread makes a system call on each thread of the process; ENOTSUP in a program with cgo, whose threads nobody knows.
func everyThread(call, a, b, c uintptr) error {
	if _, _, errno := syscall.AllThreadsSyscall6(call, a, b, c, 0, 0, 0); errno != 0 {
		return errno
	}
	return nil
}
