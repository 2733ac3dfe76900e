package quant

import (
	"encoding/binary"

	k "github.com/freehold-slm/freehold/kernels"
)

// The two-bit code book formats: eight values are an entry of a grid times
// signs, value = d*(sc + 1/2)/4 * sign * grid[index][i]. Decoding only.
//
// IQ2_XXS: per 32 values 8 bytes: four 8-bit indices, then a uint32 of four
// 7-bit sign codes and, on top, sc.
//
//	 0    2                         66
//	+----+--------------------------+
//	| d  | 8 x (index[4], uint32)   |
//	+----+--------------------------+
//
// IQ2_XS: per 8 values a uint16, index in bits 0-8, sign code above; per 32
// values a byte of sc for its first (low nibble) and last 16.
//
//	 0    2              66          74
//	+----+--------------+-----------+
//	| d  | uint16[32]   | scales[8] |
//	+----+--------------+-----------+
//
// IQ2_S: per 8 values a byte of index and a byte of signs; bits 8-9 of the four
// indices of 32 values in qh, upwards; scales as in IQ2_XS.
//
//	 0    2         34          66     74          82
//	+----+---------+-----------+-------+-----------+
//	| d  | qs[32]  | signs[32] | qh[8] | scales[8] |
//	+----+---------+-----------+-------+-----------+
var (
	_ = define(Format{Name: "IQ2_XXS", Type: k.IQ2_XXS, Block: k.Block256, Bytes: k.IQ2_XXSBytes}, unpackIQ2_XXS, nil)
	_ = define(Format{Name: "IQ2_XS", Type: k.IQ2_XS, Block: k.Block256, Bytes: k.IQ2_XSBytes}, unpackIQ2_XS, nil)
	_ = define(Format{Name: "IQ2_S", Type: k.IQ2_S, Block: k.Block256, Bytes: k.IQ2_SBytes}, unpackIQ2_S, nil)
)

// signs7 completes a 7-bit sign code: the number of minus signs is even.
func signs7(code uint32) uint8 {
	s := uint8(code & 127)
	p := s ^ s>>4
	p ^= p >> 2
	p ^= p >> 1
	return s | p<<7
}

// scaled8 writes d*grid with a minus where a bit of signs is set.
func scaled8(y []float32, grid *[8]float32, d float32, signs uint8) {
	_ = y[7]
	for i, g := range grid {
		v := d * g
		if signs>>i&1 != 0 {
			v = -v
		}
		y[i] = v
	}
}

// quarterScale is d*(sc + 1/2)/4.
func quarterScale(d float32, sc uint8) float32 { return float32(d*(0.5+float32(sc))) * 0.25 }

func unpackIQ2_XXS(dst []float32, src []byte) {
	grid := iq2xxsGrid()
	for len(dst) > 0 {
		b := (*[k.IQ2_XXSBytes]byte)(src)
		d := half(b[:])
		for g := range 8 {
			q := b[2+8*g:]
			tail := binary.LittleEndian.Uint32(q[4:])
			scale := quarterScale(d, uint8(tail>>28))
			for i := range 4 {
				scaled8(dst[32*g+8*i:], &grid[q[i]], scale, signs7(tail>>(7*i)))
			}
		}
		src, dst = src[k.IQ2_XXSBytes:], dst[256:]
	}
}

func unpackIQ2_XS(dst []float32, src []byte) {
	grid := iq2xsGrid()
	for len(dst) > 0 {
		b := (*[k.IQ2_XSBytes]byte)(src)
		d := half(b[:])
		for i := range 32 {
			q := binary.LittleEndian.Uint16(b[2+2*i:])
			scale := quarterScale(d, b[66+i/4]>>(i%4/2*4)&15)
			scaled8(dst[8*i:], &grid[q&511], scale, signs7(uint32(q>>9)))
		}
		src, dst = src[k.IQ2_XSBytes:], dst[256:]
	}
}

func unpackIQ2_S(dst []float32, src []byte) {
	grid := iq2sGrid()
	for len(dst) > 0 {
		b := (*[k.IQ2_SBytes]byte)(src)
		d := half(b[:])
		for i := range 32 {
			index := int(b[2+i]) | int(b[66+i/4]>>(i%4*2)&3)<<8
			scale := quarterScale(d, b[74+i/4]>>(i%4/2*4)&15)
			scaled8(dst[8*i:], &grid[index], scale, b[34+i])
		}
		src, dst = src[k.IQ2_SBytes:], dst[256:]
	}
}
