package token

import "hash/maphash"

// index holds the texts of all symbols in one block of memory and finds a symbol by its text.
type index struct {
	blob  []byte   // texts, one after the other
	end   []uint32 // [symbols + 1] end[i] to end[i+1] is the text of symbol i
	seed  maphash.Seed
	slots []uint32 // open addressing: symbol + 1, and above it the hash's highest bits; 0 = free
}

// slotTag selects the hash bits of a slot.
const slotTag = ^uint32(maxSymbols - 1)

// newIndex makes room for n symbols and size bytes of text; it grows beyond both.
func newIndex(n, size int) *index {
	x := &index{
		blob: make([]byte, 0, size),
		end:  make([]uint32, 1, n+1),
		seed: maphash.MakeSeed(),
	}
	x.slots = make([]uint32, slotsFor(n))
	return x
}

// slotsFor returns a power of two that n entries fill to a half at most.
func slotsFor(n int) int {
	slots := 16
	for slots < 2*n {
		slots *= 2
	}
	return slots
}

func (x *index) len() int { return len(x.end) - 1 }

func (x *index) text(id int32) []byte { return x.blob[x.end[id]:x.end[id+1]] }

// find returns the symbol with this text, or -1.
func (x *index) find(text string) int32 {
	id, _ := x.lookup(text, maphash.String(x.seed, text))
	return id
}

// lookup returns the symbol, or -1 and the free slot where it belongs.
func (x *index) lookup(text string, hash uint64) (id int32, slot int) {
	mask := len(x.slots) - 1
	tag := uint32(hash>>32) & slotTag
	for i := int(hash) & mask; ; i = (i + 1) & mask {
		s := x.slots[i]
		if s == 0 {
			return -1, i
		}
		if s&slotTag == tag {
			if id := int32(s&^slotTag) - 1; string(x.text(id)) == text {
				return id, i
			}
		}
	}
}

// add returns the symbol with this text, a new one where there is none.
func (x *index) add(text string) (id int32, isNew bool) {
	hash := maphash.String(x.seed, text)
	id, slot := x.lookup(text, hash)
	if id >= 0 {
		return id, false
	}
	id = int32(x.len())
	x.blob = append(x.blob, text...)
	x.end = append(x.end, uint32(len(x.blob)))
	x.slots[slot] = uint32(hash>>32)&slotTag | uint32(id+1)
	if 2*x.len() > len(x.slots) {
		x.grow()
	}
	return id, true
}

func (x *index) grow() {
	x.slots = make([]uint32, 2*len(x.slots))
	for id := range int32(x.len()) {
		hash := maphash.Bytes(x.seed, x.text(id))
		_, slot := x.lookup(string(x.text(id)), hash)
		x.slots[slot] = uint32(hash>>32)&slotTag | uint32(id+1)
	}
}
