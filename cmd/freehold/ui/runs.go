package ui

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/freehold-slm/freehold/distill"
)

// Bounds on files that are read whole, and on the list.
const (
	mostRecipe  = 1 << 20
	mostSummary = 32 << 20
	mostPage    = 32 << 20
	mostRows    = 256 << 20 // of eval/*.jsonl
	mostRuns    = 1000
)

type tooLargeError struct {
	name string
	most int64
}

func (e *tooLargeError) Error() string {
	return fmt.Sprintf("%s: has more than %d bytes, which are not read", e.name, e.most)
}

// States of a run.
const (
	running     = "running"
	silent      = "silent" // no word for a while: it was killed, or its machine hangs
	finished    = "finished"
	gateFailed  = "gate failed"
	interrupted = "interrupted"
	failed      = "failed"
	unfinished  = "unfinished" // of a run without events
)

// quiet is after how long without an event a run is no longer called running.
const quiet = 6 * distill.EventsAlive

// run is a run folder as its files have it now.
type run struct {
	Name    string
	Recipe  *distill.Recipe // nil = it cannot be read
	Text    string          // of the recipe
	Summary *distill.Summary
	Notes   []string // what could not be read, and why
	State   string
	Last    *distill.RunEvent // nil = no events
	Changed time.Time         // the newest of the files that are looked at
	Files   []string          // that can be looked at
	Report  bool
	Models  []string // the student's files

	logs *logs
}

// logs are the growing files of a run, read as far as they were.
type logs struct {
	name    string
	metrics tail[metric]
	events  tail[distill.RunEvent]
	stages  []stage // guarded by events.mu
}

func newLogs(name string) *logs {
	l := &logs{name: name}
	l.events.seen = l.follow
	l.events.anew = func() { l.stages = nil }
	return l
}

// metric is a line of metrics.jsonl.
type metric struct {
	Step     int              `json:"step"`
	Loss     float64          `json:"loss"`
	LR       float64          `json:"lr"`
	GradNorm float64          `json:"grad_norm"`
	Valid    float64          `json:"valid_loss"`
	OnPolicy *json.RawMessage `json:"on_policy"`

	Rationale *struct {
		Loss float64 `json:"loss"`
	} `json:"rationale"`
}

// folder is a folder of runs.
type folder struct {
	root *os.Root
	path string // with links resolved
	now  func() time.Time

	mu     sync.Mutex
	glance map[string]*logs // of the list's runs
	looked []*logs          // of the runs that were looked at last, the newest at the end
	docs   map[string]*document
}

// mostLooked is of how many runs the curves are kept.
const mostLooked = 8

// document is a file that was read and parsed, as long as it stays the same.
type document struct {
	mark string
	v    any
	err  error
}

func openFolder(dir string) (*folder, error) {
	dir, err := filepath.Abs(dir)
	if err == nil {
		dir, err = filepath.EvalSymlinks(dir)
	}
	if err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	return &folder{root: root, path: dir, now: time.Now, glance: map[string]*logs{}, docs: map[string]*document{}}, nil
}

// known are the files by which a folder is known for a run, and those that a page is made of.
var known = []string{"lock.json", "recipe.yaml", "events.jsonl", "metrics.jsonl", "summary.json", "report.html", "manifest.json", "model.gguf", "eval/predictions.jsonl", "eval/answers.jsonl"}

func (f *folder) mark(name string) string { return markOf(f.root, name) }

func (f *folder) has(name string) bool { return f.mark(name) != noFile }

// marks tells one state of a run from another.
func (f *folder) marks(name string) string {
	var b strings.Builder
	for _, k := range known {
		b.WriteString(f.mark(path.Join(name, k)) + "\n")
	}
	return b.String()
}

// parsed reads and parses a file once for each of its states.
func (f *folder) parsed(name string, most int64, parse func([]byte) (any, error)) (any, error) {
	mark := f.mark(name)
	if mark == noFile {
		return nil, fs.ErrNotExist
	}
	f.mu.Lock()
	d := f.docs[name]
	f.mu.Unlock()
	if d != nil && d.mark == mark {
		return d.v, d.err
	}
	d = &document{mark: mark}
	b, err := readWhole(f.root, name, most)
	if d.err = err; err == nil {
		d.v, d.err = parse(b)
	}
	f.mu.Lock()
	f.docs[name] = d
	f.mu.Unlock()
	return d.v, d.err
}

// names lists the runs, the newest first, and tells how many were left out.
func (f *folder) names() (names []string, left int, err error) {
	all, err := fs.ReadDir(f.root.FS(), ".")
	if err != nil {
		return nil, 0, err
	}
	changed := map[string]time.Time{}
	for _, e := range all {
		if !e.IsDir() { // not a link such as latest, which is another run's name
			continue
		}
		if at, ok := f.isRun(e.Name()); ok {
			names = append(names, e.Name())
			changed[e.Name()] = at
		}
	}
	slices.SortStableFunc(names, func(a, b string) int { return changed[b].Compare(changed[a]) })
	if len(names) > mostRuns {
		names, left = names[:mostRuns], len(names)-mostRuns
	}
	return names, left, nil
}

// isRun tells whether a folder holds any file of a run, and when the newest was written.
func (f *folder) isRun(name string) (at time.Time, ok bool) {
	if name == "" || name == "." || strings.ContainsAny(name, `/\`) || !filepath.IsLocal(name) {
		return at, false
	}
	if st, err := f.root.Lstat(name); err != nil || !st.IsDir() {
		return at, false
	}
	for _, k := range known {
		if st, err := f.root.Stat(path.Join(name, k)); err == nil && st.Mode().IsRegular() {
			if ok = true; st.ModTime().After(at) {
				at = st.ModTime()
			}
		}
	}
	return at, ok
}

// logsOf are what was read of a run's growing files before: of its end alone for the list, else of all.
func (f *folder) logsOf(name string, list bool) *logs {
	f.mu.Lock()
	defer f.mu.Unlock()
	if list {
		if f.glance[name] == nil {
			f.glance[name] = newLogs(name)
			f.glance[name].events.glance = true
		}
		return f.glance[name]
	}
	i := slices.IndexFunc(f.looked, func(l *logs) bool { return l.name == name })
	l := newLogs(name)
	if i >= 0 {
		l = f.looked[i]
		f.looked = slices.Delete(f.looked, i, i+1)
	}
	f.looked = append(f.looked, l)
	f.looked = f.looked[max(0, len(f.looked)-mostLooked):]
	return l
}

// forget drops what was read of runs that are gone.
func (f *folder) forget(names []string) {
	there := map[string]bool{}
	for _, n := range names {
		there[n] = true
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	maps.DeleteFunc(f.glance, func(name string, _ *logs) bool { return !there[name] })
	maps.DeleteFunc(f.docs, func(file string, _ *document) bool { return !there[path.Dir(file)] })
}

// open reads a run; nil = there is none of that name.
func (f *folder) open(name string) *run { return f.read(name, false) }

// read reads a run, for the list without its metrics and with the end of its events alone.
func (f *folder) read(name string, list bool) *run {
	at, ok := f.isRun(name)
	if !ok {
		return nil
	}
	r := &run{Name: name, Changed: at}
	note := func(what string, err error) {
		if err != nil && !os.IsNotExist(err) {
			r.Notes = append(r.Notes, what+" cannot be read: "+plain(err))
		}
	}
	type recipe struct {
		r    *distill.Recipe
		text string
		err  error
	}
	v, err := f.parsed(path.Join(name, "recipe.yaml"), mostRecipe, func(b []byte) (any, error) {
		// its paths begin where the recipe that was run most likely stood: beside the folder of runs
		r, err := distill.ParseRecipe(filepath.Join(filepath.Dir(f.path), "freehold.yaml"), b)
		return recipe{r, string(b), err}, nil
	})
	note("recipe.yaml", err)
	if v, ok := v.(recipe); ok {
		if r.Text = v.text; v.err == nil {
			r.Recipe = v.r
		}
		note("recipe.yaml", v.err)
	}
	v, err = f.parsed(path.Join(name, "summary.json"), mostSummary, func(b []byte) (any, error) {
		s := &distill.Summary{}
		if err := json.Unmarshal(b, s); err != nil {
			return nil, err
		}
		lighten(s)
		return s, nil
	})
	note("summary.json", err)
	r.Summary, _ = v.(*distill.Summary)
	r.logs = f.logsOf(name, list)
	logs := map[string]func(*os.Root, string) (bool, error){"events.jsonl": r.logs.events.read, "metrics.jsonl": r.logs.metrics.read}
	if list {
		delete(logs, "metrics.jsonl")
	}
	for what, read := range logs {
		more, err := read(f.root, path.Join(name, what))
		note(what, err)
		if more {
			r.Notes = append(r.Notes, what+" is large: the rest of it is read as the page is looked at")
		}
	}
	if _, _, bad := r.logs.metrics.points(); bad > 0 {
		r.Notes = append(r.Notes, fmt.Sprintf("metrics.jsonl: %d lines could not be read and are left out", bad))
	}
	if _, _, bad := r.logs.events.points(); bad > 0 {
		r.Notes = append(r.Notes, fmt.Sprintf("events.jsonl: %d lines could not be read and are left out", bad))
	}
	slices.Sort(r.Notes)
	r.Last = r.logs.events.latest()
	r.State = f.state(r)
	f.list(r)
	return r
}

// lighten drops what no page shows beside the report, for all runs of the list are held.
func lighten(s *distill.Summary) {
	s.Slices, s.Ladder, s.Cascade, s.Cost, s.Confidence, s.Adapted = nil, nil, nil, nil, nil, nil
	for _, m := range []*distill.Scores{&s.Teacher.Scores, &s.Student.Scores, &s.Baseline, &s.Pairs} {
		m.Confusion, m.Calibration = nil, nil
	}
	s.Teacher.Raw, s.Student.Raw = nil, nil
}

// state tells how a run is, by its last event; a run of before there were events by the files that it has.
func (f *folder) state(r *run) string {
	switch {
	case r.Last == nil && f.has(path.Join(r.Name, "manifest.json")):
		if r.Summary != nil && r.Summary.Gate == "failed" {
			return gateFailed
		}
		return finished
	case r.Last == nil:
		return unfinished
	case r.Last.Kind == "end":
		switch r.Last.State {
		case "done":
			if !f.has(path.Join(r.Name, "manifest.json")) { // a single stage
				return unfinished
			}
			return finished
		case gateFailed, interrupted, failed:
			return r.Last.State
		}
		return unfinished
	case f.now().Sub(r.Last.Time) > quiet:
		return silent
	}
	return running
}

// shown are the files of a run that can be looked at as they are.
var shown = []string{"recipe.yaml", "summary.json", "manifest.json", "data.json", "metrics.jsonl", "events.jsonl", "MODEL_CARD.md", "NOTICE", "SHA256SUMS", "lineage.jsonl", "mlbom.cdx.json"}

func (f *folder) list(r *run) {
	r.Report = f.has(path.Join(r.Name, "report.html"))
	for _, name := range shown {
		if f.has(path.Join(r.Name, name)) {
			r.Files = append(r.Files, name)
		}
	}
	all, err := fs.ReadDir(f.root.FS(), r.Name)
	if err != nil {
		return
	}
	for _, e := range all {
		if ok, _ := path.Match("model*.gguf", e.Name()); ok && e.Type().IsRegular() {
			r.Models = append(r.Models, e.Name())
		}
	}
	slices.SortStableFunc(r.Models, func(a, b string) int { // model.gguf is the one that the recipe asked for
		return bytes.Compare([]byte{weight(a)}, []byte{weight(b)})
	})
}

func weight(model string) byte {
	if model == "model.gguf" {
		return 0
	}
	return 1
}

// plain is an error without the path of this machine that it begins with.
func plain(err error) string {
	if p := (*fs.PathError)(nil); errors.As(err, &p) {
		return p.Err.Error()
	}
	return err.Error()
}
