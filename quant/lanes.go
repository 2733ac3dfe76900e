package quant

import (
	"encoding/binary"
	"sync"

	k "github.com/freehold-slm/freehold/kernels"
)

// cpu is the level that the kernels of packing and conversion run on: every level gives the same bytes. A level that
// FREEHOLD_CPU asks for in vain is a mistake that every command has refused before.
var cpu = sync.OnceValue(func() *k.Level {
	l, err := k.Best()
	if err != nil {
		panic("quant: " + err.Error())
	}
	return l
})

// lanes are up to eight groups of a row side by side, as kernels' fits take them: [n, 8].
type lanes struct {
	x, w  [k.FitMost * k.FitLanes]float32
	codes [k.FitMost * k.FitLanes]uint8
}

// load takes groups of n values and their weights; missing groups are zero.
func (l *lanes) load(x, weights []float32, n int) {
	if len(x) < n*k.FitLanes {
		clear(l.x[:])
		clear(l.w[:])
	}
	cpu().Transpose(l.x[:], k.FitLanes, x, n, len(x)/n, n)
	cpu().Transpose(l.w[:], k.FitLanes, weights, n, len(x)/n, n)
}

// inOrder writes the codes of len(dst)/n groups one after the other.
func (l *lanes) inOrder(dst []uint8, n int) {
	for g := range len(dst) / n {
		for i := range dst[g*n : g*n+n] {
			dst[g*n+i] = l.codes[i*k.FitLanes+g]
		}
	}
}

// fitSymmetric finds scales and codes of the 32-value blocks of x, at most eight.
func (l *lanes) fitSymmetric(codes []uint8, x, weights []float32, half int) (d [k.FitLanes]float32) {
	l.load(x, weights, 32)
	cpu().FitSymmetric(&d, l.codes[:], l.x[:], l.w[:], half)
	l.inOrder(codes[:len(x)], 32)
	return d
}

// tileValues are the values of eight blocks of 32.
const tileValues = 32 * k.FitLanes

// tile is what packing the blocks of 32 values needs, eight at a time.
type tile struct {
	codes   [tileValues]uint8
	weights [tileValues]float32
	d, m    [k.FitLanes]float32
	lanes   lanes
}

// block is the codes of block b.
func (t *tile) block(b int) *[32]uint8 { return (*[32]uint8)(t.codes[32*b:]) }

// peaks finds scales and codes by the value of largest magnitude, which takes code 0, or with importances by search.
func (t *tile) peaks(x, importance []float32, sigma2 float32, half int) {
	if importance == nil {
		cpu().PeakCodes(t.codes[:len(x)], t.d[:len(x)/32], x, float32(-half), float32(half)+0.5, int8(2*half-1))
		return
	}
	weigh(t.weights[:], x, importance, sigma2)
	t.d = t.lanes.fitSymmetric(t.codes[:], x, t.weights[:len(x)], half)
}

// spans finds scales, minima and codes by least and greatest value, or with importances by search.
func (t *tile) spans(x, importance []float32, sigma2 float32, most int) {
	n := len(x) / 32
	if importance == nil {
		cpu().SpanCodes(t.codes[:len(x)], t.d[:n], t.m[:n], x, int8(most))
		return
	}
	weigh(t.weights[:], x, importance, sigma2)
	t.lanes.load(x, t.weights[:len(x)], 32)
	fit := k.AffineFit{Top: float32(most), First: -0.9, Step: 0.05, Steps: 36}
	cpu().FitAffine(&fit, t.lanes.codes[:], t.lanes.x[:], t.lanes.w[:])
	t.lanes.inOrder(t.codes[:len(x)], 32)
	t.d = fit.D
	for g, low := range fit.Low {
		t.m[g] = -low
	}
}

// packNibbles joins value i (low) and value i+16 (high), four bits of each.
func packNibbles(q *[16]byte, codes *[32]uint8) {
	const low = 0x0f0f0f0f0f0f0f0f
	for i := 0; i < 16; i += 8 {
		a, b := binary.LittleEndian.Uint64(codes[i:]), binary.LittleEndian.Uint64(codes[i+16:])
		binary.LittleEndian.PutUint64(q[i:], a&low|b&low<<4)
	}
}

// fifthBits gathers bit 4 of code i in bit i.
func fifthBits(codes *[32]uint8) (qh uint32) {
	for i := 0; i < 32; i += 8 {
		qh |= uint32(bit4(binary.LittleEndian.Uint64(codes[i:]))) << i
	}
	return qh
}

// bit4 gathers bit 4 of each byte i in bit i.
func bit4(codes uint64) uint8 {
	return uint8(codes >> 4 & 0x0101010101010101 * 0x0102040810204080 >> 56)
}
