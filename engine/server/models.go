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

	Adapters map[string]Adapted // by the names that Add was given; Close closes them too
}

// Adapted is a model with an adapter of its own (engine.Model.Adapted).
type Adapted struct {
	Model  *engine.Model
	SHA256 string // of the adapter's file, in hex; "" where nobody computed it
}

// Models are the models of a server, by name. It may be used by several goroutines.
type Models struct {
	opening sync.Mutex // one model is opened at a time

	mu      sync.Mutex
	entries []*entry
	prefix  int64  // bytes of the prefix cache of each, see PrefixCache
	saved   string // see PromptCache
	warn    func(error)
	demand  *Demand // nil = all are open from the beginning
	started bool    // Load has been here
	closed  bool

	opens, evictions int64
}

// entry is a name, and what is open under it.
type entry struct {
	name     string
	adapters []string // that open with it; requests name them as name:adapter
	open     Open     // nil = it was open, and is its owner's
	current  *loaded  // nil until it is opened
	about    []*about // what was seen when it was open last, of each of its names; nil = it never was
	pinned   bool
	hidden   bool // see Hide
	lazy
}

// loaded is an open model. Once another one takes its place it closes with its last user.
type loaded struct {
	*engine.Model
	*about
	print  string // what tells this model's answers from another's
	close  func() error
	prefix *engine.PrefixCache // nil = none

	adapted map[string]*loaded // by name:adapter; they live and go with this one

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
	parent  string // the model that it is with an adapter; "" = it is one itself
	sum     string // sha256 of its file; "" = not computed
	digest  string // the same where it was computed, else of the file's name and size, its settings and its adapter
	adapter string // sha256 of its adapter's file; "" = not computed, or none
	opened  time.Time
	context int
	bytes   int64 // of its file
	labels  []string
	details ollamaDetails
}

func (ms *Models) newLoaded(name string, o Opened) *loaded {
	l := ms.with(&about{name: name, sum: o.SHA256}, o.Model)
	l.close = o.Close
	l.adapted = map[string]*loaded{}
	for adapter, a := range o.Adapters {
		full := name + ":" + adapter
		l.adapted[full] = ms.with(&about{name: full, parent: name, sum: o.SHA256, adapter: a.SHA256}, a.Model)
	}
	return l
}

// abouts tells of the model and those with its adapters.
func (l *loaded) abouts(e *entry) []*about {
	all := []*about{l.about}
	for _, name := range e.names()[1:] {
		all = append(all, l.adapted[name].about)
	}
	return all
}

// ownLabels are those of a model's classification head, or of the task that its file holds; a reranker's one label is no class.
func ownLabels(m *engine.Model) []string {
	switch {
	case m.Ranks():
		return nil
	case len(m.Spec.Labels) > 0:
		return m.Spec.Labels
	}
	labels, _ := m.File().Strings(engine.KeyTaskLabels) // what is wrong with it is said where it is asked
	return labels
}

// with completes what is told of an open model.
func (ms *Models) with(a *about, m *engine.Model) *loaded {
	h := sha256.Sum256(fmt.Append(nil, m.File().Name, m.File().Size, a.sum, m.Numeric(), m.KV(), m.Context()))
	if a.parent != "" {
		h = sha256.Sum256(fmt.Append(h[:], a.name, a.adapter))
	}
	a.opened, a.context, a.bytes, a.labels, a.details = time.Now(), m.Context(), m.File().Size, ownLabels(m), detailsOf(m, a.parent)
	a.digest = hex.EncodeToString(h[:])
	if a.sum != "" && a.parent == "" {
		a.digest = a.sum
	}
	l := &loaded{Model: m, about: a, print: "fp_" + hex.EncodeToString(h[:6])}
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

// PromptCache keeps the prefix caches of models that are opened from now on in a folder while they are closed: what one held when it closed it
// holds again once it is open. The folder is one server's alone. warn is told what could not be read or written.
func (ms *Models) PromptCache(dir string, warn func(error)) { ms.saved, ms.warn = dir, warn }

// recall gives a model that was opened the prefix caches that it had; they are written when it closes.
func (ms *Models) recall(l *loaded) {
	if ms.saved == "" || ms.prefix == 0 {
		return
	}
	all := []*loaded{l}
	for _, a := range l.adapted {
		all = append(all, a)
	}
	all = slices.DeleteFunc(all, func(l *loaded) bool { return l.Spec.Encoder })
	for _, x := range all {
		if _, err := x.prefix.Load(ms.saved); err != nil {
			ms.warn(err)
		}
	}
	end := l.close
	l.close = func() error {
		for _, x := range all {
			if err := x.prefix.Save(ms.saved); err != nil {
				ms.warn(err)
			}
		}
		return end()
	}
}

// Add enters a model that Load opens, or where models open on demand the first request for it, with adapters that open with it and are asked for as name:adapter.
func (ms *Models) Add(name string, open Open, adapters ...string) error {
	ms.mu.Lock()
	defer ms.mu.Unlock()
	e := &entry{name: name, open: open, adapters: adapters}
	var taken []string
	for _, x := range ms.entries {
		taken = append(taken, x.names()...)
	}
	for i, n := range e.names() {
		if n == "" || i > 0 && adapters[i-1] == "" || strings.ContainsFunc(n, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
			return fmt.Errorf("server: %q is no name for a model, want one without blanks", n)
		}
		if slices.Contains(taken, n) {
			return fmt.Errorf("server: two models are named %q; give one another name", n)
		}
		taken = append(taken, n)
	}
	if ms.demand != nil {
		e.keep = ms.demand.KeepAlive
	}
	ms.entries = append(ms.entries, e)
	return nil
}

// Use gives a model to the program itself, opened as for a request, until release is called.
func (ms *Models) Use(ctx context.Context, name string) (m *engine.Model, release func(), err error) {
	l, release, err := ms.use(ctx, name)
	if err != nil {
		return nil, nil, err
	}
	return l.Model, release, nil
}

// names are those that requests may give, the model's own first.
func (e *entry) names() []string {
	names := []string{e.name}
	for _, a := range e.adapters {
		names = append(names, e.name+":"+a)
	}
	return names
}

// put enters a model that is open and stays its owner's.
func (ms *Models) put(name string, m *engine.Model) {
	l := ms.newLoaded(name, Opened{Model: m, Close: func() error { return nil }})
	ms.entries = append(ms.entries, &entry{name: name, current: l, about: []*about{l.about}, pinned: true})
}

func (ms *Models) find(name string) *entry {
	i := slices.IndexFunc(ms.entries, func(e *entry) bool { return slices.Contains(e.names(), name) })
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
	l, err := ms.openOne(ctx, e)
	if err != nil {
		return err
	}
	gone := []*loaded{l}
	ms.mu.Lock()
	stays := !ms.onDemand(e) || e.current != nil
	ms.mu.Unlock()
	if stays {
		ms.recall(l)
	}
	ms.mu.Lock()
	switch {
	case ms.closed:
	case ms.onDemand(e) && e.current == nil: // or it was closed meanwhile
		if err = ms.mayFit(e, l.bytes); err == nil {
			e.about = l.abouts(e)
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

// openOne opens a model with its adapters.
func (ms *Models) openOne(ctx context.Context, e *entry) (*loaded, error) {
	o, err := e.open(ctx)
	if err != nil {
		return nil, err
	}
	for _, a := range e.adapters {
		if o.Adapters[a].Model == nil {
			return nil, errors.Join(fmt.Errorf("server: the model %q was opened without its adapter %q", e.name, a), o.Close())
		}
	}
	return ms.newLoaded(e.name, o), nil
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
	return ms.hold(ctx, e, name)
}

// hold keeps the model of an entry open until release is called. The caller holds the lock, which is given up while it opens.
func (ms *Models) hold(ctx context.Context, e *entry, name string) (l *loaded, release func(), err error) {
	for e.current == nil {
		if !ms.onDemand(e) || !ms.started || ms.closed {
			return nil, nil, notOpen(e.name)
		}
		if err := ms.await(ctx, e); err != nil {
			return nil, nil, err
		}
	}
	base := e.current
	l = base
	if name != "" && name != e.name {
		l = base.adapted[name]
	}
	base.users++
	return l, sync.OnceFunc(func() {
		ms.mu.Lock()
		base.users--
		last := base.retired && base.users == 0
		if base == e.current {
			ms.rest(e)
		}
		ms.mu.Unlock()
		if last {
			base.close() //nolint:errcheck // read-only
		}
	}), nil
}

func notOpen(name string) *apiError {
	return unavailable(fmt.Sprintf("the model %q is not open yet; try again", name), "model_loading")
}

// named finds a model; an error of the request's where there is none. The caller holds the lock.
func (ms *Models) named(name string) (*entry, error) {
	if all := ms.visible(); name == "" && len(all) == 1 {
		return all[0], nil
	}
	switch e := ms.find(name); {
	case e != nil && !e.hidden:
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
	for _, e := range ms.visible() {
		names = append(names, e.names()...)
	}
	return names
}

// open gives the open models, each before those with its adapters.
func (ms *Models) open() []*loaded {
	ms.mu.Lock()
	defer ms.mu.Unlock()
	var open []*loaded
	for _, e := range ms.entries {
		if e.current != nil {
			open = append(open, e.current)
			for _, name := range e.names()[1:] {
				open = append(open, e.current.adapted[name])
			}
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
			l.capsErr = fmt.Errorf("the model %q %s and no text", l.name, l.gives())
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
