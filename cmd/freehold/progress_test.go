package main

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/freehold-slm/freehold/distill"
)

// written runs fn on a progress that writes to a file and returns what came.
func written(t *testing.T, live bool, fn func(p *progress)) string {
	t.Helper()
	f, err := os.Create(t.TempDir() + "/err")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	fn(&progress{f: f, live: live, last: time.Now()})
	b, err := os.ReadFile(f.Name())
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestProgress(t *testing.T) {
	if got := written(t, false, func(p *progress) {
		p.show("one", false) // not 30 s yet
		p.last = p.last.Add(-31 * time.Second)
		p.show("two", false)
		p.show("three", false)
		p.show("four", true)
		p.clear()
	}); got != "two\nfour\n" {
		t.Errorf("in a log: %q", got)
	}
	if got := written(t, true, func(p *progress) {
		p.show("one", true)
		p.show("two", false) // too soon
		p.clear()
		p.clear()
	}); got != "\r\x1b[Kone\r\x1b[K" {
		t.Errorf("on a terminal: %q", got)
	}
	if got := written(t, true, func(p *progress) { p.off = true; p.show("one", true); p.clear() }); got != "" {
		t.Errorf("with -q: %q", got)
	}
}

func TestEventLine(t *testing.T) {
	line := eventLine(distill.Event{Stage: "train", Step: 340, Total: 1440, Loss: 0.43215, Rate: 1834.2, Unit: "tok/s", ETA: 190 * time.Second, Msg: "epoch 1"})
	for _, want := range []string{"train", "340/1440 (23 %)", "loss 0.4321", "1834 tok/s", "ETA 3m10s", "epoch 1"} {
		if !strings.Contains(line, want) {
			t.Errorf("%q lacks %q", line, want)
		}
	}
	for d, want := range map[time.Duration]string{45 * time.Second: "45s", 90 * time.Second: "1m30s", 2*time.Hour + 5*time.Minute + 9*time.Second: "2h05m", 59600 * time.Millisecond: "1m00s"} {
		if got := short(d); got != want {
			t.Errorf("%v is shown as %s, want %s", d, got, want)
		}
	}
}
