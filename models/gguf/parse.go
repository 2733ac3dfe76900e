package gguf

import (
	"bytes"
	"cmp"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"strings"

	"github.com/freehold-slm/freehold/kernels"
	"github.com/freehold-slm/freehold/quant"
)

const (
	magic            = "GGUF"
	defaultAlignment = 32
	alignmentKey     = "general.alignment"

	maxName       = 65535   // bytes of a key (specification)
	maxTensorName = 63      // bytes (ggml: GGML_MAX_NAME 64 with its NUL)
	maxDims       = 4       // ggml: GGML_MAX_DIMS
	maxEntries    = 1 << 20 // keys, tensors; the largest models known hold under 100 000 tensors

	minKVSize     = 8 + 1 + 4 + 1         // length, name, type, value
	minTensorSize = 8 + 1 + 4 + 8 + 4 + 8 // length, name, dimensions, one size, type, offset
)

// Parse reads a GGUF file held in memory. Metadata are copied; tensor data are views of data, which must not
// change while the File is used. The name stands in errors.
func Parse(name string, data []byte) (*File, error) {
	r := &reader{file: name, data: data}
	f := &File{Name: name, Size: int64(len(data)), data: data}
	nTensors, nKV := f.readHeader(r)
	f.readKV(r, nKV)
	f.readAlignment(r)
	f.readTensors(r, nTensors)
	if r.err != nil {
		return nil, r.err
	}
	f.ownHeader(data[:r.pos])
	return f, nil
}

func (f *File) readHeader(r *reader) (nTensors, nKV int) {
	if m := r.take(4, "magic"); r.err == nil && string(m) != magic {
		want := `"GGUF"`
		if string(m) == "FUGG" {
			want += " (big-endian files are not supported)"
		}
		r.fail("magic", fmt.Sprintf("%q", m), want)
	}
	f.Version = r.u32("version")
	switch v := f.Version; {
	case r.err != nil || v == 2 || v == 3:
	case v == 1:
		r.fail("version", "1 (32-bit lengths, August 2023)", "2 or 3; convert the model again with a current tool")
	case v != 0 && bits.ReverseBytes32(v) <= 3:
		r.fail("version", fmt.Sprintf("%#x (a big-endian file)", v), "2 or 3, little-endian")
	default:
		r.fail("version", fmt.Sprint(v), "2 or 3")
	}
	nt, nk := r.u64("tensor count"), r.u64("key count")
	return r.capped(nt, minTensorSize, maxEntries, "tensor count"), r.capped(nk, minKVSize, maxEntries, "key count")
}

func (f *File) readKV(r *reader, n int) {
	room := r.room(n)
	f.KV = make([]KV, 0, room)
	f.keys = make(map[string]int, room)
	for i := 0; i < n && r.err == nil; i++ {
		r.enter("key", i)
		r.readName(maxName)
		if _, dup := f.keys[r.name]; dup && r.err == nil {
			r.fail("", "the key twice", "each key once")
		}
		v := r.value(ValueType(r.u32("type")))
		f.keys[r.name] = i
		f.KV = append(grown(f.KV), KV{r.name, v})
	}
}

func (f *File) readAlignment(r *reader) {
	f.Alignment = defaultAlignment
	v, ok := f.Get(alignmentKey)
	if !ok || r.err != nil {
		return
	}
	if !validAlignment(v) {
		r.err = f.keyError(alignmentKey, v.TypeName()+" "+v.String(), wantAlignment)
		return
	}
	f.Alignment = int(v.bits)
}

const wantAlignment = "u32, a power of two from 8 to 2^30"

func validAlignment(v Value) bool {
	return v.Type == TypeUint32 && v.bits >= 8 && v.bits <= 1<<30 && v.bits&(v.bits-1) == 0
}

func (f *File) readTensors(r *reader, n int) {
	room := r.room(n)
	f.Tensors = make([]Tensor, 0, room)
	f.tensors = make(map[string]int, room)
	extents := make([]extent, 0, room)
	var sizes []int // backing of the shapes: one allocation for many
	for i := 0; i < n && r.err == nil; i++ {
		r.enter("tensor", i)
		r.readName(maxTensorName)
		if _, dup := f.tensors[r.name]; dup && r.err == nil {
			r.fail("", "the name twice", "each name once")
		}
		if cap(sizes) < maxDims {
			sizes = make([]int, 0, maxDims*min(n-i, 256))
		}
		shape := r.shape(sizes)
		sizes = shape[len(shape):]
		t := Tensor{Name: r.name, Type: kernels.Type(r.u32("type")), Shape: slices.Clip(shape), file: f.Name}
		at := r.u64("offset")
		if at%uint64(f.Alignment) != 0 {
			r.fail("offset", fmt.Sprint(at), fmt.Sprintf("a multiple of the alignment %d", f.Alignment))
		}
		extents = append(grown(extents), extent{at, r.dataSize(&t)})
		f.tensors[t.Name] = i
		f.Tensors = append(grown(f.Tensors), t)
	}
	f.DataOffset = alignUp(int64(r.pos), int64(f.Alignment))
	f.place(r, extents)
	f.checkOverlap(r)
}

// grown makes room for one more, doubling where append would copy more often.
func grown[E any](list []E) []E {
	if len(list) < cap(list) {
		return list
	}
	return slices.Grow(list, max(16, len(list)))
}

// shape reads the sizes of one tensor onto the empty slice sizes, which has room for maxDims.
func (r *reader) shape(sizes []int) []int {
	n := r.u32("number of dimensions")
	if r.err == nil && (n == 0 || n > maxDims) {
		r.fail("number of dimensions", fmt.Sprint(n), fmt.Sprintf("1 to %d", maxDims))
	}
	for i := uint32(0); i < n && r.err == nil; i++ {
		d := r.u64("shape")
		if r.err == nil && (d == 0 || d > math.MaxInt) {
			r.fail("shape", fmt.Sprintf("size %d in dimension %d", d, i), fmt.Sprintf("1 to %d", math.MaxInt))
		}
		sizes = append(sizes, int(d))
	}
	return sizes
}

// dataSize is the bytes that the current tensor's data take, computed without overflow.
func (r *reader) dataSize(t *Tensor) uint64 {
	if r.err != nil {
		return 0
	}
	format, ok := quant.ByType(t.Type)
	if !ok {
		r.fail("type", fmt.Sprintf("id %d", uint32(t.Type)), "one of "+knownFormats())
		return 0
	}
	size, over := uint64(t.Shape[0]/format.Block), uint64(0)
	if t.Shape[0]%format.Block != 0 {
		r.fail("shape", fmt.Sprintf("%v of %s", t.Shape, format.Name), fmt.Sprintf("rows of a multiple of %d values", format.Block))
		return 0
	}
	times := func(n int) { // no factor is 0, so once over is not 0 the true product is too large
		var high uint64
		high, size = bits.Mul64(size, uint64(n))
		over |= high
	}
	times(format.Bytes)
	for _, d := range t.Shape[1:] {
		times(d)
	}
	if over != 0 || size > uint64(len(r.data)) {
		r.fail("shape", fmt.Sprintf("%v of %s", t.Shape, format.Name), fmt.Sprintf("what fits the file's %s (is it cut short?)", plural(uint64(len(r.data)), "byte")))
		return 0
	}
	return size
}

// extent is where a tensor's data lie, in bytes counted from the data section.
type extent struct{ at, size uint64 }

// place cuts each tensor's view out of the file.
func (f *File) place(r *reader, extents []extent) {
	room := uint64(max(0, f.Size-f.DataOffset))
	for i := range f.Tensors {
		if r.err != nil {
			return
		}
		t, e := &f.Tensors[i], extents[i]
		r.index, r.name = i, t.Name
		if e.at > room || e.size > room-e.at {
			r.fail("", fmt.Sprintf("%s at offset %d", plural(e.size, "byte"), e.at),
				fmt.Sprintf("them within the %d bytes of tensor data (is the file cut short?)", room))
			return
		}
		t.Offset = f.DataOffset + int64(e.at)
		end := t.Offset + int64(e.size)
		t.Data = f.data[t.Offset:end:end]
	}
}

// checkOverlap refuses two tensors that share bytes.
func (f *File) checkOverlap(r *reader) {
	if r.err != nil {
		return
	}
	order := make([]int, len(f.Tensors))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(f.Tensors[a].Offset, f.Tensors[b].Offset) })
	for i := 1; i < len(order); i++ {
		before, t := &f.Tensors[order[i-1]], &f.Tensors[order[i]]
		if end := before.Offset + int64(len(before.Data)); t.Offset < end {
			r.index, r.name = order[i], t.Name
			r.fail("", fmt.Sprintf("data at byte %d of the file", t.Offset), fmt.Sprintf("%d or more: tensor %s ends there", end, Quote(before.Name)))
			return
		}
	}
}

// ownHeader copies the header and turns the values to the copy, so that metadata outlive the mapping and
// cannot fault where the file shrinks under it.
func (f *File) ownHeader(header []byte) {
	own := bytes.Clone(header)
	for i := range f.KV {
		v := &f.KV[i].Value
		if len(v.raw) == 0 {
			v.raw = nil
			continue
		}
		start := cap(header) - cap(v.raw) // both are slices of one array, neither clipped
		v.raw = own[start : start+len(v.raw) : start+len(v.raw)]
	}
}

func knownFormats() string {
	var b strings.Builder
	for i, format := range quant.Formats() {
		if i > 0 {
			b.WriteString(" ")
		}
		fmt.Fprintf(&b, "%s (%d)", format.Name, format.Type)
	}
	return b.String()
}
