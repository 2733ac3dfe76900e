package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"sync"

	"github.com/freehold-slm/freehold/distill"
)

// app is what every command gets: where to write, how, and when to stop.
type app struct {
	ctx       context.Context
	out       *bufio.Writer // standard output: data only
	json      bool
	offline   bool
	quiet     bool
	resumable bool // an interrupted command can go on where it stopped
	progress  *progress

	onInterrupt interruptHandler
	errMu       sync.Mutex
}

// stdout is where data goes, named for paint.
var stdout = os.Stdout

func newApp() *app {
	return &app{ctx: context.Background(), out: bufio.NewWriter(os.Stdout), progress: newProgress(os.Stderr)}
}

// globals are the flags of every command.
type globals struct {
	JSON    bool `help:"Print one JSON document to standard output." group:"global"`
	Offline bool `help:"Never use the network (FREEHOLD_OFFLINE=1)." group:"global"`
	Quiet   bool `short:"q" help:"No progress and no remarks." group:"global"`
}

func (a *app) configure(g *globals) {
	a.json, a.quiet, a.offline = g.JSON, g.Quiet, g.Offline || forbidden(os.Getenv("FREEHOLD_OFFLINE"))
	a.progress.off = g.Quiet
}

// forbidden reads FREEHOLD_OFFLINE: anything but empty, 0 and false forbids the network.
func forbidden(v string) bool {
	v = strings.ToLower(v)
	return v != "" && v != "0" && v != "false"
}

// note tells the user something beside the data.
func (a *app) note(format string, args ...any) {
	if a.quiet {
		return
	}
	a.say("%s", fmt.Sprintf(format, args...))
}

// warn is a note that stands out and cannot be silenced.
func (a *app) warn(format string, args ...any) {
	a.say("%s %s", paint(os.Stderr, yellow, "warning:"), fmt.Sprintf(format, args...))
}

func (a *app) say(format string, args ...any) {
	a.errMu.Lock()
	defer a.errMu.Unlock()
	a.progress.clear()
	fmt.Fprintf(os.Stderr, format+"\n", args...)
}

// fail tells the error that ends the command.
func (a *app) fail(err error) {
	text := errorText(err)
	if is[*distill.RecipeError](err) { // begins with file:line:column, which editors understand
		a.say("%s", text)
		return
	}
	a.say("%s %s", paint(os.Stderr, red, "error:"), text)
}

// errorText is an error for people: without the name of the package that made it, and with a hint where one helps.
func errorText(err error) string {
	text := err.Error()
	for _, p := range []string{"engine: ", "bench: ", "quant: ", "chat: ", "token: "} {
		text = strings.TrimPrefix(text, p)
	}
	var p *fs.PathError
	if errors.As(err, &p) { // the name of the system call helps nobody
		text = strings.Replace(text, p.Error(), p.Path+": "+p.Err.Error(), 1)
	}
	return text
}

// write prints data.
func (a *app) write(format string, args ...any) { fmt.Fprintf(a.out, format, args...) }

// emit prints a JSON document.
func (a *app) emit(v any) error {
	enc := json.NewEncoder(a.out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// emitLine prints a row of a JSON stream.
func (a *app) emitLine(v any) error {
	enc := json.NewEncoder(a.out)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// columns prints rows of cells aligned on the left. Cells hold no tabs.
func (a *app) columns(rows [][]string) {
	var width []int
	for _, r := range rows {
		for i, c := range r {
			if i == len(width) {
				width = append(width, 0)
			}
			width[i] = max(width[i], runes(c))
		}
	}
	for _, r := range rows {
		line := ""
		for i, c := range r {
			if i < len(r)-1 {
				c += strings.Repeat(" ", width[i]-runes(c)+2)
			}
			line += c
		}
		fmt.Fprintln(a.out, strings.TrimRight(line, " "))
	}
}

func runes(s string) int { return len([]rune(s)) }

// size prints bytes in decimal units, as disks are sold.
func size(n int64) string {
	switch {
	case n >= 1e9:
		return fmt.Sprintf("%.2f GB", float64(n)/1e9)
	case n >= 1e6:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	case n >= 1e3:
		return fmt.Sprintf("%.1f kB", float64(n)/1e3)
	}
	return fmt.Sprintf("%d B", n)
}

// count prints large numbers for people: 134.5 M.
func count(n int) string {
	switch {
	case n >= 1e9:
		return fmt.Sprintf("%.2f G", float64(n)/1e9)
	case n >= 1e6:
		return fmt.Sprintf("%.1f M", float64(n)/1e6)
	case n >= 1e4:
		return fmt.Sprintf("%.1f k", float64(n)/1e3)
	}
	return fmt.Sprint(n)
}

// colours of paint.
const (
	red    = "31"
	yellow = "33"
	bold   = "1"
)

// paint colours s where the file is a terminal that has colours.
func paint(f *os.File, colour, s string) string {
	if !colourful(f) {
		return s
	}
	return "\x1b[" + colour + "m" + s + "\x1b[0m"
}

// colourful follows NO_COLOR, CLICOLOR_FORCE and TERM=dumb.
func colourful(f *os.File) bool {
	if os.Getenv("NO_COLOR") != "" {
		return false
	}
	if v := os.Getenv("CLICOLOR_FORCE"); v != "" && v != "0" {
		return true
	}
	return os.Getenv("TERM") != "dumb" && isTerminal(f)
}

// readAll reads a stream that a user piped in, up to a limit that no prompt reaches.
func readAll(r io.Reader) (string, error) {
	const limit = 64 << 20
	b, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return "", inputf("standard input: %w", err)
	}
	if len(b) > limit {
		return "", inputf("standard input: more than %s of text", size(limit))
	}
	return string(b), nil
}
