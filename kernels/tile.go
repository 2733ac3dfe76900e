package kernels

// TileRows is the number of weight rows in a Tile: two panels of 16 lanes.
const TileRows = 32

// Tile holds up to TileRows weight rows of width K as integer codes, in the order its level's GemmInt8 reads
// (level-private; portable keeps plain rows). It belongs to one worker, which fills it inside the loop over rows.
type Tile struct {
	Rows, K int
	Group   int  // weights that share a scale: 16 or 32
	HasMin  bool // M is used
	W       []byte
	Corr    []int32   // level-private corrections
	flip    byte      // level-private: what the codes in W are changed by
	S, M    []float32 // [K/Group, TileRows] scale and signed minimum
}

// NewTile allocates a tile for rows of up to k weights.
func NewTile(k int) *Tile {
	return &Tile{W: make([]byte, TileRows*k+packSlack), Corr: make([]int32, TileRows*(k/16)+1040),
		S: make([]float32, TileRows*(k/16+16)), M: make([]float32, TileRows*(k/16+16))}
}

// packSlack is the room after the weights of a tile: packers write 16 columns of 64 bytes at a time,
// and pipelines read a few groups ahead.
const packSlack = 2048

// Reset prepares the tile for rows of k weights of format f; PackTile fills it.
func (t *Tile) Reset(f *IntFormat, k int) { t.K, t.Group, t.HasMin, t.Rows = k, f.Group, f.HasMin, 0 }

// IntFormat says how a block format appears to the integer path.
type IntFormat struct {
	Type   Type
	Group  int  // weights that share a scale in the integer dot: 16 or 32
	HasMin bool // w = s*q + m
	Block  int  // weights in a block
	Bytes  int  // bytes of a block
}

// IntFormats lists the formats of the integer path by type; nil = the format takes the float path.
var IntFormats [NumTypes]*IntFormat

// The specification of a dot between a weight row (codes q, scales s, minima m by group g) and one token:
//
//	acc = +0; for g rising: isum = sum q*a.Q (exact)
//	  acc = fma(float32(isum), float32(s*d), acc)
//	  acc = fma(m, sx, acc)                       if the format has a minimum
//
// d and sx are those of the block of 32 that holds the group; for groups of 16 with a minimum sx is
// float32(float32(sum16)*d).
func intDot(q []int8, s, m []float32, group int, hasMin bool, a *Acts, t int) float32 {
	var acc float32
	k := a.K
	x := a.Q[t*k : t*k+k]
	for g := 0; g < k/group; g++ {
		var isum int32
		for i := g * group; i < (g+1)*group; i++ {
			isum += int32(q[i]) * int32(x[i])
		}
		b := t*(k/32) + g*group/32
		d := a.D[b]
		acc = FMA32(float32(isum), float32(s[g]*d), acc)
		if hasMin {
			sx := a.SX[b]
			if group == 16 {
				sx = float32(float32(a.Sum16[t*(k/16)+g]) * d)
			}
			acc = FMA32(m[g], sx, acc)
		}
	}
	return acc
}

// packTile keeps plain rows: W [rows, K] codes; S, M [K/Group, TileRows].
func packTile(tile *Tile, q []int8, sc, mn []float32, rows int) {
	k, ng := tile.K, tile.K/tile.Group
	tile.Rows = rows
	for r := 0; r < rows; r++ {
		for i, c := range q[r*k : r*k+k] {
			tile.W[r*k+i] = byte(c)
		}
		for g := 0; g < ng; g++ {
			tile.S[g*TileRows+r] = sc[r*ng+g]
			if tile.HasMin {
				tile.M[g*TileRows+r] = mn[r*ng+g]
			}
		}
	}
}

func gemmInt8(dst []float32, ldd int, tile *Tile, a *Acts, t0, t1 int) {
	k, group := tile.K, tile.Group
	for t := t0; t < t1; t++ {
		x := a.Q[t*k : t*k+k]
		for r := 0; r < tile.Rows; r++ {
			var acc float32
			for g := 0; g < k/group; g++ {
				var isum int32
				for i := g * group; i < (g+1)*group; i++ {
					isum += int32(int8(tile.W[r*k+i])) * int32(x[i])
				}
				b := t*(k/32) + g*group/32
				d := a.D[b]
				acc = FMA32(float32(isum), float32(tile.S[g*TileRows+r]*d), acc)
				if tile.HasMin {
					sx := a.SX[b]
					if group == 16 {
						sx = float32(float32(a.Sum16[t*(k/16)+g]) * d)
					}
					acc = FMA32(tile.M[g*TileRows+r], sx, acc)
				}
			}
			dst[(t-t0)*ldd+r] = acc
		}
	}
}
