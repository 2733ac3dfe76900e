//go:build !purego

package kernels

import "unsafe"

// The level amx: GemmInt8 on tiles of 16 tokens x 16 rows x 32 weights (TDPBSSD). The tile of weights is that of
// avx512 with the codes signed, so that no bias is to be removed. Integer sums are exact, and the chains run in lanes
// over rising groups as everywhere. Groups of 16 stay on avx512, which is as fast there (half-empty
// tiles), and so do few tokens.

// amxTokens is the number from which tiles win.
const amxTokens = 32

// amxInt fills l with this level's kernels.
func amxInt(l *Level) {
	l.PackTile = packTileAMX
	l.GemmInt8 = gemmInt8ByAMX
}

func packTileAMX(tile *Tile, q []int8, sc, mn []float32, rows int) {
	flip := byte(0)
	if tile.Group == 16 {
		flip = 0x80
	}
	packPanels(tile, q, sc, mn, rows, flip)
}

//go:noescape
func flipCodesAVX512(w *byte, n int)

// setFlip makes the codes of tile signed (0) or unsigned (0x80).
func setFlip(tile *Tile, flip byte) {
	if tile.flip != flip {
		flipCodesAVX512(&tile.W[0], TileRows*tile.K)
		tile.flip = flip
	}
}

// tileConfig is the operand of LDTILECFG (Intel SDM, palette 1).
type tileConfig struct {
	//lint:ignore U1000 read by LDTILECFG
	palette, startRow byte
	_                 [14]byte
	columnBytes       [16]uint16
	rows              [16]byte
}

// amxArgs are the arguments of gemmInt8AMX: 16 tokens against one tile.
type amxArgs struct {
	config    *tileConfig
	dst       *float32
	ldd       int // bytes
	mask      int // bit r = row r is stored
	panels    int
	w         *byte
	q         *int8
	k         int
	d, sx     *float32
	sums      *int32 // room for [4, 16, 16]
	s, m      *float32
	groups    int
	minTokens int // not 0: the format has a minimum
}

//go:noescape
func gemmInt8AMX(p *amxArgs)

func gemmInt8ByAMX(dst []float32, ldd int, tile *Tile, a *Acts, t0, t1 int) {
	if tile.Group == 16 || t1-t0 < amxTokens {
		setFlip(tile, 0x80)
		gemmInt8AVX512(dst, ldd, tile, a, t0, t1)
		return
	}
	if tile.Rows == 0 {
		return
	}
	setFlip(tile, 0)
	k, b := tile.K, tile.K/32
	if a.K != k {
		panic("kernels: GemmInt8: activations and tile differ in width")
	}
	_ = dst[(t1-t0-1)*ldd+tile.Rows-1]
	_, _, _ = a.Q[t1*k-1], a.D[t1*b-1], a.SX[t1*b-1]
	p := amxArgs{ldd: 4 * ldd, mask: 1<<tile.Rows - 1, panels: (tile.Rows + 15) / 16, w: &tile.W[0], k: k,
		s: &tile.S[0], m: &tile.M[0], groups: b}
	i := int(-uintptr(unsafe.Pointer(&tile.Corr[0]))%64) / 4
	p.sums = &tile.Corr[i : i+4*256][0]
	if tile.HasMin {
		p.minTokens = 1
	}
	cfg := tileConfig{palette: 1}
	for i := range 8 { // 0, 1 activations; 2, 3 weights; 4-7 sums
		cfg.rows[i], cfg.columnBytes[i] = 16, 64
	}
	cfg.columnBytes[0], cfg.columnBytes[1] = 32, 32
	cfg.rows[2], cfg.rows[3] = 8, 8
	p.config = &cfg
	for t := t0; t < t1; t += 16 {
		t = min(t, t1-16) // a last block overlaps the one before: the same bits are written again
		p.dst, p.q, p.d, p.sx = &dst[(t-t0)*ldd], &a.Q[t*k], &a.D[t*b], &a.SX[t*b]
		gemmInt8AMX(&p)
	}
}
