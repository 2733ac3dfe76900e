package hf

import (
	"encoding/json"
	"fmt"
	"maps"
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
		if fam == nil && families[class].modelType != "" && families[class].arch == s.Arch && families[class].fits(s) {
			e.Class, fam = class, families[class]
		}
	}
	if fam == nil {
		return nil, &Error{f.Name, "general.architecture", quote(s.Arch), "one of: " + strings.Join(known, ", ")}
	}
	if len(s.Labels) > 0 || s.Tags != nil {
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
	cfg, d, err := fam.exportConfig(f, s, e)
	if err != nil {
		return nil, err
	}
	e.json["config.json"] = cfg
	e.poolingJSON(s)
	if err := e.vocabulary(cfg); err != nil {
		return nil, err
	}
	return e, e.tensors(fam, d, s.Tied)
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
	dtype safetensors.DType
	shape []int // rows first
	bytes int64
	write func(out func([]byte) error) error
}

// tensors finds the tensors that are made of the file's.
func (e *Export) tensors(fam *family, d dims, tied bool) error {
	used := map[string]bool{"rope_freqs.weight": true, "rope_factors_long.weight": true, "rope_factors_short.weight": true} // stated by rope_scaling
	for _, r := range fam.rules(d, tied) {
		if err := e.rule(fam, r, used); err != nil {
			return err
		}
	}
	for i := range e.file.Tensors {
		if name := e.file.Tensors[i].Name; !used[name] {
			return &Error{e.file.Name, "tensor " + quote(name), "a tensor that " + e.Class + " does not have", "the tensors of a text model"}
		}
	}
	sort.Slice(e.pieces, func(i, j int) bool { return e.pieces[i].name < e.pieces[j].name })
	return nil
}

// rule adds the tensors that one rule makes of those of the file.
func (e *Export) rule(fam *family, r rule, used map[string]bool) error {
	sources, first := make([]source, len(r.ours)), (*gguf.Tensor)(nil)
	for i, s := range r.ours {
		t, ok := e.file.Tensor(s.name)
		switch {
		case ok:
		case !r.must && first == nil:
			return nil
		default:
			return &Error{e.file.Name, "tensor " + quote(s.name), "nothing", fmt.Sprintf("a tensor of shape %v, rows first", s.shape)}
		}
		shape := slices.Clone(t.Shape)
		if slices.Reverse(shape); !slices.Equal(squeezed(shape), squeezed(s.shape)) {
			return &Error{e.file.Name, "tensor " + quote(s.name), fmt.Sprintf("shape %v", t.Shape), fmt.Sprintf("%v, rows first", s.shape)}
		}
		format, ok := quant.ByType(t.Type)
		if !ok || !format.CanUnpack() {
			return &Error{e.file.Name, "tensor " + quote(t.Name), "type " + typeName(t), "a type that can be decoded"}
		}
		sources[i], used[s.name] = &fileSource{file: e.file, t: t, format: format}, true
		if first == nil {
			first = t
		}
	}
	from := placesOf(r.ours, sources)
	for i := range r.theirs {
		if err := e.add(fam, first, from, &r.theirs[i]); err != nil {
			return err
		}
	}
	return nil
}

// squeezed is a shape without its ones.
func squeezed(shape []int) []int {
	return slices.DeleteFunc(slices.Clone(shape), func(n int) bool { return n == 1 })
}

// add adds one tensor of the folder. t is the tensor that errors name.
func (e *Export) add(fam *family, t *gguf.Tensor, from places, to *slot) error {
	bad := func(got, want string) error { return &Error{e.file.Name, "tensor " + quote(t.Name), got, want} }
	r := rewriting{flows: from.into(to), n: to.elements(), width: to.shape[len(to.shape)-1], bad: bad}
	_, r.turn = fam.turns(to.name, to.part)
	dtype := e.Type
	var err error
	if r.to, err = quant.ByName(dtype); err != nil {
		return err
	}
	if dtype != "F32" && (len(t.Shape) == 1 || staysF32(to.part)) { // these may be finer than the rest
		exact, err := r.exact(r.to)
		if err != nil {
			return err
		}
		if !exact {
			dtype = "F32"
			if r.to, err = quant.ByName(dtype); err != nil {
				return err
			}
		}
	}
	x := &exported{name: to.name, dtype: safetensors.DType(dtype), shape: slices.Clone(to.shape), bytes: int64(r.n) * int64(r.to.Bytes)}
	x.write = func(out func([]byte) error) error {
		return r.write(func(b []byte, _ float64) error {
			if err := out(b); err != nil {
				return err
			}
			if e.done += int64(len(b)); e.o.Progress == nil {
				return nil
			}
			return e.o.Progress(e.done, e.Size)
		})
	}
	e.pieces = append(e.pieces, x)
	e.Size += x.bytes
	return nil
}

// WriteTo writes the folder, which must be empty or not there yet. The tensors come last, so a folder without them is unfinished.
func (e *Export) WriteTo(dir string) error {
	if list, err := os.ReadDir(dir); err == nil && len(list) > 0 {
		return &Error{dir, "folder", fmt.Sprintf("%d files in it", len(list)), "an empty folder, or none"}
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(e.json)) {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o777); err != nil {
			return err
		}
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
