package kernels

import "math/bits"

// Philox is Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011): four random words
// that are a pure function of key and counter, so nothing random depends on history.
func Philox(key uint64, counter [4]uint32) [4]uint32 {
	k0, k1 := uint32(key), uint32(key>>32)
	c := counter
	for r := 0; r < 10; r++ {
		h0, l0 := bits.Mul32(0xD2511F53, c[0])
		h1, l1 := bits.Mul32(0xCD9E8D57, c[2])
		c = [4]uint32{h1 ^ c[1] ^ k0, l1, h0 ^ c[3] ^ k1, l0}
		k0 += 0x9E3779B9
		k1 += 0xBB67AE85
	}
	return c
}

// Purposes keep the counters of different uses of one seed apart: counter = (purpose, step or position, sequence, lane).
const (
	PurposeSample  = 1 // drawing a token
	PurposeShuffle = 2 // order of training rows
	PurposeInit    = 3 // new weights
	PurposeSplit   = 4 // bootstrap and data splits
	PurposeOwn     = 5 // tokens of a student's own answers while it trains: (step, row of the step, token)
	PurposeShow    = 6 // rows that are shown where a text for a label is asked for: (label, number of the text, draw)
)
