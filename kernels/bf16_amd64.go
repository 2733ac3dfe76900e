//go:build !purego

package kernels

import "github.com/klauspost/cpuid/v2"

// avx512BF16Pack fills l with the conversions, which need no bf16 instruction.
func avx512BF16Pack(l *Level) {
	l.BF16Row = func(dst []uint16, src []float32) {
		if len(src) > 0 {
			_ = dst[len(src)-1]
			bf16Row512(&dst[0], &src[0], len(src))
		}
	}
	l.BF16Pairs = func(dst []uint16, even, odd []float32) {
		if len(even) > 0 {
			_, _ = dst[2*len(even)-1], odd[len(even)-1]
			bf16Pairs512(&dst[0], &even[0], &odd[0], len(even))
		}
	}
}

// avx512BF16 adds the product on VDPBF16PS.
func avx512BF16(l *Level) {
	l.BF16Unit, l.GemmBF16 = "avx512_bf16", gemmBF16AVX512
	l.FastBF16 = cpuid.CPU.VendorID == cpuid.AMD // Intel's does half the operations of its f32 unit (bench/LOG.md, 2026-11-22)
}

// amxBF16 adds the product on TDPBF16PS.
func amxBF16(l *Level) {
	l.BF16Unit, l.GemmBF16, l.FastBF16 = "amx_bf16", gemmBF16AMX, true
}

// bf16Steps bounds k of one call: its part of B stays in the first-level cache for all rows.
const bf16Steps = 512

func checkBF16(c []float32, ldc int, a []uint16, lda int, b []uint16, m, n, k int) {
	if n > BF16Cols || k%BF16Step != 0 {
		panic("kernels: GemmBF16: n over BF16Cols or k not a multiple of BF16Step")
	}
	_, _, _ = c[(m-1)*ldc+n-1], a[((m+15)&^15-1)*lda+k-1], b[k*BF16Cols-1]
}

func gemmBF16AVX512(c []float32, ldc int, a []uint16, lda int, b []uint16, m, n, k int, acc bool) {
	const rows = 14
	if m <= 0 || n <= 0 || k <= 0 {
		return
	}
	checkBF16(c, ldc, a, lda, b, m, n, k)
	for p := 0; p < k; p += bf16Steps {
		steps := min(k-p, bf16Steps)
		for i := 0; i < m; {
			r := split(m-i, rows)
			gemmBF16Tile512(&c[i*ldc], 4*ldc, &a[i*lda+p], 2*lda, 4, &b[p*BF16Cols], 4*BF16Cols, 64, r, steps/2, 1<<n-1, acc || p > 0)
			i += r
		}
	}
}

// gemmBF16AMX takes blocks of 16 rows; those at an edge of C go through a copy.
func gemmBF16AMX(c []float32, ldc int, a []uint16, lda int, b []uint16, m, n, k int, acc bool) {
	const rows = 16
	if m <= 0 || n <= 0 || k <= 0 {
		return
	}
	checkBF16(c, ldc, a, lda, b, m, n, k)
	whole := m / rows
	if n < BF16Cols {
		whole = 0
	}
	parts := (k + bf16Steps - 1) / bf16Steps
	most := (k/BF16Step + parts - 1) / parts * BF16Step
	for p := 0; p < k; p += most {
		steps, acc := min(k-p, most), acc || p > 0
		if whole > 0 {
			gemmBF16Tiles(&bf16Tiles, &c[0], 4*ldc, &a[p], 2*lda, &b[p*BF16Cols], whole, steps/BF16Step, acc)
		}
		for i := whole * rows; i < m; i += rows {
			var edge [rows * BF16Cols]float32
			r := min(m-i, rows)
			for j := 0; acc && j < r; j++ {
				copy(edge[j*BF16Cols:], c[(i+j)*ldc:(i+j)*ldc+n])
			}
			gemmBF16Tiles(&bf16Tiles, &edge[0], 4*BF16Cols, &a[i*lda+p], 2*lda, &b[p*BF16Cols], 1, steps/BF16Step, acc)
			for j := range r {
				copy(c[(i+j)*ldc:(i+j)*ldc+n], edge[j*BF16Cols:])
			}
		}
	}
}

// bf16Tiles configures eight tiles of 16 rows of 64 bytes.
var bf16Tiles = func() (c tileConfig) {
	c.palette = 1
	for i := range 8 {
		c.rows[i], c.columnBytes[i] = 16, 64
	}
	return c
}()

//go:noescape
func bf16Row512(dst *uint16, src *float32, n int)

//go:noescape
func bf16Pairs512(dst *uint16, even, odd *float32, n int)

// gemmBF16Tile512 is gemmTile512 with a pair of bf16 for each element of A and B.
//
//go:noescape
func gemmBF16Tile512(c *float32, ldc int, a *uint16, sai, sap int, b *uint16, ldb, b1 int, m, k int, mask uint32, acc bool)

// gemmBF16Tiles: blocks of 16 rows of A (stride lda bytes) against steps times 32 rows of a panel, 32 columns of C (row
// stride ldc bytes).
//
//go:noescape
func gemmBF16Tiles(config *tileConfig, c *float32, ldc int, a *uint16, lda int, b *uint16, blocks, steps int, acc bool)
