//go:build !purego

package kernels

import "github.com/klauspost/cpuid/v2"

// cpuid reports a vector feature only where the operating system saves its registers (XGETBV), so these checks cover
// both. AVX-512 without VNNI uses avx2.
func init() {
	if !cpuid.CPU.Supports(cpuid.AVX2, cpuid.FMA3, cpuid.F16C) {
		return
	}
	avx2 := portable
	avx2.Name = "avx2"
	avx2Int(&avx2)
	avx2Float(&avx2)
	avx2Weights(&avx2)
	avx2Vector(&avx2)
	avx2Fit(&avx2)
	levels = append(levels, &avx2)
	if cpuid.CPU.Supports(cpuid.AVXVNNI) {
		avxvnni := avx2
		avxvnni.Name = "avxvnni"
		avxVNNIInt(&avxvnni)
		levels = append(levels, &avxvnni)
	}
	if !cpuid.CPU.Supports(cpuid.AVX512F, cpuid.AVX512BW, cpuid.AVX512DQ, cpuid.AVX512VL, cpuid.AVX512VNNI) {
		return
	}
	avx512 := avx2
	avx512.Name = "avx512"
	avx512Int(&avx512)
	avx512Float(&avx512)
	avx512Weights(&avx512)
	avx512Vector(&avx512)
	avx512BF16Pack(&avx512)
	if cpuid.CPU.Supports(cpuid.AVX512BF16) {
		avx512BF16(&avx512)
	}
	levels = append(levels, &avx512)
	// Prefill with the int8 product on tiles is 1.42 and 1.31 times as fast (Qwen2.5 0.5B, SmolLM2); the bf16 product reaches 320-1290 GFLOP/s where that of avx512 has 47-68 (bench/LOG.md, 2026-11-22 and 23).
	if amxPermitted() {
		amx := avx512
		amx.Name = "amx"
		amxInt(&amx)
		amxFloat(&amx)
		unpackAMX(&amx)
		if cpuid.CPU.Supports(cpuid.AMXBF16) {
			amxBF16(&amx)
		}
		levels = append(levels, &amx)
	}
}
