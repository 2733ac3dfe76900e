package gguf

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"unsafe"
)

// ValueType is the wire type of a metadata value (GGUF specification, gguf_metadata_value_type).
type ValueType uint32

// The wire types, in the specification's order.
const (
	TypeUint8 ValueType = iota
	TypeInt8
	TypeUint16
	TypeInt16
	TypeUint32
	TypeInt32
	TypeFloat32
	TypeBool
	TypeString
	TypeArray
	TypeUint64
	TypeInt64
	TypeFloat64
	numValueTypes
)

var valueTypeNames = [numValueTypes]string{"u8", "i8", "u16", "i16", "u32", "i32", "f32", "bool", "string", "array", "u64", "i64", "f64"}

// valueSizes holds the encoded bytes of each fixed-size type, 0 for string and array.
var valueSizes = [numValueTypes]int{1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8}

func (t ValueType) String() string {
	if t < numValueTypes {
		return valueTypeNames[t]
	}
	return fmt.Sprintf("unknown(%d)", uint32(t))
}

// Value is one metadata value. Arrays stay in their encoded form and are decoded when asked for.
// Values own their memory: they stay valid after File.Close.
type Value struct {
	Type ValueType
	Elem ValueType // element type of an array
	Len  int       // elements of an array, bytes of a string

	bits uint64 // a scalar, extended to 64 bits (integers by sign, f32 as its 32 bits)
	raw  []byte // text of a string, encoded elements of an array
}

// TypeName is the value's type as errors and listings show it: `u32`, `array of string`.
func (v Value) TypeName() string {
	if v.Type == TypeArray {
		return "array of " + v.Elem.String()
	}
	return v.Type.String()
}

// Uint returns an integer of any width that is not negative.
func (v Value) Uint() (x uint64, ok bool) {
	switch v.Type {
	case TypeUint8, TypeUint16, TypeUint32, TypeUint64:
		return v.bits, true
	case TypeInt8, TypeInt16, TypeInt32, TypeInt64:
		return v.bits, int64(v.bits) >= 0
	}
	return 0, false
}

// Int returns an integer of any width that fits an int64.
func (v Value) Int() (x int64, ok bool) {
	switch v.Type {
	case TypeUint8, TypeUint16, TypeUint32, TypeUint64:
		return int64(v.bits), v.bits <= math.MaxInt64
	case TypeInt8, TypeInt16, TypeInt32, TypeInt64:
		return int64(v.bits), true
	}
	return 0, false
}

// Float returns an f32 or f64 exactly; integers are not floats.
func (v Value) Float() (x float64, ok bool) {
	switch v.Type {
	case TypeFloat32:
		return float64(math.Float32frombits(uint32(v.bits))), true
	case TypeFloat64:
		return math.Float64frombits(v.bits), true
	}
	return 0, false
}

// Bool returns a bool.
func (v Value) Bool() (x, ok bool) { return v.bits != 0, v.Type == TypeBool }

// Text returns a string's bytes as they are in the file; they need not be UTF-8.
func (v Value) Text() (s string, ok bool) {
	if v.Type != TypeString {
		return "", false
	}
	return view(v.raw), true
}

// Strings decodes an array of strings. The strings share the file's header copy: one allocation, for the slice.
// Elements are bytes as in the file and need not be UTF-8.
func (v Value) Strings() (list []string, ok bool) {
	if v.Type != TypeArray || v.Elem != TypeString {
		return nil, false
	}
	list = make([]string, v.Len)
	rest := v.raw
	for i := range list {
		if len(rest) < 8 {
			return nil, false // only where the file was rewritten while Open read it
		}
		n := binary.LittleEndian.Uint64(rest)
		if rest = rest[8:]; n > uint64(len(rest)) {
			return nil, false
		}
		list[i], rest = view(rest[:n]), rest[n:]
	}
	return list, true
}

// Ints decodes an array of integers of any width; false where an element does not fit an int64.
func (v Value) Ints() (list []int64, ok bool) {
	if v.Type != TypeArray {
		return nil, false
	}
	switch v.Elem {
	case TypeUint8, TypeInt8, TypeUint16, TypeInt16, TypeUint32, TypeInt32, TypeUint64, TypeInt64:
	default:
		return nil, false
	}
	list = make([]int64, v.Len)
	size := valueSizes[v.Elem]
	for i := range list {
		x, fits := Value{Type: v.Elem, bits: scalarBits(v.Elem, v.raw[i*size:])}.Int()
		if !fits {
			return nil, false
		}
		list[i] = x
	}
	return list, true
}

// Bytes returns an array of u8 or i8 as it is in the file.
func (v Value) Bytes() (b []byte, ok bool) {
	if v.Type != TypeArray || v.Elem != TypeUint8 && v.Elem != TypeInt8 {
		return nil, false
	}
	return v.raw, true
}

// Int32s decodes an array of i32.
func (v Value) Int32s() (list []int32, ok bool) {
	if v.Type != TypeArray || v.Elem != TypeInt32 {
		return nil, false
	}
	list = make([]int32, v.Len)
	for i := range list {
		list[i] = int32(binary.LittleEndian.Uint32(v.raw[i*4:]))
	}
	return list, true
}

// Floats decodes an array of f32.
func (v Value) Floats() (list []float32, ok bool) {
	if v.Type != TypeArray || v.Elem != TypeFloat32 {
		return nil, false
	}
	list = make([]float32, v.Len)
	for i := range list {
		list[i] = math.Float32frombits(binary.LittleEndian.Uint32(v.raw[i*4:]))
	}
	return list, true
}

// Bools decodes an array of bool.
func (v Value) Bools() (list []bool, ok bool) {
	if v.Type != TypeArray || v.Elem != TypeBool {
		return nil, false
	}
	list = make([]bool, v.Len)
	for i := range list {
		list[i] = v.raw[i] != 0
	}
	return list, true
}

// String renders the value for people: text quoted and bounded, arrays by their first elements.
func (v Value) String() string {
	switch v.Type {
	case TypeString:
		return Quote(view(v.raw))
	case TypeBool:
		return fmt.Sprint(v.bits != 0)
	case TypeFloat32:
		return fmt.Sprint(math.Float32frombits(uint32(v.bits)))
	case TypeFloat64:
		return fmt.Sprint(math.Float64frombits(v.bits))
	case TypeArray:
		return v.arrayString()
	}
	if x, ok := v.Int(); ok {
		return fmt.Sprint(x)
	}
	return fmt.Sprint(v.bits)
}

func (v Value) arrayString() string {
	const shown = 6
	var b strings.Builder
	fmt.Fprintf(&b, "%d x %s [", v.Len, v.Elem)
	head := v
	head.Len = min(v.Len, shown)
	if list, ok := head.Strings(); ok {
		for i, s := range list {
			if i > 0 {
				b.WriteString(" ")
			}
			b.WriteString(Quote(s))
		}
	} else if size := valueSizes[v.Elem]; size > 0 {
		for i := range head.Len {
			if i > 0 {
				b.WriteString(" ")
			}
			b.WriteString(Value{Type: v.Elem, bits: scalarBits(v.Elem, v.raw[i*size:])}.String())
		}
	}
	if v.Len > shown {
		b.WriteString(" ...")
	}
	b.WriteString("]")
	return b.String()
}

// scalarBits reads one fixed-size element of type t, integers extended by sign.
func scalarBits(t ValueType, b []byte) uint64 {
	switch t {
	case TypeUint8, TypeBool:
		return uint64(b[0])
	case TypeInt8:
		return uint64(int64(int8(b[0])))
	case TypeUint16:
		return uint64(binary.LittleEndian.Uint16(b))
	case TypeInt16:
		return uint64(int64(int16(binary.LittleEndian.Uint16(b))))
	case TypeUint32, TypeFloat32:
		return uint64(binary.LittleEndian.Uint32(b))
	case TypeInt32:
		return uint64(int64(int32(binary.LittleEndian.Uint32(b))))
	}
	return binary.LittleEndian.Uint64(b)
}

// view is b as a string without a copy; b is never written again.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
