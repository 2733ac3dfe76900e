package kernels

import (
	"math"
	"math/rand/v2"
	"testing"
	"unsafe"
)

// guarded returns a slice of n elements that starts off elements after a 64-byte boundary, between guard bands, and a
// check that the bands were not written.
func guarded[T comparable](n, off int, band T) (s []T, check func(t *testing.T, what string)) {
	const g = 64
	buf := make([]T, n+3*g+off)
	for i := range buf {
		buf[i] = band
	}
	size := int(unsafe.Sizeof(band))
	start := g
	for (int(uintptr(unsafe.Pointer(&buf[start])))/size*size)%64 != 0 && start < 2*g {
		start++
	}
	start += off
	s = buf[start : start+n : start+n]
	return s, func(t *testing.T, what string) {
		t.Helper()
		for i := range buf {
			if (i < start || i >= start+n) && buf[i] != band {
				t.Fatalf("%s: wrote outside its slice at element %d (length %d)", what, i-start, n)
			}
		}
	}
}

// eachLevel runs f for every level of this machine but portable, as subtests; it says so loudly when there is none.
func eachLevel(t *testing.T, f func(t *testing.T, l *Level)) {
	t.Helper()
	if len(Levels()) == 1 {
		t.Skip("SKIPPED: this machine (or build) has only the portable level; nothing to compare")
	}
	for _, l := range Levels()[1:] {
		t.Run(l.Name, func(t *testing.T) { f(t, l) })
	}
}

// equalBits fails unless got and want are the same bits.
func equalBits(t *testing.T, what string, got, want []float32) {
	t.Helper()
	for i := range want {
		if math.Float32bits(got[i]) != math.Float32bits(want[i]) {
			t.Fatalf("%s: element %d of %d is %v (%08x), portable gives %v (%08x)", what, i, len(want),
				got[i], math.Float32bits(got[i]), want[i], math.Float32bits(want[i]))
		}
	}
}

// fillNormal fills x with normal values of the given spread.
func fillNormal(r *rand.Rand, x []float32, std float32) {
	for i := range x {
		x[i] = float32(r.NormFloat64()) * std
	}
}
