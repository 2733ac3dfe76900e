package engine

import (
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/freehold-slm/freehold/kernels"
	"github.com/freehold-slm/freehold/models"
)

// A page holds keys and values of kernels.PageKeys consecutive positions, aligned to the absolute position, of all
// layers with attention: [layer, kvHead] { K [PageKeys/16, headDim, 16], V [PageKeys, headDim] }, in q8_0 as kernels.Q8Head, Q8Key and Q8Value say.
// Exactly one of f16, q8 and f32 is set.
//
// A page belongs to one session, or is shared: then refs > 1 and whoever writes to it copies it first.
type page struct {
	refs    atomic.Int32
	f16, q8 []uint16
	f32     []float32
}

// words is size elements of a page of 16-bit words, from at on; nil of one in f32.
func (p *page) words(at, size int) []uint16 {
	switch {
	case p.f16 != nil:
		return p.f16[at : at+size]
	case p.q8 != nil:
		return p.q8[at : at+size]
	}
	return nil
}

func (p *page) bytes() int { return 2*len(p.f16) + 2*len(p.q8) + 4*len(p.f32) }

// pageStore keeps pages that no session holds any more for the next that needs one.
type pageStore struct {
	mu   sync.Mutex
	free []*page
}

// maxFree bounds the bytes of the pages kept for later.
const maxFree = 256 << 20

// newPage gives a page whose contents mean nothing; its memory is reserved.
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
	n := m.offset(m.Spec.Layers, 0)
	switch m.cfg.kv {
	case KVF32:
		p.f32 = make([]float32, n)
	case KVQ8_0:
		p.q8 = make([]uint16, n)
	default:
		p.f16 = make([]uint16, n)
	}
	askHuge(p.f32)
	askHuge(p.q8)
	askHuge(p.f16)
	p.refs.Store(1)
	return p
}

// dropPage lets go of one reference.
func (m *Model) dropPage(p *page) {
	if p.refs.Add(-1) > 0 {
		return
	}
	m.give(m.pageBytes())
	s := &m.pages
	s.mu.Lock()
	defer s.mu.Unlock()
	if (len(s.free)+1)*p.bytes() <= maxFree {
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

// headSize is the number of elements that K and V of one head take in a page.
func (m *Model) headSize() int {
	if m.cfg.kv == KVQ8_0 {
		return kernels.Q8HeadWords(m.Spec.HeadDim)
	}
	return 2 * m.blockSize()
}

// offset is where a head begins in a page: with K, and V follows blockSize later, but in q8_0.
func (m *Model) offset(layer, head int) int {
	return (m.cached[layer]*m.Spec.KVHeads + head) * m.headSize()
}

// aheadOf asks the memory for the first n keys and values of a head.
func (m *Model) aheadOf(p *page, layer, head, n int) {
	hd, bs := m.Spec.HeadDim, m.blockSize()
	at, k := m.offset(layer, head), (n+15)/16*16*hd
	switch {
	case p.q8 != nil:
		kd, vd, k8, v8 := kernels.Q8Head(p.q8[at:], hd)
		for i := 0; i < len(kd); i += kernels.PageKeys {
			askAhead(kd[i:][:n])
			askAhead(vd[i:][:n])
		}
		askAhead(k8[:k])
		askAhead(v8[:(n+1)/2*2*hd])
	case p.f16 != nil:
		askAhead(p.f16[at:][:k])
		askAhead(p.f16[at+bs:][:n*hd])
	}
}

// askAhead asks the memory for the lines of x.
func askAhead[T any](x []T) {
	if len(x) > 0 {
		kernels.Ahead((*byte)(unsafe.Pointer(&x[0])), (len(x)*int(unsafe.Sizeof(x[0]))+63)/64)
	}
}

// copyPage copies the first n keys of src to dst: whole blocks of 16 keys of K, whole rows of V.
func (m *Model) copyPage(dst, src *page, n int) {
	hd, bs := m.Spec.HeadDim, m.blockSize()
	nk, nv := (n+15)/16*16*hd, n*hd
	for b := 0; b < m.cached[m.Spec.Layers]*m.Spec.KVHeads; b++ {
		at := m.offset(0, b)
		switch {
		case src.f32 != nil:
			copy(dst.f32[at:at+nk], src.f32[at:])
			copy(dst.f32[at+bs:at+bs+nv], src.f32[at+bs:])
		case src.q8 != nil:
			dkd, dvd, dk, dv := kernels.Q8Head(dst.q8[at:], hd)
			skd, svd, sk, sv := kernels.Q8Head(src.q8[at:], hd)
			copy(dkd, skd)
			copy(dvd, svd)
			copy(dk[:nk], sk)
			copy(dv[:(n+1)/2*2*hd], sv) // whole pairs of values
		default:
			copy(dst.f16[at:at+nk], src.f16[at:])
			copy(dst.f16[at+bs:at+bs+nv], src.f16[at+bs:])
		}
	}
}

// store writes one position's key row k and value row v [kvHeads*headDim] of a layer. It answers false when a number
// is not finite in the cache's type.
func (m *Model) store(p *page, layer, pos int, k, v []float32, w *workerScratch) bool {
	if p.q8 != nil {
		return m.storeQ8(p, layer, pos, k, w.kv, true) && m.storeQ8(p, layer, pos, v, w.kv, false)
	}
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
		kt := w.h
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

// storeQ8 is store of x, which is keys or values, in q8_0: as activations are quantised, with the scale rounded to f16.
func (m *Model) storeQ8(p *page, layer, pos int, x []float32, a *kernels.Acts, keys bool) bool {
	if !m.level.Quantize(a, 0, 1, 0, x) {
		return false
	}
	hd := m.Spec.HeadDim
	j := pos % kernels.PageKeys
	for h := 0; h < m.Spec.KVHeads; h++ {
		kd, d, k8, v8 := kernels.Q8Head(p.q8[m.offset(layer, h):], hd)
		q := a.Q[h*hd : h*hd+hd]
		if keys {
			d = kd
			out := k8[kernels.Q8Key(hd, j, 0):]
			for i := 0; i < len(q); i += 2 {
				two := out[i*16 : i*16+2]
				two[0], two[1] = q[i], q[i+1]
			}
		} else {
			out := v8[kernels.Q8Value(hd, j, 0):][:2*hd-1]
			for i, c := range q {
				out[2*i] = c
			}
		}
		for b := 0; b < hd; b += kernels.ActBlock {
			scale := kernels.F32ToF16(a.D[(h*hd+b)/kernels.ActBlock])
			if scale == 0x7c00 { // infinite
				return false
			}
			d[b/kernels.ActBlock*kernels.PageKeys+j] = scale
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
