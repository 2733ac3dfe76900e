// Package engine runs models: it executes a [models.Program] with the file's quantised weights and a KV cache.
//
// A [Model] is read-only and may be shared by goroutines; a [Session] is one timeline of tokens. Every logit is a
// function of the tokens before it, the file and the numeric mode alone: the same bits come out for any batch it was
// computed in, any number of threads, any prefill chunk, cold or from a cached prefix, on every CPU level
// (docs/arithmetic.md says how).
package engine

import (
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/freehold-slm/freehold/engine/grammar"
	"github.com/freehold-slm/freehold/kernels"
	"github.com/freehold-slm/freehold/models"
	"github.com/freehold-slm/freehold/models/chat"
	"github.com/freehold-slm/freehold/models/gguf"
	"github.com/freehold-slm/freehold/models/token"
)

// Numeric is a numeric mode of docs/arithmetic.md.
type Numeric int

const (
	Normal    Numeric = iota // activations quantised to 8 bits per 32 where weights are quantised
	Reference                // weights decoded to f32, activations f32, KV cache f32
	Fast                     // Normal, with float weights in bf16 where that is faster; no promise of equal bits
)

func (n Numeric) String() string { return [...]string{"normal", "reference", "fast"}[n] }

// KV is the number type of the KV cache.
type KV int

const (
	KVF16  KV = iota // rounded to IEEE half on write
	KVF32            // as computed
	KVQ8_0           // 8 bits, and a scale in IEEE half for each 32 of a head; about half of f16
)

var kvNames = [...]string{"f16", "f32", "q8_0"}

func (k KV) String() string { return kvNames[k] }

// ParseKV returns the type of a name that String gives.
func ParseKV(name string) (KV, error) {
	i := slices.Index(kvNames[:], name)
	if i < 0 {
		return 0, fmt.Errorf("engine: KV type %q is not known (known: %s)", name, strings.Join(kvNames[:], ", "))
	}
	return KV(i), nil
}

// Option sets how a model is opened.
type Option func(*config) error

type config struct {
	threads, context, chunk int
	level                   *kernels.Level
	numeric                 Numeric
	kv                      KV
	kvSet                   bool
	log                     *slog.Logger
	lora                    []loraFile
	date                    time.Time
	kvMemory                int64
}

// WithThreads sets the number of workers, the caller included; the default is GOMAXPROCS.
func WithThreads(n int) Option {
	return func(c *config) error {
		if n < 1 || n > 1024 {
			return fmt.Errorf("engine: threads is %d, want 1 to 1024", n)
		}
		c.threads = n
		return nil
	}
}

// WithContext limits the tokens of a session; the default is the context the model was trained with. More than that
// is refused.
func WithContext(n int) Option {
	return func(c *config) error {
		if n < 1 {
			return fmt.Errorf("engine: context is %d, want at least 1", n)
		}
		c.context = n
		return nil
	}
}

// WithChunk sets how many tokens at most go through the model in one pass; the default is 512. It changes speed and
// memory, never results.
func WithChunk(n int) Option {
	return func(c *config) error {
		if n < 1 || n > 1<<14 {
			return fmt.Errorf("engine: chunk is %d, want 1 to %d", n, 1<<14)
		}
		c.chunk = n
		return nil
	}
}

// WithLevel sets the CPU level; the default is kernels.Best.
func WithLevel(l *kernels.Level) Option {
	return func(c *config) error {
		if l == nil {
			return fmt.Errorf("engine: level is nil")
		}
		c.level = l
		return nil
	}
}

// WithNumeric sets the numeric mode; the default is Normal.
func WithNumeric(n Numeric) Option {
	return func(c *config) error {
		if n < Normal || n > Fast {
			return fmt.Errorf("engine: numeric mode %d is not known (known: 0 normal, 1 reference, 2 fast)", int(n))
		}
		c.numeric = n
		return nil
	}
}

// WithKV sets the type of the KV cache; the default is KVF16, and KVF32 in mode Reference, which allows no other. KVQ8_0
// needs heads of a multiple of 32.
func WithKV(k KV) Option {
	return func(c *config) error {
		if k < 0 || int(k) >= len(kvNames) {
			return fmt.Errorf("engine: KV type %d is not known (known: 0 f16, 1 f32, 2 q8_0)", int(k))
		}
		c.kv, c.kvSet = k, true
		return nil
	}
}

// WithDate is the day that chat templates may name to the model, as some do at the top of each conversation. Without it such a
// template is an error: the engine never looks at a clock, for then the same question would have another answer tomorrow.
func WithDate(day time.Time) Option {
	return func(c *config) error { c.date = day; return nil }
}

// WithLogger makes the engine log what it opens; without it nothing is logged.
func WithLogger(l *slog.Logger) Option {
	return func(c *config) error { c.log = l; return nil }
}

// Model is an open model: weights, compiled program and workers. Its methods may be called from several goroutines;
// evaluations at the same time are computed together, with all threads, and their results are those of each alone.
type Model struct {
	Spec    *models.Spec
	Program *models.Program

	file       *gguf.File
	ownFile    bool
	base       *Model // that this one is a variant of; nil = none
	family     *family
	cfg        config
	level      *kernels.Level
	plan       *plan
	pool       *pool
	rope       ropeTables
	windowRope ropeTables // of layers with a window, where they have one of their own
	cached     []int      // [layers+1] how many layers before each have keys and values
	pages      pageStore
	states     stateStore
	memory     memory
	adapters   map[string][]adapter // by the tensor they change

	queue  queue
	runner *runner // scratch of the running pass

	idOnce   sync.Once // see identity
	id       string
	idErr    error
	loraSums [][32]byte

	vocabOnce sync.Once
	vocab     *grammar.Vocab // of the tokenizer, for grammars

	tokOnce sync.Once
	tok     *token.Tokenizer
	tokErr  error
	tplOnce sync.Once
	tpl     *chat.Template
	tplErr  error
}

// Open maps the GGUF file at path and prepares it. Errors name the file and what is wrong in it.
func Open(path string, opts ...Option) (*Model, error) {
	f, err := gguf.Open(path)
	if err != nil {
		return nil, err
	}
	m, err := New(f, opts...)
	if err != nil {
		f.Close() //nolint:errcheck // the first error is the one to tell
		return nil, err
	}
	m.ownFile = true
	return m, nil
}

// New prepares an open file. The file stays the caller's and must stay open until after Close.
func New(f *gguf.File, opts ...Option) (*Model, error) {
	start := time.Now()
	c := config{threads: runtime.GOMAXPROCS(0), chunk: 512}
	for _, o := range opts {
		if err := o(&c); err != nil {
			return nil, err
		}
	}
	if c.level == nil {
		l, err := kernels.Best()
		if err != nil {
			return nil, err
		}
		c.level = l
	}
	if c.numeric == Reference {
		if c.kvSet && c.kv != KVF32 {
			return nil, fmt.Errorf("engine: mode reference keeps its KV cache in f32, not %v", c.kv)
		}
		c.kv = KVF32
	}
	m, err := build(f, c, nil)
	if err == nil && c.log != nil {
		c.log.Info("model opened", "file", f.Name, "arch", m.Spec.Arch, "layers", m.Spec.Layers, "level", c.level.Name,
			"threads", c.threads, "numeric", c.numeric.String(), "kv", m.cfg.kv.String(), "context", m.cfg.context, "seconds", time.Since(start).Seconds())
	}
	return m, err
}

// build prepares an open file; base is the model that it is a variant of, nil = none.
func build(f *gguf.File, c config, base *Model) (*Model, error) {
	m := &Model{file: f, cfg: c, level: c.level, base: base, family: &family{}}
	if base != nil {
		m.family = base.family
	}
	m.queue.idle.L = &m.queue.mu
	err := f.Guard(func() error { return m.prepare() })
	if err != nil {
		return nil, err
	}
	m.runner = newRunner(m)
	m.pool = newPool(c.threads, f.Fault, m.runner.rest)
	m.pool.keepShares()
	return m, nil
}

func (m *Model) prepare() error {
	spec, err := models.NewSpec(m.file)
	if err != nil {
		return err
	}
	m.Spec, m.Program = spec, spec.Program()
	switch {
	case m.cfg.context == 0 && spec.Context == 0:
		return fmt.Errorf("%s: %s.context_length is missing; say how many tokens a session may hold (WithContext)", m.file.Name, spec.Arch)
	case m.cfg.context == 0:
		m.cfg.context = spec.Context
	case spec.Context > 0 && m.cfg.context > spec.Context:
		return fmt.Errorf("%s: a context of %d tokens is asked for, but %s.context_length is %d", m.file.Name, m.cfg.context, spec.Arch, spec.Context)
	}
	if m.cfg.kv == KVQ8_0 && spec.HeadDim%kernels.ActBlock != 0 {
		return fmt.Errorf("%s: heads have %d elements, and a q8_0 KV cache wants a multiple of %d; use f16 or f32 KV", m.file.Name, spec.HeadDim, kernels.ActBlock)
	}
	m.cached = make([]int, spec.Layers+1)
	for l := range spec.Layers {
		m.cached[l+1] = m.cached[l]
		if spec.Attends(l) {
			m.cached[l+1]++
		}
	}
	if spec.Encoder {
		m.cfg.chunk = max(m.cfg.chunk, m.cfg.context) // a text is evaluated in one pass
		if !m.cfg.kvSet {
			m.cfg.kv = KVF32 // nothing is kept
		}
	}
	m.rope.init(&spec.Rope, m.cfg.context)
	if spec.WindowRope != nil {
		m.windowRope.init(spec.WindowRope, m.cfg.context)
	}
	if err := m.loadLoRA(); err != nil {
		return err
	}
	if m.plan, err = compile(m); err != nil {
		return err
	}
	if least := m.pageBytes() + m.stateBytes(); m.cfg.kvMemory > 0 && m.cfg.kvMemory < least && !spec.Encoder {
		return fmt.Errorf("%s: KV memory is %d bytes, and %d tokens alone take %d", m.file.Name, m.cfg.kvMemory, kernels.PageKeys, least)
	}
	m.memory.most = m.cfg.kvMemory
	return nil
}

// File returns the open file.
func (m *Model) File() *gguf.File { return m.file }

// Threads is the number of workers.
func (m *Model) Threads() int { return m.cfg.threads }

// Context is the largest number of tokens a session may hold.
func (m *Model) Context() int { return m.cfg.context }

// Level is the CPU level in use.
func (m *Model) Level() *kernels.Level { return m.level }

// Numeric is the numeric mode in use.
func (m *Model) Numeric() Numeric { return m.cfg.numeric }

// KV is the type of the KV cache in use.
func (m *Model) KV() KV { return m.cfg.kv }

// Tokenizer returns the file's tokenizer, nil where LoadTokenizer gives an error.
func (m *Model) Tokenizer() *token.Tokenizer {
	t, _ := m.LoadTokenizer()
	return t
}

// LoadTokenizer builds the file's tokenizer on first use; an error where the file has none that is known.
func (m *Model) LoadTokenizer() (*token.Tokenizer, error) {
	if m.base != nil {
		return m.base.LoadTokenizer()
	}
	m.tokOnce.Do(func() {
		m.tok, m.tokErr = models.Tokenizer(m.file)
	})
	return m.tok, m.tokErr
}

// Template parses the file's chat template on first use; an error where the file has none.
func (m *Model) Template() (*chat.Template, error) {
	if m.base != nil {
		return m.base.Template()
	}
	m.tplOnce.Do(func() {
		source, err := m.file.String("tokenizer.chat_template")
		if err != nil {
			m.tplErr = err
			return
		}
		if m.tpl, err = chat.Parse(source); err != nil {
			m.tplErr = fmt.Errorf("%s: %w", m.file.Name, err)
		}
	})
	return m.tpl, m.tplErr
}

// Close waits for evaluations that have begun, stops the workers and, for a model made by Open, closes the file. Closing
// twice is harmless; evaluations afterwards give ErrClosed.
func (m *Model) Close() error {
	if !m.queue.close() {
		return nil
	}
	var err error
	if m.base != nil {
		m.family.leave(m)
	} else {
		err = m.family.end()
	}
	m.pool.close()
	m.runner = nil
	m.memory.forget()
	m.pages.drop()
	m.states.drop()
	if m.ownFile {
		err = errors.Join(err, m.file.Close())
	}
	return err
}
