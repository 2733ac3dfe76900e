package main

import (
	"crypto/sha256"
	"fmt"
	"math"
	"slices"
	"sort"
	"strings"

	"github.com/freehold-slm/freehold/engine"
	"github.com/freehold-slm/freehold/kernels"
	"github.com/freehold-slm/freehold/models"
	"github.com/freehold-slm/freehold/models/chat"
	"github.com/freehold-slm/freehold/models/gguf"
	"github.com/freehold-slm/freehold/quant"
)

type inspectCmd struct {
	Model   string `arg:"" complete:"model" help:"GGUF file or catalogue name; or a file of a Hugging Face folder: NAME.safetensors, its index, tokenizer.json, tokenizer.model."`
	Full    bool   `help:"Also read every weight (NaN, infinity), build the tokenizer, try what the chat template can do."`
	Tensors bool   `help:"List the tensors."`
}

func (*inspectCmd) Help() string {
	return "Prints what the file says of itself, whether freehold can run it, and why not. Exit code 3 when it cannot."
}

// inspection is freehold/inspect/1.
type inspection struct {
	Schema     string               `json:"schema"`
	File       string               `json:"file"`
	Parts      int                  `json:"parts"` // files of a split model
	Bytes      int64                `json:"bytes"`
	Version    uint32               `json:"gguf_version"`
	Alignment  int                  `json:"alignment"`
	Unused     int64                `json:"unused_bytes"`
	Parameters int                  `json:"parameters"`
	Metadata   []metadataRow        `json:"metadata"`
	Types      map[string]typeTotal `json:"types"`
	Tensors    []tensorRow          `json:"tensors"`
	Spec       *specRow             `json:"spec,omitempty"`
	Tokenizer  *tokenizerRow        `json:"tokenizer,omitempty"`
	Template   *templateRow         `json:"template,omitempty"`
	Full       bool                 `json:"full"`
	Problems   []string             `json:"problems"`
}

type metadataRow struct {
	Key   string `json:"key"`
	Type  string `json:"type"`
	Len   int    `json:"len,omitempty"` // elements of an array
	Value any    `json:"value,omitempty"`
}

type typeTotal struct {
	Tensors int   `json:"tensors"`
	Bytes   int64 `json:"bytes"`
}

type tensorRow struct {
	Name   string `json:"name"`
	Type   string `json:"type"`
	Shape  []int  `json:"shape"` // row width first
	Offset int64  `json:"offset"`
	Bytes  int    `json:"bytes"`
}

type specRow struct {
	Arch    string   `json:"arch"`
	Name    string   `json:"name"`
	Vocab   int      `json:"vocab"`
	Context int      `json:"context"`
	Layers  int      `json:"layers"`
	Dim     int      `json:"dim"`
	Heads   int      `json:"heads"`
	KVHeads int      `json:"kv_heads"`
	HeadDim int      `json:"head_dim"`
	FFN     int      `json:"ffn"`
	Experts *experts `json:"experts,omitempty"`
	Rope    string   `json:"rope_scaling"`
	Tied    bool     `json:"tied"`
	Labels  []string `json:"labels,omitempty"`
	Tags    []string `json:"tags,omitempty"`

	Bidirectional bool `json:"bidirectional,omitempty"` // each token sees those after it too: no text
}

type experts struct {
	Count int `json:"count"`
	Used  int `json:"used"` // by a token
	FFN   int `json:"ffn"`
}

type tokenizerRow struct {
	Model  string `json:"model"`
	Pre    string `json:"pre,omitempty"`
	Tokens int    `json:"tokens"`
}

type templateRow struct {
	Bytes  int       `json:"bytes"`
	SHA256 string    `json:"sha256"`
	Caps   chat.Caps `json:"caps"`
}

// templateOf reads a file's chat template and tries what it can do.
func templateOf(f *gguf.File) (*templateRow, error) {
	source, err := f.String("tokenizer.chat_template")
	if err != nil {
		return nil, err
	}
	t, err := chat.Parse(source)
	var caps chat.Caps
	if err == nil {
		caps, err = t.Caps()
	}
	if err != nil {
		return nil, fmt.Errorf("%s: tokenizer.chat_template: %w", f.Name, err)
	}
	return &templateRow{len(source), fmt.Sprintf("%x", sha256.Sum256([]byte(source))), caps}, nil
}

// can lists what the template can do.
func (t *templateRow) can() string {
	if names := t.Caps.Names(); len(names) > 0 {
		return strings.Join(names, ", ")
	}
	return "user and assistant turns alone"
}

func (c *inspectCmd) Run(a *app) error {
	if part := c.part(); part != nil {
		return c.runPart(a, part)
	}
	f, err := openFile(c.Model)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // read-only
	d := describe(f)
	if a.json {
		d.list(f)
	}
	var problems []error
	spec, err := models.NewSpec(f)
	if err != nil {
		problems = append(problems, err)
	} else {
		d.Spec = &specRow{spec.Arch, spec.Name, spec.Vocab, spec.Context, spec.Layers, spec.Dim, spec.Heads, spec.KVHeads,
			spec.HeadDim, spec.FFN, nil, spec.Rope.Scaling, spec.Tied, spec.Labels, spec.Tags, spec.Encoder}
		if spec.Experts > 0 {
			d.Spec.Experts = &experts{spec.Experts, spec.TopExperts, spec.ExpertFFN}
		}
	}
	if c.Full {
		d.Full = true
		problems = append(problems, d.check(a, f)...)
		if len(problems) == 0 { // weights that are fine as numbers may still be of a type that nothing computes with
			m, err := engine.New(f, engine.WithThreads(1), engine.WithContext(1))
			if err != nil {
				problems = append(problems, err)
			} else {
				m.Close() //nolint:errcheck // read-only
			}
		}
	}
	for _, p := range problems {
		d.Problems = append(d.Problems, errorText(p))
	}
	err = nil
	if a.json {
		err = a.emit(d)
	} else {
		d.print(a, f, c.Tensors)
	}
	if err != nil || len(problems) == 0 {
		return err
	}
	for _, p := range problems[:len(problems)-1] {
		if err := a.out.Flush(); err != nil {
			return err
		}
		a.fail(p)
	}
	return asInput(problems[len(problems)-1])
}

// describe reads the container.
func describe(f *gguf.File) *inspection {
	d := &inspection{Schema: "freehold/inspect/1", File: f.Name, Parts: f.Parts(), Bytes: f.Size, Version: f.Version, Alignment: f.Alignment,
		Unused: f.Unused(), Types: map[string]typeTotal{}, Metadata: []metadataRow{}, Tensors: []tensorRow{}, Problems: []string{}}
	for i := range f.Tensors {
		t := &f.Tensors[i]
		name := typeName(t.Type)
		sum := d.Types[name]
		sum.Tensors++
		sum.Bytes += int64(len(t.Data))
		d.Types[name] = sum
		d.Parameters += t.Elements()
	}
	return d
}

// list adds every key and tensor: a document has them all, people see them one after the other.
func (d *inspection) list(f *gguf.File) {
	for _, kv := range f.KV {
		row := metadataRow{Key: kv.Key, Type: kv.Value.TypeName(), Value: plain(kv.Value)}
		if kv.Value.Type == gguf.TypeArray {
			row.Len = kv.Value.Len
		}
		d.Metadata = append(d.Metadata, row)
	}
	for i := range f.Tensors {
		t := &f.Tensors[i]
		d.Tensors = append(d.Tensors, tensorRow{t.Name, typeName(t.Type), t.Shape, t.Offset, len(t.Data)})
	}
}

func typeName(t kernels.Type) string {
	if format, ok := quant.ByType(t); ok {
		return format.Name
	}
	return fmt.Sprintf("type %d", uint32(t))
}

// longArray is from where on arrays are only counted.
const longArray = 64

// plain is a metadata value as JSON can hold it: long arrays are left out, numbers that JSON lacks become text.
func plain(v gguf.Value) any {
	if v.Type == gguf.TypeArray && v.Len > longArray {
		return nil
	}
	if s, ok := v.Text(); ok {
		return s
	}
	if b, ok := v.Bool(); ok {
		return b
	}
	if n, ok := v.Int(); ok {
		return n
	}
	if n, ok := v.Uint(); ok {
		return n
	}
	if x, ok := v.Float(); ok && !math.IsNaN(x) && !math.IsInf(x, 0) {
		return x
	}
	if s, ok := v.Strings(); ok {
		return s
	}
	if n, ok := v.Ints(); ok {
		return n
	}
	if b, ok := v.Bools(); ok {
		return b
	}
	if x, ok := v.Floats(); ok && !slices.ContainsFunc(x, func(x float32) bool { return x-x != 0 }) {
		return x
	}
	return v.String()
}

// check reads all of the file and returns everything that is wrong with it.
func (d *inspection) check(a *app, f *gguf.File) (problems []error) {
	if f.Has("tokenizer.ggml.model") {
		if t, err := models.Tokenizer(f); err != nil {
			problems = append(problems, err)
		} else {
			d.Tokenizer = &tokenizerRow{t.Model(), t.Pre(), t.Size()}
		}
	}
	if f.Has("tokenizer.chat_template") {
		var err error
		if d.Template, err = templateOf(f); err != nil {
			problems = append(problems, err)
		}
	}
	var done int64
	rate := newRate()
	for i := range f.Tensors {
		t := &f.Tensors[i]
		if err := f.Guard(t.CheckFinite); err != nil {
			problems = append(problems, err)
		}
		done += int64(len(t.Data))
		a.progress.show(rate.line("reading", done, f.Size, 0), false)
		if a.ctx.Err() != nil {
			return append(problems, errSignal)
		}
	}
	return problems
}

func (d *inspection) print(a *app, f *gguf.File, tensors bool) {
	parts := ""
	if d.Parts > 1 {
		parts = fmt.Sprintf("%d parts, ", d.Parts)
	}
	rows := [][]string{{"file", fmt.Sprintf("%s (%s%s, GGUF v%d)", printable(d.File), parts, size(d.Bytes), d.Version)}}
	if s := d.Spec; s != nil {
		rows = append(rows,
			[]string{"model", fmt.Sprintf("%s (%s), %s parameters", printable(s.Name), s.Arch, count(d.Parameters))},
			[]string{"shape", fmt.Sprintf("%d layers, width %d, %d heads (%d kv) of %d, ffn %d, vocabulary %d, context %d",
				s.Layers, s.Dim, s.Heads, s.KVHeads, s.HeadDim, s.FFN, s.Vocab, s.Context)})
		if e := s.Experts; e != nil {
			rows = append(rows, []string{"experts", fmt.Sprintf("%d, of which a token uses %d, ffn %d", e.Count, e.Used, e.FFN)})
		}
		if s.Bidirectional {
			rows = append(rows, []string{"attention", "bidirectional: each token sees those after it too, and the model writes no text"})
		}
		if len(s.Labels) > 0 {
			rows = append(rows, []string{"labels", printable(strings.Join(s.Labels, ", "))})
		}
		if len(s.Tags) > 0 {
			rows = append(rows, []string{"tags of tokens", printable(strings.Join(s.Tags, ", "))})
		}
	}
	var types []string
	for name := range d.Types {
		types = append(types, name)
	}
	sort.Slice(types, func(i, j int) bool { return d.Types[types[i]].Bytes > d.Types[types[j]].Bytes })
	for i, name := range types {
		head := ""
		if i == 0 {
			head = "types"
		}
		rows = append(rows, []string{head, fmt.Sprintf("%s: %d tensors, %s", name, d.Types[name].Tensors, size(d.Types[name].Bytes))})
	}
	if t := d.Tokenizer; t != nil {
		rows = append(rows, []string{"tokenizer", fmt.Sprintf("%s %s, %d tokens", t.Model, t.Pre, t.Tokens)})
	}
	if t := d.Template; t != nil {
		rows = append(rows, []string{"template", fmt.Sprintf("%d bytes, sha256 %.12s: %s", t.Bytes, t.SHA256, t.can())})
	}
	if d.Unused > 0 {
		rows = append(rows, []string{"unused", size(d.Unused)})
	}
	if d.Full && len(d.Problems) == 0 {
		rows = append(rows, []string{"checked", "all weights finite, everything parses"})
	}
	a.columns(rows)
	keys, wide := 0, 0
	for _, kv := range f.KV {
		keys, wide = max(keys, len(printable(kv.Key))), max(wide, len(kv.Value.TypeName()))
	}
	a.write("\n%s\n", paint(stdout, bold, fmt.Sprintf("metadata (%d keys)", len(f.KV))))
	for _, kv := range f.KV {
		a.write("  %-*s  %-*s  %s\n", keys, printable(kv.Key), wide, kv.Value.TypeName(), kv.Value.String())
	}
	if !tensors {
		a.write("\n%d tensors; list them with --tensors\n", len(f.Tensors))
		return
	}
	names := 0
	for i := range f.Tensors {
		names = max(names, len(printable(f.Tensors[i].Name)))
	}
	a.write("\n%s\n", paint(stdout, bold, fmt.Sprintf("tensors (%d)", len(f.Tensors))))
	for i := range f.Tensors {
		t := &f.Tensors[i]
		a.write("  %-*s  %-6s  %-16s  %s\n", names, printable(t.Name), typeName(t.Type), fmt.Sprint(t.Shape), size(int64(len(t.Data))))
	}
}

// printable shows text out of a file without letting it drive the terminal.
func printable(s string) string {
	q := gguf.Quote(s)
	if len(q) == len(s)+2 {
		return s
	}
	return q
}
