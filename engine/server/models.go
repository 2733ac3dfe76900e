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

// Open opens a model. sum is the sha256 of its file in hex, "" where nobody computed it; close gives back all that was opened.
type Open func(ctx context.Context) (m *engine.Model, sum string, close func() error, err error)

// Models are the models of a server, by name. It may be used by several goroutines.
type Models struct {
	mu      sync.Mutex
	entries []*entry
	prefix  int64 // bytes of the prefix cache of each, see PrefixCache
}

// entry is a name, and what is open under it.
type entry struct {
	name    string
	open    Open
	current *loaded // nil until it is opened
}

// loaded is an open model. Once another one takes its place it closes with its last user.
type loaded struct {
	*engine.Model
	name   string
	sum    string
	opened time.Time
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

func (ms *Models) newLoaded(name string, m *engine.Model, sum string, closeAll func() error) *loaded {
	h := sha256.Sum256(fmt.Append(nil, m.File().Name, m.File().Size, sum, m.Numeric(), m.KV(), m.Context()))
	l := &loaded{Model: m, name: name, sum: sum, opened: time.Now(), print: "fp_" + hex.EncodeToString(h[:6]), close: closeAll}
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
	ms.entries = append(ms.entries, &entry{name: name, current: ms.newLoaded(name, m, "", func() error { return nil })})
}

func (ms *Models) find(name string) *entry {
	i := slices.IndexFunc(ms.entries, func(e *entry) bool { return e.name == name })
	if i < 0 {
		return nil
	}
	return ms.entries[i]
}

// Load opens every model anew. A request goes on with the model that it began with; a model that cannot be opened leaves the one
// that was there. The error tells of all that failed.
func (ms *Models) Load(ctx context.Context) error {
	ms.mu.Lock()
	entries := slices.Clone(ms.entries)
	ms.mu.Unlock()
	var failed []error
	for _, e := range entries {
		if e.open == nil {
			continue
		}
		m, sum, closeAll, err := e.open(ctx)
		if err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", e.name, err))
			continue
		}
		ms.mu.Lock()
		old := e.current
		e.current = ms.newLoaded(e.name, m, sum, closeAll)
		ms.mu.Unlock()
		failed = append(failed, ms.retire(old))
	}
	return errors.Join(failed...)
}

// retire closes a model once nobody uses it.
func (ms *Models) retire(l *loaded) error {
	if l == nil {
		return nil
	}
	ms.mu.Lock()
	l.retired = true
	last := l.users == 0
	ms.mu.Unlock()
	if last {
		return l.close()
	}
	return nil
}

// Close closes all models, those in use with their last user.
func (ms *Models) Close() error {
	ms.mu.Lock()
	entries := slices.Clone(ms.entries)
	ms.mu.Unlock()
	var failed []error
	for _, e := range entries {
		ms.mu.Lock()
		l := e.current
		e.current = nil
		ms.mu.Unlock()
		failed = append(failed, ms.retire(l))
	}
	return errors.Join(failed...)
}

// use finds a model for a request, which calls release in the end. "" is the only model there is.
func (ms *Models) use(name string) (l *loaded, release func(), err error) {
	ms.mu.Lock()
	defer ms.mu.Unlock()
	e := ms.find(name)
	if name == "" && len(ms.entries) == 1 {
		e = ms.entries[0]
	}
	switch {
	case e == nil && name == "":
		return nil, nil, badField("model", codeMissing, "is missing; here are: %s", strings.Join(ms.names(), ", "))
	case e == nil:
		return nil, nil, &apiError{Status: http.StatusNotFound, Type: typeRequest, Param: "model", Code: codeModel,
			Message: fmt.Sprintf("model: there is no %.100q; here are: %s", name, strings.Join(ms.names(), ", "))}
	case e.current == nil:
		return nil, nil, unavailable(fmt.Sprintf("the model %q is not open yet; try again", e.name), "model_loading")
	}
	l = e.current
	l.users++
	return l, sync.OnceFunc(func() {
		ms.mu.Lock()
		l.users--
		last := l.retired && l.users == 0
		ms.mu.Unlock()
		if last {
			l.close() //nolint:errcheck // read-only
		}
	}), nil
}

// names lists all models; the caller holds the lock, or nobody else has the set yet.
func (ms *Models) names() []string {
	names := []string{}
	for _, e := range ms.entries {
		names = append(names, e.name)
	}
	return names
}

// list gives the open models, and whether that is all.
func (ms *Models) list() (open []*loaded, all bool) {
	ms.mu.Lock()
	defer ms.mu.Unlock()
	all = true
	for _, e := range ms.entries {
		if e.current != nil {
			open = append(open, e.current)
		} else {
			all = false
		}
	}
	return open, all
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
