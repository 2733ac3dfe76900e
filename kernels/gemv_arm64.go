//go:build !purego

package kernels

import "unsafe"

// dotRows is how many rows of a weight run their chains side by side.
const dotRows = 4

// rowsArgs128 is four rows of decoded weights against one token.
type rowsArgs128 struct {
	q      *int8    // [4, stride] codes
	s, m   *float32 // [groups, 4]; m nil = no minimum
	x      *int8    // the token's codes
	d      *float32 // by blocks of 32
	sx     *float32 // by groups
	out    *[dotRows]float32
	stride int
	groups int
}

// The dot functions, for groups of 32 or 16 (of those an even number), for each of four rows r, over
// rising groups g from acc = +0:
//
//	isum := sum over group g of q[r]*x                           // exact
//	acc = fma(float32(isum), s[g][r]*d[block], acc)
//	if m != nil { acc = fma(m[g][r], sx[g], acc) }
//	out[r] = acc
//
//go:noescape
func dotRows32NEON(args *rowsArgs128)

//go:noescape
func dotRows16NEON(args *rowsArgs128)

//go:noescape
func dotRows32DotProd(args *rowsArgs128)

//go:noescape
func dotRows16DotProd(args *rowsArgs128)

// gemvArm64 enters a Gemv for every format of the integer path: four rows at a time are decoded to scratch by the level's
// Codes, in file order, and multiplied there.
func gemvArm64(l *Level, by int8Kernel) {
	for typ, f := range IntFormats {
		if f == nil {
			continue
		}
		codes := l.Codes[typ]
		l.Gemv[typ] = func(dst []float32, w []byte, a *Acts, t int, s *Scratch) { gemvRows(f, codes, by, dst, w, a, t, s) }
	}
}

func gemvRows(f *IntFormat, codes func(q []int8, sc, mn []float32, row []byte), by int8Kernel,
	dst []float32, w []byte, a *Acts, t int, s *Scratch) {
	k, ng, nb := a.K, a.K/f.Group, a.K/ActBlock
	rb := k / f.Block * f.Bytes
	// Scratch: codes [4, k], then scales and minima [4, ng] as decoded and [ng, 4] as the dots read them.
	q := unsafe.Slice((*int8)(unsafe.Pointer(&s.sums[0])), dotRows*k)
	rest := floats(unsafe.Pointer(&s.sums[k]), len(s.sums)-k)
	n := dotRows * ng
	sc, mn, scT, mnT := rest[:n], rest[n:2*n], rest[2*n:3*n], rest[3*n:4*n]
	var out [dotRows]float32
	args := rowsArgs128{q: &q[0], stride: k, s: &scT[0], x: &a.Q[t*k], d: &a.D[t*nb], sx: &a.SX[t*nb], groups: ng, out: &out}
	if f.HasMin {
		args.m = &mnT[0]
		if f.Group == 16 {
			a.sx16(s.mn, t)
			args.sx = &s.mn[0]
		}
	}
	for r := 0; r < len(dst); r += dotRows {
		rows := min(dotRows, len(dst)-r)
		for i := range rows { // the lanes of missing rows compute from what scratch held before
			codes(q[i*k:i*k+k], sc[i*ng:i*ng+ng], mn[i*ng:i*ng+ng], w[(r+i)*rb:(r+i+1)*rb])
		}
		transpose128(scT, dotRows, sc, ng, rows, ng)
		if f.HasMin {
			transpose128(mnT, dotRows, mn, ng, rows, ng)
		}
		switch {
		case by == byNEON && f.Group == 32:
			dotRows32NEON(&args)
		case by == byNEON:
			dotRows16NEON(&args)
		case f.Group == 32:
			dotRows32DotProd(&args)
		default:
			dotRows16DotProd(&args)
		}
		copy(dst[r:r+rows], out[:])
	}
}
