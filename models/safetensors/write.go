package safetensors

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"slices"

	"github.com/freehold-slm/freehold/models/gguf"
)

// Writer collects tensors and writes them as one safetensors file. The bytes depend on nothing but what was given and in
// which order. Mistakes stick and are returned by Encode and WriteTo.
type Writer struct {
	Metadata map[string]string // __metadata__; nil = none

	tensors []outTensor
	names   map[string]bool
	err     error
}

type outTensor struct {
	Tensor
	write func(io.Writer) error
}

// NewWriter returns a Writer for an empty file.
func NewWriter() *Writer { return &Writer{names: map[string]bool{}} }

// Add adds a tensor whose data are produced while the file is written; write must give exactly the bytes that type and shape
// need. shape is row-major: its last size is contiguous.
func (w *Writer) Add(name string, d DType, shape []int, write func(io.Writer) error) {
	t := Tensor{Name: name, DType: d, Shape: slices.Clone(shape)}
	fail := func(got, want string) {
		if w.err == nil {
			w.err = &Error{"output", "tensor " + quote(name), got, want}
		}
	}
	if problem := nameProblem(name); problem != "" || name == "__metadata__" {
		fail("this name", problem)
		return
	}
	if w.names[name] {
		fail("the name twice", "each name once")
		return
	}
	if _, ok := d.Size(); !ok {
		fail("dtype "+quote(string(d)), "one of "+knownDTypes())
		return
	}
	bytes, ok := t.size()
	if !ok || len(shape) > maxDims || slices.ContainsFunc(shape, func(n int) bool { return n < 0 }) {
		fail(fmt.Sprintf("shape %v", shape), fmt.Sprintf("at most %d sizes that can be addressed", maxDims))
		return
	}
	t.Bytes = bytes
	w.names[name] = true
	w.tensors = append(w.tensors, outTensor{t, write})
}

// headerTensor is a tensor as the header has it.
type headerTensor struct {
	DType   DType    `json:"dtype"`
	Shape   []int    `json:"shape"`
	Offsets [2]int64 `json:"data_offsets"`
}

// Encode writes the file to out. Tensors lie in the order in which they were added.
func (w *Writer) Encode(out io.Writer) error {
	if w.err != nil {
		return w.err
	}
	header := map[string]any{} // encoding/json sorts keys
	if w.Metadata != nil {
		header["__metadata__"] = w.Metadata
	}
	at := int64(0)
	for _, t := range w.tensors {
		shape := t.Shape
		if shape == nil {
			shape = []int{}
		}
		header[t.Name] = headerTensor{t.DType, shape, [2]int64{at, at + t.Bytes}}
		at += t.Bytes
	}
	text, err := json.Marshal(header)
	if err != nil {
		return err
	}
	for len(text)%8 != 0 { // data aligned, as the format's own writer does
		text = append(text, ' ')
	}
	if len(text) > maxHeader {
		return &Error{"output", "header", fmt.Sprintf("%d bytes", len(text)), fmt.Sprintf("at most %d; write shards", maxHeader)}
	}
	buffered := bufio.NewWriterSize(out, 1<<20)
	buffered.Write(binary.LittleEndian.AppendUint64(nil, uint64(len(text)))) //nolint:errcheck // Flush tells
	buffered.Write(text)                                                     //nolint:errcheck // Flush tells
	for _, t := range w.tensors {
		c := &counter{out: buffered}
		if err := t.write(c); err != nil {
			return fmt.Errorf("tensor %s: %w", quote(t.Name), err)
		}
		if c.n != t.Bytes {
			return &Error{"output", "tensor " + quote(t.Name), fmt.Sprintf("%d bytes of data", c.n), fmt.Sprintf("%d for %v of %s", t.Bytes, t.Shape, t.DType)}
		}
	}
	return buffered.Flush()
}

// WriteTo writes the file at path in one step: see [gguf.Publish].
func (w *Writer) WriteTo(path string) error {
	if w.err != nil {
		return w.err
	}
	return gguf.Publish(gguf.OS{}, path, w.Encode)
}

type counter struct {
	out io.Writer
	n   int64
}

func (c *counter) Write(b []byte) (int, error) {
	n, err := c.out.Write(b)
	c.n += int64(n)
	return n, err
}
