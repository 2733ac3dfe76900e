package engine

import "math/bits"

// Random numbers come from a counter, never from a state: Philox4x32-10 (Salmon et al., "Parallel random numbers: as
// easy as 1, 2, 3", SC 2011). Key = seed; counter = (purpose, position, sequence, lane). A draw depends on these five
// numbers and on nothing that was drawn before.

// The first word of the counter: what a draw is for.
const (
	purposeSample uint32 = 1 // choosing the token at a position
)

// philox returns four random words for a counter and a key.
func philox(ctr [4]uint32, key [2]uint32) [4]uint32 {
	const (
		m0, m1 = 0xD2511F53, 0xCD9E8D57
		w0, w1 = 0x9E3779B9, 0xBB67AE85
	)
	for range 10 {
		h0, l0 := bits.Mul32(m0, ctr[0])
		h1, l1 := bits.Mul32(m1, ctr[2])
		ctr = [4]uint32{h1 ^ ctr[1] ^ key[0], l1, h0 ^ ctr[3] ^ key[1], l0}
		key[0] += w0
		key[1] += w1
	}
	return ctr
}

// uniform draws a float64 in [0, 1) with 53 random bits.
func uniform(seed uint64, purpose, position, sequence, lane uint32) float64 {
	r := philox([4]uint32{purpose, position, sequence, lane}, [2]uint32{uint32(seed), uint32(seed >> 32)})
	return float64(uint64(r[0])<<21^uint64(r[1])>>11) * 0x1p-53
}
