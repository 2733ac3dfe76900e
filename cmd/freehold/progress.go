package main

import (
	"fmt"
	"os"
	"sync"
	"time"
)

// Intervals between progress reports.
const (
	progressOnTerminal = 100 * time.Millisecond
	progressInLog      = 30 * time.Second
)

// progress shows how far a command is: one line that is written over on a terminal, a line every 30 s elsewhere.
type progress struct {
	mu    sync.Mutex
	f     *os.File
	live  bool // a terminal that can rewrite a line
	off   bool
	shown bool
	last  time.Time
}

func newProgress(f *os.File) *progress {
	return &progress{f: f, live: isTerminal(f) && os.Getenv("TERM") != "dumb", last: time.Now()}
}

// show reports a line. last is the final one of its kind, which a log gets in any case.
func (p *progress) show(line string, last bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.off {
		return
	}
	every := progressInLog
	if p.live {
		every = progressOnTerminal
	}
	now := time.Now()
	if now.Sub(p.last) < every && !last {
		return
	}
	p.last = now
	if !p.live {
		fmt.Fprintln(p.f, line)
		return
	}
	if w := terminalWidth(p.f); w > 1 {
		if r := []rune(line); len(r) > w-1 {
			line = string(r[:w-1])
		}
	}
	fmt.Fprint(p.f, "\r\x1b[K"+line)
	p.shown = true
}

// clear removes the line, so that something else can be written.
func (p *progress) clear() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.shown {
		fmt.Fprint(p.f, "\r\x1b[K")
		p.shown = false
	}
}

// short prints a time span without needless digits: 45s, 3m10s, 2h05m.
func short(d time.Duration) string {
	d = d.Round(time.Second)
	switch {
	case d >= time.Hour:
		return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
	case d >= time.Minute:
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	}
	return fmt.Sprintf("%ds", int(d.Seconds()))
}

// rate follows a count that grows and tells speed and time to go.
type rate struct{ start time.Time }

func newRate() rate { return rate{time.Now()} }

// line shows done of total; from is what was there before the start.
func (r rate) line(what string, done, total, from int64) string {
	s := fmt.Sprintf("%s  %s of %s", what, size(done), size(total))
	if total > 0 {
		s += fmt.Sprintf(" (%d %%)", 100*done/total)
	}
	if secs := time.Since(r.start).Seconds(); secs > 0.5 && done > from {
		speed := float64(done-from) / secs
		s += fmt.Sprintf("  %s/s  ETA %s", size(int64(speed)), short(time.Duration(float64(total-done)/speed*float64(time.Second))))
	}
	return s
}
