package kernels

import "encoding/binary"

// The codes of the formats of four bits that index a table, and of two and three bits.

// codesTable looks up the nibbles of 16 bytes, low ones first.
func codesTable(q []int8, qs []byte, table *[16]int8) {
	for i, c := range qs[:16] {
		q[i], q[16+i] = table[c&15], table[c>>4]
	}
}

func codesIQ4_NL(q []int8, sc, _ []float32, row []byte) {
	for b := 0; b*18 < len(row); b++ {
		blk := row[b*18 : b*18+18]
		sc[b] = half(blk)
		codesTable(q[b*32:], blk[2:], &IQ4Values)
	}
}

func codesMXFP4(q []int8, sc, _ []float32, row []byte) {
	for b := 0; b*17 < len(row); b++ {
		blk := row[b*17 : b*17+17]
		sc[b] = HalfE8M0[blk[0]]
		codesTable(q[b*32:], blk[1:], &FP4Values)
	}
}

func codesIQ4_XS(q []int8, sc, _ []float32, row []byte) {
	for b := 0; b*136 < len(row); b++ {
		blk := row[b*136 : b*136+136]
		d, sh := half(blk), binary.LittleEndian.Uint16(blk[2:])
		for g := 0; g < 8; g++ {
			sc[b*8+g] = float32(d * float32(ScaleIQ4_XS(sh, blk[4:8], g)))
			codesTable(q[b*256+g*32:], blk[8+g*16:], &IQ4Values)
		}
	}
}

func codesQ2_K(q []int8, sc, mn []float32, row []byte) {
	for b := 0; b*84 < len(row); b++ {
		blk := row[b*84 : b*84+84]
		d, dmin := half(blk[80:]), half(blk[82:])
		for g, s := range blk[:16] {
			sc[b*16+g], mn[b*16+g] = float32(d*float32(s&15)), -float32(dmin*float32(s>>4))
		}
		for i := 0; i < 256; i++ {
			q[b*256+i] = int8(blk[16+i/128*32+i%32] >> (i % 128 / 32 * 2) & 3)
		}
	}
}

func codesQ3_K(q []int8, sc, _ []float32, row []byte) {
	for b := 0; b*110 < len(row); b++ {
		blk := row[b*110 : b*110+110]
		d := half(blk[108:])
		for g := 0; g < 16; g++ {
			sc[b*16+g] = float32(d * float32(ScaleQ3_K(blk[96:108], g)))
		}
		for i := 0; i < 256; i++ {
			low, high := blk[32+i/128*32+i%32]>>(i%128/32*2)&3, blk[i%32]>>(i/32)&1
			q[b*256+i] = int8(low|high<<2) - 4
		}
	}
}
