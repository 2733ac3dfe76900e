package gguf

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"math"

	"github.com/freehold-slm/freehold/kernels"
	"github.com/freehold-slm/freehold/quant"
)

// Writer collects metadata and tensors and writes them as one GGUF file, version 3, little-endian. The bytes depend
// on nothing but what was given and in which order: no time, host, path or tool name.
//
// Mistakes (an unknown type, a name given twice, a size that does not fit) stick and are returned by WriteTo and Encode.
type Writer struct {
	kv      []KV
	keys    map[string]int
	tensors []outTensor
	names   map[string]bool
	err     error
}

type outTensor struct {
	name  string
	typ   kernels.Type
	shape []int
	size  int64 // bytes of data, padding excluded
	write func(io.Writer) error
}

// NewWriter returns a Writer for an empty file.
func NewWriter() *Writer {
	return &Writer{keys: map[string]int{}, names: map[string]bool{}}
}

// Set gives a key its value; a key set before keeps its place and takes the new value. The Go type decides the wire
// type: uint8 to uint64, int8 to int64, float32, float64, bool, string, slices of these, or a Value out
// of another file. Plain int and uint have no wire type and are refused. "general.alignment", a uint32, also
// sets the alignment of the file (32 where it is not given).
func (w *Writer) Set(key string, value any) {
	v, ok := valueOf(value)
	if !ok {
		w.fail("key "+Quote(key), fmt.Sprintf("a Go %T", value), "a sized integer, float, bool, string, a slice of them, or a Value")
		return
	}
	if problem := nameProblem(key, maxName); problem != "" {
		w.fail("key", Quote(key), problem)
		return
	}
	if i, ok := w.keys[key]; ok {
		w.kv[i].Value = v
		return
	}
	w.keys[key] = len(w.kv)
	w.kv = append(w.kv, KV{key, v})
}

// Metadata is what was set so far, in the order of the file.
func (w *Writer) Metadata() []KV { return w.kv }

// AddTensor adds a tensor whose encoded data are at hand. shape is in ggml order: shape[0] = row width. data is kept,
// not copied, until the file is written.
func (w *Writer) AddTensor(name string, t kernels.Type, shape []int, data []byte) {
	w.AddTensorFunc(name, t, shape, func(out io.Writer) error {
		_, err := out.Write(data)
		return err
	})
	if n := len(w.tensors); w.err == nil && w.tensors[n-1].size != int64(len(data)) {
		w.fail("tensor "+Quote(name), fmt.Sprintf("%d bytes of data", len(data)), fmt.Sprintf("%d for %v of %s", w.tensors[n-1].size, shape, typeName(t)))
	}
}

// AddTensorFunc adds a tensor whose data are produced while the file is written, once each time; write must give
// exactly the bytes that type and shape need.
func (w *Writer) AddTensorFunc(name string, t kernels.Type, shape []int, write func(io.Writer) error) {
	field := "tensor " + Quote(name)
	if problem := nameProblem(name, maxTensorName); problem != "" {
		w.fail(field, "this name", problem)
		return
	}
	if w.names[name] {
		w.fail(field, "the name twice", "each name once")
		return
	}
	format, ok := quant.ByType(t)
	if !ok {
		w.fail(field+" type", fmt.Sprintf("id %d", uint32(t)), "one of "+knownFormats())
		return
	}
	size, ok := encodedSize(format, shape)
	if !ok {
		w.fail(field+" shape", fmt.Sprintf("%v of %s", shape, format.Name),
			fmt.Sprintf("1 to %d sizes of 1 or more, rows of a multiple of %d values", maxDims, format.Block))
		return
	}
	w.names[name] = true
	w.tensors = append(w.tensors, outTensor{name, t, append([]int(nil), shape...), size, write})
}

// Encode writes the file to out.
func (w *Writer) Encode(out io.Writer) error {
	header, align, err := w.header()
	if err != nil {
		return err
	}
	buffered := bufio.NewWriterSize(out, 1<<20)
	if _, err := buffered.Write(header); err != nil {
		return err
	}
	for _, t := range w.tensors {
		counter := &exactWriter{out: buffered, left: t.size}
		if err := t.write(counter); err != nil {
			return fmt.Errorf("tensor %s: %w", Quote(t.name), err)
		}
		if counter.left != 0 {
			return &Error{File: "gguf writer", Field: "tensor " + Quote(t.name), Got: fmt.Sprintf("%d bytes of data", t.size-counter.left), Want: fmt.Sprint(t.size)}
		}
		if _, err := buffered.Write(make([]byte, alignUp(t.size, align)-t.size)); err != nil {
			return err
		}
	}
	return buffered.Flush()
}

// header encodes everything before the tensor data, padding included.
func (w *Writer) header() (header []byte, align int64, err error) {
	align = defaultAlignment
	if i, ok := w.keys[alignmentKey]; ok {
		v := w.kv[i].Value
		if !validAlignment(v) {
			w.fail("key "+Quote(alignmentKey), v.TypeName()+" "+v.String(), wantAlignment)
		}
		align = int64(v.bits)
	}
	if w.err != nil {
		return nil, 0, w.err
	}
	b := append([]byte(nil), magic...)
	b = binary.LittleEndian.AppendUint32(b, 3)
	b = binary.LittleEndian.AppendUint64(b, uint64(len(w.tensors)))
	b = binary.LittleEndian.AppendUint64(b, uint64(len(w.kv)))
	for _, kv := range w.kv {
		b = appendString(b, kv.Key)
		b = binary.LittleEndian.AppendUint32(b, uint32(kv.Value.Type))
		b = kv.Value.append(b)
	}
	offset := int64(0)
	for _, t := range w.tensors {
		b = appendString(b, t.name)
		b = binary.LittleEndian.AppendUint32(b, uint32(len(t.shape)))
		for _, d := range t.shape {
			b = binary.LittleEndian.AppendUint64(b, uint64(d))
		}
		b = binary.LittleEndian.AppendUint32(b, uint32(t.typ))
		b = binary.LittleEndian.AppendUint64(b, uint64(offset))
		offset += alignUp(t.size, align)
	}
	return append(b, make([]byte, alignUp(int64(len(b)), align)-int64(len(b)))...), align, nil
}

func (w *Writer) fail(field, got, want string) {
	if w.err == nil {
		w.err = &Error{File: "gguf writer", Field: field, Got: got, Want: want}
	}
}

// encodedSize is the bytes that a tensor takes.
func encodedSize(format *quant.Format, shape []int) (int64, bool) {
	if len(shape) == 0 || len(shape) > maxDims {
		return 0, false
	}
	size, err := format.RowBytes(shape[0])
	if err != nil || shape[0] == 0 {
		return 0, false
	}
	for _, d := range shape[1:] {
		if d <= 0 || size > math.MaxInt/d {
			return 0, false
		}
		size *= d
	}
	return int64(size), true
}

// exactWriter lets the bytes of one tensor through and refuses more.
type exactWriter struct {
	out  io.Writer
	left int64
}

func (e *exactWriter) Write(p []byte) (int, error) {
	if int64(len(p)) > e.left {
		return 0, fmt.Errorf("%d bytes more than its type and shape need", int64(len(p))-e.left)
	}
	n, err := e.out.Write(p)
	e.left -= int64(n)
	return n, err
}
