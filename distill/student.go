package distill

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/freehold-slm/freehold/engine"
	"github.com/freehold-slm/freehold/kernels"
	"github.com/freehold-slm/freehold/models"
	"github.com/freehold-slm/freehold/models/gguf"
	"github.com/freehold-slm/freehold/quant"
)

// Prune says which parts of an open model a student keeps.
type Prune struct {
	Layers []int    // kept blocks, rising
	Vocab  []int32  // kept token ids, rising (see TrimVocab); nil = all
	Labels []string // adds a pooled classification head over these labels; nil = none

	Pooling models.Pooling // how states are pooled: for the head, or where there is none for embeddings; PoolNone = for a head the mean, else not at all
	Dense   int            // of which a new projection makes so many numbers; 0 = there is none

	Bidirectional bool // without the causal mask, see models.Spec.Bidirectional; the head or the embeddings are all that is left

	Tags []string // a head of each token over these in place of the output head, and no causal mask; nil = none
}

// Base is a student's starting point: the pruned model and the metadata of the file it will be written to.
type Base struct {
	Student *Student
	Meta    []Meta // the source's metadata, edited for the pruned shape
	extra   []extraTensor
	keep    []int32 // the source's ids of the tokens; nil = all
}

// Meta is one metadata key with its value, as gguf.Writer.Set takes them.
type Meta struct {
	Key   string
	Value any
}

type extraTensor struct {
	name  string
	shape []int
	data  []float32
}

// NewBase prunes the model in f. Weights are unpacked to f32; a new classification head starts at zero.
func NewBase(f *gguf.File, p Prune) (*Base, error) {
	spec, err := models.NewSpec(f)
	if err != nil {
		return nil, err
	}
	if err := learnable(f.Name, spec); err != nil {
		return nil, err
	}
	if err := checkLayers(p.Layers, spec.Layers); err != nil {
		return nil, fmt.Errorf("%s: %v", f.Name, err)
	}
	small, err := spec.Keep(p.Layers)
	if err != nil {
		return nil, fmt.Errorf("%s: %v", f.Name, err)
	}
	if p.Vocab != nil {
		small.Vocab = len(p.Vocab)
	}
	if err := p.heads(small); err != nil {
		return nil, fmt.Errorf("%s: %v", f.Name, err)
	}
	b := &Base{Student: newStudent(small), keep: p.Vocab}
	for _, t := range b.Student.Params {
		if t.Name == models.DenseTensor {
			startProjection(t, 0, 0)
			continue
		}
		if strings.HasPrefix(t.Name, "cls.") {
			continue
		}
		src, ok := f.Tensor(sourceName(t.Name, p.Layers))
		if !ok {
			return nil, fmt.Errorf("%s: tensor %q is missing", f.Name, sourceName(t.Name, p.Layers))
		}
		var rows []int32
		if t.Name == "token_embd.weight" || t.Name == "output.weight" || t.Name == "output.bias" {
			rows = p.Vocab
		}
		if err := unpackRows(t.W, src, rows); err != nil {
			return nil, fmt.Errorf("%s: %v", f.Name, err)
		}
	}
	for _, d := range spec.Rope.Divisors() {
		if *d.Values != nil {
			b.extra = append(b.extra, extraTensor{d.Name, []int{len(*d.Values)}, *d.Values})
		}
	}
	return b, b.editMetadata(f, p)
}

// heads says in s what becomes of the states beside logits, or in their place. What the base's file says of it is not the student's.
func (p *Prune) heads(s *models.Spec) error {
	if s.Labels, s.Pooling, s.Dense = p.Labels, p.Pooling, p.Dense; s.Pooling == models.PoolNone {
		if s.Dense = 0; len(p.Labels) > 0 {
			s.Pooling = models.PoolMean
		}
	}
	switch {
	case p.Tags != nil:
		return s.TagsTokens(p.Tags)
	case p.Bidirectional:
		return s.Bidirectional()
	}
	return nil
}

// learnable refuses what training has no way for.
func learnable(file string, spec *models.Spec) error {
	if spec.Encoder {
		return fmt.Errorf("%s: %s is an encoder, which gives embeddings and no logits; teachers and students are models that generate", file, spec.Arch)
	}
	return nil
}

func checkLayers(layers []int, have int) error {
	if len(layers) == 0 {
		return fmt.Errorf("a student needs at least one layer")
	}
	for i, l := range layers {
		if l < 0 || l >= have || i > 0 && l <= layers[i-1] {
			return fmt.Errorf("student layers %v: want rising numbers from 0 to %d", layers, have-1)
		}
	}
	return nil
}

// sourceName maps a student's tensor name to the source's: blk.i is its block layers[i].
func sourceName(name string, layers []int) string {
	var i int
	var rest string
	if n, _ := fmt.Sscanf(name, "blk.%d.%s", &i, &rest); n == 2 {
		return fmt.Sprintf("blk.%d.%s", layers[i], rest)
	}
	return name
}

// unpackRows decodes a tensor, or the given rows of it, to f32.
func unpackRows(dst []float32, t *gguf.Tensor, rows []int32) error {
	format, ok := quant.ByType(t.Type)
	if !ok || !format.CanUnpack() {
		return fmt.Errorf("tensor %q has type %v, which cannot be decoded", t.Name, t.Type)
	}
	if rows == nil {
		format.Unpack(dst, t.Data)
		return nil
	}
	w := t.Shape[0]
	if len(t.Shape) == 1 {
		w = 1 // a vector has one value a row
	}
	rb, err := format.RowBytes(w)
	if err != nil {
		return err
	}
	for i, r := range rows {
		format.Unpack(dst[i*w:i*w+w], t.Data[int(r)*rb:(int(r)+1)*rb])
	}
	return nil
}

// editMetadata copies the source's keys and changes those that pruning changes.
func (b *Base) editMetadata(f *gguf.File, p Prune) error {
	spec := b.Student.Spec
	var w metaList
	var err error
	for _, kv := range f.KV {
		switch {
		case strings.HasPrefix(kv.Key, "quantize."), ofSource(kv.Key), kv.Key == engine.KeyTaskCalibration, pooledKey(spec.Arch, kv.Key):
			continue // said of the source file itself
		case p.Vocab != nil && strings.HasPrefix(kv.Key, "tokenizer.ggml."):
			err = trimKey(&w, f, kv, p.Vocab)
		case slices.Contains(perLayerKeys, strings.TrimPrefix(kv.Key, spec.Arch+".")) && kv.Value.Type == gguf.TypeArray:
			var list []int64
			if list, err = f.Ints(kv.Key); err == nil {
				w.Set(kv.Key, keepCounts(list, p.Layers))
			}
		default:
			w.Set(kv.Key, kv.Value)
		}
		if err != nil {
			return err
		}
	}
	w.Set(spec.Arch+".block_count", uint32(spec.Layers))
	if spec.Window > 0 {
		w.Set(spec.Arch+".attention.sliding_window_pattern", uint32(spec.WindowPeriod))
	}
	if f.Has(spec.Arch + ".leading_dense_block_count") {
		w.Set(spec.Arch+".leading_dense_block_count", uint32(spec.DenseLead))
	}
	if p.Vocab != nil {
		w.Set(spec.Arch+".vocab_size", uint32(spec.Vocab))
		ids := make([]int32, len(p.Vocab))
		copy(ids, p.Vocab)
		w.Set("freehold.vocab.source_ids", ids)
	}
	w.Set("freehold.source_layers", toInt32(p.Layers))
	if spec.Pooling != models.PoolNone {
		w.Set(spec.Arch+".pooling_type", uint32(spec.Pooling))
	}
	if len(p.Labels) > 0 {
		w.Set(spec.Arch+".classifier.output_labels", p.Labels)
	}
	if p.Tags != nil {
		w.Set(spec.Arch+".pooling_type", uint32(models.PoolNone))
		w.Set(models.TagsKey, p.Tags)
	}
	if spec.Encoder {
		w.Set(spec.Arch+".attention.causal", false)
	}
	b.Meta = w
	return nil
}

// pooledKey tells keys of what the source makes of pooled states, in whose place the student has its own or nothing.
func pooledKey(arch, key string) bool {
	return key == arch+".pooling_type" || key == arch+".classifier.output_labels" || key == models.ClassifierWeight || key == models.ClassifierBias
}

// perLayerKeys may be lists of one count a layer.
var perLayerKeys = []string{"feed_forward_length", "attention.head_count", "attention.head_count_kv"}

// keepCounts are the counts of the given layers.
func keepCounts(list []int64, layers []int) []uint32 {
	kept := make([]uint32, len(layers))
	for i, l := range layers {
		kept[i] = uint32(list[l])
	}
	return kept
}

// metaList is metadata in order; setting a key again replaces its value in place.
type metaList []Meta

func (l *metaList) Set(key string, value any) {
	for i := range *l {
		if (*l)[i].Key == key {
			(*l)[i].Value = value
			return
		}
	}
	*l = append(*l, Meta{key, value})
}

func toInt32(x []int) []int32 {
	out := make([]int32, len(x))
	for i, v := range x {
		out[i] = int32(v)
	}
	return out
}

// trimKey writes one tokenizer key for the kept ids.
func trimKey(w *metaList, f *gguf.File, kv gguf.KV, keep []int32) error {
	switch name := strings.TrimPrefix(kv.Key, "tokenizer.ggml."); {
	case name == "tokens":
		tokens, err := f.Strings(kv.Key)
		if err != nil {
			return err
		}
		w.Set(kv.Key, pick(tokens, keep))
	case name == "scores":
		scores, err := f.Floats(kv.Key)
		if err != nil {
			return err
		}
		w.Set(kv.Key, pick(scores, keep))
	case name == "token_type":
		types, err := f.Ints(kv.Key)
		if err != nil {
			return err
		}
		small := make([]int32, len(keep))
		for i, id := range keep {
			small[i] = int32(types[id])
		}
		w.Set(kv.Key, small)
	case name == "merges":
		tokens, err := f.Strings("tokenizer.ggml.tokens")
		if err != nil {
			return err
		}
		merges, err := f.Strings(kv.Key)
		if err != nil {
			return err
		}
		kept := map[string]bool{}
		for _, id := range keep {
			kept[tokens[id]] = true
		}
		small := []string{}
		for _, m := range merges {
			if l, r, ok := cutMerge(m); ok && kept[l] && kept[r] && kept[l+r] {
				small = append(small, m)
			}
		}
		w.Set(kv.Key, small)
	case strings.HasSuffix(name, "_token_id"):
		old, err := f.Uint(kv.Key)
		if err != nil {
			return err
		}
		if i, ok := slices.BinarySearch(keep, int32(old)); ok {
			w.Set(kv.Key, uint32(i))
		}
	default:
		w.Set(kv.Key, kv.Value)
	}
	return nil
}

func pick[T any](all []T, ids []int32) []T {
	out := make([]T, len(ids))
	for i, id := range ids {
		out[i] = all[id]
	}
	return out
}

// Export builds the GGUF of the student as it is now, packed as mix says. Notes name tensors that could not have the
// format that the mix intends. extra keys (lineage, licence) are set last.
func (b *Base) Export(mix *quant.Mix, extra []Meta) (w *gguf.Writer, notes []string, err error) {
	w = gguf.NewWriter()
	for _, kv := range append(slices.Clone(b.Meta), extra...) {
		w.Set(kv.Key, kv.Value)
	}
	w.Set("general.file_type", mix.FileType)
	for _, p := range b.Student.Params {
		if key, ok := models.ClassifierKeys[p.Name]; ok {
			w.Set(key, slices.Clone(p.W))
			continue
		}
		format, note, err := b.Student.format(mix, p)
		if err != nil {
			return nil, nil, err
		}
		if note != "" {
			notes = append(notes, note)
		}
		w.AddTensorFunc(p.Name, format.Type, p.Shape, packer(format, p.W, p.Shape[0]))
	}
	for _, t := range b.extra {
		w.AddTensorFunc(t.name, kernels.F32, t.shape, packer(mustFormat(kernels.F32), t.data, t.shape[0]))
	}
	return w, groupNotes(notes), nil
}

// format is what a file of the mix holds tensor p in; note as Mix.Pick gives it. A classification head is metadata, in F32.
func (s *Student) format(mix *quant.Mix, p *Param) (f *quant.Format, note string, err error) {
	if _, ok := models.ClassifierKeys[p.Name]; ok {
		return mustFormat(kernels.F32), "", nil
	}
	shape := slices.Clone(p.Shape)
	slices.Reverse(shape)
	return mix.Pick(quant.MixTensor{Name: p.Name, Shape: shape, Layers: s.Spec.Layers, Tied: s.Spec.Tied, QueriesPerKV: s.Spec.Heads / max(1, s.Spec.KVHeads)})
}

// groupNotes says each remark once, with the number of tensors it holds for.
func groupNotes(notes []string) []string {
	count := map[string]int{}
	var order []string
	for _, n := range notes {
		if _, reason, ok := strings.Cut(n, ": "); ok {
			n = reason
		}
		if count[n]++; count[n] == 1 {
			order = append(order, n)
		}
	}
	for i, n := range order {
		order[i] = fmt.Sprintf("%d tensors: %s", count[n], n)
		if count[n] == 1 {
			order[i] = "1 tensor: " + n
		}
	}
	return order
}

func mustFormat(t kernels.Type) *quant.Format {
	f, ok := quant.ByType(t)
	if !ok {
		panic("distill: no format for type " + fmt.Sprint(uint32(t)))
	}
	return f
}

// packRowsCall rows are packed at a time, to keep the buffer small.
const packRowsCall = 64

func packer(format *quant.Format, data []float32, width int) func(io.Writer) error {
	return func(out io.Writer) error {
		rb, err := format.RowBytes(width)
		if err != nil {
			return err
		}
		buf := make([]byte, packRowsCall*rb)
		for r := 0; r*width < len(data); r += packRowsCall {
			part := data[r*width : min(len(data), (r+packRowsCall)*width)]
			n := len(part) / width * rb
			format.Pack(buf[:n], part, nil, width)
			if _, err := out.Write(buf[:n]); err != nil {
				return err
			}
		}
		return nil
	}
}
