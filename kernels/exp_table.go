//go:build (amd64 || arm64) && !purego

package kernels

import "math"

// expTable holds the constants of Exp32, a vector of equal lanes each, in the order of exp_*.h.
//
//lint:ignore U1000 the assembly reads it
var expTable = func() (t [14][expLanes]float32) {
	for i, c := range [len(t)]float32{expLog2E, expLn2Hi, expLn2Lo, expC0, expC1, expC2, expC3, expC4, expC5, 1,
		expLo, expHi, float32(math.Inf(1)), math.Float32frombits(127)} {
		for j := range t[i] {
			t[i][j] = c
		}
	}
	return t
}()
