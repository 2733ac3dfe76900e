package engine

import (
	"sync/atomic"
	"unsafe"

	"github.com/freehold-slm/freehold/kernels"
)

// queryBlock bounds the queries of one AttnPage, tokens times the heads that share a KV head: what is decoded of a page serves all of
// them (measured: 96 are 3 % faster than 63).
const queryBlock = 96

// attGroup is the queries that walk the same keys together: a run of tokens of one sequence, all heads of one KV head.
type attGroup struct {
	session *Session
	row, n  int // rows of the pass
	kv      int // KV head
	keys    int // that every query sees; 0 = those up to its own
	page    int // the first page one of them sees
	pages   int // pages from there to the last
	first   int // index of its first page in the split form; the next is kvHeads later
	left    atomic.Int32
}

// attendTask is the attention of a pass. Each page of keys gives a partial result, and partials are merged in rising
// page order; so pages may be computed by different workers (split, for few queries over many keys) or by one that
// walks them (for many queries).
type attendTask struct {
	r      *runner
	s      *step
	window int // that groups are made for; -1 = none yet
	groups []attGroup
	split  bool
	owner  []int32 // split: [chunks] group of the chunk
	from   []int   // split: [workers+1] the first chunk of each worker's share
	// Partials of the split form, side by side, for a worker reads those of others.
	each     int       // queries of a chunk at most
	out      []float32 // [chunks, each, headDim]
	max, sum []float32 // [chunks, each]
}

type attendScratch struct {
	page     kernels.AttnPage
	p        []float32 // [queryBlock, PageKeys]
	d        []float32 // [Q8Room] of a q8_0 page
	q        []float32 // [queryBlock, headDim] queries gathered
	out      []float32 // the running result
	max, sum []float32
	pout     []float32 // one page's
	pmax     []float32
	psum     []float32
	lo, hi   []int32
	slope    []float32 // of a query's head
	own      []int32   // a query's position, counted from the page's first
	none     []float32 // [headDim] zeros: the value of a sink
}

func (a *attendScratch) init(headDim int) {
	if a.p != nil {
		return
	}
	a.p = make([]float32, queryBlock*kernels.PageKeys)
	a.d = make([]float32, kernels.Q8Room(headDim))
	vec := func() []float32 { return make([]float32, queryBlock*headDim) }
	num := func() []float32 { return make([]float32, queryBlock) }
	a.page.B = make([]float32, kernels.ManyRoom)
	a.q, a.out, a.pout = vec(), vec(), vec()
	a.max, a.sum, a.pmax, a.psum = num(), num(), num(), num()
	a.lo, a.hi, a.own = make([]int32, queryBlock), make([]int32, queryBlock), make([]int32, queryBlock)
	a.slope = num()
	a.none = make([]float32, headDim)
}

// maxPartials bounds the memory of the split form, in floats.
const maxPartials = 4 << 20

// begin starts a pass: groups are made anew, of the runner's parts.
func (t *attendTask) begin() { t.window = -1 }

// group cuts the rows of the pass, which belong to sequence after sequence, into groups, for a window of so many keys
// (0 = all). Groups stay until a layer with another window.
func (t *attendTask) group(window int) {
	if window == t.window {
		return
	}
	t.window = window
	parts := t.r.parts
	spec := t.r.m.Spec
	shared := spec.Heads / spec.KVHeads
	per := max(1, queryBlock/shared)
	count := 0
	for _, p := range parts {
		count += (p.n + per - 1) / per * spec.KVHeads
	}
	if cap(t.groups) < count {
		t.groups = make([]attGroup, count)
	}
	t.groups = t.groups[:count]
	i, chunks := 0, 0
	for _, p := range parts {
		for b := 0; b*per < p.n; b++ {
			row := p.row + b*per
			n := min(per, p.row+p.n-row)
			last := int(t.r.pos[row+n-1])
			for h := 0; h < spec.KVHeads; h++ {
				g := &t.groups[i]
				g.session, g.row, g.n, g.kv, g.first = p.line.session, row, n, h, chunks+h
				g.page, g.keys = 0, 0
				if spec.Encoder {
					g.keys = p.n // the whole sequence is in the pass
					last = p.n - 1
				}
				if window > 0 {
					g.page = max(0, int(t.r.pos[row])+1-window) / kernels.PageKeys
				}
				g.pages = last/kernels.PageKeys + 1 - g.page
				i++
			}
			chunks += spec.KVHeads * t.groups[i-1].pages
		}
	}
	t.split = count < 4*t.r.m.pool.threads() && chunks > count &&
		chunks*queryBlock*spec.HeadDim <= maxPartials
	if !t.split {
		return
	}
	if cap(t.owner) < chunks {
		// Room for a while to come, so that a growing context does not allocate at each page.
		room := chunks + 4*count
		t.owner = make([]int32, room)
		t.out = make([]float32, room*queryBlock*spec.HeadDim)
		t.max, t.sum = make([]float32, room*queryBlock), make([]float32, room*queryBlock)
	}
	t.owner, t.each = t.owner[:chunks], 0
	for i := range t.groups {
		g := &t.groups[i]
		t.each = max(t.each, g.n*shared)
		for p := 0; p < g.pages; p++ {
			t.owner[g.first+p*spec.KVHeads] = int32(i)
		}
	}
	t.share()
}

// What a chunk costs beside its keys, counted in keys, and what merging costs for each page, which mostly falls to the last.
const (
	chunkKeys = 16
	mergeKeys = 8
)

// share gives each worker chunks of about as many keys. Else those with the last page, which often has few keys, leave their worker with
// nothing to do but to take over others' pages, which another has asked for.
func (t *attendTask) share() {
	workers, total := t.r.m.pool.threads(), 0
	if t.from == nil {
		t.from = make([]int, workers+1)
	}
	for c := range t.owner {
		total += t.weight(c)
	}
	sum, i := 0, 1
	for c := range t.owner {
		w := t.weight(c)
		for ; i < workers && (2*sum+w)*workers >= 2*i*total; i++ {
			t.from[i] = c
		}
		sum += w
	}
	for ; i <= workers; i++ {
		t.from[i] = len(t.owner)
	}
}

func (t *attendTask) weight(chunk int) int {
	g, page := t.place(chunk)
	n := t.keys(g, page)
	if t.window > 0 {
		n -= max(0, int(t.r.pos[g.row])+1-t.window-(g.page+page)*kernels.PageKeys)
	}
	if page == g.pages-1 {
		n += mergeKeys * g.pages
	}
	return n + chunkKeys
}

// place is a chunk's group, and the page that it reads, or reads first.
func (t *attendTask) place(chunk int) (g *attGroup, page int) {
	if !t.split {
		return &t.groups[chunk], 0
	}
	g = &t.groups[t.owner[chunk]]
	return g, (chunk - g.first) / t.r.m.Spec.KVHeads
}

// keys is how many keys of a group's page there are.
func (t *attendTask) keys(g *attGroup, page int) int {
	end := int(t.r.pos[g.row+g.n-1]) + 1
	if g.keys > 0 {
		end = g.keys
	}
	return min(kernels.PageKeys, end-(g.page+page)*kernels.PageKeys)
}

// shares is sharer's.
func (t *attendTask) shares() []int {
	if t.split {
		return t.from
	}
	return nil
}

// begins is the first chunk of a worker in an attention to come, and the end of its share; equal where that is not known. Groups are mostly those
// of the layer before.
func (t *attendTask) begins(s *step, worker int) (chunk, end int) {
	switch {
	case t.window != s.window:
		return 0, 0
	case t.split:
		return t.from[worker], t.from[worker+1]
	}
	n, workers := len(t.groups), t.r.m.pool.threads()
	return worker * n / workers, (worker + 1) * n / workers
}

// ahead is the head that a chunk of a layer reads first, to be asked for by who reads something else meanwhile. Of few keys it asks for their
// lines alone, at once, and gives nil.
func (t *attendTask) ahead(layer, chunk int) []uint16 {
	g, page := t.place(chunk)
	return t.aheadOf(layer, g, page)
}

func (t *attendTask) aheadOf(layer int, g *attGroup, page int) []uint16 {
	p := g.session.pages[g.page+page]
	if n := t.keys(g, page); n <= fewKeys {
		t.r.m.aheadOf(p, layer, g.kv, n)
		return nil
	}
	return p.words(t.r.m.offset(layer, g.kv), t.r.m.headSize())
}

// fewKeys is up to how many keys a chunk's own lines are asked for, instead of its head's, while the chunk before is read.
const fewKeys = kernels.PageKeys / 2

// after is what a worker reads after a chunk: the next chunk's head or, after its share, as much of the products that follow where one
// token is decoded.
func (t *attendTask) after(ws *workerScratch, worker, chunk int) []uint16 {
	from, end := t.begins(t.s, worker)
	if chunk < from || chunk >= end { // taken over from another worker, and so the next one would be
		return nil
	}
	next := chunk + 1
	if t.split && t.keys(t.place(chunk)) <= fewKeys { // these the chunk before has asked for
		return nil
	}
	for ; next < end; next++ {
		if words := t.ahead(t.s.layer, next); words != nil || !t.split {
			return words
		}
	}
	if t.r.n > 1 || t.s.then == nil || !t.split {
		return nil
	}
	then := t.s.then
	ws.next, ws.asked = then.one.at[worker], 0
	i, row0, row1 := then.chunk(&then.one.cut, min(then.one.from[worker], then.one.each-1))
	w := &then.mats[i]
	n := min((row1-row0)*w.rowBytes/2, t.r.m.headSize())
	return unsafe.Slice((*uint16)(unsafe.Pointer(&w.data[row0*w.rowBytes])), n)
}

func (t *attendTask) start(s *step) error {
	t.s = s
	t.group(s.window)
	if !t.split {
		return t.r.m.pool.run(t, len(t.groups))
	}
	for i := range t.groups {
		t.groups[i].left.Store(int32(t.groups[i].pages))
	}
	return t.r.m.pool.run(t, len(t.owner))
}

func (t *attendTask) run(worker, chunk int) {
	ws := &t.r.scratch[worker]
	a, hd := &ws.att, t.r.m.Spec.HeadDim
	a.init(hd)
	if !t.split {
		g := &t.groups[chunk]
		nq := t.load(a, g)
		next := func(p int) []uint16 {
			if p < g.pages {
				return t.aheadOf(t.s.layer, g, p)
			}
			return t.after(ws, worker, chunk)
		}
		a.page.Next = next(1)
		t.page(a, g, 0, nq, a.out, a.max, a.sum)
		for p := 1; p < g.pages; p++ {
			a.page.Next = next(p + 1)
			t.page(a, g, p, nq, a.pout, a.pmax, a.psum)
			t.merge(a, nq, a.pout, a.pmax, a.psum)
		}
		t.finish(a, g, nq)
		return
	}
	// The heads of a page follow one another, as they do in memory.
	heads := t.r.m.Spec.KVHeads
	g := &t.groups[t.owner[chunk]]
	nq := t.load(a, g)
	at := func(c int) (out, max, sum []float32) {
		return t.out[c*t.each*hd:][:nq*hd], t.max[c*t.each:][:nq], t.sum[c*t.each:][:nq]
	}
	out, max, sum := at(chunk)
	a.page.Next = t.after(ws, worker, chunk)
	if page := (chunk - g.first) / heads; page == g.pages-1 { // others have computed much of what will be merged
		for p := range page {
			out, _, _ := at(g.first + p*heads)
			askAhead(out)
		}
	}
	t.page(a, g, (chunk-g.first)/heads, nq, out, max, sum)
	if g.left.Add(-1) > 0 {
		return
	}
	// The last page to be computed: merge them all, in order.
	out, max, sum = at(g.first)
	copy(a.out, out)
	copy(a.max, max)
	copy(a.sum, sum)
	for p := 1; p < g.pages; p++ {
		out, max, sum = at(g.first + p*heads)
		t.merge(a, nq, out, max, sum)
	}
	t.finish(a, g, nq)
}

// load points a.page at the group's queries and returns their number.
func (t *attendTask) load(a *attendScratch, g *attGroup) int {
	spec := t.r.m.Spec
	hd, shared := spec.HeadDim, spec.Heads/spec.KVHeads
	width := spec.Heads * hd
	q, at := t.r.buf[t.s.in], g.kv*shared*hd
	if g.n == 1 {
		a.page.Q = q[g.row*width+at:][:shared*hd]
		return shared
	}
	for i := 0; i < g.n; i++ {
		copy(a.q[i*shared*hd:(i+1)*shared*hd], q[(g.row+i)*width+at:])
	}
	a.page.Q = a.q[:g.n*shared*hd]
	return g.n * shared
}

// page computes the group's partial result over one page of keys, counted from the group's first.
func (t *attendTask) page(a *attendScratch, g *attGroup, page, nq int, out, max, sum []float32) {
	m := t.r.m
	shared := m.Spec.Heads / m.Spec.KVHeads
	for i := 0; i < nq; i++ {
		end := t.r.pos[g.row+i/shared] + 1 - int32((g.page+page)*kernels.PageKeys)
		a.lo[i], a.own[i] = 0, end-1
		if g.keys > 0 {
			end = int32(g.keys - page*kernels.PageKeys)
		}
		a.hi[i] = min(kernels.PageKeys, end)
		if t.window > 0 {
			if a.lo[i] = end - int32(t.window); a.lo[i] < 0 {
				a.lo[i] = 0
			}
		}
	}
	at, bs := m.offset(t.s.layer, g.kv), m.blockSize()
	w := &a.page
	switch p := g.session.pages[g.page+page]; {
	case p.f32 != nil:
		w.K32, w.V32 = p.f32[at:at+bs], p.f32[at+bs:at+2*bs]
	case p.q8 != nil:
		w.KD, w.VD, w.K8, w.V8 = kernels.Q8Head(p.q8[at:], m.Spec.HeadDim)
	default:
		w.K16, w.V16 = p.f16[at:at+bs], p.f16[at+bs:at+2*bs]
	}
	w.HeadDim, w.NQ, w.Scale, w.Cap = m.Spec.HeadDim, nq, m.Spec.AttnScale, m.Spec.AttnCap
	w.Lo, w.Hi, w.P, w.D = a.lo[:nq], a.hi[:nq], a.p, a.d
	w.Out, w.Max, w.Sum = out, max, sum
	if t.s.slopes != nil {
		for i := range a.slope[:nq] {
			a.slope[i] = t.s.slopes[g.kv*shared+i%shared]
		}
		w.Slope, w.At = a.slope[:nq], a.own[:nq]
	}
	m.level.AttendPage(w)
}

func (t *attendTask) merge(a *attendScratch, nq int, out, max, sum []float32) {
	hd := t.r.m.Spec.HeadDim
	for i := 0; i < nq; i++ {
		a.max[i], a.sum[i] = t.r.m.level.AttendMerge(a.out[i*hd:i*hd+hd], a.max[i], a.sum[i], out[i*hd:i*hd+hd], max[i], sum[i])
	}
}

// finish merges the sinks, each a page of one key without a value, divides by the sums and writes the group's rows.
func (t *attendTask) finish(a *attendScratch, g *attGroup, nq int) {
	spec := t.r.m.Spec
	hd, shared := spec.HeadDim, spec.Heads/spec.KVHeads
	dst, width := t.r.buf[t.s.out], spec.Heads*hd
	for i := 0; i < nq; i++ {
		head, o := g.kv*shared+i%shared, a.out[i*hd:i*hd+hd]
		if t.s.sinks != nil {
			a.max[i], a.sum[i] = t.r.m.level.AttendMerge(o, a.max[i], a.sum[i], a.none, t.s.sinks[head], 1)
		}
		t.r.m.level.Div(o, a.sum[i]) // before the copy: what was just copied there would have to reach the cache first
		copy(dst[(g.row+i/shared)*width+head*hd:], o)
	}
}
