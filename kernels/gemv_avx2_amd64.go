//go:build !purego

package kernels

import "unsafe"

// gemvArgsAVX2 is 16 rows (or the last ones) of a weight against one token. The rows functions fill the scratch from
// the file's layout, the chains functions read it.
type gemvArgsAVX2 struct {
	w      *byte
	rows   int // of w to read, 1..16; the other lanes of the chains give numbers without meaning
	blocks int // in a row
	q      *int8

	sums   *int32         // [16, stride]
	stride int            // bytes of a row of sums: groups rounded up to 4
	scales unsafe.Pointer // blocks of 32: f16 [groups, 16] or, with minima, [groups, 16, 2], MXFP4 f32; of 256: s*d f32 [16, stride]
	minima unsafe.Pointer // K formats: m f32 [16, stride]

	out          *float32 // [16]
	groups       int
	d, sx        *float32
	sum16, sum32 *int32
	bias         int
	fetch        fetch
	//lint:ignore U1000 written and read by the assembly
	ahead uintptr // where the rows function's prefetches ended and the chains' go on
}

// The rows functions, for each row r and block b:
//
//	sums[r][b] = sum over the block of (code + bias)*q          // exact
//	scales[b][r] = the block's f16 fields: scale, or scale and minimum
//
//go:noescape
func rowsQ8_0AVX2(args *gemvArgsAVX2)

//go:noescape
func rowsQ4_0AVX2(args *gemvArgsAVX2)

//go:noescape
func rowsQ4_1AVX2(args *gemvArgsAVX2)

//go:noescape
func rowsQ5_0AVX2(args *gemvArgsAVX2)

//go:noescape
func rowsQ5_1AVX2(args *gemvArgsAVX2)

//go:noescape
func rowsIQ4_NLAVX2(args *gemvArgsAVX2)

//go:noescape
func rowsMXFP4AVX2(args *gemvArgsAVX2)

// The chains functions, for each of 16 rows r, over rising groups g from acc = +0:
//
//	isum := sums[r][g] - bias*sum32[g]                          // chainsBias and chainsFloat only
//	acc = fma(float32(isum), f32(scale)*d[g], acc)             // scale, minimum: scales[g][r]; chainsFloat: of f32
//	acc = fma(f32(minimum), sx[g], acc)                         // chainsMin only
//	out[r] = acc
//
//go:noescape
func chainsAVX2(args *gemvArgsAVX2)

//go:noescape
func chainsBiasAVX2(args *gemvArgsAVX2)

//go:noescape
func chainsMinAVX2(args *gemvArgsAVX2)

//go:noescape
func chainsFloatAVX2(args *gemvArgsAVX2)

// leadAVX2 is how far ahead memory is asked for at least, in bytes.
const leadAVX2 = 12288

// leftAVX2 is how many bytes of 16 rows the rows functions leave for the chains to ask for.
func leftAVX2(f *IntFormat, blocks int) int {
	step := 64 // asked for with every four blocks
	if f.Bytes > 32 {
		step = 128
	}
	return 16 * (blocks*f.Bytes - blocks/4*step)
}

// gemvByAVX2 is Gemv for blocks of 32, with VPDPBUSD where the CPU has it and it gains. Calls are direct so that args
// stays on the stack.
func gemvByAVX2(f *IntFormat, vnni bool, dst []float32, w []byte, a *Acts, t int, s *Scratch) {
	nb := a.K / ActBlock
	rb, stride := nb*f.Bytes, (nb+3)&^3
	w = w[:len(dst)*rb]
	scratch := s.sums[:32*stride]
	var out [16]float32
	args := gemvArgsAVX2{blocks: nb, groups: nb, q: &a.Q[t*a.K], stride: 4 * stride,
		sums: &scratch[0], scales: unsafe.Pointer(&scratch[16*stride]),
		d: &a.D[t*nb], sx: &a.SX[t*nb], sum32: &a.Sum32[t*nb]}
	s.ahead(w, leftAVX2(f, nb), leadAVX2)
	for r := 0; r < len(dst); r += 16 {
		args.w, args.rows, args.fetch = &w[r*rb], min(16, len(dst)-r), s.fetch
		if args.rows == 16 {
			args.out = &dst[r]
		} else {
			args.out = &out[0]
		}
		switch f.Type {
		case Q8_0:
			if vnni {
				args.bias = 128
				rowsQ8_0VNNI(&args)
				chainsBiasAVX2(&args)
			} else {
				rowsQ8_0AVX2(&args)
				chainsAVX2(&args)
			}
		case Q4_0:
			args.bias = 8
			rowsQ4_0AVX2(&args)
			chainsBiasAVX2(&args)
		case Q4_1:
			rowsQ4_1AVX2(&args)
			chainsMinAVX2(&args)
		case Q5_0:
			args.bias = 16
			rowsQ5_0AVX2(&args)
			chainsBiasAVX2(&args)
		case Q5_1:
			rowsQ5_1AVX2(&args)
			chainsMinAVX2(&args)
		case IQ4_NL:
			rowsIQ4_NLAVX2(&args)
			chainsAVX2(&args)
		case MXFP4:
			args.bias = 12
			rowsMXFP4AVX2(&args)
			chainsFloatAVX2(&args)
		}
		if args.rows < 16 {
			copy(dst[r:], out[:])
		}
	}
}
