package hf

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"

	"github.com/freehold-slm/freehold/models"
	"github.com/freehold-slm/freehold/models/gguf"
	"github.com/freehold-slm/freehold/models/safetensors"
	"github.com/freehold-slm/freehold/quant"
)

// ExportOptions are what Export may be given.
type ExportOptions struct {
	// Type of the tensors: F32, F16 or BF16, in capitals or not; "" = that of the token embedding. Vectors that it cannot hold
	// exactly stay F32.
	Type string
	// ShardSize is the most bytes of tensors in one file, but for a tensor that is larger by itself; 0 = 5 GB.
	ShardSize int64
	// Progress hears bytes written of all tensor bytes; an error from it ends the writing.
	Progress func(done, total int64) error
}

const defaultShard = 5_000_000_000

// Export is a GGUF file, ready to be written as a model folder. The file must stay open until then.
type Export struct {
	Class string // of transformers
	Type  string // of the matrices
	Size  int64  // bytes of tensors to be written

	file   *gguf.File
	json   map[string]any // by file name
	chat   string         // chat template; "" = none
	pieces []*exported    // by name
	o      ExportOptions
	done   int64
}

// NewExport reads the file's metadata and checks that config.json can state it all. It is the way back of Convert.
func NewExport(f *gguf.File, o ExportOptions) (*Export, error) {
	s, err := models.NewSpec(f)
	if err != nil {
		return nil, err
	}
	e := &Export{file: f, o: o, json: map[string]any{}}
	var fam *family
	known := []string{}
	for _, class := range Architectures() {
		if !slices.Contains(known, families[class].arch) {
			known = append(known, families[class].arch)
		}
		if fam == nil && families[class].arch == s.Arch && (families[class].experts != nil) == (s.Experts > 0) {
			e.Class, fam = class, families[class]
		}
	}
	if fam == nil {
		return nil, &Error{f.Name, "general.architecture", quote(s.Arch), "one of: " + strings.Join(known, ", ")}
	}
	if len(s.Labels) > 0 {
		return nil, &Error{f.Name, "cls.output.weight", "a classification head", "a text model"}
	}
	embed, _ := f.Tensor("token_embd.weight")
	format, _ := quant.ByType(embed.Type)
	if e.Type = strings.ToUpper(o.Type); e.Type == "" && format.Float {
		e.Type = format.Name
	}
	if _, ok := fileTypes[e.Type]; !ok {
		return nil, &Error{f.Name, "type", quote(format.Name), "f32, f16 or bf16; give one (--type)"}
	}
	cfg, err := fam.exportConfig(f, s, e)
	if err != nil {
		return nil, err
	}
	e.json["config.json"] = cfg
	if err := e.vocabulary(cfg); err != nil {
		return nil, err
	}
	return e, e.tensors(fam, s)
}

func typeName(t *gguf.Tensor) string {
	if f, ok := quant.ByType(t.Type); ok {
		return f.Name
	}
	return fmt.Sprint("id ", uint32(t.Type))
}

// exported is one tensor on its way back.
type exported struct {
	name  string
	t     *gguf.Tensor
	dtype safetensors.DType
	shape []int // rows first
	bytes int64
	write func(out func([]byte) error) error
}

// tensors finds the name in transformers of every tensor.
func (e *Export) tensors(fam *family, s *models.Spec) error {
	layer := map[string]string{}
	for theirs, ours := range fam.allNames() {
		layer[ours] = theirs
	}
	for i := range e.file.Tensors {
		t := &e.file.Tensors[i]
		if t.Name == "rope_freqs.weight" { // stated by rope_scaling
			continue
		}
		name, part, number := fam.wholeName(t.Name), t.Name, ""
		if rest, ok := strings.CutPrefix(t.Name, "blk."); ok {
			if number, part, _ = strings.Cut(rest, "."); layer[part] != "" {
				name = "model.layers." + number + "." + layer[part]
			}
		}
		var err error
		if name == "" {
			err = e.unstack(fam, t, "model.layers."+number+".", part)
		} else {
			err = e.add(fam, s, t, name, part)
		}
		if err != nil {
			return err
		}
	}
	sort.Slice(e.pieces, func(i, j int) bool { return e.pieces[i].name < e.pieces[j].name })
	return nil
}

func (e *Export) add(fam *family, s *models.Spec, t *gguf.Tensor, name, part string) error {
	x, err := e.piece(fam, s, t, name, part)
	if err != nil {
		return err
	}
	e.pieces = append(e.pieces, x)
	e.Size += x.bytes
	return nil
}

// piece says how tensor t is written under its name in transformers; part is its name in GGUF without the layer.
func (e *Export) piece(fam *family, s *models.Spec, t *gguf.Tensor, name, part string) (*exported, error) {
	from, ok := quant.ByType(t.Type)
	if !ok || !from.CanUnpack() {
		return nil, &Error{e.file.Name, "tensor " + quote(t.Name), "type " + typeName(t), "a type that can be decoded"}
	}
	minus, headDim := float32(0), 0
	if fam.plusOne && strings.HasSuffix(name, "norm.weight") {
		minus = 1
	}
	if fam.rotated && (strings.HasPrefix(part, "attn_q.") || strings.HasPrefix(part, "attn_k.")) {
		headDim = s.HeadDim
	}
	shape := slices.Clone(t.Shape)
	slices.Reverse(shape)
	dtype := e.Type
	if part == "ffn_gate_inp_shexp.weight" {
		shape = []int{1, shape[0]}
	}
	if len(t.Shape) == 1 && dtype != "F32" {
		exact, err := e.exact(t, from, minus)
		if err != nil {
			return nil, err
		}
		if !exact {
			dtype = "F32"
		}
	}
	to, err := quant.ByName(dtype)
	if err != nil {
		return nil, err
	}
	x := &exported{name: name, t: t, dtype: safetensors.DType(dtype), shape: shape, bytes: int64(t.Elements()) * int64(to.Bytes)}
	x.write = func(out func([]byte) error) error { return e.write(out, t, from, to, minus, headDim) }
	return x, nil
}

// exact tells whether the wanted type holds every value of a vector less minus.
func (e *Export) exact(t *gguf.Tensor, from *quant.Format, minus float32) (bool, error) {
	to, err := quant.ByName(e.Type)
	if err != nil {
		return false, err
	}
	x, back := make([]float32, t.Elements()), make([]float32, t.Elements())
	if err := e.file.Guard(func() error { from.Unpack(x, t.Data); return nil }); err != nil {
		return false, err
	}
	packed := make([]byte, len(x)*to.Bytes)
	for i := range x {
		x[i] -= minus
	}
	to.Pack(packed, x, nil, len(x))
	to.Unpack(back, packed)
	return slices.Equal(x, back), nil
}

// write gives the bytes of t to out, a bounded number of rows at a time.
func (e *Export) write(out func([]byte) error, t *gguf.Tensor, from, to *quant.Format, minus float32, headDim int) error {
	width := t.Shape[0]
	if len(t.Shape) == 1 && headDim > 0 {
		width = 1 // rows of one value
	}
	rows := t.Elements() / width
	step := max(1, pieceBytes/(4*width))
	if headDim > 0 {
		step = headDim // a head is small, and rows do not leave it
	}
	values, moved, packed := make([]float32, step*width), make([]float32, step*width), make([]byte, step*width*to.Bytes)
	at := 0 // of t.Data
	for row := 0; row < rows; row += step {
		x := values[:min(step, rows-row)*width]
		n := len(x) / from.Block * from.Bytes
		if err := e.file.Guard(func() error { from.Unpack(x, t.Data[at:at+n]); return nil }); err != nil {
			return err
		}
		e.file.Drop(t.Data[at : at+n])
		at += n
		if headDim > 0 {
			takeApart(moved, x, width)
			x = moved[:len(x)]
		}
		b := packed[:len(x)*to.Bytes]
		for i, v := range x {
			if v-v != 0 {
				return &Error{e.file.Name, "tensor " + quote(t.Name), fmt.Sprintf("%v near row %d", v, row+i/width), "finite weights"}
			}
			x[i] = v - minus
		}
		to.Pack(b, x, nil, len(x))
		if to.Name == "F16" { // which has less range than the others
			back := values[:len(x)]
			to.Unpack(back, b)
			for i, v := range back {
				if math.IsInf(float64(v), 0) {
					return &Error{e.file.Name, "tensor " + quote(t.Name), fmt.Sprintf("a value near row %d that F16 cannot hold", row+i/width), "--type bf16 or f32"}
				}
			}
		}
		if err := out(b); err != nil {
			return err
		}
		e.done += int64(len(b))
		if e.o.Progress != nil {
			if err := e.o.Progress(e.done, e.Size); err != nil {
				return err
			}
		}
	}
	return nil
}

// takeApart is pairUp's way back: src[2j + k] goes to dst[k*rows/2 + j].
func takeApart(dst, src []float32, width int) {
	half := len(src) / width / 2
	for j := range half {
		for k := range 2 {
			copy(dst[(k*half+j)*width:][:width], src[(2*j+k)*width:][:width])
		}
	}
}

// WriteTo writes the folder, which must be empty or not there yet. The tensors come last, so a folder without them is unfinished.
func (e *Export) WriteTo(dir string) error {
	if list, err := os.ReadDir(dir); err == nil && len(list) > 0 {
		return &Error{dir, "folder", fmt.Sprintf("%d files in it", len(list)), "an empty folder, or none"}
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	for _, name := range []string{"config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json"} {
		text, err := json.MarshalIndent(e.json[name], "", "  ")
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, name), append(text, '\n'), 0o666); err != nil {
			return err
		}
	}
	if e.chat != "" {
		if err := os.WriteFile(filepath.Join(dir, "chat_template.jinja"), []byte(e.chat), 0o666); err != nil {
			return err
		}
	}
	return e.shards(dir)
}
