// Package gguf reads and writes GGUF model files, versions 2 and 3, little-endian.
//
// The reader treats a file as a stranger's: every count is capped by the bytes left before anything is
// allocated, sizes are computed with checked arithmetic, and what it hands out lies inside the file.
// Beyond the specification (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md) it refuses what no
// known writer produces and what parsers are known to disagree on: duplicate keys and tensor names, empty names,
// names with control characters or invalid UTF-8, arrays of arrays, booleans other than 0 and 1, tensors
// without dimensions or with an empty one, overlapping tensors, alignments under 8, keys over 65 535 bytes, tensor names
// over 63, more than 2^20 keys or tensors. It accepts holes between tensors and bytes
// after the last one; File.Unused counts them.
package gguf

import (
	"errors"

	"github.com/freehold-slm/freehold/kernels"
)

// File is an open GGUF file: its metadata, copied, and its tensors, as views of the mapping.
type File struct {
	Name       string   // as given to Open or Parse
	Version    uint32   // 2 or 3
	Alignment  int      // bytes; every tensor's data starts at a multiple of it, counted from DataOffset
	KV         []KV     // in file order
	Tensors    []Tensor // in file order
	DataOffset int64    // bytes from the start of the file to the tensor data; of a split model, of its first part
	Size       int64    // bytes of the whole file, of all parts

	keys    map[string]int // key -> index in KV
	tensors map[string]int // name -> index in Tensors
	data    []byte         // the whole file
	unmap   func() error   // nil where data is ordinary memory
	parts   []*File        // of a split model: all its parts; nil = this is one file
}

// KV is one metadata pair.
type KV struct {
	Key   string
	Value Value
}

// Tensor is one tensor of the file.
type Tensor struct {
	Name   string
	Type   kernels.Type
	Shape  []int  // 1 to 4 sizes in ggml order: Shape[0] = row width, contiguous; Shape[1] = rows; ...
	Offset int64  // bytes from the start of the file, or part
	Data   []byte // view of the mapping, valid until File.Close; read-only: writing to it faults

	file string // for errors
}

// Tensor finds a tensor by name. The pointer is to an element of f.Tensors.
func (f *File) Tensor(name string) (*Tensor, bool) {
	i, ok := f.tensors[name]
	if !ok {
		return nil, false
	}
	return &f.Tensors[i], true
}

// Unused counts the bytes after the header that belong to no tensor and are not the padding that
// alignment asks for: holes between tensors and whatever follows the last one.
func (f *File) Unused() int64 {
	if f.parts != nil {
		unused := int64(0)
		for _, p := range f.parts {
			unused += p.Unused()
		}
		return unused
	}
	used := int64(0)
	for i := range f.Tensors {
		used += alignUp(int64(len(f.Tensors[i].Data)), int64(f.Alignment))
	}
	return max(0, f.Size-f.DataOffset-used)
}

// Close gives the mapping back. Tensor data must not be touched afterwards; f.Tensors loses its views so that
// a late reader through them panics on a bound instead of faulting. Metadata stays valid.
// Closing twice is harmless.
func (f *File) Close() error {
	for i := range f.Tensors {
		f.Tensors[i].Data = nil
	}
	f.data = nil
	var errs []error
	for _, p := range f.parts {
		errs = append(errs, p.Close())
	}
	if f.parts != nil {
		return errors.Join(errs...)
	}
	unmap := f.unmap
	f.unmap = nil
	if unmap == nil {
		return nil
	}
	return unmap()
}

// Parts is the number of files that the model lies in.
func (f *File) Parts() int { return max(1, len(f.parts)) }

// Elements is the product of the shape.
func (t *Tensor) Elements() int {
	n := 1
	for _, d := range t.Shape {
		n *= d
	}
	return n
}

// Rows is the product of all sizes but the first.
func (t *Tensor) Rows() int { return t.Elements() / t.Shape[0] }

// alignUp rounds n up to a multiple of align, a power of two. The caller keeps n far below the limit of int64.
func alignUp(n, align int64) int64 { return (n + align - 1) &^ (align - 1) }
