package engine

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"github.com/freehold-slm/freehold/kernels"
	"github.com/freehold-slm/freehold/models"
	"github.com/freehold-slm/freehold/models/gguf"
	"github.com/freehold-slm/freehold/quant"
)

// WithLoRA adds the adapter file at path, times scale, to the model (1 = as it was trained). Given again it adds another. The
// model's own weights stay as the file has them: what an adapter changes is computed beside their products, in f32.
func WithLoRA(path string, scale float32) Option {
	return func(c *config) error {
		if scale-scale != 0 {
			return fmt.Errorf("engine: the scale of adapter %s is %v, want a number", path, scale)
		}
		c.lora = append(c.lora, loraFile{path, scale})
		if len(c.lora) > maxMats {
			return fmt.Errorf("engine: %d adapters, want at most %d", len(c.lora), maxMats)
		}
		return nil
	}
}

type loraFile struct {
	path  string
	scale float32
}

// adapter is what an adapter file changes in one matrix; scale is the file's and the caller's.
type adapter struct {
	models.LowRank
	data []byte // A [Rank, In] as little-endian f32
}

// low is an adapter of some rows of a matrix, at work: those rows' columns of Bᵀ, and where x·Aᵀ is.
type low struct {
	bt   []float32 // [rank, rows]
	rank int
	buf  int
}

// loadLoRA reads the adapter files.
func (m *Model) loadLoRA() error {
	for _, l := range m.cfg.lora {
		f, err := gguf.Open(l.path)
		if err != nil {
			return err
		}
		var file *models.LoRA
		err = f.Guard(func() error {
			file, err = models.ReadLoRA(f, m.Spec)
			return err
		})
		if err == nil {
			var sum [32]byte
			sum, err = f.SHA256()
			m.loraSums = append(m.loraSums, sha256.Sum256(fmt.Append(sum[:], l.scale)))
		}
		f.Close() //nolint:errcheck // read-only
		if err != nil {
			return err
		}
		if m.adapters == nil {
			m.adapters = map[string][]adapter{}
		}
		for name, pair := range file.Pairs {
			pair.Scale *= l.scale
			a := adapter{pair, make([]byte, 0, 4*len(pair.A))}
			for _, x := range pair.A {
				a.data = binary.LittleEndian.AppendUint32(a.data, math.Float32bits(x))
			}
			m.adapters[name] = append(m.adapters[name], a)
		}
	}
	return nil
}

// adapted emits the products by the A of the adapters of s's matrices, and lets their places go after s.
func (c *compiler) adapted(ops []models.Op, s *step) {
	a := c.lows(ops, s)
	for mats, outs := a.mats, a.outs; len(mats) > 0; {
		n := min(len(mats), maxMats)
		a.mats, a.outs = mats[:n], outs[:n]
		mats, outs = mats[n:], outs[n:]
		c.emit(a)
	}
	for _, w := range s.mats {
		for _, l := range w.lows {
			if !slices.Contains(c.dying, l.buf) {
				c.dying = append(c.dying, l.buf)
			}
		}
	}
}

// lows finds the adapters of products that read value x of some space, gives each a place among s's matrices, and returns the
// products by their A, which must be computed before; no matrices = there are none.
func (c *compiler) lows(ops []models.Op, s *step) step {
	a := step{kind: stepMat, space: s.space, layer: s.layer, in: s.in, width: s.width, low: true}
	at := map[string][]int{} // buffers of a tensor's adapters: parts of a fused tensor share them
	for i := range ops {
		name, w := ops[i].W, &s.mats[i]
		for n := range c.m.adapters[name] {
			x := &c.m.adapters[name][n]
			if n == len(at[name]) {
				at[name] = append(at[name], c.room(x.Rank))
				a.mats = append(a.mats, c.m.lowMatrix(name, x))
				a.outs = append(a.outs, at[name][n])
				c.p.maxK = max(c.p.maxK, x.In)
			}
			bt := make([]float32, x.Rank*w.rows)
			c.m.level.Transpose(bt, w.rows, x.B[ops[i].Row*x.Rank:], x.Rank, w.rows, x.Rank)
			w.lows = append(w.lows, low{bt, x.Rank, at[name][n]})
		}
	}
	return a
}

// lowMatrix is an adapter's A, whose products are times its scale.
func (m *Model) lowMatrix(name string, a *adapter) matrix {
	f, _ := quant.ByType(kernels.F32)
	level, scale := m.level, a.Scale
	return matrix{name: name, rows: a.Rank, k: a.In, data: a.data, rowBytes: 4 * a.In, format: f, dot: level.GemvFloat[kernels.F32],
		floats: level.UnpackFloat[kernels.F32], after: []func([]float32){func(x []float32) { level.Scale(x, scale) }}}
}

// adapt adds to rows row0 to row0+rows of a product for tokens ta..tb what its adapters give: chains over rising rank that begin
// at the product.
func (t *matTask) adapt(w *matrix, dst []float32, ldd, row0, rows, ta, tb int) {
	for i := range w.lows {
		l := &w.lows[i]
		t.r.m.level.GemmF32(dst, ldd, t.r.buf[l.buf][ta*l.rank:], l.rank, 1, l.bt[row0:], w.rows, tb-ta, rows, l.rank, true)
	}
}
