package kernels

import "encoding/binary"

// The integer path's view of each block format: signed codes, and per group a scale and a signed minimum, all exact
// in float32 (an f16 scale times a sub-scale of at most 8 bits has at most 19 significant bits).

func init() {
	for _, f := range []struct {
		IntFormat
		codes func(q []int8, sc, mn []float32, row []byte)
	}{
		{IntFormat{Q8_0, 32, false, Block32, Q8_0Bytes}, codesQ8_0},
		{IntFormat{Q4_0, 32, false, Block32, Q4_0Bytes}, codesQ4_0},
		{IntFormat{Q4_1, 32, true, Block32, Q4_1Bytes}, codesQ4_1},
		{IntFormat{Q5_0, 32, false, Block32, Q5_0Bytes}, codesQ5_0},
		{IntFormat{Q5_1, 32, true, Block32, Q5_1Bytes}, codesQ5_1},
		{IntFormat{Q4_K, 32, true, Block256, Q4_KBytes}, codesQ4_K},
		{IntFormat{Q5_K, 32, true, Block256, Q5_KBytes}, codesQ5_K},
		{IntFormat{Q6_K, 16, false, Block256, Q6_KBytes}, codesQ6_K},
		{IntFormat{Q2_K, 16, true, Block256, Q2_KBytes}, codesQ2_K},
		{IntFormat{Q3_K, 16, false, Block256, Q3_KBytes}, codesQ3_K},
		{IntFormat{IQ4_NL, 32, false, Block32, IQ4_NLBytes}, codesIQ4_NL},
		{IntFormat{IQ4_XS, 32, false, Block256, IQ4_XSBytes}, codesIQ4_XS},
		{IntFormat{MXFP4, 32, false, Block32, MXFP4Bytes}, codesMXFP4},
	} {
		f := f
		IntFormats[f.Type] = &f.IntFormat
		portable.Codes[f.Type] = f.codes
		portable.Gemv[f.Type] = func(dst []float32, w []byte, a *Acts, t int, s *Scratch) {
			gemvPortable(&f.IntFormat, f.codes, dst, w, a, t, s)
		}
	}
}

// gemvPortable is the specification of every Gemv entry: decode a row, then intDot.
func gemvPortable(f *IntFormat, codes func(q []int8, sc, mn []float32, row []byte), dst []float32, w []byte, a *Acts, t int, s *Scratch) {
	rb := a.K / f.Block * f.Bytes
	for r := range dst {
		codes(s.q, s.sc, s.mn, w[r*rb:(r+1)*rb])
		dst[r] = intDot(s.q, s.sc, s.mn, f.Group, f.HasMin, a, t)
	}
}

func half(b []byte) float32 { return F16ToF32(binary.LittleEndian.Uint16(b)) }

func codesQ8_0(q []int8, sc, _ []float32, row []byte) {
	for b := 0; b*34 < len(row); b++ {
		blk := row[b*34 : b*34+34]
		sc[b] = half(blk)
		for i, c := range blk[2:] {
			q[b*32+i] = int8(c)
		}
	}
}

func codesQ4_0(q []int8, sc, _ []float32, row []byte) {
	for b := 0; b*18 < len(row); b++ {
		blk := row[b*18 : b*18+18]
		sc[b] = half(blk)
		for i, c := range blk[2:] {
			q[b*32+i], q[b*32+16+i] = int8(c&15)-8, int8(c>>4)-8
		}
	}
}

func codesQ4_1(q []int8, sc, mn []float32, row []byte) {
	for b := 0; b*20 < len(row); b++ {
		blk := row[b*20 : b*20+20]
		sc[b], mn[b] = half(blk), half(blk[2:])
		for i, c := range blk[4:] {
			q[b*32+i], q[b*32+16+i] = int8(c&15), int8(c>>4)
		}
	}
}

func codesQ5_0(q []int8, sc, _ []float32, row []byte) {
	for b := 0; b*22 < len(row); b++ {
		blk := row[b*22 : b*22+22]
		sc[b] = half(blk)
		hi := binary.LittleEndian.Uint32(blk[2:])
		for i, c := range blk[6:] {
			q[b*32+i] = int8(c&15|byte(hi>>i<<4)&16) - 16
			q[b*32+16+i] = int8(c>>4|byte(hi>>(i+16)<<4)&16) - 16
		}
	}
}

func codesQ5_1(q []int8, sc, mn []float32, row []byte) {
	for b := 0; b*24 < len(row); b++ {
		blk := row[b*24 : b*24+24]
		sc[b], mn[b] = half(blk), half(blk[2:])
		hi := binary.LittleEndian.Uint32(blk[4:])
		for i, c := range blk[8:] {
			q[b*32+i] = int8(c&15 | byte(hi>>i<<4)&16)
			q[b*32+16+i] = int8(c>>4 | byte(hi>>(i+16)<<4)&16)
		}
	}
}

func codesQ4_K(q []int8, sc, mn []float32, row []byte) {
	for b := 0; b*144 < len(row); b++ {
		blk := row[b*144 : b*144+144]
		d, dmin := half(blk), half(blk[2:])
		for j := 0; j < 8; j++ {
			s, m := ScaleMin(blk[4:16], j)
			sc[b*8+j], mn[b*8+j] = float32(d*float32(s)), -float32(dmin*float32(m))
			qs, out := blk[16+j/2*32:16+j/2*32+32], q[b*256+j*32:b*256+j*32+32]
			for i, c := range qs {
				out[i] = int8(c >> (j % 2 * 4) & 15)
			}
		}
	}
}

func codesQ5_K(q []int8, sc, mn []float32, row []byte) {
	for b := 0; b*176 < len(row); b++ {
		blk := row[b*176 : b*176+176]
		d, dmin := half(blk), half(blk[2:])
		for j := 0; j < 8; j++ {
			s, m := ScaleMin(blk[4:16], j)
			sc[b*8+j], mn[b*8+j] = float32(d*float32(s)), -float32(dmin*float32(m))
			qh, qs, out := blk[16:48], blk[48+j/2*32:48+j/2*32+32], q[b*256+j*32:b*256+j*32+32]
			for i, c := range qs {
				out[i] = int8(c>>(j%2*4)&15 | qh[i]>>j&1<<4)
			}
		}
	}
}

func codesQ6_K(q []int8, sc, _ []float32, row []byte) {
	for b := 0; b*210 < len(row); b++ {
		blk := row[b*210 : b*210+210]
		d := half(blk[208:])
		for j := 0; j < 16; j++ {
			sc[b*16+j] = float32(d * float32(int8(blk[192+j])))
		}
		for h := 0; h < 2; h++ { // halves of 128 weights
			ql, qh, out := blk[h*64:h*64+64], blk[128+h*32:128+h*32+32], q[b*256+h*128:b*256+h*128+128]
			for i, c := range qh {
				out[i] = int8(ql[i]&15|c&3<<4) - 32
				out[i+32] = int8(ql[i+32]&15|c>>2&3<<4) - 32
				out[i+64] = int8(ql[i]>>4|c>>4&3<<4) - 32
				out[i+96] = int8(ql[i+32]>>4|c>>6&3<<4) - 32
			}
		}
	}
}
