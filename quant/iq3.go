package quant

import (
	"encoding/binary"

	k "github.com/freehold-slm/freehold/kernels"
)

// The three-bit code book formats: four values are an entry of a grid times
// signs. Decoding only.
//
// IQ3_XXS: value = d*(sc + 1/2)/2 * sign * grid[index][i]; per 32 values eight
// 8-bit indices, and a uint32 of four 7-bit sign codes and, on top, sc.
//
//	 0    2         66                 98
//	+----+---------+------------------+
//	| d  | qs[64]  | uint32[8]        |
//	+----+---------+------------------+
//
// IQ3_S: value = d*(2*sc + 1) * sign * grid[index][i]; bit 8 of the indices of 32
// values in a byte of qh; sc per 32 values, 4 bits, even low.
//
//	 0    2         66      74          106         110
//	+----+---------+-------+-----------+-----------+
//	| d  | qs[64]  | qh[8] | signs[32] | scales[4] |
//	+----+---------+-------+-----------+-----------+
var (
	_ = define(Format{Name: "IQ3_XXS", Type: k.IQ3_XXS, Block: k.Block256, Bytes: k.IQ3_XXSBytes}, unpackIQ3_XXS, nil)
	_ = define(Format{Name: "IQ3_S", Type: k.IQ3_S, Block: k.Block256, Bytes: k.IQ3_SBytes}, unpackIQ3_S, nil)
)

// scaled4 writes d*grid with a minus where a bit of signs is set.
func scaled4(y []float32, grid *[4]float32, d float32, signs uint8) {
	_ = y[3]
	for i, g := range grid {
		v := d * g
		if signs>>i&1 != 0 {
			v = -v
		}
		y[i] = v
	}
}

func unpackIQ3_XXS(dst []float32, src []byte) {
	grid := iq3xxsGrid()
	for len(dst) > 0 {
		b := (*[k.IQ3_XXSBytes]byte)(src)
		d := half(b[:])
		for g := range 8 {
			tail := binary.LittleEndian.Uint32(b[66+4*g:])
			scale := float32(d*(0.5+float32(tail>>28))) * 0.5
			for i := range 8 {
				signs := signs7(tail>>(i/2*7)) >> (i % 2 * 4)
				scaled4(dst[32*g+4*i:], &grid[b[2+8*g+i]], scale, signs)
			}
		}
		src, dst = src[k.IQ3_XXSBytes:], dst[256:]
	}
}

func unpackIQ3_S(dst []float32, src []byte) {
	grid := iq3sGrid()
	for len(dst) > 0 {
		b := (*[k.IQ3_SBytes]byte)(src)
		d := half(b[:])
		for g := range 8 {
			scale := d * float32(1+2*(b[106+g/2]>>(g%2*4)&15))
			for i := range 8 {
				index := int(b[2+8*g+i]) | int(b[66+g]>>i&1)<<8
				signs := b[74+4*g+i/2] >> (i % 2 * 4)
				scaled4(dst[32*g+4*i:], &grid[index], scale, signs)
			}
		}
		src, dst = src[k.IQ3_SBytes:], dst[256:]
	}
}
