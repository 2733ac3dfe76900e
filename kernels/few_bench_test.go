package kernels

import (
	"fmt"
	"math/rand/v2"
	"sort"
	"testing"
	"time"
)

// BenchmarkFewTokens multiplies weights that lie in memory (64 MiB) with 2 and more tokens: by one-token kernels over rows
// that stay in L1 and, in turns, by Unpack (or Codes and PackTile) and GemmInt8. "gemv/tile" is the median of the ratios of
// their times: above 1, tiles are faster.
func BenchmarkFewTokens(b *testing.B) {
	for _, l := range Levels()[1:] {
		for _, f := range IntFormats {
			if f == nil || l.Gemv[f.Type] == nil {
				continue
			}
			for n := 2; n <= 4; n++ {
				b.Run(fmt.Sprintf("%s/%s/%d", l.Name, formatNames[f.Type], n), func(b *testing.B) {
					const k, tiles = 1536, 8
					r := rand.New(rand.NewPCG(17, 1))
					rb := k / f.Block * f.Bytes
					size := TileRows * rb
					w := make([]byte, (64<<20)/(tiles*size)*tiles*size)
					benchRows(r, f, w[:size])
					for i := size; i < len(w); i += size {
						copy(w[i:], w[:size])
					}
					a, s, x, tile := NewActs(n, k), NewScratch(k), make([]float32, k), NewTile(k)
					for t := range n {
						fillNormal(r, x, 1)
						l.Quantize(a, t, t+1, 0, x)
					}
					q, sc, mn := make([]int8, TileRows*k+64), make([]float32, TileRows*k/16+64), make([]float32, TileRows*k/16+64)
					dst, at := make([]float32, n*TileRows), 0
					next := func() []byte {
						at = (at + size) % len(w)
						return w[at : at+size]
					}
					var ratios []float64
					for b.Loop() {
						start := time.Now()
						for range tiles {
							rows := next()
							for i := 0; i < TileRows; i += 16 {
								for t := range n {
									l.Gemv[f.Type](dst[t*TileRows+i:][:16], rows[i*rb:(i+16)*rb], a, t, s)
								}
							}
						}
						mid := time.Now()
						for range tiles {
							if rows := next(); l.Unpack[f.Type] != nil {
								tile.Reset(f, k)
								l.Unpack[f.Type](tile, rows)
							} else {
								codesToTileIn(l, f, tile, rows, k, q, sc, mn)
							}
							l.GemmInt8(dst, TileRows, tile, a, 0, n)
						}
						ratios = append(ratios, float64(mid.Sub(start))/float64(time.Since(mid)))
					}
					sort.Float64s(ratios)
					b.ReportMetric(ratios[len(ratios)/2], "gemv/tile")
				})
			}
		}
	}
}
