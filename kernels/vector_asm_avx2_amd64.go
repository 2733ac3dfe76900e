//go:build !purego

package kernels

// The vector kernels of avx2, each with its loop. Pointers are to n elements; n a positive multiple of 8, or where lanes are named
// n a positive multiple of 16.

// dst[i] += x[i]
//
//go:noescape
func add256(dst, x *float32, n int)

// dst[i] *= x[i]
//
//go:noescape
func mul256(dst, x *float32, n int)

// dst[i] = fma(a, x[i], dst[i])
//
//go:noescape
func axpy256(dst, x *float32, n int, a float32)

// dst[i] *= a
//
//go:noescape
func scale256(dst *float32, n int, a float32)

// dst[i] /= a
//
//go:noescape
func div256(dst *float32, n int, a float32)

// dst[i] = F16ToF32(src[i])
//
//go:noescape
func f16ToF32x256(dst *float32, src *uint16, n int)

// dst[i] = F32ToF16(src[i])
//
//go:noescape
func f32ToF16x256(dst *uint16, src *float32, n int)

// dst[i] = BF16ToF32(src[i])
//
//go:noescape
func bf16ToF32x256(dst *float32, src *uint16, n int)

// lanes[i%16] += x[i]
//
//go:noescape
func sumLanes256(x *float32, n int, lanes *[16]float32)

// lanes[i%16] = fma(x[i], y[i], lanes[i%16])
//
//go:noescape
func dotLanes256(x, y *float32, n int, lanes *[16]float32)

// if x[i] > max { max = x[i] }, from -Inf; a zero has either sign (n a multiple of 16)
//
//go:noescape
func max256(x *float32, n int) (max float32)

// ok = ok && x[i]-x[i] == 0, from true
//
//go:noescape
func finite256(x *float32, n int) (ok bool)

// dst[i] = Exp32(x[i])
//
//go:noescape
func exp256(dst, x *float32, n int)

// dst[i] = Exp32(x[i]-max); lanes[i%16] += dst[i]
//
//go:noescape
func softmaxExp256(dst, x *float32, n int, max float32, lanes *[16]float32)

// as swiGLU
//
//go:noescape
func swiGLU256(dst, gate, up *float32, n int)

// as geGLU, with its two constants
//
//go:noescape
func geGLU256(dst, gate, up *float32, n int, c0, c1 float32)

// as swiGLUBack
//
//go:noescape
func swiGLUBack256(dgate, dup, dy, gate, up *float32, n int)

// dst[i] = float32(x[i]*s) * w[i]
//
//go:noescape
func rmsApply256(dst, x, w *float32, n int, s float32)

// lanes[i%16] = fma(float32(dy[i]*w[i]), x[i], lanes[i%16])
//
//go:noescape
func rmsBackLanes256(dy, w, x *float32, n int, lanes *[16]float32)

// as rmsBackApply
//
//go:noescape
func rmsBackApply256(dx, dw, dy, x, w *float32, n int, s, c float32)

// as ropeHalves, n pairs
//
//go:noescape
func ropeHalves256(a, b, cos, sin *float32, n int)

// as rope without neox, n pairs, a multiple of 4
//
//go:noescape
func ropePairs256(x, cos, sin *float32, n int)

// as adamW
//
//go:noescape
func adamW256(w, grad, m, v *float32, n int, s *AdamWStep)
