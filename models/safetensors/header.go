package safetensors

import (
	"bytes"
	"cmp"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds far above any real file.
const (
	maxTensors = 1 << 20
	maxDims    = 16
	maxName    = 65535 // bytes
)

// header reads the JSON header; data is the number of bytes after it.
func (f *File) header(text []byte, data int64) error {
	c := &cursor{file: f.Name, field: "header", text: text}
	if text[0] != '{' {
		return c.fail(fmt.Sprintf("%q", text[0]), "'{' as its first byte")
	}
	if !utf8.Valid(text) {
		return c.fail("invalid UTF-8", "JSON in UTF-8")
	}
	n := min(maxTensors, bytes.Count(text, []byte(`"data_offsets"`)))
	f.Tensors, f.index = make([]Tensor, 0, n), make(map[string]int, n)
	start := f.Size - data
	err := c.object(func(name string) error {
		if name == "__metadata__" {
			return f.metadata(c)
		}
		t := Tensor{Name: name, file: f}
		c.field = "tensor " + quote(name)
		if problem := nameProblem(name); problem != "" {
			return c.fail("this name", problem)
		}
		if _, twice := f.index[name]; twice {
			return c.fail("the name twice", "each name once")
		}
		if len(f.Tensors) == maxTensors {
			return c.fail("one tensor too many", fmt.Sprintf("at most %d", maxTensors))
		}
		if err := t.read(c, data); err != nil {
			return err
		}
		t.Offset += start
		f.index[name] = 0 // set below
		f.Tensors = append(f.Tensors, t)
		c.field = "header"
		return nil
	})
	if err != nil {
		return err
	}
	if err := c.end(); err != nil {
		return err
	}
	slices.SortStableFunc(f.Tensors, func(a, b Tensor) int {
		return cmp.Or(cmp.Compare(a.Offset, b.Offset), cmp.Compare(a.Bytes, b.Bytes))
	})
	at := start
	for i := range f.Tensors {
		t := &f.Tensors[i]
		f.index[t.Name] = i
		if t.Offset != at {
			return &Error{f.Name, "tensor " + quote(t.Name) + " data_offsets", fmt.Sprintf("begin %d", t.Offset-start),
				fmt.Sprintf("%d, where the tensor before it ends: no overlaps and no holes", at-start)}
		}
		at += t.Bytes
	}
	if at != f.Size {
		return &Error{f.Name, "file", fmt.Sprintf("%d bytes of data", data), fmt.Sprintf("%d, what its tensors take; is it cut short or joined with another?", at-start)}
	}
	return nil
}

// metadata reads __metadata__: an object of strings.
func (f *File) metadata(c *cursor) error {
	if f.Metadata != nil {
		return c.fail("__metadata__ twice", "it once")
	}
	f.Metadata = map[string]string{}
	c.field = "__metadata__"
	err := c.object(func(key string) error {
		if _, twice := f.Metadata[key]; twice {
			return c.fail("key "+quote(key)+" twice", "each key once")
		}
		value, err := c.str()
		f.Metadata[key] = value
		return err
	})
	c.field = "header"
	return err
}

// read reads one tensor's object. t.Offset is counted from the start of the data, of which there are data bytes.
func (t *Tensor) read(c *cursor, data int64) error {
	field := c.field
	var seen [3]bool
	var offsets []int
	once := func(i int) error {
		if seen[i] {
			return c.fail("it twice", "each field once")
		}
		seen[i] = true
		return nil
	}
	if err := c.object(func(key string) (err error) {
		defer func() { c.field = field }()
		switch key {
		case "dtype":
			c.field = field + " dtype"
			if err = once(0); err != nil {
				return err
			}
			name, err := c.str()
			if err != nil {
				return err
			}
			i := slices.IndexFunc(dtypes, func(d dtype) bool { return string(d.name) == name })
			if i < 0 {
				return c.fail(quote(name), "one of "+knownDTypes())
			}
			t.DType = dtypes[i].name
			return nil
		case "shape":
			c.field = field + " shape"
			if err = once(1); err == nil {
				t.Shape, err = c.sizes(maxDims)
			}
		case "data_offsets":
			c.field = field + " data_offsets"
			if err = once(2); err == nil {
				offsets, err = c.sizes(2)
			}
		default:
			return c.fail("the field "+quote(key), "dtype, shape and data_offsets")
		}
		return err
	}); err != nil {
		return err
	}
	for i, name := range []string{"dtype", "shape", "data_offsets"} {
		if !seen[i] {
			return c.fail("no "+name, "dtype, shape and data_offsets")
		}
	}
	if len(offsets) != 2 || offsets[0] > offsets[1] || int64(offsets[1]) > data {
		c.field = field + " data_offsets"
		return c.fail(fmt.Sprint(offsets), fmt.Sprintf("[begin, end] with begin <= end <= %d, the bytes of data", data))
	}
	want, ok := t.size()
	if got := int64(offsets[1] - offsets[0]); !ok || got != want {
		c.field = field + " data_offsets"
		need := fmt.Sprintf("%d for %v of %s", want, t.Shape, t.DType)
		if !ok {
			need = fmt.Sprintf("a shape that can be addressed, not %v of %s", t.Shape, t.DType)
		}
		return c.fail(fmt.Sprintf("%d bytes", got), need)
	}
	t.Offset, t.Bytes = int64(offsets[0]), want
	return nil
}

// size is the bytes that type and shape need; false where they overflow.
func (t *Tensor) size() (int64, bool) {
	width, _ := t.DType.Size()
	n := uint64(width)
	for _, d := range t.Shape {
		hi, lo := bits.Mul64(n, uint64(d))
		if hi != 0 || lo > math.MaxInt64 {
			return 0, false
		}
		n = lo
	}
	return int64(n), true
}

func nameProblem(s string) string {
	switch {
	case len(s) == 0 || len(s) > maxName:
		return fmt.Sprintf("1 to %d bytes", maxName)
	case !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl):
		return "UTF-8 without control characters"
	}
	return ""
}
