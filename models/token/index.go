package token

import (
	"fmt"
	"hash/maphash"
)

// index holds the texts of all symbols in one block of memory and finds a symbol by its text. It holds no pointers, so
// a vocabulary costs the garbage collector nothing.
type index struct {
	blob  []byte   // texts, one after the other
	end   []uint32 // [symbols + 1] end[i] to end[i+1] is the text of symbol i
	seed  maphash.Seed
	slots []uint32 // open addressing: symbol + 1, and above it the hash's highest bits; 0 = free
}

// slotTag selects the hash bits of a slot.
const slotTag = ^uint32(maxSymbols - 1)

// maxText bounds the bytes of all texts, which uint32 count; symbols that merges add take part of the other half.
const maxText = 1 << 31

// newIndex makes each text the symbol of its number; an empty one is named as llama.cpp names it. A text that occurs twice
// is an error. add makes room beyond these.
func newIndex(texts []string) (*index, error) {
	x := &index{
		end:   make([]uint32, len(texts)+1, len(texts)+64),
		seed:  maphash.MakeSeed(),
		slots: make([]uint32, slotsFor(len(texts))),
	}
	size := uint64(0)
	for i, text := range texts {
		if size += uint64(len(text)); text == "" {
			size += uint64(len(emptyName(i)))
		}
		if size > maxText {
			return nil, fmt.Errorf("token: the tokens hold more than %d bytes of text", maxText)
		}
		x.end[i+1] = uint32(size)
	}
	x.blob = make([]byte, size, size+1024)
	hashes := make([]uint64, len(texts))
	_ = ranges(len(texts), func(from, to int) error { // no error to give
		for i := from; i < to; i++ {
			text := texts[i]
			if text == "" {
				text = emptyName(i)
			}
			copy(x.blob[x.end[i]:], text)
			hashes[i] = maphash.String(x.seed, text)
		}
		return nil
	})
	// Nothing but table lookups in this loop: the processor then waits for several of them at once.
	for i, hash := range hashes {
		slot := x.candidate(hash, x.home(hash))
		for x.slots[slot] != 0 {
			if id := x.symbol(slot); string(x.text(id)) == string(x.text(int32(i))) {
				return nil, fmt.Errorf("token: tokens %d and %d are both %q, want each text once", id, i, x.text(id))
			}
			slot = x.candidate(hash, x.after(slot))
		}
		x.slots[slot] = entryOf(hash, int32(i))
	}
	return x, nil
}

func emptyName(i int) string { return fmt.Sprintf("[EMPTY_%d]", i) }

// slotsFor returns a power of two that n entries fill to two thirds at most.
func slotsFor(n int) int {
	slots := 16
	for 2*slots < 3*n {
		slots *= 2
	}
	return slots
}

func (x *index) len() int { return len(x.end) - 1 }

func (x *index) text(id int32) []byte { return x.blob[x.end[id]:x.end[id+1]] }

func (x *index) home(hash uint64) int      { return int(hash) & (len(x.slots) - 1) }
func (x *index) after(slot int) int        { return (slot + 1) & (len(x.slots) - 1) }
func (x *index) symbol(slot int) int32     { return int32(x.slots[slot]&^slotTag) - 1 }
func entryOf(hash uint64, id int32) uint32 { return uint32(hash>>32)&slotTag | uint32(id+1) }

// candidate returns the first slot from the given one on that is free or whose symbol may have this hash.
func (x *index) candidate(hash uint64, slot int) int {
	tag := uint32(hash>>32) & slotTag
	for {
		if s := x.slots[slot]; s == 0 || s&slotTag == tag {
			return slot
		}
		slot = x.after(slot)
	}
}

// find returns the symbol with this text, or -1.
func (x *index) find(text string) int32 {
	id, _ := x.lookup(text, maphash.String(x.seed, text))
	return id
}

// lookup returns the symbol and its slot, or -1 and the free slot where it belongs.
func (x *index) lookup(text string, hash uint64) (id int32, slot int) {
	slot = x.candidate(hash, x.home(hash))
	for x.slots[slot] != 0 {
		if id := x.symbol(slot); string(x.text(id)) == text {
			return id, slot
		}
		slot = x.candidate(hash, x.after(slot))
	}
	return -1, slot
}

// add returns the symbol with this text, a new one where there is none.
func (x *index) add(text string) int32 {
	hash := maphash.String(x.seed, text)
	id, slot := x.lookup(text, hash)
	if id >= 0 {
		return id
	}
	id = int32(x.len())
	x.blob = append(x.blob, text...)
	x.end = append(x.end, uint32(len(x.blob)))
	x.slots[slot] = entryOf(hash, id)
	if 3*x.len() > 2*len(x.slots) {
		x.grow()
	}
	return id
}

func (x *index) grow() {
	x.slots = make([]uint32, 2*len(x.slots))
	for id := range int32(x.len()) {
		hash := maphash.Bytes(x.seed, x.text(id))
		_, slot := x.lookup(string(x.text(id)), hash)
		x.slots[slot] = entryOf(hash, id)
	}
}
