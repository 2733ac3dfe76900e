//go:build !purego

package kernels

import "unsafe"

// The tile of the arm64 levels: panels of 8 rows, W [TileRows/8, K/u, 8, u] of codes with u = 4 (neon, dotprod) or 8
// (i8mm); S and M as in the portable tile.

// panelRows is the rows that one call of a tile function computes, blockTokens the tokens.
const panelRows, blockTokens = 8, 4

func packTileBy4(tile *Tile, q []int8, sc, mn []float32, rows int) {
	packPanels(tile, q, sc, mn, rows, packQuads)
}
func packTileBy8(tile *Tile, q []int8, sc, mn []float32, rows int) {
	packPanels(tile, q, sc, mn, rows, packEights)
}

func packPanels(tile *Tile, q []int8, sc, mn []float32, rows int, pack func(dst []byte, q []int8, k, rows int)) {
	tile.Rows = rows
	if rows == 0 {
		return
	}
	k, ng := tile.K, tile.K/tile.Group
	for r := 0; r < rows; r += panelRows {
		n := min(panelRows, rows-r)
		pack(tile.W[r*k:(r+panelRows)*k], q[r*k:(r+n)*k], k, n)
	}
	// Lanes past the last row compute from what the tile held before and are never stored.
	transpose128(tile.S, TileRows, sc[:rows*ng], ng, rows, ng)
	if tile.HasMin {
		transpose128(tile.M, TileRows, mn[:rows*ng], ng, rows, ng)
	}
}

// packQuads: dst [k/4, 8, 4] = q [rows, k], which is the transpose of fours of codes.
func packQuads(dst []byte, q []int8, k, rows int) {
	transpose128(floats(unsafe.Pointer(&dst[0]), len(dst)/4), panelRows, floats(unsafe.Pointer(&q[0]), len(q)/4), k/4, rows, k/4)
}

// packEights: dst [k/8, 8, 8] = q [rows, k].
func packEights(dst []byte, q []int8, k, rows int) {
	out := unsafe.Slice((*uint64)(unsafe.Pointer(&dst[0])), len(dst)/8)
	for r := range rows {
		for i, c := range unsafe.Slice((*uint64)(unsafe.Pointer(&q[r*k])), k/8) {
			out[i*panelRows+r] = c
		}
	}
}

// floats views memory as n float32, to be moved and not computed with.
func floats(p unsafe.Pointer, n int) []float32 { return unsafe.Slice((*float32)(p), n) }

// tileArgs128 is one panel of 8 rows against 4 tokens.
type tileArgs128 struct {
	out    *[blockTokens * panelRows]float32
	w      *byte    // [K/u, 8, u]
	s, m   *float32 // [groups, TileRows]; m nil = no minimum
	q      *int8    // token 0; the next ones stride bytes on, their d and sx stride/8, sum16 stride/4
	d, sx  *float32
	sum16  *int32
	stride int // K, or 0: all four tokens are the first
	groups int
	group  int // 16 or 32
}

// The tile functions give a panel's products with four tokens, in canonical order:
//
//	for g := range groups { for t := range 4 { for r := range 8 {
//		isum := sum over group g of w*q[t]              // exact
//		out[t][r] = fma(isum, s[g][r]*d[t][block], out[t][r])    // from +0
//		if m != nil { out[t][r] = fma(m[g][r], sx[t][block], out[t][r]) }    // groups of 16: sum16[t][g]*d
//	}}}
//
//go:noescape
func tileNEON(args *tileArgs128)

//go:noescape
func tileDotProd(args *tileArgs128)

//go:noescape
func tileI8MM(args *tileArgs128)

// int8Kernel names a level's functions, which are called directly so that their arguments stay on the stack.
type int8Kernel int

const (
	byNEON int8Kernel = iota
	byDotProd
	byI8MM
)

// gemm is Level.GemmInt8.
func (by int8Kernel) gemm(dst []float32, ldd int, tile *Tile, a *Acts, t0, t1 int) {
	k, nb := tile.K, tile.K/ActBlock
	var out [blockTokens * panelRows]float32
	args := tileArgs128{out: &out, groups: k / tile.Group, group: tile.Group}
	for r := 0; r < tile.Rows; r += panelRows {
		rows := min(panelRows, tile.Rows-r)
		args.w, args.s = &tile.W[r*k], &tile.S[r]
		if tile.HasMin {
			args.m = &tile.M[r]
		}
		for t := t0; t < t1; {
			// The last block reaches back over tokens that are done, or else on into room that a has; what is computed
			// there is not stored. Without either, four times the same token.
			first, n := t, min(blockTokens, t1-t)
			args.stride = k
			switch {
			case n == blockTokens || (t+blockTokens)*k <= len(a.Q):
			case t1 >= blockTokens:
				first = t1 - blockTokens
			default:
				args.stride, n = 0, 1
			}
			args.q, args.d, args.sx = &a.Q[first*k], &a.D[first*nb], &a.SX[first*nb]
			args.sum16 = &a.Sum16[2*first*nb]
			switch by {
			case byNEON:
				tileNEON(&args)
			case byDotProd:
				tileDotProd(&args)
			case byI8MM:
				tileI8MM(&args)
			}
			for i := range n {
				copy(dst[(t-t0+i)*ldd:][r:r+rows], out[(t-first+i)*panelRows:])
			}
			t += n
		}
	}
}
