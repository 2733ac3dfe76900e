package quant

import (
	"encoding/binary"

	k "github.com/freehold-slm/freehold/kernels"
)

// Q5_0: value = d * (q - 16), q in [0, 31]; bit i of qh is bit 4 of q[i].
//
//	 0    2      6                               22
//	+----+------+--------------------------------+
//	| d  |  qh  | q[16]|q[0] ...     q[31]|q[15] |
//	+----+------+--------------------------------+
//	 f16  uint32  high|low nibble of 16 bytes: bits 0-3 of q
var _ = define(Format{Name: "Q5_0", Type: k.Q5_0, Block: k.Block32, Bytes: k.Q5_0Bytes}, unpackQ5_0, packQ5_0)

func unpackQ5_0(dst []float32, src []byte) {
	for len(dst) > 0 {
		b, y := (*[k.Q5_0Bytes]byte)(src), (*[32]float32)(dst)
		d := half(b[k.Q5_0OffsetD:])
		qh := binary.LittleEndian.Uint32(b[k.Q5_0OffsetQH:])
		for i, q := range b[k.Q5_0OffsetQ:] {
			y[i&15] = float32(int(uint32(q&15)|qh<<4&16)-16) * d
			y[i&15+16] = float32(int(uint32(q>>4)|qh>>12&16)-16) * d
			qh >>= 1
		}
		src, dst = src[k.Q5_0Bytes:], dst[32:]
	}
}

func packQ5_0(dst []byte, row, importance []float32) {
	var t tile
	sigma2 := meanSquare(row, importance)
	for i := 0; i < len(row); i += tileValues {
		x := row[i:min(i+tileValues, len(row))]
		t.peaks(x, from(importance, i), sigma2, 16)
		for g := range len(x) / 32 {
			b := (*[k.Q5_0Bytes]byte)(dst[(i/32+g)*k.Q5_0Bytes:])
			putHalf(b[k.Q5_0OffsetD:], t.d[g])
			binary.LittleEndian.PutUint32(b[k.Q5_0OffsetQH:], fifthBits(t.block(g)))
			packNibbles((*[16]byte)(b[k.Q5_0OffsetQ:]), t.block(g))
		}
	}
}
