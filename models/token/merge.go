package token

// chain is the piece that is being merged: a doubly linked list of symbols over the input and a heap of the pairs that
// may merge. It serves long pieces: n symbols take O(n log n).
type chain struct {
	syms []link
	heap []candidate
}

type link struct {
	pos, n     int32 // bytes of the input; n = 0: merged into its left neighbour
	prev, next int32 // -1: none
	id         int32
}

// candidate is a pair that may merge. Pairs go by priority, lowest first, then left to right.
type candidate struct {
	key uint64 // priority << 32 | left link
	n   int32  // bytes of both together, to tell a stale pair
	id  int32  // symbol they make
}

// heapWidth is the number of children of a heap entry: four candidates fill a cache line.
const heapWidth = 4

// pairer says what two neighbours make.
type pairer interface {
	// pair returns the priority (lower merges first) and the symbol of two neighbouring links.
	pair(left, right *link) (priority uint32, id int32, ok bool)
}

func (c *chain) reset() { c.syms, c.heap = c.syms[:0], c.heap[:0] }

// push appends a symbol of n bytes.
func (c *chain) push(n int, id int32) {
	i := int32(len(c.syms))
	l := link{n: int32(n), prev: i - 1, next: -1, id: id}
	if i > 0 {
		l.pos = c.syms[i-1].pos + c.syms[i-1].n
		c.syms[i-1].next = i
	}
	c.syms = append(c.syms, l)
}

// merge merges until no pair is left. Link 0 then starts the chain of what remains.
func (c *chain) merge(p pairer) {
	for i := range len(c.syms) - 1 {
		if cand, ok := c.candidate(p, int32(i), int32(i+1)); ok {
			c.heap = append(c.heap, cand)
		}
	}
	for i := (len(c.heap) - 2) / heapWidth; i >= 0; i-- {
		c.down(i)
	}
	for len(c.heap) > 0 {
		best := c.heap[0]
		last := len(c.heap) - 1
		c.heap[0] = c.heap[last]
		c.heap = c.heap[:last]
		c.down(0)

		li := int32(uint32(best.key))
		left := &c.syms[li]
		if left.n == 0 || left.next < 0 || left.n+c.syms[left.next].n != best.n {
			continue
		}
		right := &c.syms[left.next]
		left.n, left.id, left.next = best.n, best.id, right.next
		right.n = 0
		if left.next >= 0 {
			c.syms[left.next].prev = li
			if cand, ok := c.candidate(p, li, left.next); ok {
				c.add(cand)
			}
		}
		if left.prev >= 0 {
			if cand, ok := c.candidate(p, left.prev, li); ok {
				c.add(cand)
			}
		}
	}
}

func (c *chain) candidate(p pairer, left, right int32) (candidate, bool) {
	l, r := &c.syms[left], &c.syms[right]
	priority, id, ok := p.pair(l, r)
	return candidate{key: uint64(priority)<<32 | uint64(left), n: l.n + r.n, id: id}, ok
}

func (c *chain) add(cand candidate) {
	c.heap = append(c.heap, cand)
	i := len(c.heap) - 1
	for i > 0 {
		parent := (i - 1) / heapWidth
		if c.heap[parent].key <= cand.key {
			break
		}
		c.heap[i] = c.heap[parent]
		i = parent
	}
	c.heap[i] = cand
}

func (c *chain) down(i int) {
	h := c.heap
	if i >= len(h) {
		return
	}
	moved := h[i]
	for {
		first := heapWidth*i + 1
		if first >= len(h) {
			break
		}
		child := first
		for j := first + 1; j < min(first+heapWidth, len(h)); j++ {
			if h[j].key < h[child].key {
				child = j
			}
		}
		if moved.key <= h[child].key {
			break
		}
		h[i] = h[child]
		i = child
	}
	h[i] = moved
}
