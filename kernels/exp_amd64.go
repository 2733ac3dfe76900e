//go:build !purego

package kernels

import "math"

// expTable holds the constants of Exp32, a vector of equal lanes each, in the order of exp_*_amd64.h.
//
//lint:ignore U1000 the assembly reads it
var expTable = func() (t [14][16]float32) {
	for i, c := range [len(t)]float32{expLog2E, expLn2Hi, expLn2Lo, expC0, expC1, expC2, expC3, expC4, expC5, 1,
		expLo, expHi, float32(math.Inf(1)), math.Float32frombits(127)} {
		for j := range t[i] {
			t[i][j] = c
		}
	}
	return t
}()

// blockMask[32-n:][:16] masks the first n of 16 lanes, blockMask[16-n:][:16] all but the first n.
var blockMask = [48]int32{
	16: -1, 17: -1, 18: -1, 19: -1, 20: -1, 21: -1, 22: -1, 23: -1,
	24: -1, 25: -1, 26: -1, 27: -1, 28: -1, 29: -1, 30: -1, 31: -1,
}
