package server

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/freehold-slm/freehold/engine"
	"github.com/freehold-slm/freehold/models/chat"
)

// Open opens a model.
type Open func(ctx context.Context) (Opened, error)

// Opened is a model that was opened for a server.
type Opened struct {
	Model  *engine.Model
	SHA256 string       // of its file, in hex; "" where nobody computed it
	Close  func() error // gives back all that was opened
}

// Models are the models of a server, by name. It may be used by several goroutines.
type Models struct {
	opening sync.Mutex // one model is opened at a time

	mu      sync.Mutex
	entries []*entry
	prefix  int64   // bytes of the prefix cache of each, see PrefixCache
	demand  *Demand // nil = all are open from the beginning
	started bool    // Load has been here
	closed  bool

	opens, evictions int64
}

// entry is a name, and what is open under it.
type entry struct {
	name    string
	open    Open    // nil = it was open, and is its owner's
	current *loaded // nil until it is opened
	about   *about  // what was seen when it was open last
	pinned  bool
	lazy
}

// loaded is an open model. Once another one takes its place it closes with its last user.
type loaded struct {
	*engine.Model
	*about
	print  string // what tells this model's answers from another's
	close  func() error
	prefix *engine.PrefixCache // nil = none

	users   int // guarded by Models.mu, as is retired
	retired bool

	capsOnce sync.Once
	caps     chat.Caps
	capsErr  error
	toolOnce sync.Once
	tools    *toolFormat
}

// about is what is told of a model, also when it is not open.
type about struct {
	name    string
	sum     string // sha256 of its file; "" = not computed
	opened  time.Time
	context int
	bytes   int64 // of its file
	labels  []string
	details ollamaDetails
}

func (ms *Models) newLoaded(name string, o Opened) *loaded {
	m := o.Model
	h := sha256.Sum256(fmt.Append(nil, m.File().Name, m.File().Size, o.SHA256, m.Numeric(), m.KV(), m.Context()))
	l := &loaded{Model: m, print: "fp_" + hex.EncodeToString(h[:6]), close: o.Close,
		about: &about{name, o.SHA256, time.Now(), m.Context(), m.File().Size, m.Spec.Labels, detailsOf(m)}}
	if ms.prefix > 0 {
		l.prefix = m.NewPrefixCache(ms.prefix)
	}
	return l
}

// NewModels makes an empty set.
func NewModels() *Models { return &Models{prefix: 256 << 20} }

// PrefixCache sets how many bytes each model that is opened from now on may hold of what it computed for the beginnings of prompts, so that a request which begins like an
// earlier one with the same key is answered sooner; 0 = nothing is held. The default is 256 MiB.
func (ms *Models) PrefixCache(bytes int64) { ms.prefix = bytes }

// Add enters a model that Load opens.
func (ms *Models) Add(name string, open Open) error {
	ms.mu.Lock()
	defer ms.mu.Unlock()
	if name == "" || strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return fmt.Errorf("server: %q is no name for a model, want one without blanks", name)
	}
	if ms.find(name) != nil {
		return fmt.Errorf("server: two models are named %q; give one another name", name)
	}
	ms.entries = append(ms.entries, &entry{name: name, open: open})
	return nil
}

// put enters a model that is open and stays its owner's.
func (ms *Models) put(name string, m *engine.Model) {
	l := ms.newLoaded(name, Opened{m, "", func() error { return nil }})
	ms.entries = append(ms.entries, &entry{name: name, current: l, about: l.about, pinned: true})
}

func (ms *Models) find(name string) *entry {
	i := slices.IndexFunc(ms.entries, func(e *entry) bool { return e.name == name })
	if i < 0 {
		return nil
	}
	return ms.entries[i]
}

// Load opens every model anew. A request goes on with the model that it began with; a model that cannot be opened leaves the one
// that was there. Models that open on demand and are not open are opened to see that they can be, and closed. The error tells of all
// that failed.
func (ms *Models) Load(ctx context.Context) error {
	ms.mu.Lock()
	entries := slices.Clone(ms.entries)
	ms.mu.Unlock()
	slices.SortStableFunc(entries, func(a, b *entry) int { // what is pinned has its room first
		if a.pinned == b.pinned {
			return 0
		} else if a.pinned {
			return -1
		}
		return 1
	})
	var failed []error
	for _, e := range entries {
		if e.open == nil {
			continue
		}
		if err := ms.load(ctx, e); err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", e.name, err))
		}
	}
	ms.mu.Lock()
	ms.started = true
	ms.mu.Unlock()
	return errors.Join(failed...)
}

// load opens one model anew.
func (ms *Models) load(ctx context.Context, e *entry) error {
	ms.opening.Lock()
	defer ms.opening.Unlock()
	o, err := e.open(ctx)
	if err != nil {
		return err
	}
	l := ms.newLoaded(e.name, o)
	gone := []*loaded{l}
	ms.mu.Lock()
	switch {
	case ms.closed:
	case ms.onDemand(e) && e.current == nil:
		if err = ms.mayFit(e, l.bytes); err == nil {
			e.about = l.about
		}
	default:
		var old []*loaded
		if old, err = ms.install(e, l); err == nil {
			gone = old
		}
	}
	ms.mu.Unlock()
	return errors.Join(err, ms.retire(gone...))
}

// retire closes models once nobody uses them; nil is none.
func (ms *Models) retire(models ...*loaded) error {
	var failed []error
	for _, l := range models {
		if l == nil {
			continue
		}
		ms.mu.Lock()
		l.retired = true
		last := l.users == 0
		ms.mu.Unlock()
		if last {
			failed = append(failed, l.close())
		}
	}
	return errors.Join(failed...)
}

// Close closes all models, those in use with their last user.
func (ms *Models) Close() error {
	ms.mu.Lock()
	ms.closed = true
	var open []*loaded
	for _, e := range ms.entries {
		open = append(open, e.current)
		e.current = nil
	}
	ms.mu.Unlock()
	return ms.retire(open...)
}

// use finds a model for a request, which calls release in the end, and opens it where it is not open. "" is the only model there is.
func (ms *Models) use(ctx context.Context, name string) (l *loaded, release func(), err error) {
	ms.mu.Lock()
	defer ms.mu.Unlock()
	e, err := ms.named(name)
	if err != nil {
		return nil, nil, err
	}
	for e.current == nil {
		if !ms.onDemand(e) || !ms.started || ms.closed {
			return nil, nil, notOpen(e.name)
		}
		if err := ms.await(ctx, e); err != nil {
			return nil, nil, err
		}
	}
	l = e.current
	l.users++
	return l, sync.OnceFunc(func() {
		ms.mu.Lock()
		l.users--
		last := l.retired && l.users == 0
		if l == e.current {
			ms.rest(e)
		}
		ms.mu.Unlock()
		if last {
			l.close() //nolint:errcheck // read-only
		}
	}), nil
}

func notOpen(name string) *apiError {
	return unavailable(fmt.Sprintf("the model %q is not open yet; try again", name), "model_loading")
}

// named finds a model; an error of the request's where there is none. The caller holds the lock.
func (ms *Models) named(name string) (*entry, error) {
	if name == "" && len(ms.entries) == 1 {
		return ms.entries[0], nil
	}
	switch e := ms.find(name); {
	case e != nil:
		return e, nil
	case name == "":
		return nil, badField("model", codeMissing, "is missing; here are: %s", strings.Join(ms.names(), ", "))
	}
	return nil, &apiError{Status: http.StatusNotFound, Type: typeRequest, Param: "model", Code: codeModel,
		Message: fmt.Sprintf("model: there is no %.100q; here are: %s", name, strings.Join(ms.names(), ", "))}
}

// names lists all models; the caller holds the lock, or nobody else has the set yet.
func (ms *Models) names() []string {
	names := []string{}
	for _, e := range ms.entries {
		names = append(names, e.name)
	}
	return names
}

// open gives the open models.
func (ms *Models) open() []*loaded {
	ms.mu.Lock()
	defer ms.mu.Unlock()
	var open []*loaded
	for _, e := range ms.entries {
		if e.current != nil {
			open = append(open, e.current)
		}
	}
	return open
}

// ready tells whether every request finds its model, or one that opens for it.
func (ms *Models) ready() bool {
	ms.mu.Lock()
	defer ms.mu.Unlock()
	for _, e := range ms.entries {
		if e.current == nil && !(ms.onDemand(e) && ms.started) {
			return false
		}
	}
	return true
}

// template tells what the model's chat template can do; an error of the request's where there is none.
func (l *loaded) template() (*chat.Caps, error) {
	l.capsOnce.Do(func() {
		if l.Spec.Encoder {
			l.capsErr = fmt.Errorf("the model %q gives embeddings and no text", l.name)
			return
		}
		t, err := l.Template()
		if err != nil {
			l.capsErr = fmt.Errorf("the model %q has no chat template that works (%w); /v1/completions continues plain text", l.name, err)
			return
		}
		l.caps, l.capsErr = t.Caps()
	})
	if l.capsErr != nil {
		return nil, &apiError{Status: http.StatusBadRequest, Type: typeRequest, Param: "model", Code: codeTemplate, Message: l.capsErr.Error()}
	}
	return &l.caps, nil
}

// nameOf is a model's name where nobody gave one: its file's.
func nameOf(m *engine.Model) string {
	return strings.TrimSuffix(filepath.Base(m.File().Name), ".gguf")
}
