package distill

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func readEvents(t testing.TB, dir string) (all []RunEvent) {
	t.Helper()
	for l := range strings.Lines(mustRead(t, filepath.Join(dir, eventsName))) {
		var e RunEvent
		if err := json.Unmarshal([]byte(l), &e); err != nil {
			t.Fatalf("%q: %v", l, err)
		}
		all = append(all, e)
	}
	return all
}

// How a run ended stands in its last event: done, a failed gate, interrupted, failed with the reason; and it goes on in the same file, also after a process died within a line.
func TestEvents(t *testing.T) {
	recipe := tinyJob(t)
	ctx, cancel := context.WithCancel(t.Context())
	stop := Options{Progress: func(e Event) {
		if e.Stage == "train" && e.Step == 4 {
			cancel()
		}
	}}
	_, dir, err := apply(ctx, recipe, stop, Stages{})
	if !errors.Is(err, ErrInterrupted) {
		t.Fatal(err)
	}
	first := readEvents(t, dir)
	if last := first[len(first)-1]; last.Kind != "end" || last.State != "interrupted" {
		t.Errorf("an interrupted run ends with %+v", last)
	}
	f, err := os.OpenFile(filepath.Join(dir, eventsName), os.O_APPEND|os.O_WRONLY, 0)
	if err == nil {
		_, err = f.WriteString(`{"time":"2026-`)
	}
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	mustApply(t, recipe, Options{}, Stages{})
	lines := strings.Split(mustRead(t, filepath.Join(dir, eventsName)), "\n")
	if half := lines[len(first)]; half != `{"time":"2026-` {
		t.Errorf("line %d is %q, want the half one alone", len(first)+1, half)
	}
	if last := lines[len(lines)-2]; !strings.Contains(last, `"kind":"end"`) || !strings.Contains(last, `"state":"done"`) {
		t.Errorf("the resumed run ends with %s", last)
	}

	text := mustRead(t, recipe)
	write(t, recipe, strings.Replace(text, `size_ratio: ">= 1"`, `size_ratio: ">= 100"`, 1))
	var gate *GateError
	_, dir, err = apply(t.Context(), recipe, Options{}, Stages{})
	if !errors.As(err, &gate) {
		t.Fatal(err)
	}
	if all := readEvents(t, dir); all[len(all)-1].State != "gate failed" || !strings.Contains(all[len(all)-1].Msg, "size_ratio") {
		t.Errorf("a run whose gate failed ends with %+v", all[len(all)-1])
	}

	if err := os.RemoveAll(filepath.Dir(dir)); err != nil { // labels of other runs would be taken over
		t.Fatal(err)
	}
	_, dir, err = apply(t.Context(), recipe, Options{}, Stages{Only: "train"})
	if err == nil {
		t.Fatal("training without labels went well")
	}
	if all := readEvents(t, dir); all[len(all)-1].State != "failed" || all[len(all)-1].Msg != err.Error() {
		t.Errorf("a run that failed ends with %+v", all[len(all)-1])
	}
}

// A run that says nothing by itself still gives signs of life, and progress is written as often as its time asks for.
func TestEventsAlive(t *testing.T) {
	dir := t.TempDir()
	f, err := os.Create(filepath.Join(dir, eventsName))
	if err != nil {
		t.Fatal(err)
	}
	e := &events{f: f, now: time.Now, began: time.Now(), stop: make(chan struct{}), done: make(chan struct{})}
	go e.keepAlive(10 * time.Millisecond)
	e.enter("train")
	for deadline := time.Now().Add(10 * time.Second); !strings.Contains(mustRead(t, f.Name()), "alive") && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	e.end(nil)
	all := readEvents(t, dir)
	if len(all) < 3 || all[1].Kind != "alive" || all[1].Stage != "train" || all[1].Memory <= 0 || all[len(all)-1].Kind != "end" {
		t.Errorf("%+v", all)
	}

	clock := time.Now()
	g, err := os.Create(filepath.Join(dir, "other.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close() //nolint:errcheck // looked at before
	e = &events{f: g, began: clock, now: func() time.Time { return clock }}
	for hour := range 10 {
		for step := range 36_000 { // ten a second
			clock = clock.Add(100 * time.Millisecond)
			e.progress(Event{Stage: "train", Step: hour*36_000 + step + 1, Total: 1 << 30})
		}
	}
	if n := strings.Count(mustRead(t, g.Name()), "\n"); n < 5000 || n > 10_000 {
		t.Errorf("%d lines in ten hours", n)
	}
}

// Where the file cannot be written the run goes on.
func TestEventsUnwritable(t *testing.T) {
	recipe := tinyJob(t)
	if err := os.MkdirAll(filepath.Join(filepath.Dir(recipe), "runs", "001", eventsName), 0o777); err != nil { // a folder of its name
		t.Fatal(err)
	}
	warned := ""
	mustApply(t, recipe, Options{Run: "001", Warn: func(s string) { warned += s }}, Stages{})
	if !strings.Contains(warned, "cannot be watched") {
		t.Errorf("warned %q", warned)
	}
}
