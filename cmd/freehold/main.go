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
	"strings"
	"sync/atomic"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/freehold-slm/freehold/distill/remote"
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
	parser, err := newParser(&t)
	if err != nil {
		panic(err)
	}
	if len(args) > 0 && args[0] == completing {
		answerShell(parser.Model, args[1:])
		return exitOK
	}
	if len(args) == 0 {
		parser.Stdout = os.Stderr // help that nobody asked for is no data
		args = []string{"--help"}
		parser.Exit = func(int) { os.Exit(exitUsage) }
	}
	cmd, err := parser.Parse(args)
	if err != nil {
		a.fail(parseError(err))
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
	switch code = a.exitCode(err); {
	case is[*remote.BudgetError](err):
		a.fail(err)
	case code == exitInterrupted:
		a.say("interrupted; everything done so far is kept: run the same command again to go on")
	case code == exitKilled:
		a.say("interrupted")
	case !is[quietError](err):
		a.fail(err)
	}
	return code
}

// newParser reads the table of commands.
func newParser(t *table) (*kong.Kong, error) {
	return kong.New(t, kong.Name("freehold"), kong.Description(description), kong.UsageOnError(),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, FlagsLast: true, NoExpandSubcommands: true, WrapUpperBound: 120}),
		kong.ExplicitGroups(groups), kong.Vars(helpVars()))
}

// parseError puts a mistake in the command line in the users' words, and says where help is.
func parseError(err error) error {
	text, command := err.Error(), ""
	var p *kong.ParseError
	if errors.As(err, &p) && p.Context != nil && p.Context.Selected() != nil {
		command = p.Context.Selected().Path()
	}
	if rest, ok := strings.CutPrefix(text, "unexpected argument "); ok {
		word, suggestion, _ := strings.Cut(rest, ",")
		what := "command"
		if command != "" {
			what = "argument"
		}
		text = fmt.Sprintf("unknown %s %q", what, word)
		if suggestion != "" {
			text += ";" + suggestion
		}
		switch command {
		case "":
		case "serve":
			text += "; models are given by -m, such as -m " + word
		default:
			text += "; put a text of several words in quotes"
		}
	}
	if rest, ok := strings.CutPrefix(text, "expected "); ok {
		text = "missing: " + strings.ReplaceAll(rest, `"`, "")
		if command == "" {
			text = "no command is given"
		}
	}
	return usagef("%s (see: freehold %s)", text, strings.TrimSpace(command+" --help"))
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
