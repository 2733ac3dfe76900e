//go:build !purego

package kernels

import "unsafe"

// The rows functions of the formats with blocks of 256, for each row r and group g:
//
//	sums[r][g] = sum over the group of code*q                   // exact
//	scales[r][g] = float32(s*d[g])                              // d of the block of 32 that holds the group
//	minima[r][g] = m                                            // Q4_K, Q5_K, Q2_K
//
//go:noescape
func rowsQ4_KAVX2(args *gemvArgsAVX2)

//go:noescape
func rowsQ5_KAVX2(args *gemvArgsAVX2)

//go:noescape
func rowsQ6_KAVX2(args *gemvArgsAVX2)

//go:noescape
func rowsQ2_KAVX2(args *gemvArgsAVX2)

//go:noescape
func rowsQ3_KAVX2(args *gemvArgsAVX2)

//go:noescape
func rowsIQ4_XSAVX2(args *gemvArgsAVX2)

// Their chains, for each of 16 rows r, over rising groups g from acc = +0:
//
//	acc = fma(float32(sums[r][g]), scales[r][g], acc)
//	acc = fma(minima[r][g], sx[g], acc)                         // chainsKMin only
//	out[r] = acc
//
//go:noescape
func chainsKAVX2(args *gemvArgsAVX2)

//go:noescape
func chainsKMinAVX2(args *gemvArgsAVX2)

// gemvKByAVX2 is Gemv for blocks of 256.
func gemvKByAVX2(f *IntFormat, dst []float32, w []byte, a *Acts, t int, s *Scratch) {
	nb, ng, n32 := a.K/Block256, a.K/f.Group, a.K/ActBlock
	rb := nb * f.Bytes
	w = w[:len(dst)*rb]
	scratch := s.sums[:48*ng]
	var out [16]float32
	args := gemvArgsAVX2{blocks: nb, groups: ng, q: &a.Q[t*a.K], stride: 4 * ng,
		sums: &scratch[0], scales: unsafe.Pointer(&scratch[16*ng]), minima: unsafe.Pointer(&scratch[32*ng]),
		d: &a.D[t*n32], sx: &a.SX[t*n32], sum16: &a.Sum16[2*t*n32]}
	if f.Group == 16 && f.HasMin {
		sx := s.mn[:ng] // which rows do not need: minima lie in sums
		a.sx16(sx, t)
		args.sx = &sx[0]
	}
	for r := 0; r < len(dst); r += 16 {
		args.w, args.rows = &w[r*rb], min(16, len(dst)-r)
		if args.rows == 16 {
			args.out = &dst[r]
		} else {
			args.out = &out[0]
		}
		switch f.Type {
		case Q4_K:
			rowsQ4_KAVX2(&args)
			chainsKMinAVX2(&args)
		case Q5_K:
			rowsQ5_KAVX2(&args)
			chainsKMinAVX2(&args)
		case Q6_K:
			rowsQ6_KAVX2(&args)
			chainsKAVX2(&args)
		case Q2_K:
			rowsQ2_KAVX2(&args)
			chainsKMinAVX2(&args)
		case Q3_K:
			rowsQ3_KAVX2(&args)
			chainsKAVX2(&args)
		case IQ4_XS:
			rowsIQ4_XSAVX2(&args)
			chainsKAVX2(&args)
		}
		if args.rows < 16 {
			copy(dst[r:], out[:])
		}
	}
}
