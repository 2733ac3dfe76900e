//go:build !purego

package kernels

// The vector kernels of neon, each with its loop. Pointers are to n elements; n a positive multiple of 4, or where lanes
// [16] are named of 16.

// dst[i] += x[i]
//
//go:noescape
func add128(dst, x *float32, n int)

// dst[i] *= x[i]
//
//go:noescape
func mul128(dst, x *float32, n int)

// dst[i] = fma(a, x[i], dst[i])
//
//go:noescape
func axpy128(dst, x *float32, n int, a float32)

// dst[i] *= a
//
//go:noescape
func scale128(dst *float32, n int, a float32)

// dst[i] /= a
//
//go:noescape
func div128(dst *float32, n int, a float32)

// attendMerge128: a, b = Exp32(down), Exp32(pdown); for d < n { out[d] = fma(pout[d], b, float32(out[d]*a)) }, n a positive
// multiple of 4.
//
//go:noescape
func attendMerge128(out, pout *float32, n int, down, pdown float32) (a, b float32)

// dst[i] = F16ToF32(src[i])
//
//go:noescape
func f16ToF32x128(dst *float32, src *uint16, n int)

// dst[i] = F32ToF16(src[i])
//
//go:noescape
func f32ToF16x128(dst *uint16, src *float32, n int)

// dst[i] = BF16ToF32(src[i])
//
//go:noescape
func bf16ToF32x128(dst *float32, src *uint16, n int)

// lanes[i%16] += x[i]
//
//go:noescape
func sumLanes128(x *float32, n int, lanes *[16]float32)

// lanes[i%16] = fma(x[i], y[i], lanes[i%16])
//
//go:noescape
func dotLanes128(x, y *float32, n int, lanes *[16]float32)

// if x[i] > lanes[i%4] { lanes[i%4] = x[i] }
//
//go:noescape
func max128(x *float32, n int, lanes *[4]float32)

// ok = every x[i]-x[i] == 0
//
//go:noescape
func finite128(x *float32, n int) (ok bool)

// dst[i] = Exp32(x[i])
//
//go:noescape
func exp128(dst, x *float32, n int)

// dst[i] = Exp32(x[i]-max); lanes[i%16] += dst[i]
//
//go:noescape
func softmaxExp128(dst, x *float32, n int, max float32, lanes *[16]float32)

// as swiGLU
//
//go:noescape
func swiGLU128(dst, gate, up *float32, n int)

// as geGLU, with its two constants
//
//go:noescape
func geGLU128(dst, gate, up *float32, n int, c0, c1 float32)

// as swiGLUBack
//
//go:noescape
func swiGLUBack128(dgate, dup, dy, gate, up *float32, n int)

// dst[i] = float32(x[i]*s) * w[i]
//
//go:noescape
func rmsApply128(dst, x, w *float32, n int, s float32)

// lanes[i%16] = fma(float32(dy[i]*w[i]), x[i], lanes[i%16])
//
//go:noescape
func rmsBackLanes128(dy, w, x *float32, n int, lanes *[16]float32)

// as rmsBackApply
//
//go:noescape
func rmsBackApply128(dx, dw, dy, x, w *float32, n int, s, c float32)

// as ropeHalves, n pairs
//
//go:noescape
func ropeHalves128(a, b, cos, sin *float32, n int)

// as rope without neox, n pairs
//
//go:noescape
func ropePairs128(x, cos, sin *float32, n int)

// as adamW
//
//go:noescape
func adamW128(w, grad, m, v *float32, n int, s *AdamWStep)
