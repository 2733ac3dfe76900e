package hf

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
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
	text, err := readFile(cfg.file)
	if err != nil {
		return nil, err
	}
	if err := decodeJSON(cfg.file, jsonOf(text), &cfg.fields); err != nil {
		return nil, err
	}
	if cfg.pools, err = readPooling(dir); err != nil {
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
	embed := c.tensor(f, name)
	if embed == nil {
		return nil, &Error{c.model.Name, "tensor " + quote(name), "nothing", "the token embedding"}
	}
	if want := []int{d.vocab, d.dim}; !slices.Equal(embed.Shape, want) {
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

	used := map[*safetensors.Tensor]bool{}
	if tied {
		used[c.tensor(f, f.wholeName("output.weight"))] = true // the same tensor, where it is there
	}
	for _, r := range f.rules(d, tied) {
		if err := c.rule(f, r, used); err != nil {
			return err
		}
	}
	for _, t := range sorted(c.model.Tensors) {
		if !used[t] && !f.ignored(t.Name) {
			return &Error{t.File().Name, "tensor " + quote(t.Name), "a tensor that " + f.arch + " does not have", "the tensors of a text model"}
		}
	}
	return nil
}

// tensor finds a tensor, with or without what stands before all names.
func (c *Conversion) tensor(f *family, name string) *safetensors.Tensor {
	base := f.base
	if base == "" {
		base = "model."
	}
	for _, n := range []string{name, strings.TrimPrefix(name, base), base + name} {
		if t := c.model.Tensors[n]; t != nil {
			return t
		}
	}
	return nil
}

// rule adds the tensors that one rule makes.
func (c *Conversion) rule(f *family, r rule, used map[*safetensors.Tensor]bool) error {
	sources, found := make([]source, len(r.theirs)), make([]*safetensors.Tensor, len(r.theirs))
	typ, size := c.Type, int64(0)
	for i, s := range r.theirs {
		t := c.tensor(f, s.name)
		stem, packed := strings.CutSuffix(s.name, "_blocks")
		scales := c.tensor(f, stem+"_scales")
		switch {
		case t != nil && !packed:
			from, err := sourceFormat(t)
			if err != nil {
				return err
			}
			if !slices.Equal(t.Shape, s.shape) {
				return badShape(t, s.shape)
			}
			sources[i] = &folderSource{t: t, format: from}
		case t != nil && scales != nil:
			if err := packedShapes(t, scales, s.shape); err != nil {
				return err
			}
			sources[i] = &packedSource{blocks: t, scales: scales}
			if c.o.Type == "" {
				typ = "MXFP4"
			}
			used[scales], size = true, size+scales.Bytes
		case r.must || found[0] != nil:
			return &Error{c.model.Name, "tensor " + quote(s.name), "nothing", fmt.Sprintf("a tensor of shape %v", s.shape)}
		default:
			return nil
		}
		found[i], used[t], size = t, true, size+t.Bytes
	}
	c.Size += size
	from := placesOf(r.theirs, sources)
	for i := range r.ours {
		bytes := size / int64(len(r.ours)-i) // which count as read for this one
		size -= bytes
		if err := c.add(f, r.theirs[0].name, found[0], from, &r.ours[i], typ, bytes); err != nil {
			return err
		}
	}
	return nil
}

// add adds one tensor. theirs is the name that errors give, and t the tensor of it; bytes are what is read for it.
func (c *Conversion) add(f *family, theirs string, t *safetensors.Tensor, from places, to *slot, typ string, bytes int64) error {
	shape := slices.Clone(to.shape)
	slices.Reverse(shape)
	if len(shape) == 1 || staysF32(to.part) {
		typ = "F32"
	}
	format, err := quant.ByName(typ)
	if err != nil {
		return err
	}
	bad := func(got, want string) error { return &Error{t.File().Name, "tensor " + quote(theirs), got, want} }
	if shape[0]%format.Block != 0 {
		return bad(fmt.Sprintf("rows of %d values for %s", shape[0], typ), "--type bf16, f16 or f32")
	}
	r := rewriting{flows: from.into(to), n: to.elements(), to: format, width: shape[0], bad: bad}
	r.turn, _ = f.turns(theirs, to.part)
	c.AddTensorFunc(to.name, format.Type, shape, func(out io.Writer) error {
		before := c.done
		return r.write(func(b []byte, done float64) error {
			if _, err := out.Write(b); err != nil {
				return err
			}
			if c.done = before + int64(done*float64(bytes)); c.o.Progress == nil {
				return nil
			}
			return c.o.Progress(c.done, c.Size)
		})
	})
	return nil
}

// packedShapes checks the blocks and scales of a tensor in MXFP4.
func packedShapes(blocks, scales *safetensors.Tensor, want []int) error {
	n := len(want) - 1
	shape := append(slices.Clone(want[:n]), want[n]/32)
	switch {
	case want[n]%32 != 0 || !slices.Equal(scales.Shape, shape):
		return badShape(scales, shape)
	case !slices.Equal(blocks.Shape, append(shape, 16)):
		return badShape(blocks, append(shape, 16))
	case blocks.DType != "U8" || scales.DType != "U8":
		return &Error{blocks.File().Name, "tensor " + quote(blocks.Name), "dtype " + string(blocks.DType), "U8, its scales too"}
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
