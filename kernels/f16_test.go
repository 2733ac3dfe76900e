package kernels

import (
	"math"
	"testing"

	"github.com/x448/float16"
)

func TestF16ToF32Exhaustive(t *testing.T) {
	for i := range 1 << 16 {
		want := float16.Frombits(uint16(i)).Float32()
		if got := F16ToF32(uint16(i)); math.Float32bits(got) != math.Float32bits(want) {
			t.Fatalf("F16ToF32(%#04x) = %v %#08x, want %v %#08x", i, got, math.Float32bits(got), want, math.Float32bits(want))
		}
	}
}

// Every half, the midpoints between neighbours and the f32 next to each of
// those decide all rounding cases.
func TestF32ToF16Exhaustive(t *testing.T) {
	check := func(f float32) {
		t.Helper()
		if got, want := F32ToF16(f), float16.Fromfloat32(f).Bits(); got != want {
			t.Fatalf("F32ToF16(%v %#08x) = %#04x, want %#04x", f, math.Float32bits(f), got, want)
		}
	}
	for i := range uint32(1 << 16) {
		if i&0x7c00 == 0x7c00 && i&0x03ff != 0 {
			continue // NaN, below
		}
		f := math.Float32bits(F16ToF32(uint16(i)))
		next := math.Float32bits(65536)
		if i&0x7fff < 0x7c00 {
			if i&0x7fff < 0x7bff {
				next = math.Float32bits(F16ToF32(uint16(i+1))) &^ (1 << 31)
			}
			lo, hi := math.Float32frombits(f&^(1<<31)), math.Float32frombits(next)
			mid := math.Float32bits((lo+hi)/2) | f&(1<<31)
			for _, b := range []uint32{mid - 1, mid, mid + 1} {
				check(math.Float32frombits(b))
			}
		}
		for _, b := range []uint32{f, f + 1} {
			if b&0x7fffffff <= 0x7f800000 {
				check(math.Float32frombits(b))
			}
		}
	}
	for _, b := range []uint32{0x7f800001, 0x7fc00000, 0xffffffff, 0x7f802000} {
		got := F32ToF16(math.Float32frombits(b))
		if got&0x7e00 != 0x7e00 || got>>15 != uint16(b>>31) {
			t.Errorf("F32ToF16(NaN %#08x) = %#04x, want a quiet NaN of the same sign", b, got)
		}
	}
}

func TestBF16Exhaustive(t *testing.T) {
	for i := range uint32(1 << 16) {
		f := BF16ToF32(uint16(i))
		if math.Float32bits(f) != i<<16 {
			t.Fatalf("BF16ToF32(%#04x) = %#08x", i, math.Float32bits(f))
		}
		if f != f {
			if got := F32ToBF16(f); got != uint16(i)|0x40 {
				t.Fatalf("F32ToBF16(NaN %#04x0000) = %#04x, want the same, quiet", i, got)
			}
			continue
		}
		// Below, at and above the midpoint to the next code; a tie goes to the even one.
		for _, c := range []struct{ low, want uint32 }{
			{0, i}, {1, i}, {0x7fff, i}, {0x8000, i + i&1}, {0x8001, i + 1}, {0xffff, i + 1},
		} {
			if i&0x7fff == 0x7f80 && c.low != 0 {
				continue // beyond infinity
			}
			if got := F32ToBF16(math.Float32frombits(i<<16 | c.low)); uint32(got) != c.want {
				t.Fatalf("F32ToBF16(%#08x) = %#04x, want %#04x", i<<16|c.low, got, c.want)
			}
		}
	}
}
