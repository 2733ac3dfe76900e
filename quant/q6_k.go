package quant

import k "github.com/freehold-slm/freehold/kernels"

// Q6_K: value = d*sc*(q - 32), q in [0, 63]; sc per 16 values, int8.
//
//	 0              128        192         208  210
//	+--------------+----------+-----------+----+
//	| ql[2][64]    | qh[2][32]| sc[16]    | d  |
//	+--------------+----------+-----------+----+
//	                           int8        f16
//
// Each half of the block (128 values) has 64 bytes ql and 32 bytes qh: with i
// in [0, 32), ql[i] holds bits 0-3 of value i (low) and i+64 (high), ql[i+32]
// those of i+32 and i+96; qh[i] holds bits 4-5 of i, i+32, i+64, i+96 upwards.
var _ = define(Format{Name: "Q6_K", Type: k.Q6_K, Block: k.Block256, Bytes: k.Q6_KBytes}, unpackQ6_K, packQ6_K)

func unpackQ6_K(dst []float32, src []byte) {
	for len(dst) > 0 {
		b := (*[k.Q6_KBytes]byte)(src)
		d := half(b[k.Q6_KOffsetD:])
		var scales [16]float32
		for i, sc := range b[k.Q6_KOffsetScales:k.Q6_KOffsetD] {
			scales[i] = d * float32(int8(sc))
		}
		for h := range 2 {
			ql := (*[64]byte)(b[k.Q6_KOffsetQ+64*h:])
			qh := (*[32]byte)(b[k.Q6_KOffsetQH+32*h:])
			y := (*[128]float32)(dst[128*h:])
			s := (*[8]float32)(scales[8*h:])
			for i, c := range qh {
				g := i / 16
				lo, hi := ql[i], ql[i+32]
				y[i] = s[g] * float32(int(lo&15|c<<4&48)-32)
				y[i+32] = s[g+2] * float32(int(hi&15|c<<2&48)-32)
				y[i+64] = s[g+4] * float32(int(lo>>4|c&48)-32)
				y[i+96] = s[g+6] * float32(int(hi>>4|c>>2&48)-32)
			}
		}
		src, dst = src[k.Q6_KBytes:], dst[256:]
	}
}

func packQ6_K(dst []byte, row, importance []float32) {
	var halves [2]lanes
	for i := 0; i < len(row); i += 256 {
		packBlockQ6_K((*[k.Q6_KBytes]byte)(dst[i/256*k.Q6_KBytes:]), &halves, (*[256]float32)(row[i:]), from(importance, i))
	}
}

func packBlockQ6_K(b *[k.Q6_KBytes]byte, halves *[2]lanes, x *[256]float32, importance []float32) {
	var scales [16]float32
	var squares [256]float32
	weights := squares[:]
	if importance != nil {
		weights = importance[:256]
	} else {
		for i, v := range x {
			squares[i] = v * v
		}
	}
	for h := range halves {
		l := &halves[h]
		l.load(x[128*h:128*h+128], weights[128*h:], 16)
		cpu().FitSymmetric((*[8]float32)(scales[8*h:]), l.codes[:], l.x[:128], l.w[:128], 32)
	}
	top, amax := extreme(scales[:])
	if amax < tiny {
		clear(b[:])
		return
	}
	iscale := -128 / top
	d := putHalf(b[k.Q6_KOffsetD:], 1/iscale)
	var units [16]float32
	for g, s := range scales {
		sc := int8(min(127, nearest(iscale*s)))
		b[k.Q6_KOffsetScales+g] = byte(sc)
		units[g] = d * float32(sc)
	}
	var codes [256]uint8
	for h := range halves {
		l := &halves[h]
		cpu().RoundCodes(l.codes[:], l.x[:128], &[8]float32{}, (*[8]float32)(units[8*h:]), -32, 31)
		l.inOrder(codes[128*h:128*h+128], 16)
	}
	for h := range 2 {
		q := codes[128*h : 128*h+128]
		for i := range 32 {
			b[k.Q6_KOffsetQ+64*h+i] = q[i]&15 | q[i+64]<<4
			b[k.Q6_KOffsetQ+64*h+i+32] = q[i+32]&15 | q[i+96]<<4
			b[k.Q6_KOffsetQH+32*h+i] = q[i]>>4 | q[i+32]>>4<<2 | q[i+64]>>4<<4 | q[i+96]>>4<<6
		}
	}
}
