package engine

import (
	"sync"
	"sync/atomic"

	"github.com/freehold-slm/freehold/kernels"
	"github.com/freehold-slm/freehold/models"
)

// A page holds keys and values of kernels.PageKeys consecutive positions, aligned to the absolute position, of all
// layers: [layer, kvHead] { K [PageKeys/16, headDim, 16], V [PageKeys, headDim] }. Exactly one of f16 and f32 is set.
//
// A page belongs to one session, or is shared: then refs > 1 and whoever writes to it copies it first.
type page struct {
	refs atomic.Int32
	f16  []uint16
	f32  []float32
}

// pageStore keeps pages that no session holds any more for the next that needs one.
type pageStore struct {
	mu   sync.Mutex
	free []*page
}

// maxFree bounds the bytes of the pages kept for later.
const maxFree = 256 << 20

func (m *Model) newPage() *page {
	s := &m.pages
	s.mu.Lock()
	if n := len(s.free); n > 0 {
		p := s.free[n-1]
		s.free = s.free[:n-1]
		s.mu.Unlock()
		p.refs.Store(1)
		return p
	}
	s.mu.Unlock()
	p := &page{}
	n := m.Spec.Layers * m.Spec.KVHeads * 2 * m.blockSize()
	if m.cfg.kv == KVF32 {
		p.f32 = make([]float32, n)
	} else {
		p.f16 = make([]uint16, n)
	}
	p.refs.Store(1)
	return p
}

// dropPage lets go of one reference.
func (m *Model) dropPage(p *page) {
	if p.refs.Add(-1) > 0 {
		return
	}
	s := &m.pages
	s.mu.Lock()
	defer s.mu.Unlock()
	if (len(s.free)+1)*(2*len(p.f16)+4*len(p.f32)) <= maxFree {
		s.free = append(s.free, p)
	}
}

func (s *pageStore) drop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.free = nil
}

// blockSize is the number of values of K, or of V, of one head in a page.
func (m *Model) blockSize() int { return kernels.PageKeys * m.Spec.HeadDim }

// offset is where K of a head begins in a page; V follows blockSize later.
func (m *Model) offset(layer, head int) int {
	return (layer*m.Spec.KVHeads + head) * 2 * m.blockSize()
}

// copyPage copies the first n keys of src to dst: whole blocks of 16 keys of K, whole rows of V.
func (m *Model) copyPage(dst, src *page, n int) {
	hd, bs := m.Spec.HeadDim, m.blockSize()
	nk := (n + 15) / 16 * 16 * hd
	for b := 0; b < m.Spec.Layers*m.Spec.KVHeads; b++ {
		at := b * 2 * bs
		if src.f16 != nil {
			copy(dst.f16[at:at+nk], src.f16[at:at+nk])
			copy(dst.f16[at+bs:at+bs+n*hd], src.f16[at+bs:at+bs+n*hd])
		} else {
			copy(dst.f32[at:at+nk], src.f32[at:at+nk])
			copy(dst.f32[at+bs:at+bs+n*hd], src.f32[at+bs:at+bs+n*hd])
		}
	}
}

// store writes one position's key row k and value row v [kvHeads*headDim] of a layer. It answers false when a number
// is not finite in the cache's type. tmp holds kvHeads*headDim values.
func (m *Model) store(p *page, layer, pos int, k, v []float32, tmp []uint16) bool {
	hd, bs := m.Spec.HeadDim, m.blockSize()
	j := pos % kernels.PageKeys
	for h := 0; h < m.Spec.KVHeads; h++ {
		at := m.offset(layer, h)
		kat, vat := at+j/16*hd*16+j%16, at+bs+j*hd
		kh, vh := k[h*hd:h*hd+hd], v[h*hd:h*hd+hd]
		if p.f32 != nil {
			if !m.level.AllFinite(kh) || !m.level.AllFinite(vh) {
				return false
			}
			for d, x := range kh {
				p.f32[kat+d*16] = x
			}
			copy(p.f32[vat:vat+hd], vh)
			continue
		}
		kt := tmp[:hd]
		m.level.F32ToF16(kt, kh)
		out := p.f16[kat : kat+(hd-1)*16+1]
		var over uint16
		for d, x := range kt {
			over |= (x&0x7fff + 0x0400) // reaches the top bit where the exponent is all ones
			out[d*16] = x
		}
		vt := p.f16[vat : vat+hd]
		m.level.F32ToF16(vt, vh)
		for _, x := range vt {
			over |= (x&0x7fff + 0x0400)
		}
		if over&0x8000 != 0 {
			return false
		}
	}
	return true
}

// ropeTables holds cos and sin of every position asked for so far, a page of positions at a time. It is used by the
// running evaluation only.
type ropeTables struct {
	pairs  int
	freqs  []float64
	mscale float64
	tables [][]float32 // [position/PageKeys] [PageKeys, 2, pairs]: cos, then sin
}

func (r *ropeTables) init(rope *models.Rope, context int) {
	r.pairs = rope.Dims / 2
	if r.pairs > 0 {
		r.freqs, r.mscale = rope.Freqs(context)
	}
}

// grow makes the tables hold positions 0..n-1.
func (r *ropeTables) grow(n int) {
	for r.pairs > 0 && len(r.tables)*kernels.PageKeys < n {
		t := make([]float32, kernels.PageKeys*2*r.pairs)
		for i := range kernels.PageKeys {
			row := t[i*2*r.pairs : (i+1)*2*r.pairs]
			models.RopeTable(row[:r.pairs], row[r.pairs:], r.freqs, r.mscale, len(r.tables)*kernels.PageKeys+i)
		}
		r.tables = append(r.tables, t)
	}
}

func (r *ropeTables) at(pos int) (cos, sin []float32) {
	row := r.tables[pos/kernels.PageKeys][pos%kernels.PageKeys*2*r.pairs:]
	return row[:r.pairs], row[r.pairs : 2*r.pairs]
}

// ropeOf is the table of a layer.
func (m *Model) ropeOf(layer int) *ropeTables {
	if m.Program.Rope(layer) == m.Spec.WindowRope {
		return &m.windowRope
	}
	return &m.rope
}
