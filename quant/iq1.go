package quant

import (
	"encoding/binary"

	k "github.com/freehold-slm/freehold/kernels"
)

// The code book formats below two bits: eight values are an entry of a grid of
// {-1, 0, 1}, value = d*(2*sc + 1) * (grid[index][i] + delta), delta = 1/8 or -1/8.
// Decoding only.
//
// IQ1_S: per 32 values a uint16 of qh: bits 8-10 of four indices upwards, sc in
// bits 12-14, bit 15 set for a negative delta.
//
//	 0    2         34         50
//	+----+---------+----------+
//	| d  | qs[32]  | uint16[8]|
//	+----+---------+----------+
//
// IQ1_M: a nibble of qh per 8 values: bits 8-10 of the index, bit 3 set for a
// negative delta. sc per 16 values, 3 bits, four upwards in each uint16 of
// scales; their top nibbles together are d.
//
//	 0         32      48          56
//	+---------+-------+-----------+
//	| qs[32]  | qh[16]| uint16[4] |
//	+---------+-------+-----------+
var (
	_ = define(Format{Name: "IQ1_S", Type: k.IQ1_S, Block: k.Block256, Bytes: k.IQ1_SBytes}, unpackIQ1_S, nil)
	_ = define(Format{Name: "IQ1_M", Type: k.IQ1_M, Block: k.Block256, Bytes: k.IQ1_MBytes}, unpackIQ1_M, nil)
)

const iq1Delta = 0.125

// shifted8 writes d * (grid + delta).
func shifted8(y []float32, grid *[8]float32, d float32, negative bool) {
	delta := float32(iq1Delta)
	if negative {
		delta = -delta
	}
	_ = y[7]
	for i, g := range grid {
		y[i] = d * (g + delta)
	}
}

func unpackIQ1_S(dst []float32, src []byte) {
	grid := iq1sGrid()
	for len(dst) > 0 {
		b := (*[k.IQ1_SBytes]byte)(src)
		d := half(b[:])
		for i := range 32 {
			qh := binary.LittleEndian.Uint16(b[34+i/4*2:])
			index := int(b[2+i]) | int(qh>>(i%4*3)&7)<<8
			shifted8(dst[8*i:], &grid[index], d*float32(2*(qh>>12&7)+1), qh>>15 != 0)
		}
		src, dst = src[k.IQ1_SBytes:], dst[256:]
	}
}

func unpackIQ1_M(dst []float32, src []byte) {
	grid := iq1sGrid()
	for len(dst) > 0 {
		b := (*[k.IQ1_MBytes]byte)(src)
		var scales [4]uint16
		var h uint16
		for i := range scales {
			scales[i] = binary.LittleEndian.Uint16(b[48+2*i:])
			h |= scales[i] >> 12 << (4 * i)
		}
		d := k.F16ToF32(h)
		for i := range 32 {
			qh := b[32+i/2] >> (i % 2 * 4)
			sc := scales[i/8] >> (i % 8 / 2 * 3) & 7
			shifted8(dst[8*i:], &grid[int(b[i])|int(qh&7)<<8], d*float32(2*sc+1), qh&8 != 0)
		}
		src, dst = src[k.IQ1_MBytes:], dst[256:]
	}
}
