package kernels

import (
	"math"
	"unsafe"
)

// Attention over q8_0 multiplies whole numbers: a query and what weighs the values are rounded to 16 bits, K and V are codes of 8, and a sum
// of their products is exact in an int32 in any order. K's sums end with a block of 32, which has a scale of its own; V's with the page.
//
//	codes of q, 32 at a time, and scales dq: round16
//	score_j = chain over rising b of fma(float32(sum over the block of code(q_d)*code(k_jd)), float32(dq_b * scale(k_jb)), .) from +0
//	w_j     = float32(p_j * scale(v_jb)), 0 where p_j < 2^-64; its codes, of all keys that the query sees in the page, and dw: round16
//	out_d   = fma(float32(sum over j of code(w_j)*code(v_jd)), dw, +0)

// max16 is the largest code of round16. Sums of PageKeys products with codes of 8 bits stay below 2^31.
const max16 = 32767

// round16 rounds x to 16 bits of the largest.
//
//	amax = max|x|;  amax < 2^-100: d = 0, codes 0;  amax not finite: d = NaN, codes 0
//	d = amax/32767;  code = roundHalfEven(x * (32767/amax))
func round16(codes []int16, x []float32) (d float32) {
	clear(codes)
	var amax float32
	for _, v := range x {
		av := math.Float32frombits(math.Float32bits(v) &^ (1 << 31))
		if !(av <= math.MaxFloat32) {
			return float32(math.NaN())
		}
		amax = max(amax, av)
	}
	if amax < minAmax {
		return 0
	}
	id := max16 / amax
	for i, v := range x {
		codes[i] = int16(roundEven(float32(v * id)))
	}
	return amax / max16
}

// weight16 is what a value with scale s counts: p*s, but 0 where p is too small to be seen, since subnormal products are slow.
func weight16(p, s float32) float32 {
	if p < 0x1p-64 {
		return 0
	}
	return float32(p * s)
}

// score8 is the dot of a query with key j, before AttnPage.Scale.
func (a *AttnPage) score8(codes []int16, scales []float32, j int) float32 {
	var acc float32
	for b, dq := range scales {
		var sum int32
		for d := b * ActBlock; d < (b+1)*ActBlock; d++ {
			sum += int32(codes[d]) * int32(a.K8[Q8Key(a.HeadDim, j, d)])
		}
		acc = FMA32(float32(sum), float32(dq*F16ToF32(a.KD[b*PageKeys+j])), acc)
	}
	return acc
}

// values8: out = the values lo to hi, each p[j] times.
func (a *AttnPage) values8(out, p []float32, lo, hi int) {
	var weights [PageKeys]float32
	var room [PageKeys]int16
	w, codes := weights[:hi-lo], room[:hi-lo]
	for b := 0; b < len(out); b += ActBlock {
		for j := range w {
			w[j] = weight16(p[lo+j], F16ToF32(a.VD[b/ActBlock*PageKeys+lo+j]))
		}
		dw := round16(codes, w)
		for d := b; d < b+ActBlock; d++ {
			var sum int32
			for j, c := range codes {
				sum += int32(c) * int32(a.V8[Q8Value(a.HeadDim, lo+j, d)])
			}
			out[d] = FMA32(float32(sum), dw, 0)
		}
	}
}

// Q8Key is where element d of key j lies in AttnPage.K8: 16 keys side by side, each with two elements, [PageKeys/16, HeadDim/2, 16, 2].
func Q8Key(headDim, j, d int) int { return j/16*headDim*16 + d/2*32 + j%16*2 + d%2 }

// Q8Value is where element d of value j lies in AttnPage.V8: the same elements of two values side by side, [PageKeys/2, HeadDim, 2].
func Q8Value(headDim, j, d int) int { return j/2*headDim*2 + d*2 + j%2 }

// scales is the length of KD, and of VD.
func (a *AttnPage) scales() int { return q8Scales(a.HeadDim) }

func q8Scales(headDim int) int { return headDim / ActBlock * PageKeys }

// Q8HeadWords is the length of what Q8Head divides.
func Q8HeadWords(headDim int) int { return 2*q8Scales(headDim) + PageKeys*headDim }

// Q8Head divides the memory of one KV head of a page in q8_0 into KD, VD, K8 and V8 of an AttnPage: in the order they are
// read, so that asking for memory ahead of one finds the next. headDim is a multiple of 32.
func Q8Head(words []uint16, headDim int) (kd, vd []uint16, k8, v8 []int8) {
	n, values := q8Scales(headDim), PageKeys*headDim
	codes := unsafe.Slice((*int8)(unsafe.Pointer(&words[2*n : Q8HeadWords(headDim)][0])), 2*values)
	return words[:n], words[n : 2*n], codes[:values], codes[values:]
}

// q8Rows is the most queries that a level's tiles take together.
const q8Rows = 4

// Q8Room is the length of AttnPage.D: scales of K and V in f32, and codes and scales of the queries that are taken together.
func Q8Room(headDim int) int {
	return 2*q8Scales(headDim) + q8Rows*(headDim/ActBlock+max(headDim, PageKeys)/2)
}
