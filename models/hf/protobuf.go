package hf

import (
	"encoding/binary"
	"fmt"
	"strconv"
)

// proto is an encoded protobuf message, or what is left of it.
type proto struct {
	path, name string // of the file, and of the message in it
	data       []byte
}

// protoField is one field: value of a number, bytes of the rest.
type protoField struct {
	in     *proto
	number uint64
	wire   uint64
	value  uint64
	bytes  []byte
}

// Wire types of protobuf.
const (
	wireVarint = 0
	wire64     = 1
	wireBytes  = 2
	wire32     = 5
)

// next takes the first field off.
func (m *proto) next() (f protoField, err error) {
	f.in = m
	bad := func(got, want string) (protoField, error) {
		name := m.name
		if name == "" {
			name = "protobuf"
		}
		return f, &Error{m.path, name, got, want}
	}
	tag, ok := m.varint()
	if f.number, f.wire = tag>>3, tag&7; !ok || f.number == 0 || f.number >= 1<<29 {
		return bad("no field's number", "a protobuf message of SentencePiece")
	}
	size := uint64(0)
	switch f.wire {
	case wireVarint:
		if f.value, ok = m.varint(); !ok {
			return bad(fmt.Sprintf("a number cut short in field %d", f.number), "all of it")
		}
		return f, nil
	case wire64:
		size = 8
	case wire32:
		size = 4
	case wireBytes:
		if size, ok = m.varint(); !ok {
			return bad(fmt.Sprintf("no length of field %d", f.number), "a length")
		}
	default:
		return bad(fmt.Sprintf("wire type %d in field %d", f.wire, f.number), "0, 1, 2 or 5")
	}
	if size > uint64(len(m.data)) {
		return bad(fmt.Sprintf("%d bytes for field %d of %d", len(m.data), f.number, size), "all of them")
	}
	f.bytes, m.data = m.data[:size], m.data[size:]
	switch f.wire {
	case wire64:
		f.value = binary.LittleEndian.Uint64(f.bytes)
	case wire32:
		f.value = uint64(binary.LittleEndian.Uint32(f.bytes))
	}
	return f, nil
}

func (m *proto) varint() (uint64, bool) {
	v, n := binary.Uvarint(m.data)
	if n <= 0 {
		return 0, false
	}
	m.data = m.data[n:]
	return v, true
}

// message is a field that holds a message.
func (f protoField) message(name string) (proto, error) {
	if f.wire != wireBytes {
		return proto{}, &Error{f.in.path, name, fmt.Sprint("wire type ", f.wire), "a message"}
	}
	return proto{f.in.path, name, f.bytes}, nil
}

// number is the value of a field that holds a number, the last where it stands more than once; def where there is none.
func (m proto) number(field, def uint64) (uint64, error) {
	for len(m.data) > 0 {
		f, err := m.next()
		if err != nil {
			return 0, err
		}
		if f.number != field {
			continue
		}
		if f.wire != wireVarint {
			return 0, &Error{m.path, fmt.Sprintf("%s field %d", m.name, field), fmt.Sprint("wire type ", f.wire), "a number"}
		}
		def = f.value
	}
	return def, nil
}

// want refuses another value of a field than the one that the architectures here read text by.
func (m proto) want(field, def, want uint64, name string) error {
	got, err := m.number(field, def)
	if err == nil && got != want {
		err = &Error{m.path, m.name + "." + name, strconv.FormatUint(got, 10), strconv.FormatUint(want, 10)}
	}
	return err
}
