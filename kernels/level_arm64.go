//go:build !purego

package kernels

import "github.com/klauspost/cpuid/v2"

// Every arm64 CPU that Go runs on has NEON. The faster levels differ from it in the integer products alone.
func init() {
	neon := portable
	neon.Name = "neon"
	neonInt(&neon)
	neonFloat(&neon)
	neonWeights(&neon)
	neonVector(&neon)
	levels = append(levels, &neon)
	if !cpuid.CPU.Supports(cpuid.ASIMDDP) {
		return
	}
	dotprod := neon
	dotprod.Name = "dotprod"
	dotprodInt(&dotprod)
	levels = append(levels, &dotprod)
	if !cpuid.CPU.Supports(cpuid.I8MM) {
		return
	}
	i8mm := dotprod
	i8mm.Name = "i8mm"
	i8mmInt(&i8mm)
	levels = append(levels, &i8mm)
}
