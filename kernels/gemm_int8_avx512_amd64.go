//go:build !purego

package kernels

import "unsafe"

// The tile of this level: two panels of 16 rows, W [2, K/4, 16, 4] as codes + 128, S and M [K/Group, 32]. One panel
// step of 64 bytes meets four activations of one token, broadcast; lane = row, so each lane keeps the canonical chain.
// The bias leaves through the start value of the integer sum, -128 times the sum of the activations.

//go:noescape
func transpose16AVX512(dst unsafe.Pointer, dstStride int, src unsafe.Pointer, srcStride, n int, xor uint32)

func packTileAVX512(tile *Tile, q []int8, sc, mn []float32, rows int) {
	packPanels(tile, q, sc, mn, rows, 0x80)
}

// packPanels lays rows out in two panels of 16, codes changed by flip.
func packPanels(tile *Tile, q []int8, sc, mn []float32, rows int, flip byte) {
	k, ng := tile.K, tile.K/tile.Group
	tile.Rows, tile.flip = rows, flip
	_, _ = q[rows*k-1], sc[rows*ng-1]
	for p := 0; p < 2; p++ {
		r0 := p * 16
		w := tile.W[r0*k : r0*k+16*k+packSlack]
		s, m := tile.S[r0:][:ng*TileRows], tile.M[r0:][:ng*TileRows]
		if rows-r0 < 16 {
			packPanelTail(tile, p, q, sc, mn, rows, flip)
			continue
		}
		transpose16AVX512(unsafe.Pointer(&w[0]), 64, unsafe.Pointer(&q[r0*k]), k, k/4, uint32(flip)*0x01010101)
		transpose16AVX512(unsafe.Pointer(&s[0]), 4*TileRows, unsafe.Pointer(&sc[r0*ng]), 4*ng, ng, 0)
		if tile.HasMin {
			_ = mn[rows*ng-1]
			transpose16AVX512(unsafe.Pointer(&m[0]), 4*TileRows, unsafe.Pointer(&mn[r0*ng]), 4*ng, ng, 0)
		}
	}
}

// packPanelTail lays out panel p of a tile that ends inside or before it.
func packPanelTail(tile *Tile, p int, q []int8, sc, mn []float32, rows int, flip byte) {
	k, ng, r0 := tile.K, tile.K/tile.Group, p*16
	w := tile.W[r0*k : r0*k+16*k]
	for i := range w {
		w[i] = flip
	}
	for g := 0; g < ng; g++ {
		clear(tile.S[g*TileRows+r0 : g*TileRows+r0+16])
		clear(tile.M[g*TileRows+r0 : g*TileRows+r0+16])
	}
	for r := r0; r < rows; r++ {
		for i, c := range q[r*k : r*k+k] {
			w[i/4*64+(r-r0)*4+i%4] = byte(c) ^ flip
		}
		for g := 0; g < ng; g++ {
			tile.S[g*TileRows+r] = sc[r*ng+g]
			if tile.HasMin {
				tile.M[g*TileRows+r] = mn[r*ng+g]
			}
		}
	}
}

// int8Args are the arguments of the gemmInt8xN kernels: N tokens against one tile.
type int8Args struct {
	dst       *float32
	ldd       int // bytes
	mask      int // bit r = row r is stored
	w         *byte
	panel     int // bytes of a panel: 16 K
	q         *int8
	k         int
	d, sx     *float32
	sum       *int32 // Sum16 or Sum32 of the first token
	sumStride int    // bytes
	corr      *int32 // room for [N, K/16] start values
	s, m      *float32
	groups    int
	quarters  int // of 16 weights in a group: 1 or 2
	minimum   int // 0 = the format has none, 1 = by sx, 2 = of groups of 16, by sum and d
	scaleStep int // toggled into the advance of d: 4 for groups of 16, else 0
}

//go:noescape
func gemmInt8x1AVX512(p *int8Args)

//go:noescape
func gemmInt8x2AVX512(p *int8Args)

//go:noescape
func gemmInt8x3AVX512(p *int8Args)

//go:noescape
func gemmInt8x4AVX512(p *int8Args)

//go:noescape
func gemmInt8x5AVX512(p *int8Args)

//go:noescape
func gemmInt8x6AVX512(p *int8Args)

func gemmInt8AVX512(dst []float32, ldd int, tile *Tile, a *Acts, t0, t1 int) {
	if t1 <= t0 || tile.Rows == 0 {
		return
	}
	k, b := tile.K, tile.K/32
	if a.K != k {
		panic("kernels: GemmInt8: activations and tile differ in width")
	}
	_ = dst[(t1-t0-1)*ldd+tile.Rows-1]
	_, _, _ = a.Q[t1*k-1], a.D[t1*b-1], a.SX[t1*b-1]
	p := int8Args{ldd: 4 * ldd, mask: 1<<tile.Rows - 1, w: &tile.W[0], panel: 16 * k, k: k,
		corr: &tile.Corr[0], s: &tile.S[0], m: &tile.M[0], groups: k / tile.Group, quarters: 2}
	if tile.HasMin {
		p.minimum = 32 / tile.Group
	}
	sum, per := a.Sum32, b
	if tile.Group == 16 {
		p.quarters, p.scaleStep = 1, 4
		sum, per = a.Sum16, 2*b
	}
	p.sumStride = 4 * per
	_ = sum[t1*per-1]
	blocks := (t1 - t0 + 5) / 6
	for t := t0; t < t1; blocks-- {
		n := (t1 - t + blocks - 1) / blocks
		p.dst, p.q, p.d, p.sx, p.sum = &dst[(t-t0)*ldd], &a.Q[t*k], &a.D[t*b], &a.SX[t*b], &sum[t*per]
		switch n {
		case 1:
			gemmInt8x1AVX512(&p)
		case 2:
			gemmInt8x2AVX512(&p)
		case 3:
			gemmInt8x3AVX512(&p)
		case 4:
			gemmInt8x4AVX512(&p)
		case 5:
			gemmInt8x5AVX512(&p)
		case 6:
			gemmInt8x6AVX512(&p)
		}
		t += n
	}
}
