package token

// scratch is what one Encode call works with; a pool keeps it between calls.
type scratch struct {
	chain   chain
	spelled []byte
	words   wordCache
	spm     spmPairer
}

// wordCache remembers the tokens of recent short pieces. It is direct-mapped, so it never grows.
type wordCache struct{ slots []cachedWord }

const (
	cacheSlots = 4096
	maxCached  = 16 // bytes of a piece
)

type cachedWord struct {
	lo, hi uint64 // the piece's bytes, zero-padded
	size   uint8  // its length; 0 = free
	hit    bool   // set by entry
	n      uint8
	ids    [5]int32
}

// entry returns the slot of a piece of 1 to maxCached bytes; hit says whether it holds the piece.
func (w *wordCache) entry(piece string) *cachedWord {
	if w.slots == nil {
		w.slots = make([]cachedWord, cacheSlots)
	}
	var lo, hi uint64
	n := len(piece)
	if n >= 8 {
		lo, hi = load64(piece), load64(piece[n-8:]) // overlapping: with the length it is still one to one
	} else {
		for i := range n {
			lo |= uint64(piece[i]) << (8 * i)
		}
	}
	h := (lo ^ (hi<<29 | hi>>35) ^ uint64(n)<<56) * 0x9E3779B97F4A7C15
	e := &w.slots[h>>(64-12)]
	e.hit = e.size == uint8(n) && e.lo == lo && e.hi == hi
	if !e.hit {
		e.lo, e.hi, e.size = lo, hi, uint8(n)
	}
	return e
}

// fill stores the tokens of the piece that entry was asked for, or frees the slot where they are too many.
func (e *cachedWord) fill(ids []int32) {
	if len(ids) > len(e.ids) {
		e.size = 0
		return
	}
	e.n = uint8(copy(e.ids[:], ids))
}

func load64(s string) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}
