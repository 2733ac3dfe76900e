package grammar

import (
	"container/list"
	"runtime"
	"sync"
	"weak"
)

// mostKept bounds the views that a vocabulary keeps of all its grammars, in bytes: a view of 152 000 tokens is 19 KB and its doubts.
const mostKept = 64 << 20

// kept are a vocabulary's views. Those that were not asked for longest are the first to go; they are made again when they are wanted.
type kept struct {
	mu    sync.Mutex
	most  int // bytes
	bytes int
	of    map[uint64]map[string]*list.Element // by the grammar's id and what the view was made of
	order list.List                           // of *keptView; the last that was asked for is in front
}

type keptView struct {
	*view
	grammar uint64
	key     string
}

// size is how many bytes a view takes, its entry in the tables included.
func (e *keptView) size() int {
	n := 320 + len(e.key) + 8*len(e.sure)
	for _, d := range e.doubt {
		n += 48 + cap(d.prefix) + 4*cap(d.nodes)
	}
	return n
}

func (k *kept) get(g *Grammar, key []byte) *view {
	k.mu.Lock()
	defer k.mu.Unlock()
	e := k.of[g.id][string(key)]
	if e == nil {
		return nil
	}
	k.order.MoveToFront(e)
	return e.Value.(*keptView).view
}

// put keeps a view that is not kept yet, until there is no room for it or its grammar is gone.
func (v *Vocab) put(g *Grammar, key []byte, w *view) {
	k := &v.kept
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.of == nil {
		k.of = map[uint64]map[string]*list.Element{}
	}
	if k.of[g.id] == nil {
		k.of[g.id] = map[string]*list.Element{}
		of := weak.Make(v) // a grammar does not hold a vocabulary
		runtime.AddCleanup(g, func(id uint64) {
			if v := of.Value(); v != nil {
				v.kept.forget(id)
			}
		}, g.id)
	}
	e := &keptView{w, g.id, string(key)}
	k.of[g.id][e.key] = k.order.PushFront(e)
	for k.bytes += e.size(); k.bytes > k.most; {
		k.drop(k.order.Back())
	}
}

func (k *kept) drop(e *list.Element) {
	w := k.order.Remove(e).(*keptView)
	delete(k.of[w.grammar], w.key)
	k.bytes -= w.size()
}

// forget drops the views of a grammar.
func (k *kept) forget(grammar uint64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, e := range k.of[grammar] {
		k.drop(e)
	}
	delete(k.of, grammar)
}
