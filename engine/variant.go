package engine

import (
	"fmt"
	"slices"
	"sync"
)

// Adapter is a LoRA file, and how much of it is added: 1 = as it was trained.
type Adapter struct {
	Path  string
	Scale float32
}

// Adapted is the model with adapters beside those it has: a Model of its own, opened with the same options, that reads its weights from the
// same mapping. What it has besides are the adapters, scratch, and the keys and values of its sessions (WithKVMemory bounds those of each);
// no session and no prefix cache serves both. Passes of a model and of all that were made of it take turns, each with all threads: rows of
// different adapters are never computed together. Closing m closes it too.
func (m *Model) Adapted(adapters ...Adapter) (*Model, error) {
	base := m
	if m.base != nil {
		base = m.base
	}
	c := m.cfg
	c.lora = slices.Clone(c.lora)
	for _, a := range adapters {
		if err := WithLoRA(a.Path, a.Scale)(&c); err != nil {
			return nil, err
		}
	}
	base.family.mu.Lock()
	defer base.family.mu.Unlock()
	if base.family.closed {
		return nil, ErrClosed
	}
	v, err := build(m.file, c, base)
	if err != nil {
		return nil, err
	}
	base.family.variants = append(base.family.variants, v)
	return v, nil
}

// family is a model and those that were made of it.
type family struct {
	turns    sync.Mutex // held by the one that computes a pass
	mu       sync.Mutex
	variants []*Model
	closed   bool
}

// leave takes a variant that is closed out.
func (f *family) leave(v *Model) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.variants = slices.DeleteFunc(f.variants, func(x *Model) bool { return x == v })
}

// end closes the variants; none can be made afterwards.
func (f *family) end() error {
	f.mu.Lock()
	all := f.variants
	f.variants, f.closed = nil, true
	f.mu.Unlock()
	for _, v := range all {
		if err := v.Close(); err != nil {
			return fmt.Errorf("closing an adapted model: %w", err)
		}
	}
	return nil
}
