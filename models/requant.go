package models

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"github.com/freehold-slm/freehold/kernels"
	"github.com/freehold-slm/freehold/models/gguf"
	"github.com/freehold-slm/freehold/quant"
)

// ErrWeights is wrapped by errors about weights that cannot be packed: NaN, infinite, or of a format that cannot be
// decoded.
var ErrWeights = errors.New("weights cannot be packed")

// RequantizeOptions are what Requantize may be given. The zero value is good.
type RequantizeOptions struct {
	// Parallel runs fn(i) for 0 <= i < n and returns when all have ended; nil = one after the other. The bytes
	// written do not depend on it.
	Parallel func(n int, fn func(i int))
	// Progress hears bytes read of all tensor bytes; an error from it ends the writing.
	Progress func(done, total int64) error
	// Importance weighs the columns of each matrix in packing; nil = all alike.
	Importance *Importance
	// Overrides give matrices a format of their own; the first whose pattern is found in the tensor's name counts.
	Overrides []Override
}

// Override is a format for the matrices whose name a pattern is found in.
type Override struct {
	Pattern *regexp.Regexp
	Format  *quant.Format
}

// ParseOverride reads REGEX=TYPE, such as "ffn_down=q6_k".
func ParseOverride(text string) (Override, error) {
	i := strings.LastIndexByte(text, '=')
	if i <= 0 {
		return Override{}, fmt.Errorf("%s: want REGEX=TYPE, such as ffn_down=q6_k", gguf.Quote(text))
	}
	pattern, err := regexp.Compile(text[:i])
	if err != nil {
		return Override{}, fmt.Errorf("%s: %w", gguf.Quote(text), err)
	}
	f, err := quant.ByName(text[i+1:])
	if err == nil && forWeights(f) {
		return Override{pattern, f}, nil
	}
	var known []string
	for _, f := range quant.Formats() {
		if forWeights(f) {
			known = append(known, strings.ToLower(f.Name))
		}
	}
	return Override{}, fmt.Errorf("%s: weights cannot be written as %s; known: %s", gguf.Quote(text), gguf.Quote(text[i+1:]), strings.Join(known, " "))
}

// forWeights tells the formats that matrices may be written in. F64 is none: llama.cpp multiplies by no such matrix.
func forWeights(f *quant.Format) bool {
	return f.CanPack() && (f.Float || f.Block > 1) && f.Type != kernels.F64
}

// quantizationVersion is ggml's GGML_QNT_VERSION, which the block layouts of package quant are.
const quantizationVersion uint32 = 2

// Requantize returns a writer of f's model in another mix: metadata kept, general.file_type and
// general.quantization_version set, tensors decoded and packed anew one after the other while the file is written. A
// tensor that has the wanted format already is copied. Notes, to be shown to the user, name tensors that could not
// have the format that the mix intends, and what is lost by packing what was packed before. f must stay open until
// the file is written.
func Requantize(f *gguf.File, mix *quant.Mix, o RequantizeOptions) (w *gguf.Writer, notes []string, err error) {
	if len(f.Tensors) == 0 {
		return nil, nil, fmt.Errorf("%s: no tensors, want a model", f.Name)
	}
	arch, err := f.String("general.architecture")
	if err != nil {
		return nil, nil, err
	}
	layers, err := f.Uint(arch + ".block_count")
	if err != nil {
		return nil, nil, err
	}
	if layers == 0 || layers > maxLayers {
		return nil, nil, fmt.Errorf("%s: %s.block_count is %d, want 1 to %d", f.Name, arch, layers, maxLayers)
	}
	shared, err := queriesPerKV(f, arch)
	if err != nil {
		return nil, nil, err
	}
	level, err := kernels.Best()
	if err != nil {
		return nil, nil, err
	}
	_, untied := f.Tensor("output.weight")
	w = gguf.NewWriter()
	for _, kv := range f.KV {
		w.Set(kv.Key, kv.Value)
	}
	w.Set("general.file_type", mix.FileType)
	w.Set("general.quantization_version", quantizationVersion)

	r := &requantizer{RequantizeOptions: o, f: f, level: level, matched: make([]bool, len(o.Overrides))}
	twice, why, reasons := map[string]int{}, map[string][]string{}, []string(nil)
	for i := range f.Tensors {
		t := &f.Tensors[i]
		if isInteger(t.Type) { // a table, not weights
			w.AddTensor(t.Name, t.Type, t.Shape, t.Data)
			continue
		}
		from, ok := quant.ByType(t.Type)
		if !ok || !from.CanUnpack() {
			return nil, nil, fmt.Errorf("%s: tensor %s has type %v, which cannot be decoded: %w", f.Name, gguf.Quote(t.Name), t.Type, ErrWeights)
		}
		shape := slices.Clone(t.Shape)
		slices.Reverse(shape)
		about := quant.MixTensor{Name: t.Name, Shape: shape, Layers: int(layers), Tied: !untied, QueriesPerKV: shared, Importance: o.Importance != nil}
		if about.Quantisable() {
			about.Override = r.override(t.Name)
		}
		to, note, err := mix.Pick(about)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", f.Name, err)
		}
		weights, err := r.weights(t)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", f.Name, err)
		}
		if note != "" { // one note a reason, not a tensor
			reason := strings.TrimPrefix(note, t.Name+": ")
			if len(why[reason]) == 0 {
				reasons = append(reasons, reason)
			}
			why[reason] = append(why[reason], t.Name)
		}
		if !from.Float && from != to {
			twice[from.Name]++
		}
		r.total += int64(len(t.Data))
		w.AddTensorFunc(t.Name, to.Type, t.Shape, func(out io.Writer) error { return r.write(out, t, from, to, weights) })
	}
	if err := r.unused(); err != nil {
		return nil, nil, err
	}
	if o.Importance != nil {
		w.Set("quantize.imatrix.entries_count", uint32(o.Importance.Len()))
		w.Set("quantize.imatrix.chunks_count", o.Importance.Chunks)
	}
	for _, reason := range reasons {
		names := why[reason]
		note := names[0]
		if n := len(names) - 1; n > 0 {
			note += fmt.Sprintf(" and %d more tensors", n)
		}
		notes = append(notes, note+": "+reason)
	}
	for _, from := range quant.Formats() {
		if n := twice[from.Name]; n > 0 {
			notes = append(notes, fmt.Sprintf("%d tensors are %s already: what that lost stays lost; an F16 or F32 source gives better files", n, from.Name))
		}
	}
	return w, notes, nil
}

// queriesPerKV is how many query heads share a key-value head, in the first layer where layers differ; 0 for a model
// without heads.
func queriesPerKV(f *gguf.File, arch string) (int, error) {
	var heads [2]int64
	for i, key := range []string{arch + ".attention.head_count", arch + ".attention.head_count_kv"} {
		switch v, ok := f.Get(key); {
		case !ok:
			heads[i] = heads[0] // as many as queries
		case v.Type == gguf.TypeArray:
			list, err := f.Ints(key)
			if err != nil {
				return 0, err
			}
			if len(list) == 0 {
				return 0, fmt.Errorf("%s: key %s is empty, want a number a layer", f.Name, key)
			}
			heads[i] = list[0]
		default:
			var err error
			if heads[i], err = f.Int(key); err != nil {
				return 0, err
			}
		}
		if heads[i] < 0 {
			return 0, fmt.Errorf("%s: key %s is %d, want 0 or more", f.Name, key, heads[i])
		}
	}
	if heads[1] == 0 {
		return 0, nil
	}
	return int(heads[0] / heads[1]), nil
}

func isInteger(t kernels.Type) bool {
	return t == kernels.I8 || t == kernels.I16 || t == kernels.I32 || t == kernels.I64
}

// requantizer is the state that the writers of one file's tensors share.
type requantizer struct {
	RequantizeOptions
	f           *gguf.File
	level       *kernels.Level
	done, total int64
	matched     []bool // overrides that a matrix was found for
	weighed     int    // matrices that importances were found for
}

// override finds the user's format for a matrix; nil = none.
func (r *requantizer) override(name string) *quant.Format {
	var first *quant.Format
	for i, o := range r.Overrides {
		if o.Pattern.MatchString(name) {
			r.matched[i] = true
			if first == nil {
				first = o.Format
			}
		}
	}
	return first
}

// weights finds the importances of a tensor's columns; nil = none.
func (r *requantizer) weights(t *gguf.Tensor) ([]float32, error) {
	if r.Importance == nil || len(t.Shape) == 0 {
		return nil, nil
	}
	v, err := r.Importance.Columns(t.Name, t.Shape[0])
	if v != nil {
		r.weighed++
	}
	return v, err
}

// unused refuses overrides and importances that nothing in the file answers to.
func (r *requantizer) unused() error {
	for i, ok := range r.matched {
		if !ok {
			return fmt.Errorf("%s: no matrix has a name in which %s is found", r.f.Name, gguf.Quote(r.Overrides[i].Pattern.String()))
		}
	}
	if r.Importance != nil && r.weighed == 0 {
		return fmt.Errorf("%s: none of its tensors is among the %d of the importances, which are of another model: %w", r.f.Name, r.Importance.Len(), ErrImportance)
	}
	return nil
}

// Sizes of the work: values decoded at a time by one worker, and pieces given to the workers together.
const (
	requantValues = 64 << 10
	requantPieces = 16
)

// write packs one tensor, some rows at a time; weights are its columns' importances, nil = alike.
func (r *requantizer) write(out io.Writer, t *gguf.Tensor, from, to *quant.Format, weights []float32) error {
	if from == to && !from.Float { // every bit pattern of a float format may be copied only after a look
		err := r.f.Guard(func() error { _, err := out.Write(t.Data); return err })
		r.f.Drop(t.Data)
		if err != nil {
			return err
		}
		return r.report(len(t.Data))
	}
	width := t.Shape[0]
	fromRow, err := from.RowBytes(width)
	if err != nil {
		return err
	}
	toRow, err := to.RowBytes(width)
	if err != nil {
		return err
	}
	rows := max(1, requantValues/width) // of a piece
	var values [requantPieces][]float32
	var packed, before [requantPieces][]byte // what is being packed, and what was before and is written meanwhile
	var failed [requantPieces + 1]error
	for i := range values {
		values[i], packed[i], before[i] = make([]float32, rows*width), make([]byte, rows*toRow), make([]byte, rows*toRow)
	}
	ready := 0 // bytes of before
	write := func() error {
		left := ready
		for i := 0; left > 0; i++ {
			n := min(left, rows*toRow)
			if _, err := out.Write(before[i][:n]); err != nil {
				return err
			}
			left -= n
		}
		return nil
	}
	for row := 0; row < t.Rows(); row += rows * requantPieces {
		all := min(t.Rows()-row, rows*requantPieces)
		n := (all + rows - 1) / rows
		r.run(n+1, func(i int) {
			if i == 0 {
				failed[0] = write()
				return
			}
			first := row + (i-1)*rows
			count := min(rows, t.Rows()-first)
			v, data := values[i-1][:count*width], t.Data[first*fromRow:(first+count)*fromRow]
			failed[i] = r.f.Guard(func() error {
				from.Unpack(v, data)
				return nil
			})
			r.f.Drop(data)
			if failed[i] == nil {
				failed[i] = r.finite(t, v, first)
			}
			if failed[i] == nil {
				to.Pack(packed[i-1][:count*toRow], v, weights, width)
			}
		})
		for _, err := range failed[:n+1] {
			if err != nil {
				return err
			}
		}
		packed, before, ready = before, packed, all*toRow
		if err := r.report(all * fromRow); err != nil {
			return err
		}
	}
	return write()
}

// finite refuses NaN and infinity, which no packed format can hold.
func (r *requantizer) finite(t *gguf.Tensor, v []float32, firstRow int) error {
	if r.level.AllFinite(v) {
		return nil
	}
	for i, x := range v {
		if x-x != 0 {
			return fmt.Errorf("%s: tensor %s holds %v in row %d, column %d: %w", r.f.Name, gguf.Quote(t.Name), x, firstRow+i/t.Shape[0], i%t.Shape[0], ErrWeights)
		}
	}
	return nil
}

func (r *requantizer) run(n int, fn func(i int)) {
	if r.Parallel != nil {
		r.Parallel(n, fn)
		return
	}
	for i := range n {
		fn(i)
	}
}

func (r *requantizer) report(n int) error {
	r.done += int64(n)
	if r.Progress == nil {
		return nil
	}
	return r.Progress(r.done, r.total)
}
