// Command freehold distils open-weights language models into small task models and runs them, on CPUs.
//
// Each subcommand is one small file with a struct that the table in table.go lists; what they do lies in the
// library packages.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"sync/atomic"
	"syscall"

	"github.com/alecthomas/kong"
)

func main() { os.Exit(run(os.Args[1:])) }

// run parses the arguments, runs the command and returns the exit code.
func run(args []string) (code int) {
	a := newApp()
	defer func() {
		if r := recover(); r != nil { // a bug of ours: say so in one line, then the stack for the report
			a.progress.clear()
			fmt.Fprintf(os.Stderr, "error: internal: %v; please report this with the lines below\n%s", r, debug.Stack())
			code = exitInternal
		}
	}()
	var t table
	parser, err := kong.New(&t, kong.Name("freehold"), kong.Description(description), kong.UsageOnError(),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, FlagsLast: true, NoExpandSubcommands: true, WrapUpperBound: 120}),
		kong.ExplicitGroups(groups), kong.Vars(helpVars()))
	if err != nil {
		panic(err)
	}
	if len(args) == 0 {
		parser.Stdout = os.Stderr // help that nobody asked for is no data
		args = []string{"--help"}
		parser.Exit = func(int) { os.Exit(exitUsage) }
	}
	cmd, err := parser.Parse(args)
	if err != nil {
		a.fail(err)
		hint := "freehold --help"
		var p *kong.ParseError
		if errors.As(err, &p) && p.Context != nil && p.Context.Selected() != nil {
			hint = "freehold " + p.Context.Selected().Path() + " --help"
		}
		fmt.Fprintf(os.Stderr, "see: %s\n", hint)
		return exitUsage
	}
	a.configure(&t.Globals)
	stop := a.watchSignals()
	defer stop()
	err = cmd.Run(a)
	a.progress.clear()
	if flushed := a.out.Flush(); err == nil && flushed != nil {
		err = fmt.Errorf("writing to standard output: %w", flushed)
	}
	if err == nil {
		return exitOK
	}
	code = a.exitCode(err)
	if !errors.As(err, new(quietError)) {
		a.fail(err)
	}
	if code == exitInterrupted {
		fmt.Fprintln(os.Stderr, "stopped cleanly; run the same command again to go on")
	}
	return code
}

var errSignal = errors.New("interrupted")

// watchSignals makes the first SIGINT or SIGTERM end the command's context, so that it saves and stops, and the
// second the process.
func (a *app) watchSignals() (stop func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	a.ctx = ctx
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		first := true
		for s := range signals {
			if handle := a.onInterrupt.Load(); handle != nil && s == os.Interrupt && (*handle)() {
				continue
			}
			if !first {
				a.progress.clear()
				os.Exit(exitKilled)
			}
			first = false
			if a.resumable {
				a.note("stopping; once more to stop at once")
			}
			cancel(errSignal)
		}
	}()
	return func() { signal.Stop(signals); cancel(nil) }
}

// handleInterrupts gives Ctrl-C to f until the returned func is called. f reports whether it took it.
func (a *app) handleInterrupts(f func() bool) (restore func()) {
	a.onInterrupt.Store(&f)
	return func() { a.onInterrupt.Store(nil) }
}

type interruptHandler = atomic.Pointer[func() bool]
