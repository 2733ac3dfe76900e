package gguf

import (
	"encoding/binary"
	"math"
)

// valueOf turns a Go value into a metadata value.
func valueOf(x any) (Value, bool) {
	switch x := x.(type) {
	case Value:
		return x, x.Type < numValueTypes
	case uint8:
		return Value{Type: TypeUint8, bits: uint64(x)}, true
	case int8:
		return Value{Type: TypeInt8, bits: uint64(x)}, true
	case uint16:
		return Value{Type: TypeUint16, bits: uint64(x)}, true
	case int16:
		return Value{Type: TypeInt16, bits: uint64(x)}, true
	case uint32:
		return Value{Type: TypeUint32, bits: uint64(x)}, true
	case int32:
		return Value{Type: TypeInt32, bits: uint64(x)}, true
	case uint64:
		return Value{Type: TypeUint64, bits: x}, true
	case int64:
		return Value{Type: TypeInt64, bits: uint64(x)}, true
	case float32:
		return Value{Type: TypeFloat32, bits: uint64(math.Float32bits(x))}, true
	case float64:
		return Value{Type: TypeFloat64, bits: math.Float64bits(x)}, true
	case bool:
		return Value{Type: TypeBool, bits: bit(x)}, true
	case string:
		return Value{Type: TypeString, Len: len(x), raw: []byte(x)}, true
	case []string:
		v := Value{Type: TypeArray, Elem: TypeString, Len: len(x)}
		for _, s := range x {
			v.raw = appendString(v.raw, s)
		}
		return v, true
	case []uint8:
		return arrayOf(x, TypeUint8, func(e uint8) uint64 { return uint64(e) }), true
	case []int8:
		return arrayOf(x, TypeInt8, func(e int8) uint64 { return uint64(e) }), true
	case []uint16:
		return arrayOf(x, TypeUint16, func(e uint16) uint64 { return uint64(e) }), true
	case []int16:
		return arrayOf(x, TypeInt16, func(e int16) uint64 { return uint64(e) }), true
	case []uint32:
		return arrayOf(x, TypeUint32, func(e uint32) uint64 { return uint64(e) }), true
	case []int32:
		return arrayOf(x, TypeInt32, func(e int32) uint64 { return uint64(e) }), true
	case []uint64:
		return arrayOf(x, TypeUint64, func(e uint64) uint64 { return e }), true
	case []int64:
		return arrayOf(x, TypeInt64, func(e int64) uint64 { return uint64(e) }), true
	case []float32:
		return arrayOf(x, TypeFloat32, func(e float32) uint64 { return uint64(math.Float32bits(e)) }), true
	case []float64:
		return arrayOf(x, TypeFloat64, math.Float64bits), true
	case []bool:
		return arrayOf(x, TypeBool, bit), true
	}
	return Value{}, false
}

func arrayOf[E any](list []E, t ValueType, toBits func(E) uint64) Value {
	v := Value{Type: TypeArray, Elem: t, Len: len(list), raw: make([]byte, 0, len(list)*valueSizes[t])}
	for _, e := range list {
		v.raw = appendScalar(v.raw, t, toBits(e))
	}
	return v
}

// append encodes the value, its type excluded.
func (v Value) append(b []byte) []byte {
	switch v.Type {
	case TypeString:
		b = binary.LittleEndian.AppendUint64(b, uint64(len(v.raw)))
		return append(b, v.raw...)
	case TypeArray:
		b = binary.LittleEndian.AppendUint32(b, uint32(v.Elem))
		b = binary.LittleEndian.AppendUint64(b, uint64(v.Len))
		return append(b, v.raw...)
	}
	return appendScalar(b, v.Type, v.bits)
}

func appendScalar(b []byte, t ValueType, bits uint64) []byte {
	var all [8]byte
	binary.LittleEndian.PutUint64(all[:], bits)
	return append(b, all[:valueSizes[t]]...)
}

func appendString(b []byte, s string) []byte {
	b = binary.LittleEndian.AppendUint64(b, uint64(len(s)))
	return append(b, s...)
}

func bit(x bool) uint64 {
	if x {
		return 1
	}
	return 0
}
