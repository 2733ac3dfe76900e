//go:build (amd64 || arm64) && !purego

package kernels

// floatTiles are the register tiles of one level, from which its float matrix product and its attention are built.
//
// A tile computes C[i,j] = (acc ? C[i,j] : +0) then the chain of fma(A(i,p), B[p,j]) over rising p, for m <= rows,
// n <= cols and any k >= 0. Strides count elements. Row p of B is two vectors of cols/2 elements: at b+p*ldb and at
// b+p*ldb+b1. Nothing outside the named elements is read or written. n of f16 is a multiple of 8.
type floatTiles struct {
	rows, cols int
	f32        func(c *float32, ldc int, a *float32, sai, sap int, b *float32, ldb, b1, m, n, k int, acc bool)
	f16        func(c *float32, ldc int, a *float32, sai, sap int, b *uint16, ldb, b1, m, n, k int, acc bool)

	q8   *q8Tiles
	few  *fewTiles  // nil = none
	many *manyTiles // nil = none

	// wide is f32 with wideRows and wideCols, for a B whose rows lie in one piece; nil = f32 does all.
	wide func(c *float32, ldc int, a *float32, sai, sap int, b *float32, ldb, m, n, k int, acc bool)
}

const wideRows, wideCols = 9, 48

// fewTiles are tiles of at most rows rows and just cols columns for the attention of few queries, k > 0. Row p of B is
// cols/16 vectors of 16, b1 elements apart. Each p asks for as many bytes ahead as it reads of B.
type fewTiles struct {
	rows, cols int
	queries    int // up to so many queries, and so many values of theirs together, these tiles are faster
	values     int
	known      int // values where the memory that comes next is known, and so likely not in a cache
	f16        func(c *float32, ldc int, a *float32, sai, sap int, b *uint16, ldb, b1, m, k int, acc bool, o asked)
}

// gemmSteps bounds k of one tile call and the rows of B that the tiles of one column share: a B that is a whole matrix
// has each row on a page of its own, and more rows would not fit the first-level TLB.
const gemmSteps = 128

// gemm is Level.GemmF32.
func (t *floatTiles) gemm(c []float32, ldc int, a []float32, sai, sap int, b []float32, ldb int, m, n, k int, acc bool) {
	if m <= 0 || n <= 0 {
		return
	}
	_ = c[(m-1)*ldc+n-1]
	if k <= 0 {
		for i := 0; i < m && !acc; i++ {
			clear(c[i*ldc : i*ldc+n])
		}
		return
	}
	_, _ = a[(m-1)*sai+(k-1)*sap], b[(k-1)*ldb+n-1]
	for p := 0; p < k; p += gemmSteps {
		steps, acc := min(k-p, gemmSteps), acc || p > 0
		for j := 0; j < n; {
			wide := t.wide != nil && n-j > t.cols && n-j != 2*t.cols
			rows, cols := t.rows, min(n-j, t.cols)
			if wide {
				rows, cols = wideRows, min(n-j, wideCols)
			}
			for i, m1 := 0, 0; i < m; i += m1 {
				m1 = split(m-i, rows)
				cij, aip, bpj := &c[i*ldc+j], &a[i*sai+p*sap], &b[p*ldb+j]
				if wide {
					t.wide(cij, ldc, aip, sai, sap, bpj, ldb, m1, cols, steps, acc)
				} else {
					t.f32(cij, ldc, aip, sai, sap, bpj, ldb, t.cols/2, m1, cols, steps, acc)
				}
			}
			j += cols
		}
	}
}

// split is the height of the next tile of at most most rows when rows are left: full, but the last two of about equal
// height, because a tile of few rows is bound by latency.
func split(rows, most int) int {
	if rows > most && rows < 2*most {
		return (rows + 1) / 2
	}
	return min(rows, most)
}
