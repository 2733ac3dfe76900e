package kernels

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// Unpack gives the tile of Codes and PackTile, and reads nothing beyond its rows.
func TestUnpackLevels(t *testing.T) {
	eachLevel(t, func(t *testing.T, l *Level) {
		wide := l.Name == "avx512" || l.Name == "amx"
		for _, f := range IntFormats {
			if f == nil {
				continue
			}
			if l.Unpack[f.Type] == nil {
				if wide {
					t.Errorf("this level has no Unpack of %s", formatNames[f.Type])
				}
				continue
			}
			t.Run(formatNames[f.Type], func(t *testing.T) {
				r := rand.New(rand.NewPCG(16, uint64(f.Type)))
				for _, k := range widths(f) {
					for _, left := range []byte{0, 0x80} {
						unpackCase(t, l, f, r, k, left)
					}
				}
			})
		}
	})
}

// unpackCase unpacks to a tile whose codes the product before left changed by left. On amx the next one is likely the
// same, so the change stays, but for groups of 16 with a minimum, which have one way there as on avx512.
func unpackCase(t *testing.T, l *Level, f *IntFormat, r *rand.Rand, k int, left byte) {
	t.Helper()
	rb, ng := k/f.Block*f.Bytes, k/f.Group
	rows := fenced(t, TileRows*rb)
	randomRows(r, f, rows)
	want, got := NewTile(k), NewTile(k)
	codesToTile(l, f, want, rows)
	flip := byte(0x80)
	if l.Name == "amx" && (f.Group == ActBlock || !f.HasMin) {
		flip = left
	}
	want.changeCodes(flip)
	for i := range got.W {
		got.W[i] = 77
	}
	for i := range got.S {
		got.S[i], got.M[i] = 77, 77
	}
	got.flip = left
	got.Reset(f, k)
	l.Unpack[f.Type](got, rows)
	what := fmt.Sprintf("k=%d left %#x", k, left)
	if got.Rows != TileRows || got.flip != flip {
		t.Fatalf("%s: %d rows, codes changed by %#x", what, got.Rows, got.flip)
	}
	for i, b := range got.W {
		if i < TileRows*k && b != want.W[i] || i >= TileRows*k && b != 77 {
			t.Fatalf("%s: byte %d of %d is %d, want %d", what, i, TileRows*k, b, want.W[i])
		}
	}
	equalBits(t, what+" scales", got.S[:ng*TileRows], want.S[:ng*TileRows])
	if f.HasMin {
		equalBits(t, what+" minima", got.M[:ng*TileRows], want.M[:ng*TileRows])
	}
	for _, s := range [][]float32{got.S, got.M} {
		for i, x := range s[ng*TileRows:] {
			if x != 77 {
				t.Fatalf("%s: wrote %d numbers beyond the tile", what, i+1)
			}
		}
	}
}

// codesToTile is what Unpack stands for.
func codesToTile(l *Level, f *IntFormat, tile *Tile, rows []byte) {
	rb := len(rows) / TileRows
	k := rb / f.Bytes * f.Block
	ng := k / f.Group
	q, s, m := make([]int8, TileRows*k+64), make([]float32, TileRows*ng+64), make([]float32, TileRows*ng+64)
	codesToTileIn(l, f, tile, rows, k, q, s, m)
}

func codesToTileIn(l *Level, f *IntFormat, tile *Tile, rows []byte, k int, q []int8, s, m []float32) {
	rb, ng := k/f.Block*f.Bytes, k/f.Group
	for i := 0; i < TileRows; i++ {
		l.Codes[f.Type](q[i*k:i*k+k], s[i*ng:i*ng+ng], m[i*ng:i*ng+ng], rows[i*rb:i*rb+rb])
	}
	tile.Reset(f, k)
	l.PackTile(tile, q, s, m, TileRows)
}

// changeCodes changes the codes of a tile of a level that stores them as bytes.
func (t *Tile) changeCodes(flip byte) {
	for i := range t.W[:TileRows*t.K] {
		t.W[i] ^= t.flip ^ flip
	}
	t.flip = flip
}

// BenchmarkUnpack makes tiles of weights that lie in memory (128 MiB), by Unpack and, in turns, by Codes and PackTile.
func BenchmarkUnpack(b *testing.B) {
	for _, l := range Levels() {
		for _, f := range IntFormats {
			if f == nil || l.Unpack[f.Type] == nil {
				continue
			}
			for _, k := range []int{896, 4864} {
				if k%f.Block != 0 {
					continue
				}
				b.Run(fmt.Sprintf("%s/%s/%d", l.Name, formatNames[f.Type], k), func(b *testing.B) {
					r := rand.New(rand.NewPCG(16, 1))
					size := TileRows * k / f.Block * f.Bytes
					rows := make([]byte, (128<<20)/size*size)
					benchRows(r, f, rows[:size])
					for i := size; i < len(rows); i += size {
						copy(rows[i:], rows[:size])
					}
					tile := NewTile(k)
					q, s, m := make([]int8, TileRows*k+64), make([]float32, TileRows*k/16+64), make([]float32, TileRows*k/16+64)
					var fast, slow time.Duration
					at := 0
					next := func() []byte {
						at = (at + size) % len(rows)
						return rows[at : at+size]
					}
					tile.Reset(f, k)
					for b.Loop() {
						start := time.Now()
						for range 8 {
							l.Unpack[f.Type](tile, next())
						}
						mid := time.Now()
						for range 8 {
							codesToTileIn(l, f, tile, next(), k, q, s, m)
						}
						fast, slow = fast+mid.Sub(start), slow+time.Since(mid)
					}
					rate := func(d time.Duration) float64 { return float64(8*size*b.N) / d.Seconds() / 1e9 }
					b.ReportMetric(rate(fast), "unpack-GB/s")
					b.ReportMetric(rate(slow), "codes-GB/s")
				})
			}
		}
	}
}
