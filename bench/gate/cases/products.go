package cases

import (
	"fmt"
	"math/rand/v2"

	"github.com/freehold-slm/freehold/kernels"
	"github.com/freehold-slm/freehold/quant"
)

func init() {
	widths := []int{576, 896, 1536, 2048}
	for _, typ := range []kernels.Type{kernels.Q8_0, kernels.Q4_1, kernels.Q5_0, kernels.Q4_K, kernels.Q6_K} {
		f, _ := quant.ByType(typ)
		for _, k := range widths {
			if k%f.Block != 0 {
				continue
			}
			pieces = append(pieces, piece{fmt.Sprintf("Gemv/%s/K=%d", f.Name, k), gemv(f, k)})
		}
		pieces = append(pieces,
			piece{fmt.Sprintf("GemmInt8/%s/K=1536", f.Name), gemmInt8(f, 1536)},
			piece{fmt.Sprintf("Unpack/%s/K=1536", f.Name), unpack(f, 1536)},
			piece{fmt.Sprintf("UnpackTile/%s/K=1536", f.Name), unpackTile(f, 1536)})
	}
	for _, typ := range []kernels.Type{kernels.Q4_0, kernels.Q5_1, kernels.Q2_K, kernels.Q3_K, kernels.Q5_K, kernels.IQ4_NL, kernels.IQ4_XS, kernels.MXFP4} {
		f, _ := quant.ByType(typ)
		pieces = append(pieces,
			piece{fmt.Sprintf("Gemv/%s/K=1536", f.Name), gemv(f, 1536)},
			piece{fmt.Sprintf("UnpackTile/%s/K=1536", f.Name), unpackTile(f, 1536)})
	}
	for _, typ := range []kernels.Type{kernels.F32, kernels.F16, kernels.BF16} {
		f, _ := quant.ByType(typ)
		pieces = append(pieces,
			piece{fmt.Sprintf("GemvFloat/%s/K=1536", f.Name), gemvFloat(f, 1536)},
			piece{fmt.Sprintf("UnpackFloat/%s/K=256", f.Name), unpackFloat(f, 256)})
	}
	pieces = append(pieces,
		piece{"GemmF32/packed", gemmF32(96, 32, 384, false)},
		piece{"GemmF32/NN", gemmF32(48, 96, 192, false)},
		piece{"GemmF32/TN", gemmF32(96, 96, 96, true)},
		piece{"GemmBF16", gemmBF16(64, 768)})
}

// weights are rows of a format, packed from normal values as large as a model's.
func weights(r *rand.Rand, f *quant.Format, rows, k int) []byte {
	x := normals(r, 16*k)
	w := room[byte](rows * k / f.Block * f.Bytes)[:0]
	few := make([]byte, 16*k/f.Block*f.Bytes)
	f.Pack(few, x, nil, k)
	for len(w) < rows*k/f.Block*f.Bytes {
		w = append(w, few...)
	}
	return w
}

// gemv multiplies some 64 KiB of weights, which stay in the second-level cache, with one token.
func gemv(f *quant.Format, k int) func(r *rand.Rand) (func(), error) {
	return func(r *rand.Rand) (func(), error) {
		l, err := kernels.Best()
		if err != nil || l.Gemv[f.Type] == nil {
			return nil, err
		}
		rows := max(1, (64<<10)/(k/f.Block*f.Bytes)/16) * 16
		w, a, s, dst := weights(r, f, rows, k), kernels.NewActs(1, k), kernels.NewScratch(k), room[float32](rows)
		l.Quantize(a, 0, 1, 0, normals(r, k))
		multiply := l.Gemv[f.Type]
		return func() { multiply(dst, w, a, 0, s) }, nil
	}
}

// gemvFloat is gemv for a float format.
func gemvFloat(f *quant.Format, k int) func(r *rand.Rand) (func(), error) {
	return func(r *rand.Rand) (func(), error) {
		l, err := kernels.Best()
		if err != nil || l.GemvFloat[f.Type] == nil {
			return nil, err
		}
		rows := (64 << 10) / (k * f.Bytes) / 16 * 16
		w, x, s, dst := weights(r, f, max(16, rows), k), normals(r, k), kernels.NewScratch(k), room[float32](max(16, rows))
		multiply := l.GemvFloat[f.Type]
		return func() { multiply(dst, w, x, s) }, nil
	}
}

// unpackFloat decodes and turns a tile's rows of a float format.
func unpackFloat(f *quant.Format, k int) func(r *rand.Rand) (func(), error) {
	return func(r *rand.Rand) (func(), error) {
		l, err := kernels.Best()
		if err != nil || l.UnpackFloat[f.Type] == nil {
			return nil, err
		}
		const rows = kernels.TileRows
		w, dst := weights(r, f, rows, k), room[float32](rows*k)
		fill := l.UnpackFloat[f.Type]
		return func() { fill(dst, rows, w, k*f.Bytes, rows, k) }, nil
	}
}

// gemmInt8 multiplies a packed tile with 16 tokens.
func gemmInt8(f *quant.Format, k int) func(r *rand.Rand) (func(), error) {
	return func(r *rand.Rand) (func(), error) {
		const n = 16
		l, err := kernels.Best()
		if err != nil {
			return nil, err
		}
		a, dst := kernels.NewActs(n, k), room[float32](n*kernels.TileRows)
		for t := range n {
			l.Quantize(a, t, t+1, 0, normals(r, k))
		}
		tile, fill := newTile(r, l, f, k)
		fill()
		return func() { l.GemmInt8(dst, kernels.TileRows, tile, a, 0, n) }, nil
	}
}

// unpack decodes a tile's rows to codes and packs them.
func unpack(f *quant.Format, k int) func(r *rand.Rand) (func(), error) {
	return func(r *rand.Rand) (func(), error) {
		l, err := kernels.Best()
		if err != nil {
			return nil, err
		}
		_, fill := newTile(r, l, f, k)
		return fill, nil
	}
}

// unpackTile does the same in one pass.
func unpackTile(f *quant.Format, k int) func(r *rand.Rand) (func(), error) {
	return func(r *rand.Rand) (func(), error) {
		l, err := kernels.Best()
		if err != nil || l.Unpack[f.Type] == nil {
			return nil, err
		}
		w, tile := weights(r, f, kernels.TileRows, k), kernels.NewTile(k)
		return func() {
			tile.Reset(kernels.IntFormats[f.Type], k)
			l.Unpack[f.Type](tile, w)
		}, nil
	}
}

func newTile(r *rand.Rand, l *kernels.Level, f *quant.Format, k int) (*kernels.Tile, func()) {
	ints := kernels.IntFormats[f.Type]
	rb, groups, rows := k/f.Block*f.Bytes, k/ints.Group, kernels.TileRows
	w, codes := weights(r, f, rows, k), l.Codes[f.Type]
	q, sc, mn := room[int8](rows*k), room[float32](rows*groups), room[float32](rows*groups)
	tile := kernels.NewTile(k)
	return tile, func() {
		tile.Reset(ints, k)
		for i := range rows {
			codes(q[i*k:i*k+k], sc[i*groups:(i+1)*groups], mn[i*groups:(i+1)*groups], w[i*rb:i*rb+rb])
		}
		l.PackTile(tile, q, sc, mn, rows)
	}
}

func gemmF32(m, n, k int, transposed bool) func(r *rand.Rand) (func(), error) {
	return func(r *rand.Rand) (func(), error) {
		l, err := kernels.Best()
		if err != nil {
			return nil, err
		}
		a, b, c := normals(r, m*k), normals(r, k*n), room[float32](m*n)
		sai, sap := k, 1
		if transposed {
			sai, sap = 1, m
		}
		return func() { l.GemmF32(c, n, a, sai, sap, b, n, m, n, k, false) }, nil
	}
}

func gemmBF16(m, k int) func(r *rand.Rand) (func(), error) {
	return func(r *rand.Rand) (func(), error) {
		l, err := kernels.Best()
		if err != nil || l.GemmBF16 == nil {
			return nil, err
		}
		const n = kernels.BF16Cols
		lda := k + 32 // not a power of two
		a, b, c := room[uint16](m*lda), room[uint16](k*n), room[float32](m*n)
		l.BF16Row(a, normals(r, len(a)))
		l.BF16Row(b, normals(r, len(b)))
		return func() { l.GemmBF16(c, n, a, lda, b, m, n, k, false) }, nil
	}
}
