package distill

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"runtime/metrics"
	"strconv"
	"sync"
	"time"
)

// eventsName is the file of a run folder that tells how its stages go while they go, for those who watch from outside (freehold ui). It holds clock times and memory, is read by
// no stage, and no manifest vouches for it. Nothing that goes wrong with it stops a run.
const eventsName = "events.jsonl"

// RunEvent is one line of events.jsonl.
type RunEvent struct {
	Time   time.Time `json:"time"`
	Kind   string    `json:"kind"` // begin, stage (one begins), progress, alive (nothing else was written for a while), end
	Stage  string    `json:"stage,omitempty"`
	Step   int       `json:"step,omitempty"`
	Total  int       `json:"total,omitempty"`
	Loss   float64   `json:"loss,omitempty"`
	Rate   float64   `json:"rate,omitempty"`
	Unit   string    `json:"unit,omitempty"` // of Rate
	ETA    float64   `json:"eta_seconds,omitempty"`
	Memory int64     `json:"memory_bytes,omitempty"` // resident, of the process
	Msg    string    `json:"msg,omitempty"`
	State  string    `json:"state,omitempty"` // of an end: done, gate failed, interrupted, failed
}

// EventsAlive is how often at least a run that goes on writes an event.
const EventsAlive = 10 * time.Second

// events writes events.jsonl. Its zero value and nil write nothing.
type events struct {
	mu    sync.Mutex
	f     *os.File
	now   func() time.Time
	began time.Time
	last  time.Time // of the last line
	stage string
	stop  chan struct{}
	done  chan struct{}
}

// startEvents opens the file of the job's run and writes that it begins.
func (j *Job) startEvents() {
	path := filepath.Join(j.dir, eventsName)
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_RDWR, 0o666)
	if err != nil {
		j.warn("the run cannot be watched: " + err.Error())
		return
	}
	e := &events{f: f, now: time.Now, stop: make(chan struct{}), done: make(chan struct{})}
	e.began = e.now()
	j.events = e
	mend(f)
	e.write(RunEvent{Kind: "begin"})
	go e.keepAlive(EventsAlive)
}

// mend ends a last line that a killed process left half-written, so that it spoils none after it.
func mend(f *os.File) {
	var last [1]byte
	if st, err := f.Stat(); err == nil && st.Size() > 0 {
		if _, err := f.ReadAt(last[:], st.Size()-1); err == nil && !bytes.Equal(last[:], []byte("\n")) {
			f.Write([]byte("\n")) //nolint:errcheck // then the next line is lost too
		}
	}
}

func (e *events) keepAlive(every time.Duration) {
	defer close(e.done)
	tick := time.NewTicker(every / 2)
	defer tick.Stop()
	for {
		select {
		case <-e.stop:
			return
		case <-tick.C:
			e.mu.Lock()
			quiet := e.now().Sub(e.last) >= every/2
			e.mu.Unlock()
			if quiet {
				e.write(RunEvent{Kind: "alive", Stage: e.current()})
			}
		}
	}
}

func (e *events) current() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.stage
}

// enter notes that a stage begins.
func (e *events) enter(stage string) {
	if e == nil {
		return
	}
	e.mu.Lock()
	e.stage = stage
	e.mu.Unlock()
	e.write(RunEvent{Kind: "stage", Stage: stage})
}

// progress notes an event of a stage: all with a message and the last of a stage, of the others four a second, and fewer the longer the run.
func (e *events) progress(p Event) {
	if e == nil {
		return
	}
	e.mu.Lock()
	now := e.now()
	every := min(max(time.Second/4, now.Sub(e.began)/500), EventsAlive/2)
	due := p.Msg != "" || p.Total > 0 && p.Step == p.Total || now.Sub(e.last) >= every
	e.mu.Unlock()
	if due {
		e.write(RunEvent{Kind: "progress", Stage: p.Stage, Step: p.Step, Total: p.Total, Loss: p.Loss, Rate: p.Rate, Unit: p.Unit, ETA: p.ETA.Seconds(), Msg: p.Msg})
	}
}

// end notes how the job ended, and closes the file.
func (e *events) end(err error) {
	if e == nil {
		return
	}
	close(e.stop)
	<-e.done
	last := RunEvent{Kind: "end", State: "done"}
	var gate *GateError
	switch {
	case errors.Is(err, ErrInterrupted):
		last.State = "interrupted"
	case errors.As(err, &gate):
		last.State, last.Msg = "gate failed", gate.Error()
	case err != nil:
		last.State, last.Msg, last.Stage = "failed", err.Error(), e.stage
	}
	e.write(last)
	e.f.Close() //nolint:errcheck // nothing rests on it
}

// write appends a line in one piece.
func (e *events) write(v RunEvent) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.last = e.now()
	v.Time, v.Memory = e.last.UTC().Truncate(time.Millisecond), residentBytes()
	if !finite(v.Loss) || !finite(v.Rate) { // JSON has no such numbers
		v.Loss, v.Rate = 0, 0
	}
	b, err := json.Marshal(v)
	if err == nil {
		e.f.Write(append(b, '\n')) //nolint:errcheck // a full disk is told of by what the run needs
	}
}

// residentBytes is the memory that this process holds: what the kernel counts, elsewhere what Go's runtime has (without mapped files).
func residentBytes() int64 {
	if b, err := os.ReadFile("/proc/self/statm"); err == nil {
		if fields := bytes.Fields(b); len(fields) > 1 {
			if pages, err := strconv.ParseInt(string(fields[1]), 10, 64); err == nil {
				return pages * int64(os.Getpagesize())
			}
		}
	}
	sample := []metrics.Sample{{Name: "/memory/classes/total:bytes"}}
	metrics.Read(sample)
	return int64(sample[0].Value.Uint64())
}
