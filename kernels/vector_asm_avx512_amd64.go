//go:build !purego

package kernels

// The vector kernels of avx512, each with its loop. Pointers are to n elements; n > 0.

// dst[i] += x[i]
//
//go:noescape
func add512(dst, x *float32, n int)

// dst[i] *= x[i]
//
//go:noescape
func mul512(dst, x *float32, n int)

// dst[i] = fma(a, x[i], dst[i])
//
//go:noescape
func axpy512(dst, x *float32, n int, a float32)

// dst[i] *= a
//
//go:noescape
func scale512(dst *float32, n int, a float32)

// dst[i] /= a
//
//go:noescape
func div512(dst *float32, n int, a float32)

// dst[i] = F16ToF32(src[i])
//
//go:noescape
func f16ToF32x512(dst *float32, src *uint16, n int)

// dst[i] = F32ToF16(src[i])
//
//go:noescape
func f32ToF16x512(dst *uint16, src *float32, n int)

// dst[i] = BF16ToF32(src[i])
//
//go:noescape
func bf16ToF32x512(dst *float32, src *uint16, n int)

// lanes[i%16] += x[i]
//
//go:noescape
func sumLanes512(x *float32, n int, lanes *[16]float32)

// lanes[i%16] = fma(x[i], y[i], lanes[i%16])
//
//go:noescape
func dotLanes512(x, y *float32, n int, lanes *[16]float32)

// if x[i] > max { max = x[i] }, from -Inf; a zero has either sign
//
//go:noescape
func max512(x *float32, n int) (max float32)

// ok = ok && x[i]-x[i] == 0, from true
//
//go:noescape
func finite512(x *float32, n int) (ok bool)

// dst[i] = Exp32(x[i])
//
//go:noescape
func exp512(dst, x *float32, n int)

// dst[i] = Exp32(x[i]-max); lanes[i%16] += dst[i]
//
//go:noescape
func softmaxExp512(dst, x *float32, n int, max float32, lanes *[16]float32)

// as swiGLU
//
//go:noescape
func swiGLU512(dst, gate, up *float32, n int)

// as geGLU, with its two constants
//
//go:noescape
func geGLU512(dst, gate, up *float32, n int, c0, c1 float32)

// as swiGLUBack
//
//go:noescape
func swiGLUBack512(dgate, dup, dy, gate, up *float32, n int)

// dst[i] = float32(x[i]*s) * w[i]
//
//go:noescape
func rmsApply512(dst, x, w *float32, n int, s float32)

// lanes[i%16] = fma(float32(dy[i]*w[i]), x[i], lanes[i%16])
//
//go:noescape
func rmsBackLanes512(dy, w, x *float32, n int, lanes *[16]float32)

// as rmsBackApply
//
//go:noescape
func rmsBackApply512(dx, dw, dy, x, w *float32, n int, s, c float32)

// as ropeHalves, n pairs
//
//go:noescape
func ropeHalves512(a, b, cos, sin *float32, n int)

// as rope without neox, n pairs
//
//go:noescape
func ropePairs512(x, cos, sin *float32, n int)

// as adamW
//
//go:noescape
func adamW512(w, grad, m, v *float32, n int, s *AdamWStep)
