package models

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/freehold-slm/freehold/kernels"
	"github.com/freehold-slm/freehold/models/gguf"
	"github.com/freehold-slm/freehold/quant"
)

// Importance ("importance matrix") says how strongly each column of a model's matrices was driven while the model read
// some texts. Its files are those of llama.cpp's llama-imatrix (GGUF, general.type "imatrix").
type Importance struct {
	Datasets  []string // names of what was read
	Chunks    uint32   // how many texts
	ChunkSize uint32   // most tokens of a text

	columns map[string]*columnSums // by tensor name
}

// columnSums are the squared inputs of one matrix, summed by column over count tokens.
type columnSums struct {
	sums  []float64 // [width]
	count float64
}

// Names of the tensors of an importance file, after that of the matrix, and its keys.
const (
	suffixSums     = ".in_sum2"
	suffixMeans    = ".in_sum" // of llama.cpp's newer files; not used in packing
	suffixCounts   = ".counts"
	keyImpDatasets = "imatrix.datasets"
	keyImpChunks   = "imatrix.chunk_count"
	keyImpSize     = "imatrix.chunk_size"
)

// ErrImportance is wrapped by errors about importances that are damaged or of another model.
var ErrImportance = errors.New("importances cannot be used")

// Add counts the inputs x [tokens, width] of the named matrix. Sums are one chain of additions over rising tokens, in
// f64, so they do not depend on how the tokens are cut into calls.
func (p *Importance) Add(name string, x []float32, width int) {
	if width <= 0 || len(x)%width != 0 {
		panic(fmt.Sprintf("models: %d activations of width %d", len(x), width))
	}
	if p.columns == nil {
		p.columns = map[string]*columnSums{}
	}
	c := p.columns[name]
	if c == nil {
		c = &columnSums{sums: make([]float64, width)}
		p.columns[name] = c
	}
	for ; len(x) > 0; x = x[width:] {
		sums := c.sums[:width]
		for i, v := range x[:width] {
			sums[i] += float64(float64(v) * float64(v))
		}
		c.count++
	}
}

// Len is the number of matrices that importances are known of.
func (p *Importance) Len() int { return len(p.columns) }

// Columns returns the mean of the squared inputs of the named matrix by column, as Format.Pack wants it; nil where it
// is not known.
func (p *Importance) Columns(name string, width int) ([]float32, error) {
	c := p.columns[name]
	if c == nil {
		return nil, nil
	}
	if len(c.sums) != width {
		return nil, fmt.Errorf("importances of %s: %d columns, the tensor has %d: %w", gguf.Quote(name), len(c.sums), width, ErrImportance)
	}
	mean := make([]float32, width)
	for i, s := range c.sums {
		mean[i] = float32(s) / float32(c.count) // as a file holds them, so that it packs alike
	}
	return mean, nil
}

// Writer returns the file of the importances.
func (p *Importance) Writer() *gguf.Writer {
	w := gguf.NewWriter()
	w.Set("general.type", "imatrix")
	w.Set(keyImpDatasets, p.Datasets)
	w.Set(keyImpChunks, p.Chunks)
	w.Set(keyImpSize, p.ChunkSize)
	f32, _ := quant.ByType(kernels.F32)
	add := func(name string, shape []int, v []float32) {
		b := make([]byte, 4*len(v))
		f32.Pack(b, v, nil, len(v))
		w.AddTensor(name, kernels.F32, shape, b)
	}
	for _, name := range slices.Sorted(maps.Keys(p.columns)) {
		c := p.columns[name]
		sums := make([]float32, len(c.sums))
		for i, s := range c.sums {
			sums[i] = float32(s)
		}
		add(name+suffixSums, []int{len(sums), 1}, sums)
		add(name+suffixCounts, []int{1, 1}, []float32{float32(c.count)})
	}
	return w
}

// ReadImportance reads an importance file. What is not finite, negative, or of several experts is refused.
func ReadImportance(f *gguf.File) (*Importance, error) {
	kind, err := f.String("general.type")
	if err != nil {
		return nil, err
	}
	if kind != "imatrix" {
		return nil, fmt.Errorf("%s: general.type is %s, want \"imatrix\": %w", f.Name, gguf.Quote(kind), ErrImportance)
	}
	p := &Importance{columns: map[string]*columnSums{}}
	if p.Datasets, err = f.Strings(keyImpDatasets); err != nil {
		return nil, err
	}
	for key, to := range map[string]*uint32{keyImpChunks: &p.Chunks, keyImpSize: &p.ChunkSize} {
		n, err := f.Uint(key)
		if err != nil {
			return nil, err
		}
		if *to = uint32(n); uint64(*to) != n {
			return nil, fmt.Errorf("%s: key %s is %d, want at most %d: %w", f.Name, key, n, uint32(1<<32-1), ErrImportance)
		}
	}
	for i := range f.Tensors {
		t := &f.Tensors[i]
		name, ok := strings.CutSuffix(t.Name, suffixSums)
		if !ok {
			if !strings.HasSuffix(t.Name, suffixCounts) && !strings.HasSuffix(t.Name, suffixMeans) {
				return nil, fmt.Errorf("%s: tensor %s is none of *%s, *%s and *%s: %w", f.Name, gguf.Quote(t.Name), suffixSums, suffixMeans, suffixCounts, ErrImportance)
			}
			continue
		}
		c, err := readColumns(f, t, name)
		if err != nil {
			return nil, err
		}
		p.columns[name] = c
	}
	if len(p.columns) == 0 {
		return nil, fmt.Errorf("%s: no tensor *%s: %w", f.Name, suffixSums, ErrImportance)
	}
	return p, nil
}

func readColumns(f *gguf.File, sums *gguf.Tensor, name string) (*columnSums, error) {
	count, ok := f.Tensor(name + suffixCounts)
	switch {
	case !ok:
		return nil, fmt.Errorf("%s: tensor %s is missing: %w", f.Name, gguf.Quote(name+suffixCounts), ErrImportance)
	case sums.Type != kernels.F32 || count.Type != kernels.F32:
		return nil, fmt.Errorf("%s: sums and counts of %s have types %v and %v, want F32: %w", f.Name, gguf.Quote(name), sums.Type, count.Type, ErrImportance)
	case count.Elements() != 1 || sums.Elements() != sums.Shape[0] || sums.Shape[0] == 0:
		return nil, fmt.Errorf("%s: %s has %d counts and sums of shape %v, want one count; experts are not supported: %w", f.Name, gguf.Quote(name), count.Elements(), sums.Shape, ErrImportance)
	}
	v := make([]float32, sums.Elements()+1)
	err := f.Guard(func() error { return errors.Join(unpackF32(v[1:], sums), unpackF32(v[:1], count)) })
	if err != nil {
		return nil, err
	}
	if n := v[0]; !(n > 0) || n-n != 0 {
		return nil, fmt.Errorf("%s: count of %s is %v, want more than 0: %w", f.Name, gguf.Quote(name), n, ErrImportance)
	}
	c := &columnSums{sums: make([]float64, len(v)-1), count: float64(v[0])}
	for i, s := range v[1:] {
		if !(s >= 0) || s-s != 0 {
			return nil, fmt.Errorf("%s: importances of %s hold %v in column %d, want 0 or more: %w", f.Name, gguf.Quote(name), s, i, ErrImportance)
		}
		c.sums[i] = float64(s)
	}
	return c, nil
}
