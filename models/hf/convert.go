package hf

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"

	"github.com/freehold-slm/freehold/kernels"
	"github.com/freehold-slm/freehold/models/gguf"
	"github.com/freehold-slm/freehold/models/safetensors"
	"github.com/freehold-slm/freehold/quant"
)

// Options are what Convert may be given.
type Options struct {
	// Type of the matrices: F32, F16 or BF16, in capitals or not; "" = that of the token embedding. Vectors are F32.
	Type string
	// Progress hears bytes read of all tensor bytes; an error from it ends the writing.
	Progress func(done, total int64) error
}

// Conversion is a model folder, ready to be written. It holds the folder's files open: Close it after the writing.
type Conversion struct {
	*gguf.Writer
	Arch string // general.architecture
	Type string // of the matrices
	Size int64  // bytes of tensors to be read

	model *safetensors.Model
	o     Options
	done  int64
}

// Close closes the folder's files.
func (c *Conversion) Close() error { return c.model.Close() }

// fileTypes are the values of general.file_type (llama.cpp, enum llama_ftype).
var fileTypes = map[string]uint32{"F32": 0, "F16": 1, "BF16": 32}

// Convert reads the folder's metadata and checks that all tensors are there with the right shapes. Tensors are read, one piece
// after the other, while the result is written.
func Convert(dir string, o Options) (_ *Conversion, err error) {
	cfg := &config{file: filepath.Join(dir, "config.json")}
	if err := readJSON(cfg.file, &cfg.fields); err != nil {
		return nil, err
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	w := gguf.NewWriter()
	f, d, err := cfg.write(filepath.Base(abs), w)
	if err != nil {
		return nil, err
	}
	c := &Conversion{Writer: w, Arch: f.arch, o: o}
	if c.model, err = safetensors.OpenFolder(dir); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.Close())
		}
	}()
	// Tables of vocab_size entries only after a tensor of as many rows: a small file does not ask for large ones.
	name := f.wholeName("token_embd.weight")
	embed := c.model.Tensors[name]
	if embed == nil {
		return nil, &Error{c.model.Name, "tensor " + quote(name), "nothing", "the token embedding"}
	}
	if want := d.shape("token_embd.weight"); !slices.Equal(embed.Shape, want) {
		return nil, badShape(embed, want)
	}
	if err := vocabulary(dir, cfg, d.vocab, w); err != nil {
		return nil, err
	}
	if err := c.tensors(f, d, cfg, embed); err != nil {
		return nil, err
	}
	return c, nil
}

// write writes the keys of config.json, of a model with the given name.
func (c *config) write(name string, w *gguf.Writer) (f *family, d dims, err error) {
	if f, err = familyOf(c); err != nil {
		return nil, d, err
	}
	w.Set("general.architecture", f.arch)
	w.Set("general.name", strings.ToValidUTF8(name, "?"))
	if d = f.common(c, w); c.err != nil {
		return nil, d, c.err
	}
	f.keys(c, d, w)
	return f, d, c.err
}

func badShape(t *safetensors.Tensor, want []int) error {
	return &Error{t.File().Name, "tensor " + quote(t.Name), fmt.Sprintf("shape %v", t.Shape), fmt.Sprint(want)}
}

// tensors adds the model's tensors in GGUF's usual order: those of the whole model, then layer by layer.
func (c *Conversion) tensors(f *family, d dims, cfg *config, embed *safetensors.Tensor) error {
	tied := cfg.flag("tie_word_embeddings", f.tied)
	if cfg.err != nil {
		return cfg.err
	}
	c.Type = strings.ToUpper(c.o.Type)
	if c.Type == "" {
		c.Type = string(embed.DType)
	}
	fileType, ok := fileTypes[c.Type]
	if !ok {
		return &Error{c.model.Name, "type", quote(c.Type), "f32, f16 or bf16; give one"}
	}
	c.Set("general.file_type", fileType)
	c.Set("general.quantization_version", uint32(2))

	used := map[string]bool{}
	add := func(name, to, layer string, must bool) error {
		t := c.model.Tensors[name]
		if t == nil {
			if must {
				return &Error{c.model.Name, "tensor " + quote(name), "nothing", fmt.Sprintf("a tensor of shape %v", d.shape(to))}
			}
			return nil
		}
		used[name] = true
		return c.tensor(f, d, t, to, layer)
	}
	type pair struct{ from, to string }
	if tied {
		used[f.wholeName("output.weight")] = true // the same tensor, where it is there
	}
	for _, to := range []string{"token_embd.weight", "output_norm.weight", "output_norm.bias", "output.weight", "output.bias"} {
		from := f.wholeName(to)
		if from == "" || tied && to == "output.weight" {
			continue
		}
		if err := add(from, to, "", true); err != nil {
			return err
		}
	}
	var layer []pair
	for from, to := range f.allNames() {
		layer = append(layer, pair{from, to})
	}
	sort.Slice(layer, func(i, j int) bool { return layer[i].to < layer[j].to })
	for l := range d.layers {
		from, to := fmt.Sprintf("model.layers.%d.", l), fmt.Sprintf("blk.%d.", l)
		for _, p := range layer {
			must := f.names[p.from] != "" || f.bias && strings.HasPrefix(p.to, "attn_") && p.to != "attn_output.bias"
			if err := add(from+p.from, p.to, to, must); err != nil {
				return err
			}
		}
		if f.experts != nil {
			if err := c.stacks(f, d, from, to, used); err != nil {
				return err
			}
		}
		used[from+"self_attn.rotary_emb.inv_freq"] = true // of old files; computed from rope_theta
	}
	for _, t := range sorted(c.model.Tensors) {
		if !used[t.Name] {
			return &Error{t.File().Name, "tensor " + quote(t.Name), "a tensor that " + f.arch + " does not have", "the tensors of a text model"}
		}
	}
	return nil
}

func sorted(m map[string]*safetensors.Tensor) []*safetensors.Tensor {
	var list []*safetensors.Tensor
	for _, t := range m {
		list = append(list, t)
	}
	sort.Slice(list, func(i, j int) bool { return list[i].Name < list[j].Name })
	return list
}

// tensor adds one tensor. to is its name in GGUF without the layer.
func (c *Conversion) tensor(f *family, d dims, t *safetensors.Tensor, to, layer string) error {
	if want := d.shape(to); !slices.Equal(t.Shape, want) {
		return badShape(t, want)
	}
	shape := slices.Clone(t.Shape)
	if slices.Reverse(shape); len(shape) == 2 && shape[1] == 1 { // a gate of one row is a vector
		shape = shape[:1]
	}
	typ := c.Type
	if len(shape) == 1 {
		typ = "F32"
	}
	format, err := quant.ByName(typ)
	if err != nil {
		return err
	}
	from, err := sourceFormat(t)
	if err != nil {
		return err
	}
	p := piece{t: t, from: from, to: format, width: shape[0], c: c}
	if f.plusOne && strings.HasSuffix(t.Name, "norm.weight") {
		p.add = 1
	}
	if f.rotated && (strings.HasPrefix(to, "attn_q.") || strings.HasPrefix(to, "attn_k.")) {
		p.headDim = d.headDim
		if len(t.Shape) == 1 {
			p.width = 1 // rows of one value
		}
	}
	c.Size += t.Bytes
	c.AddTensorFunc(layer+to, format.Type, shape, p.write)
	return nil
}

// sourceFormat is the format of a folder's tensor.
func sourceFormat(t *safetensors.Tensor) (*quant.Format, error) {
	ggml, ok := t.DType.GGML()
	from, _ := quant.ByType(ggml)
	if !ok || from == nil || !from.Float || from.Type == kernels.F64 {
		return nil, &Error{t.File().Name, "tensor " + quote(t.Name), "dtype " + string(t.DType), "F32, F16 or BF16"}
	}
	return from, nil
}

// exists tells whether a file of the folder is there.
func exists(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

// tokenOf reads a token as tokenizer_config.json has it: its text, or an object with the text as "content".
func tokenOf(v any) (string, bool) {
	if m, ok := v.(map[string]any); ok {
		v = m["content"]
	}
	s, ok := v.(string)
	return s, ok
}

// idOf reads a token id, or the first of a list of them.
func idOf(v any) (int, bool) {
	if list, ok := v.([]any); ok && len(list) > 0 {
		v = list[0]
	}
	n, ok := v.(json.Number)
	if !ok {
		return 0, false
	}
	id, err := n.Int64()
	return int(id), err == nil && id >= 0 && id < maxTokens
}
