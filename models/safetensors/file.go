// Package safetensors reads and writes safetensors files (https://github.com/huggingface/safetensors), also cut into shards
// with an index.
//
// The reader treats a file as a stranger's: the header is capped at 100 MB and by the file's own size, JSON by depth,
// sizes are computed with checked arithmetic, and every tensor lies inside the file. As the format demands it
// refuses duplicate keys, tensors that overlap, and bytes that belong to no tensor. Beyond it, it refuses more than 16
// dimensions, more than 2^20 tensors, and names that are empty, over 65 535 bytes or hold control characters.
package safetensors

// File is an open safetensors file: its header, copied, and its tensors, read from the disk when asked for.
type File struct {
	Name     string            // as given to Open or Parse
	Metadata map[string]string // __metadata__, nil where there is none
	Tensors  []Tensor          // in the order of their data
	Size     int64             // bytes of the whole file

	index map[string]int // name -> index in Tensors
	src   source
}

// Tensor is one tensor of a file.
type Tensor struct {
	Name   string
	DType  DType
	Shape  []int // row-major: the last size is contiguous; empty for a scalar
	Offset int64 // bytes from the start of the file
	Bytes  int64 // of data

	file *File
}

// Elements is the product of the shape.
func (t *Tensor) Elements() int {
	n := 1
	for _, d := range t.Shape {
		n *= d
	}
	return n
}

// ReadAt fills b with the tensor's data from byte off on. It reads from the disk, so that no more than b is in memory; it may be
// called by several goroutines.
func (t *Tensor) ReadAt(b []byte, off int64) (int, error) {
	if off < 0 || off > t.Bytes || int64(len(b)) > t.Bytes-off {
		return 0, &Error{t.file.Name, "tensor " + quote(t.Name), "a read past its end", "offsets inside the tensor"}
	}
	if len(b) == 0 {
		return 0, nil
	}
	return t.file.src.ReadAt(b, t.Offset+off)
}

// File is where the tensor lies.
func (t *Tensor) File() *File { return t.file }

// Tensor finds a tensor by name.
func (f *File) Tensor(name string) (*Tensor, bool) {
	i, ok := f.index[name]
	if !ok {
		return nil, false
	}
	return &f.Tensors[i], true
}

// Close closes the file; tensors can no longer be read. Closing twice is harmless.
func (f *File) Close() error {
	src := f.src
	f.src = closed{}
	return src.Close()
}
