package kernels

import (
	"fmt"
	"math/rand/v2"
	"sort"
	"testing"
	"time"
)

// Benchmarks of the integer path. On a shared machine the mean measures the neighbours: work is timed in slices of
// well under a time slice of the scheduler, and the reported rates are those of the fastest quarter. Limits are
// measured in the same way in the same run.

// slices runs f(0) ... f(n-1) in turn for the benchmark's time and returns the first quartile of their durations in ns.
func slices(b *testing.B, n int, f func(i int)) float64 {
	var ns []time.Duration
	for b.Loop() {
		for i := range n {
			start := time.Now()
			f(i)
			ns = append(ns, time.Since(start))
		}
	}
	b.ReportMetric(0, "ns/op")
	sort.Slice(ns, func(i, j int) bool { return ns[i] < ns[j] })
	return float64(ns[len(ns)/4].Nanoseconds())
}

func fastest(b *testing.B, f func()) float64 { return slices(b, 1, func(int) { f() }) }

func BenchmarkPeak(b *testing.B) {
	for name, read := range map[string]func([]byte){"read": PeakRead, "runs": PeakReadRuns} {
		for _, size := range []int{1 << 20, 192 << 20} {
			b.Run(fmt.Sprintf("%s/%dMiB", name, size>>20), func(b *testing.B) {
				buf := make([]byte, size)
				for i := range buf {
					buf[i] = byte(i)
				}
				ns := slices(b, size/PeakReadBytes, func(i int) { read(buf[i*PeakReadBytes : (i+1)*PeakReadBytes]) })
				b.ReportMetric(PeakReadBytes/ns, "GB/s")
			})
		}
	}
	for name, probe := range map[string]func(int) int{"int8": PeakInt8, "f32": PeakF32} {
		b.Run(name, func(b *testing.B) {
			ops := 0
			ns := fastest(b, func() { ops = probe(PeakIterations) })
			b.ReportMetric(float64(ops)/ns, "Gop/s")
		})
	}
}

func int8Peak() float64 {
	best := 0.0
	for i := 0; i < 50; i++ {
		start := time.Now()
		ops := PeakInt8(PeakIterations)
		best = max(best, float64(ops)/float64(time.Since(start).Nanoseconds()))
	}
	return best
}

// benchRows fills w with blocks of ordinary scales: the exponents that tests give MXFP4 make subnormal products, which are slow.
func benchRows(r *rand.Rand, f *IntFormat, w []byte) {
	randomRows(r, f, w)
	for b := 0; f.Type == MXFP4 && b < len(w); b += f.Bytes {
		w[b+MXFP4OffsetE] = byte(116 + r.IntN(8))
	}
}

// BenchmarkGemv runs from L2 (1 MiB of weights) and from DRAM (192 MiB).
func BenchmarkGemv(b *testing.B) {
	for _, l := range Levels()[1:] {
		for _, typ := range []Type{Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q2_K, Q3_K, Q4_K, Q5_K, Q6_K, IQ4_NL, IQ4_XS, MXFP4} {
			f := IntFormats[typ]
			for _, k := range []int{576, 896, 1536, 2048, 4864, 8960} {
				for _, size := range []int{1 << 20, 192 << 20} {
					if k%f.Block != 0 || l.Gemv[typ] == nil {
						continue
					}
					b.Run(fmt.Sprintf("%s/%s/K=%d/%dKiB", l.Name, formatNames[typ], k, size>>10), func(b *testing.B) {
						r := rand.New(rand.NewPCG(1, 1))
						rb := k / f.Block * f.Bytes
						rows := size / rb &^ 15
						w := make([]byte, rows*rb)
						benchRows(r, f, w[:rb*16])
						for o := rb * 16; o < len(w); o += rb * 16 {
							copy(w[o:], w[:rb*16])
						}
						a, s, x, dst := NewActs(1, k), NewScratch(k), make([]float32, k), make([]float32, rows)
						fillNormal(r, x, 1)
						l.Quantize(a, 0, 1, 0, x)
						per := max(16, PeakReadBytes/rb&^15)
						ns := slices(b, rows/per, func(i int) {
							l.Gemv[typ](dst[i*per:(i+1)*per], w[i*per*rb:(i+1)*per*rb], a, 0, s)
						})
						b.ReportMetric(float64(per*rb)/ns, "GB/s")
					})
				}
			}
		}
	}
}

// BenchmarkGemmInt8 multiplies one tile; "pack" includes Codes and PackTile of the tile, as prefill does.
func BenchmarkGemmInt8(b *testing.B) {
	for _, l := range Levels()[1:] {
		for _, typ := range []Type{Q8_0, Q4_1, Q5_0, Q4_K, Q6_K} {
			f := IntFormats[typ]
			for _, k := range []int{576, 896, 1536, 4864} {
				for _, n := range []int{16, 64, 512} {
					for _, pack := range []bool{false, true} {
						if k%f.Block != 0 {
							continue
						}
						name := fmt.Sprintf("%s/%s/K=%d/n=%d", l.Name, formatNames[typ], k, n)
						if pack {
							name += "/pack"
						}
						b.Run(name, func(b *testing.B) {
							r := rand.New(rand.NewPCG(1, 1))
							rb, ng := k/f.Block*f.Bytes, k/f.Group
							w := make([]byte, TileRows*rb)
							benchRows(r, f, w)
							a, x := NewActs(n, k), make([]float32, k)
							for t := range n {
								fillNormal(r, x, 1)
								l.Quantize(a, t, t+1, 0, x)
							}
							q, sc, mn := make([]int8, TileRows*k), make([]float32, TileRows*ng), make([]float32, TileRows*ng)
							tile, dst := NewTile(k), make([]float32, n*TileRows)
							fill := func() {
								tile.Reset(f, k)
								for i := range TileRows {
									l.Codes[typ](q[i*k:i*k+k], sc[i*ng:i*ng+ng], mn[i*ng:i*ng+ng], w[i*rb:i*rb+rb])
								}
								l.PackTile(tile, q, sc, mn, TileRows)
							}
							fill()
							peak := int8Peak()
							gops := float64(2*TileRows*k*n) / fastest(b, func() {
								if pack {
									fill()
								}
								l.GemmInt8(dst, TileRows, tile, a, 0, n)
							})
							b.ReportMetric(gops, "Gop/s")
							if peak > 0 {
								b.ReportMetric(100*gops/peak, "%peak")
							}
						})
					}
				}
			}
		}
	}
}

func BenchmarkQuantize(b *testing.B) {
	for _, l := range Levels() {
		b.Run(l.Name, func(b *testing.B) {
			const k = 1536
			a, x := NewActs(1, k), make([]float32, k)
			fillNormal(rand.New(rand.NewPCG(1, 1)), x, 1)
			b.ReportMetric(4*k/fastest(b, func() { l.Quantize(a, 0, 1, 0, x) }), "GB/s")
		})
	}
}
