//go:build !purego

package kernels

// The tile of this level: two panels of 16 rows, W [2, K/4, 16, 4] holding code + bias; S and M as in the portable
// tile; Corr[0] the kind, Corr[1] the bias. VPMADDUBSW multiplies unsigned weights by signed activations and
// saturates its sums of two at 16 bits, so the range of a tile's codes picks the kernel whose sums cannot get there:
//
//	tile4Bit    groups of 32, codes 0..16: all 16 products of a 16-bit lane fit (16 * 16*127 < 2^15)
//	tile5Bit    groups of 32, codes 0..32: 8 products fit
//	tile6Bit    groups of 16 without minimum, codes 0..64: 4 products fit
//	tile3Bit    groups of 16, codes 0..32: all 8 products fit
//	tileSigned  groups of 32 without minimum, any codes: |w| times sign(w)*a, 2 products fit
//	tileDot32, tileDot16   any codes by VPDPBUSD, which does not saturate (level avxvnni)
//	tilePlain   anything else (no format today): the portable layout and body
const (
	tilePlain = iota
	tile4Bit
	tile5Bit
	tile6Bit
	tile3Bit
	tileSigned
	tileDot32
	tileDot16
)

func tileKind(lo, hi, group int, hasMin, vnni bool) (kind, bias int) {
	bias = max(0, -lo)
	top := hi + bias
	switch {
	case vnni && group == 32:
		return tileDot32, bias
	case vnni && group == 16:
		return tileDot16, bias
	case group == 32 && top <= 16:
		return tile4Bit, bias
	case group == 32 && top <= 32:
		return tile5Bit, bias
	case group == 16 && top <= 32:
		return tile3Bit, bias
	case group == 16 && top <= 64 && !hasMin:
		return tile6Bit, bias
	case group == 32 && !hasMin:
		return tileSigned, 0
	}
	return tilePlain, 0
}

func packTileAVX2(tile *Tile, q []int8, sc, mn []float32, rows int) {
	packTileBiased(tile, q, sc, mn, rows, false)
}

func packTileBiased(tile *Tile, q []int8, sc, mn []float32, rows int, vnni bool) {
	k, ng := tile.K, tile.K/tile.Group
	if rows == 0 {
		packTile(tile, q, sc, mn, rows)
		return
	}
	q, sc = q[:rows*k], sc[:rows*ng]
	lo, hi := codeRangeAVX2(&q[0], len(q))
	kind, bias := tileKind(int(lo), int(hi), tile.Group, tile.HasMin, vnni)
	tile.Corr[0], tile.Corr[1] = int32(kind), int32(bias)
	if kind == tilePlain {
		packTile(tile, q, sc, mn, rows)
		return
	}
	tile.Rows = rows
	w := tile.W[:TileRows*k]
	r := 0
	for ; r+8 <= rows; r += 8 {
		packRows8AVX2(&w[r/16*16*k+r%16*4], &q[r*k], k, bias)
	}
	for ; r < rows; r++ {
		for i, c := range q[r*k : r*k+k] {
			w[r/16*16*k+i/4*64+r%16*4+i%4] = byte(int(c) + bias)
		}
	}
	// Lanes past the last row compute from what the tile held before and are never stored; zero scales keep them
	// from slow denormals.
	clearLanes(tile.S, ng, rows)
	transpose256(tile.S, TileRows, sc, ng, rows, ng)
	if tile.HasMin {
		clearLanes(tile.M, ng, rows)
		transpose256(tile.M, TileRows, mn[:rows*ng], ng, rows, ng)
	}
}

func clearLanes(s []float32, ng, rows int) {
	if rows < TileRows {
		for g := 0; g < ng; g++ {
			clear(s[g*TileRows+rows : (g+1)*TileRows])
		}
	}
}

// codeRangeAVX2 gives the least and greatest of n codes, n > 0 a multiple of 32.
//
//go:noescape
func codeRangeAVX2(q *int8, n int) (lo, hi int8)

// packRows8AVX2 lays eight rows of k codes out, k > 0 a multiple of 16:
//
//	for c := range k { for r := range 8 { dst[c/4*64 + r*4 + c%4] = q[r*k+c] + bias } }
//
//go:noescape
func packRows8AVX2(dst *byte, q *int8, k, bias int)

// tileArgsAVX2 is one panel of 16 rows against 4 tokens.
type tileArgsAVX2 struct {
	out    *[4 * 16]float32
	w      *byte    // [K/4, 16, 4]
	s, m   *float32 // [groups, TileRows]; m nil = no minimum
	q      *int8    // token 0; the next ones stride bytes on, their d and sx stride/8
	d, sx  *float32
	sum    *int32 // Sum32 (tokens stride/8 bytes apart) or, for groups of 16, Sum16 (stride/4)
	stride int    // K, or 0: all four tokens are the first
	groups int
	bias   int
}

// The tile functions add a panel's products with four tokens to out, in canonical order:
//
//	for g := range groups { for t := range 4 { for r := range 16 {
//		isum := sum over group g of w*q[t]              // exact: see the kinds above
//		isum -= bias*sum[t][g]
//		out[t][r] = fma(isum, s[g][r]*d[t][g], out[t][r])
//		if m != nil { out[t][r] = fma(m[g][r], sx[t][g], out[t][r]) }    // groups of 16: sum[t][g]*d[t][g]
//	}}}
//
//go:noescape
func tileSignedAVX2(args *tileArgsAVX2)

//go:noescape
func tile4BitAVX2(args *tileArgsAVX2)

//go:noescape
func tile5BitAVX2(args *tileArgsAVX2)

//go:noescape
func tile6BitAVX2(args *tileArgsAVX2)

//go:noescape
func tile3BitAVX2(args *tileArgsAVX2)

func gemmInt8AVX2(dst []float32, ldd int, tile *Tile, a *Acts, t0, t1 int) {
	kind, bias := tile.Corr[0], int(tile.Corr[1])
	if kind == tilePlain || tile.Rows == 0 {
		gemmInt8(dst, ldd, tile, a, t0, t1)
		return
	}
	k, nb := tile.K, tile.K/ActBlock
	var out [4 * 16]float32
	args := tileArgsAVX2{out: &out, groups: k / tile.Group, bias: bias}
	for r := 0; r < tile.Rows; r += 16 {
		rows := min(16, tile.Rows-r)
		args.w, args.s = &tile.W[r*k], &tile.S[r]
		if tile.HasMin {
			args.m = &tile.M[r]
		}
		for t := t0; t < t1; t += 4 {
			// The last block reaches back over tokens that are done, or else on into room that a has; what is computed
			// there is not stored. Without either, four times the same token.
			first, n := t, min(4, t1-t)
			args.stride = k
			switch {
			case n == 4 || (t+4)*k <= len(a.Q):
			case t1 >= 4:
				first = t1 - 4
			default:
				args.stride, n = 0, 1
			}
			args.q, args.d, args.sx = &a.Q[first*k], &a.D[first*nb], &a.SX[first*nb]
			if tile.Group == 16 {
				args.sum = &a.Sum16[2*first*nb]
			} else {
				args.sum = &a.Sum32[first*nb]
			}
			out = [4 * 16]float32{}
			switch kind {
			case tile4Bit:
				tile4BitAVX2(&args)
			case tile5Bit:
				tile5BitAVX2(&args)
			case tile6Bit:
				tile6BitAVX2(&args)
			case tile3Bit:
				tile3BitAVX2(&args)
			case tileSigned:
				tileSignedAVX2(&args)
			case tileDot32:
				tileDot32VNNI(&args)
			case tileDot16:
				tileDot16VNNI(&args)
			}
			for i := 0; i < n; i++ {
				copy(dst[(t-t0+i)*ldd+r:][:rows], out[(t-first+i)*16:])
			}
			if args.stride == 0 {
				t -= 3 // one token was done
			}
		}
	}
}
