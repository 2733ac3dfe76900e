package main

import (
	"fmt"
	"sort"
	"strings"

	"github.com/freehold-slm/freehold/models/hf"
	"github.com/freehold-slm/freehold/models/safetensors"
	"github.com/freehold-slm/freehold/quant"
)

// partInspection is freehold/inspect-part/1: one file of a Hugging Face folder.
type partInspection struct {
	Schema     string               `json:"schema"`
	File       string               `json:"file"`
	Parameters int                  `json:"parameters,omitempty"`
	Types      map[string]typeTotal `json:"types,omitempty"`
	NotFinite  []string             `json:"not_finite,omitempty"` // tensors with NaN or infinity
	Tokenizer  *tokenizerPart       `json:"tokenizer,omitempty"`
	Full       bool                 `json:"full"`
}

type tokenizerPart struct {
	tokenizerRow
	Merges int `json:"merges"`
	Added  int `json:"added"`
}

// part tells files of a Hugging Face folder by their names.
func (c *inspectCmd) part() func(a *app) (*partInspection, error) {
	switch {
	case strings.HasSuffix(c.Model, ".safetensors"):
		return func(a *app) (*partInspection, error) {
			f, err := safetensors.Open(c.Model)
			if err != nil {
				return nil, err
			}
			defer f.Close() //nolint:errcheck // read-only
			return c.weights(a, []*safetensors.File{f})
		}
	case strings.HasSuffix(c.Model, ".safetensors.index.json"):
		return func(a *app) (*partInspection, error) {
			m, err := safetensors.OpenIndex(c.Model)
			if err != nil {
				return nil, err
			}
			defer m.Close() //nolint:errcheck // read-only
			return c.weights(a, m.Files)
		}
	case strings.HasSuffix(c.Model, "tokenizer.json"), strings.HasSuffix(c.Model, "tokenizer.model"):
		return func(*app) (*partInspection, error) {
			t, err := hf.ReadTokenizer(c.Model)
			if err != nil {
				return nil, err
			}
			return &partInspection{Tokenizer: &tokenizerPart{tokenizerRow{t.Model, t.Pre, t.Tokens}, t.Merges, t.Added}}, nil
		}
	}
	return nil
}

// weights reads the headers, and with --full every weight.
func (c *inspectCmd) weights(a *app, files []*safetensors.File) (*partInspection, error) {
	d := &partInspection{Types: map[string]typeTotal{}}
	for _, f := range files {
		for i := range f.Tensors {
			t := &f.Tensors[i]
			sum := d.Types[string(t.DType)]
			d.Types[string(t.DType)] = typeTotal{sum.Tensors + 1, sum.Bytes + t.Bytes}
			d.Parameters += t.Elements()
			if !c.Full {
				continue
			}
			if a.ctx.Err() != nil {
				return nil, errSignal
			}
			finite, err := finiteTensor(t)
			if err != nil {
				return nil, err
			}
			if !finite {
				d.NotFinite = append(d.NotFinite, t.Name)
			}
		}
	}
	return d, nil
}

// finiteTensor reads a tensor of floats, a megabyte at a time; others hold no NaN.
func finiteTensor(t *safetensors.Tensor) (bool, error) {
	ggml, ok := t.DType.GGML()
	format, known := quant.ByType(ggml)
	if !ok || !known || !format.Float {
		return true, nil
	}
	const step = 1 << 18 // values
	values, data := make([]float32, min(step, t.Elements())), make([]byte, min(step, t.Elements())*format.Bytes)
	for at := 0; at < t.Elements(); at += step {
		n := min(step, t.Elements()-at)
		if _, err := t.ReadAt(data[:n*format.Bytes], int64(at)*int64(format.Bytes)); err != nil {
			return false, err
		}
		format.Unpack(values[:n], data[:n*format.Bytes])
		for _, v := range values[:n] {
			if v-v != 0 {
				return false, nil
			}
		}
	}
	return true, nil
}

func (c *inspectCmd) runPart(a *app, read func(*app) (*partInspection, error)) error {
	d, err := read(a)
	if err != nil {
		return asInput(err)
	}
	d.Schema, d.File, d.Full = "freehold/inspect-part/1", c.Model, c.Full
	if a.json {
		return a.emit(d)
	}
	rows := [][]string{{"file", printable(d.File)}}
	if t := d.Tokenizer; t != nil {
		rows = append(rows, []string{"tokenizer", fmt.Sprintf("%s %s, %d tokens, %d of them added, %d merges", t.Model, t.Pre, t.Tokens, t.Added, t.Merges)})
	}
	var types []string
	for name := range d.Types {
		types = append(types, name)
	}
	sort.Strings(types)
	for _, name := range types {
		rows = append(rows, []string{"weights", fmt.Sprintf("%s: %d tensors, %s", name, d.Types[name].Tensors, size(d.Types[name].Bytes))})
	}
	if n := len(d.NotFinite); n > 0 {
		rows = append(rows, []string{"note", fmt.Sprintf("%s and %d more tensors hold NaN or infinity; freehold convert refuses such weights", printable(d.NotFinite[0]), n-1)})
	}
	a.columns(rows)
	return nil
}
