package distill

import (
	"bytes"
	"fmt"
	"maps"

	"github.com/freehold-slm/freehold/engine"
	"github.com/freehold-slm/freehold/kernels"
	"github.com/freehold-slm/freehold/models/gguf"
	"github.com/freehold-slm/freehold/quant"
)

// asWritten is the student as model.gguf will have it.
func (j *Job) asWritten(b *Base) (*engine.Model, error) {
	f, _, err := b.inMemory(j.recipe.Student.Format, j.lineage())
	if err != nil {
		return nil, err
	}
	return engine.New(f, engine.WithThreads(j.opt.Threads), engine.WithLevel(j.level))
}

// inMemory is the student in a format, as its file would be.
func (b *Base) inMemory(format string, extra []Meta) (f *gguf.File, size int64, err error) {
	mix, err := quant.MixByName(format)
	if err != nil {
		return nil, 0, err
	}
	w, _, err := b.Export(mix, extra)
	if err != nil {
		return nil, 0, err
	}
	var buf bytes.Buffer
	if err := w.Encode(&buf); err != nil {
		return nil, 0, err
	}
	f, err = gguf.Parse("the student in "+format, buf.Bytes())
	return f, int64(buf.Len()), err
}

// snapshot opens a student that learns, again and again, with the weights that it has at that time, in f32: what the engine
// then computes is what training does, to the bit, but for adapters, which are merged into their weights first.
type snapshot struct {
	base  *Base
	level *kernels.Level
	opts  []engine.Option
	file  *gguf.File
}

// open copies the weights and opens them. The model before has to be closed.
func (s *snapshot) open() (*engine.Model, error) {
	now := *s.base
	now.Student = s.base.Student.merged(s.level)
	if s.file == nil {
		f, _, err := now.inMemory(unquantized, nil)
		if err != nil {
			return nil, err
		}
		s.file = f
		return engine.New(f, s.opts...)
	}
	f32 := mustFormat(kernels.F32)
	for _, p := range now.Student.Params {
		t, ok := s.file.Tensor(p.Name)
		if !ok || len(t.Data) != 4*len(p.W) {
			return nil, fmt.Errorf("internal: tensor %q of the student is not the one of its file", p.Name)
		}
		f32.Pack(t.Data, p.W, nil, p.Shape[0])
	}
	return engine.New(s.file, s.opts...)
}

// merged is the student without adapters, which are added to copies of their weights; other weights are the student's own.
func (s *Student) merged(level *kernels.Level) *Student {
	if s.adapters == nil {
		return s
	}
	c := *s
	c.Params, c.byName = nil, maps.Clone(s.byName)
	for _, p := range s.Params {
		if s.adapters[p.Name] != nil {
			own := *p
			p = &own
			c.byName[p.Name] = p
		}
		c.Params = append(c.Params, p)
	}
	c.Merge(level)
	return &c
}
