//go:build !purego

package kernels

import "unsafe"

// The level amx: GemmInt8 on tiles of 16 tokens x 16 rows x 32 or 16 weights (TDPBSSD). The tile of weights is that of
// avx512 with the codes signed, so that no bias is to be removed. Integer sums are exact, and the chains run in lanes
// over rising groups as everywhere. Groups of 16 with a minimum (Q2_K) stay on avx512, and so do few tokens.

// amxTokens is the number from which tiles win.
const amxTokens = 32

// amxInt fills l with this level's kernels.
func amxInt(l *Level) {
	actBlocks = true
	l.Quantize = quantizeAMX
	l.PackTile = packTileAMX
	l.GemmInt8 = gemmInt8ByAMX
	l.gemm16 = true
}

// onAMX tells whether tiles have a product for many tokens here.
func (t *Tile) onAMX() bool { return t.Group == ActBlock || !t.HasMin }

func packTileAMX(tile *Tile, q []int8, sc, mn []float32, rows int) {
	flip := tile.flip // as the tile's last product wanted it
	if !tile.onAMX() {
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

// amxChunk is how many weights of a row a call takes at most, a multiple of 32: those of 32 rows stay in the nearest cache while the
// tokens pass by.
const amxChunk = 512

// amxArgs are the arguments of gemmInt8AMX: blocks of 16 tokens against some groups of one tile.
type amxArgs struct {
	config *tileConfig
	blocks int
	dst    *float32
	ldd    int // bytes
	more   int // 0 = the chains begin at 0, else at dst
	mask   int // bit r = row r is stored
	panels int
	w      *byte // of the chunk's first group, and so on
	q      *int8 // Acts.Blocks
	k      int   // of a whole row
	d, sx  *float32
	sums   *int32 // room for [4, 16, 16]
	s, m   *float32
	groups int // of the chunk; of 16 weights an even number
}

// gemmInt8AMX is for formats without a minimum.
//
//go:noescape
func gemmInt8AMX(p *amxArgs)

// gemmInt8MinAMX is gemmInt8AMX for formats with one.
//
//go:noescape
func gemmInt8MinAMX(p *amxArgs)

// gemmInt8By16AMX is gemmInt8AMX for groups of 16 without a minimum.
//
//go:noescape
func gemmInt8By16AMX(p *amxArgs)

func gemmInt8ByAMX(dst []float32, ldd int, tile *Tile, a *Acts, t0, t1 int) {
	if t1 <= t0 || tile.Rows == 0 {
		return
	}
	if !tile.onAMX() || t1-t0 < amxTokens && !a.gemmOnly {
		setFlip(tile, 0x80)
		gemmInt8AVX512(dst, ldd, tile, a, t0, t1)
		return
	}
	setFlip(tile, 0)
	k, b := tile.K, tile.K/32
	if a.K != k {
		panic("kernels: GemmInt8: activations and tile differ in width")
	}
	_ = dst[(t1-t0-1)*ldd+tile.Rows-1]
	end := (t1 + 15) &^ 15
	_, _, _ = a.Blocks[end*k-1], a.D[end*b-1], a.SX[end*b-1]
	p := amxArgs{mask: 1<<tile.Rows - 1, panels: (tile.Rows + 15) / 16, k: k}
	i := int(-uintptr(unsafe.Pointer(&tile.Corr[0]))%64) / 4
	p.sums = &tile.Corr[i : i+4*256][0]
	cfg := tileConfig{palette: 1}
	for i := range 8 { // 0, 1 activations; 2, 3 weights; 4-7 sums
		cfg.rows[i], cfg.columnBytes[i] = 16, 64
	}
	cfg.columnBytes[0], cfg.columnBytes[1] = 32, 32
	cfg.rows[2], cfg.rows[3] = 8, 8
	if tile.Group == 16 {
		cfg.columnBytes[0], cfg.columnBytes[1] = 16, 16
		cfg.rows[2], cfg.rows[3] = 4, 4
	}
	p.config = &cfg
	var some [16 * TileRows]float32                       // a block that is not wanted whole
	const most = (8 << 20) / (16 * TileRows * amxChunk)   // 8 million multiply-adds a call: below 100 µs
	chunks, per := (k+amxChunk-1)/amxChunk, 32/tile.Group // groups in a block of 32
	for t := t0 &^ 15; t < t1; {
		p.blocks = min((t1-t)/16, most)
		whole := t >= t0 && p.blocks > 0
		if whole {
			p.dst, p.ldd = &dst[(t-t0)*ldd], 4*ldd
		} else {
			p.blocks, p.dst, p.ldd = 1, &some[0], 4*TileRows
		}
		for c := range chunks {
			from, to := c*b/chunks, (c+1)*b/chunks // in blocks of 32
			p.more, p.groups = c, (to-from)*per
			p.w, p.s, p.m = &tile.W[16*32*from], &tile.S[from*per*TileRows], &tile.M[from*per*TileRows]
			p.q, p.d, p.sx = &a.Blocks[t*k+16*32*from], &a.D[t*b+from], &a.SX[t*b+from]
			switch {
			case tile.Group == 16:
				gemmInt8By16AMX(&p)
			case tile.HasMin:
				gemmInt8MinAMX(&p)
			default:
				gemmInt8AMX(&p)
			}
		}
		for i := max(t, t0); i < min(t+16, t1) && !whole; i++ {
			copy(dst[(i-t0)*ldd:(i-t0)*ldd+tile.Rows], some[(i-t)*TileRows:])
		}
		t += 16 * p.blocks
	}
}

// quantizeAMX also fills Blocks; where a is for products of many tokens alone, 16 tokens together get Blocks, D and SX only.
func quantizeAMX(a *Acts, t0, t1, from int, x []float32) bool {
	done := 0
	if a.gemmOnly && t0%16 == 0 {
		var ok bool
		if done, ok = quantizeMany(a, t0, t1, from, x, true); !ok || t0+done == t1 {
			return ok
		}
	}
	p := quantizeArgs(a, t0+done, t1, from, x[len(x)/(t1-t0)*done:])
	t := t0 + done
	p.tiles, p.tileLeft, p.nextTile = &a.Blocks[t/16*16*a.K+from/32*512+t%16*32], 16-t%16, 16*a.K-512
	return quantizeAVX512(&p) < 0x7f800000
}
