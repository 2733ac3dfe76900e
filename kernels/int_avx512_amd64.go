//go:build !purego

package kernels

// avx512Int fills l with this level's kernels of the int group.
func avx512Int(l *Level) {
	l.Quantize = quantizeByAVX512
	codesAVX512(l)
	l.PackTile = packTileAVX512
	unpackAVX512(l)
	l.GemmInt8 = gemmInt8AVX512
	gemvRuns(l)
	gemvSmallAVX512(l)
	gemvFreeOrder(l)
}

// quantArgs are the arguments of quantizeAVX512. next... is what is added, in bytes, behind a token's last block to come
// to the next token; nextPacked and nextTile behind its first.
type quantArgs struct {
	tokens, blocks int
	x              *float32
	q              *int8
	packed         *int8 // the quad of four blocks that holds the first block
	first          int   // which of the quad's
	tiles          *int8 // where the codes stand in Acts.Blocks; nil = nowhere
	tileLeft       int   // tokens up to the end of the 16
	d, sx          *float32
	sum16, sum32   *int32
	nextQ, nextD   int
	nextPacked     int
	nextTile       int // from the end of the 16
}

//go:noescape
func quantizeAVX512(p *quantArgs) (maxBits uint32)

// quantizeByAVX512 also fills Packed, [n, K rounded up to 128], for Gemv: each quad of four blocks as 64 bytes of
// first halves, then 64 of second halves, blocks in the order 0 2 1 3 (the order in which the nibbles of Q4_K fall out).
//
// Where a is for products of many tokens alone, 16 tokens together get Q, D, SX and Sum32 only.
func quantizeByAVX512(a *Acts, t0, t1, from int, x []float32) bool {
	done := 0
	if a.gemmOnly {
		var ok bool
		if done, ok = quantizeMany(a, t0, t1, from, x, false); !ok || t0+done == t1 {
			return ok
		}
	}
	p := quantizeArgs(a, t0+done, t1, from, x[len(x)/(t1-t0)*done:])
	return quantizeAVX512(&p) < 0x7f800000
}

// quantizeMany quantises tokens by 16, for products of many alone, and returns how many it did. Codes go to Blocks or to Q.
func quantizeMany(a *Acts, t0, t1, from int, x []float32, blocks bool) (done int, ok bool) {
	n := len(x) / (t1 - t0)
	for t := t0; t+16 <= t1; t += 16 {
		q, d, sx, _, s32 := a.blocks(t, from, n)
		a.blocks(t+15, from, n)
		p := quantize16Args{blocks: n / 32, x: &x[done*n:][:16*n][0], xStride: 4 * n, d: &d[0], sx: &sx[0], dStride: a.K / 32}
		if blocks {
			p.codes, p.codeStride, p.codeStep = &a.Blocks[t*a.K:][:16*a.K][16*from], 32, 512
		} else {
			p.codes, p.codeStride, p.codeStep, p.sum32 = &q[0], a.K, 32, &s32[0]
		}
		if quantize16AVX512(&p) >= 0x7f800000 {
			return done, false
		}
		done += 16
	}
	return done, true
}

// quantize16Args are the arguments of quantize16AVX512: columns of 16 tokens, strides in bytes but for dStride.
type quantize16Args struct {
	blocks     int
	x          *float32
	xStride    int
	codes      *int8
	codeStride int // from token to token
	codeStep   int // from block to block
	d, sx      *float32
	sum32      *int32 // nil = not wanted
	dStride    int    // in elements of d, sx and sum32
}

//go:noescape
func quantize16AVX512(p *quantize16Args) (maxBits uint32)

func quantizeArgs(a *Acts, t0, t1, from int, x []float32) quantArgs {
	n := len(x) / (t1 - t0)
	if t1-t0 > 1 {
		a.blocks(t1-1, from, n)
	}
	q, d, sx, s16, s32 := a.blocks(t0, from, n)
	return quantArgs{tokens: t1 - t0, blocks: len(d), x: &x[0], q: &q[0], packed: &a.Packed[t0*packedStride(a.K)+from&^127], first: from / 32 % 4,
		d: &d[0], sx: &sx[0], sum16: &s16[0], sum32: &s32[0], nextQ: a.K - n, nextD: (a.K - n) / 8, nextPacked: packedStride(a.K)}
}

func packedStride(k int) int { return (k + 127) &^ 127 }
