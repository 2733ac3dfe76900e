package kernels

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// TestGemmInt8FewTokens multiplies activations that have room for no more tokens than they hold: blocks of tokens must
// not reach past them.
func TestGemmInt8FewTokens(t *testing.T) {
	eachLevel(t, func(t *testing.T, l *Level) {
		eachFormat(t, func(t *testing.T, f *IntFormat) {
			r := rand.New(rand.NewPCG(16, uint64(f.Type)))
			const k = 512
			ng, rb := k/f.Group, k/f.Block*f.Bytes
			rows := make([]byte, TileRows*rb)
			randomRows(r, f, rows)
			q, s, m := make([]int8, TileRows*k), make([]float32, TileRows*ng), make([]float32, TileRows*ng)
			for i := range TileRows {
				l.Codes[f.Type](q[i*k:i*k+k], s[i*ng:i*ng+ng], m[i*ng:i*ng+ng], rows[i*rb:i*rb+rb])
			}
			tile := NewTile(k)
			tile.Reset(f, k)
			l.PackTile(tile, q, s, m, TileRows)
			for n := 1; n <= 6; n++ {
				pa, la, x := NewActs(n, k), NewActs(n, k), make([]float32, k)
				for tok := range n {
					randomActs(r, x)
					portable.Quantize(pa, tok, tok+1, 0, x)
					l.Quantize(la, tok, tok+1, 0, x)
				}
				got := make([]float32, n*TileRows)
				l.GemmInt8(got, TileRows, tile, la, 0, n)
				want := make([]float32, TileRows)
				for tok := range n {
					portable.Gemv[f.Type](want, rows, pa, tok, NewScratch(k))
					equalBits(t, fmt.Sprintf("token %d of %d", tok, n), got[tok*TileRows:tok*TileRows+TileRows], want)
				}
			}
		})
	})
}
