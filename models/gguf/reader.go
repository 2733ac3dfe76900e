package gguf

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"unicode"
	"unicode/utf8"
)

// reader walks the header. The first failure sticks: later reads return zero and change nothing.
type reader struct {
	file string
	data []byte
	pos  int
	err  error

	// What is being read, for errors: the header, or the key or tensor of this index and, once known, name.
	kind  string // "", "key" or "tensor"
	index int
	name  string
}

func (r *reader) left() int { return len(r.data) - r.pos }

// enter begins a key or a tensor whose name is not known yet.
func (r *reader) enter(kind string, index int) { r.kind, r.index, r.name = kind, index, "" }

// fail records the first failure; part is which part of the current key or tensor it is in.
func (r *reader) fail(part, got, want string) {
	if r.err != nil {
		return
	}
	field := part
	if r.kind != "" {
		field = fmt.Sprintf("%s %d", r.kind, r.index)
		if r.name != "" {
			field = r.kind + " " + Quote(r.name)
		}
		if part != "" {
			field += " " + part
		}
	}
	r.err = &Error{File: r.file, Field: field, Got: got, Want: want}
}

// take returns the next n bytes; at the end of the file it fails and returns nil.
func (r *reader) take(n uint64, part string) []byte {
	if r.err != nil {
		return nil
	}
	if n > uint64(r.left()) {
		r.fail(part, fmt.Sprintf("end of file (%d bytes left at offset %d)", r.left(), r.pos), plural(n, "byte"))
		return nil
	}
	b := r.data[r.pos : r.pos+int(n)]
	r.pos += int(n)
	return b
}

func (r *reader) u32(part string) uint32 {
	if b := r.take(4, part); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

func (r *reader) u64(part string) uint64 {
	if b := r.take(8, part); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

// capped checks a number of things of at least size bytes each against the bytes left and a limit.
func (r *reader) capped(n uint64, size int, limit uint64, part string) int {
	if most := min(uint64(r.left()/size), limit); r.err == nil && n > most {
		r.fail(part, fmt.Sprint(n), fmt.Sprintf("at most %d (%s left)", most, plural(uint64(r.left()), "byte")))
	}
	if r.err != nil {
		return 0
	}
	return int(n)
}

// room is how many of n entries to allocate for at once: not more memory than the rest of the file takes; past that,
// slices grow by the entries really there.
func (r *reader) room(n int) int {
	const entry = 128 // bytes of a KV or Tensor and its place in the maps, about
	return min(n, r.left()/entry)
}

// readName reads the name of the current key or tensor.
func (r *reader) readName(limit int) {
	n := r.u64("name length")
	if r.err == nil && (n == 0 || n > uint64(limit)) {
		r.fail("name length", fmt.Sprint(n), fmt.Sprintf("1 to %d bytes", limit))
	}
	s := string(r.take(n, "name"))
	if r.err != nil {
		return
	}
	if problem := nameProblem(s, limit); problem != "" {
		r.fail("name", Quote(s), problem)
	}
	r.name = s
}

// nameProblem tells what the name of a key or a tensor should be, or "" where it is that.
func nameProblem(s string, limit int) string {
	switch {
	case len(s) == 0 || len(s) > limit:
		return fmt.Sprintf("1 to %d bytes", limit)
	case !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl):
		return "UTF-8 without control characters"
	}
	return ""
}

// value reads one metadata value of type t; its raw bytes are views of r.data.
func (r *reader) value(t ValueType) Value {
	v := Value{Type: t}
	switch {
	case r.err != nil:
	case t == TypeString:
		v.raw = r.take(r.u64("string length"), "string")
		v.Len = len(v.raw)
	case t == TypeArray:
		r.array(&v)
	case t < numValueTypes:
		if b := r.take(uint64(valueSizes[t]), "value"); b != nil {
			v.bits = scalarBits(t, b)
		}
		if t == TypeBool && v.bits > 1 {
			r.fail("value", fmt.Sprintf("bool %d", v.bits), "0 or 1")
		}
	default:
		r.fail("type", fmt.Sprint(uint32(t)), fmt.Sprintf("0 to %d", numValueTypes-1))
	}
	return v
}

// array reads element type, count and elements of an array.
func (r *reader) array(v *Value) {
	v.Elem = ValueType(r.u32("array element type"))
	if r.err == nil && (v.Elem >= numValueTypes || v.Elem == TypeArray) {
		r.fail("array element type", v.Elem.String(), "a scalar or a string (no arrays of arrays)")
	}
	n := r.u64("array count")
	if r.err != nil {
		return
	}
	if v.Elem == TypeString {
		v.Len = r.capped(n, 8, math.MaxInt, "array count") // each string has 8 bytes of length
		start := r.pos
		r.skipStrings(v.Len)
		v.raw = r.data[start:r.pos]
		return
	}
	size := valueSizes[v.Elem]
	v.Len = r.capped(n, size, math.MaxInt, "array count")
	v.raw = r.take(uint64(v.Len*size), "array")
	if v.Elem == TypeBool {
		for i, b := range v.raw {
			if b > 1 {
				r.fail(fmt.Sprintf("array element %d", i), fmt.Sprintf("bool %d", b), "0 or 1")
				return
			}
		}
	}
}

// skipStrings steps over n strings: the one pass over a vocabulary that opening a file costs.
func (r *reader) skipStrings(n int) {
	data, pos := r.data, r.pos
	for i := range n {
		if len(data)-pos < 8 {
			r.fail(fmt.Sprintf("array element %d", i), "end of file", plural(uint64(n), "element"))
			return
		}
		size := binary.LittleEndian.Uint64(data[pos:])
		pos += 8
		if left := uint64(len(data) - pos); size > left {
			r.fail(fmt.Sprintf("array element %d length", i), fmt.Sprint(size), fmt.Sprintf("at most the %s left", plural(left, "byte")))
			return
		}
		pos += int(size)
	}
	r.pos = pos
}

func plural(n uint64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
