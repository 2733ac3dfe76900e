package engine

import "github.com/freehold-slm/freehold/kernels"

// uniform draws a float64 in [0, 1) with 53 random bits from a counter, never from a state: a draw depends on these
// five numbers and on nothing that was drawn before.
func uniform(seed uint64, purpose, position, sequence, lane uint32) float64 {
	r := kernels.Philox(seed, [4]uint32{purpose, position, sequence, lane})
	return float64(uint64(r[0])<<21^uint64(r[1])>>11) * 0x1p-53
}
