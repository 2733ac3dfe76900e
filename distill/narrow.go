package distill

import (
	"fmt"
	"slices"

	"github.com/freehold-slm/freehold/models"
)

// Widths are the sizes that a student is narrowed to; 0 = as it is.
type Widths struct {
	Dim     int `yaml:"dim" json:"dim,omitempty"`           // channels of the residual stream
	FFN     int `yaml:"ffn" json:"ffn,omitempty"`           // channels of the feed-forward block
	Heads   int `yaml:"heads" json:"heads,omitempty"`       // query heads
	KVHeads int `yaml:"kv_heads" json:"kv_heads,omitempty"` // key-value heads
}

// fill puts in the sizes that stay.
func (w Widths) fill(s *models.Spec) Widths {
	for _, x := range []struct {
		to   *int
		have int
	}{{&w.Dim, s.Dim}, {&w.FFN, s.FFN}, {&w.Heads, s.Heads}, {&w.KVHeads, s.KVHeads}} {
		if *x.to == 0 {
			*x.to = x.have
		}
	}
	return w
}

// check refuses sizes that s cannot be narrowed to.
func (w Widths) check(s *models.Spec) error {
	if w == (Widths{}) {
		return nil
	}
	if _, err := axesOf(s.Program()); err != nil {
		return err
	}
	w = w.fill(s)
	for _, x := range []struct {
		key       string
		got, have int
	}{{"dim", w.Dim, s.Dim}, {"ffn", w.FFN, s.FFN}, {"heads", w.Heads, s.Heads}, {"kv_heads", w.KVHeads, s.KVHeads}} {
		if x.got < 1 || x.got > x.have {
			return fmt.Errorf("%s is %d, want 1 to %d, which the model has", x.key, x.got, x.have)
		}
	}
	if group := s.Heads / s.KVHeads; w.Heads%w.KVHeads != 0 || w.Heads/w.KVHeads > group {
		return fmt.Errorf("heads is %d and kv_heads is %d, want a whole number of query heads to each, at most %d as in the model", w.Heads, w.KVHeads, group)
	}
	return nil
}

// axis is what the columns of a value are; those of one axis are kept or cut together, everywhere.
type axis struct {
	kind  axisKind
	layer int // 0 for the residual stream, which is one for all layers
}

type axisKind uint8

const (
	noAxis    axisKind = iota // not cut: the vocabulary, the labels
	axisDim                   // residual stream
	axisFFN                   // feed-forward block
	axisHeads                 // query heads, HeadDim columns each
	axisKV                    // key-value heads
)

// axesOf finds the axis of every value of a program. Programs with experts, latent attention or recurrent layers are refused.
func axesOf(p *models.Program) ([]axis, error) {
	axes := make([]axis, len(p.Width))
	for _, o := range p.Ops {
		switch o.Kind {
		case models.Embed, models.Position:
			axes[o.Out].kind = axisDim
		case models.Attend:
			axes[o.In[0]], axes[o.Out] = axis{axisHeads, o.Layer}, axis{axisHeads, o.Layer}
			axes[o.In[1]], axes[o.In[2]] = axis{axisKV, o.Layer}, axis{axisKV, o.Layer}
		case models.SwiGLU, models.GeGLU, models.GELU, models.ReLU2:
			axes[o.Out] = axis{axisFFN, o.Layer}
			for _, in := range o.In {
				axes[in] = axis{axisFFN, o.Layer}
			}
		case models.Add:
			axes[o.Out].kind, axes[o.In[0]].kind, axes[o.In[1]].kind = axisDim, axisDim, axisDim
		case models.MatMul, models.RMSNorm, models.LayerNorm, models.Rotate, models.Scale, models.Clamp, models.SoftCap, models.Select, models.Pool:
		default:
			return nil, fmt.Errorf("op %v of %s cannot be narrowed: experts, latent attention and recurrent layers keep their widths", o.Kind, p.Spec.Arch)
		}
	}
	same := func(a, b models.Value) {
		if axes[a] == (axis{}) {
			axes[a] = axes[b]
		} else if axes[b] == (axis{}) {
			axes[b] = axes[a]
		}
	}
	for _, backward := range []bool{true, false} {
		for i := range p.Ops {
			if backward {
				i = len(p.Ops) - 1 - i
			}
			switch o := &p.Ops[i]; o.Kind {
			case models.RMSNorm, models.LayerNorm, models.Rotate, models.Scale, models.Clamp, models.Select, models.Pool:
				same(o.In[0], o.Out)
			}
		}
	}
	return axes, nil
}

// kept are the columns that stay, by axis; an axis without an entry keeps all.
type kept map[axis][]int32

// pieces says which columns and rows of a tensor stay; nil = all. A vector is one row.
type pieces struct{ cols, rows []int32 }

// cut lists what stays of each tensor that a program reads.
func (k kept) cut(p *models.Program, axes []axis) map[string]*pieces {
	list := map[string]*pieces{}
	at := func(name string) *pieces {
		if list[name] == nil {
			list[name] = &pieces{}
		}
		return list[name]
	}
	addRows := func(dst *[]int32, o *models.Op) { // those of a fused tensor follow one another
		own := k[axes[o.Out]]
		if own == nil && o.Rows > 0 {
			own = upTo32(p.Width[o.Out])
		}
		for _, r := range own {
			*dst = append(*dst, r+int32(o.Row))
		}
	}
	for i := range p.Ops {
		o := &p.Ops[i]
		switch o.Kind {
		case models.Embed, models.Position:
			at(o.W).cols = k[axes[o.Out]]
		case models.MatMul:
			at(o.W).cols = k[axes[o.In[0]]]
			addRows(&at(o.W).rows, o)
			if o.B != "" {
				addRows(&at(o.B).cols, o)
			}
		case models.RMSNorm, models.LayerNorm:
			own := k[axes[o.Out]]
			switch {
			case o.Heads <= 1:
				at(o.W).cols = own
				at(o.B).cols = own
			case o.Each && own != nil: // a row of weights a head
				for h := 0; h < len(own); h += p.Spec.HeadDim {
					at(o.W).rows = append(at(o.W).rows, own[h]/int32(p.Spec.HeadDim))
				}
			} // else one weight for all heads
		case models.Attend:
			if own := k[axes[o.Out]]; o.W != "" && own != nil { // one sink a head
				for h := 0; h < len(own); h += p.Spec.HeadDim {
					at(o.W).cols = append(at(o.W).cols, own[h]/int32(p.Spec.HeadDim))
				}
			}
		}
	}
	return list
}

func upTo32(n int) []int32 {
	list := make([]int32, n)
	for i := range list {
		list[i] = int32(i)
	}
	return list
}

// gather copies the pieces of src, rows of width values, to dst.
func (c *pieces) gather(dst, src []float32, width int) error {
	rows, cols := c.rows, c.cols
	if rows == nil {
		rows = upTo32(len(src) / width)
	}
	if cols == nil {
		cols = upTo32(width)
	}
	if len(dst) != len(rows)*len(cols) {
		return fmt.Errorf("internal: %d rows of %d columns stay, want %d values", len(rows), len(cols), len(dst))
	}
	for _, r := range rows {
		row := src[int(r)*width : (int(r)+1)*width]
		for i, c := range cols {
			dst[i] = row[c]
		}
		dst = dst[len(cols):]
	}
	return nil
}

// Narrow cuts the student to w by the scores of its columns (see ScoreColumns), whatever learned or was frozen before.
func (b *Base) Narrow(w Widths, scores ColumnScores) error {
	old := b.Student
	if err := w.check(old.Spec); err != nil {
		return err
	}
	w = w.fill(old.Spec)
	axes, err := axesOf(old.Program)
	if err != nil {
		return err
	}
	k := scores.choose(old.Spec, w)
	spec := old.Spec.Narrow(w.Dim, w.FFN, w.Heads, w.KVHeads)
	b.Student = newStudent(spec)
	tensors := k.cut(old.Program, axes)
	for _, p := range b.Student.Params {
		from := old.byName[p.Name]
		c := tensors[p.Name]
		if c == nil {
			c = &pieces{}
		}
		if err := c.gather(p.W, from.W, from.Shape[0]); err != nil {
			return fmt.Errorf("tensor %q: %v", p.Name, err)
		}
	}
	meta := metaList(b.Meta)
	for _, key := range []struct {
		name  string
		value int
	}{{"embedding_length", w.Dim}, {"feed_forward_length", w.FFN}, {"attention.head_count", w.Heads}, {"attention.head_count_kv", w.KVHeads},
		{"attention.key_length", spec.HeadDim}, {"attention.value_length", spec.HeadDim}, {"rope.dimension_count", spec.Rope.Dims}} {
		if key.value > 0 {
			meta.Set(spec.Arch+"."+key.name, uint32(key.value))
		}
	}
	b.Meta = meta
	return nil
}

// strongest lists the n columns with the highest scores, rising; the first of equal ones.
func strongest(score []float64, n int) []int32 {
	order := upTo32(len(score))
	slices.SortStableFunc(order, func(a, b int32) int {
		switch x, y := score[a], score[b]; {
		case x > y:
			return -1
		case x < y:
			return 1
		}
		return 0
	})
	slices.Sort(order[:n])
	return order[:n]
}
