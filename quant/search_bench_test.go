package quant

import (
	"math/rand/v2"
	"testing"
)

// BenchmarkPack packs rows of normal weights in every format, without and with importances.
func BenchmarkPack(b *testing.B) {
	const width = 4096
	rng := rand.New(rand.NewPCG(1, 2))
	row, importance := make([]float32, width), make([]float32, width)
	for i := range row {
		row[i], importance[i] = float32(rng.NormFloat64()), rng.Float32()
	}
	for _, f := range Formats() {
		if !f.CanPack() || f.Block == 1 {
			continue
		}
		dst := make([]byte, width/f.Block*f.Bytes)
		for name, weights := range map[string][]float32{"alike": nil, "weighed": importance} {
			b.Run(f.Name+"/"+name, func(b *testing.B) {
				b.SetBytes(4 * width)
				for b.Loop() {
					f.Pack(dst, row, weights, width)
				}
			})
		}
	}
}
