package hf

import (
	"cmp"
	"slices"
)

// source is a tensor whose values can be read from any place on.
type source interface {
	// read fills dst with the values from at on, in the order in which they lie.
	read(dst []float32, at int) error
}

// flow is a box on its way into a tensor: where its values lie in their source and where they go to.
type flow struct {
	from    source
	src, to int
	moves   []move // outermost in the tensor first; none of size 1
}

// move is an axis with its step in the source and in the tensor.
type move struct{ size, src, to int }

// flowOf leads the box b of a source to its place in the tensor that is being made.
func flowOf(from source, b, to *box) flow {
	f := flow{from: from, src: b.at, to: to.at}
	for _, s := range to.spans {
		if s.size == 1 {
			continue
		}
		i := slices.IndexFunc(b.spans, func(x span) bool { return x.axis == s.axis })
		f.moves = append(f.moves, move{s.size, b.spans[i].step, s.step})
	}
	return f
}

// cut calls do with the values [0, n) of a tensor, piece by piece in order, each of at most budget of them: how many they are and what flows
// into them, with places that count from the piece's first.
func cut(flows []flow, n, budget int, do func(n int, flows []flow) error) error {
	if n <= budget {
		return do(n, flows)
	}
	slices.SortFunc(flows, func(a, b flow) int { return cmp.Compare(a.to, b.to) })
	for len(flows) > 0 {
		first := flows[0] // what has its outermost axis in common with the first lies between its rows
		m := move{1, 1, 1}
		if len(first.moves) > 0 {
			m = first.moves[0]
		}
		end := 1
		for end < len(flows) && len(flows[end].moves) > 0 && flows[end].moves[0].to == m.to && flows[end].moves[0].size == m.size && flows[end].to < first.to+m.to {
			end++
		}
		group := flows[:end]
		flows = flows[end:]
		step := max(1, budget/m.to)
		for i := 0; i < m.size; i += step {
			rows := min(step, m.size-i)
			var sub []flow
			for _, f := range group {
				x := flow{from: f.from, src: f.src, to: f.to - first.to}
				if len(f.moves) > 0 {
					x.src += i * f.moves[0].src
					if rows > 1 {
						x.moves = append(x.moves, move{rows, f.moves[0].src, f.moves[0].to})
					}
					x.moves = append(x.moves, f.moves[1:]...)
				}
				sub = append(sub, x)
			}
			if err := cut(sub, rows*m.to, budget, do); err != nil {
				return err
			}
		}
	}
	return nil
}

// gather copies what flows to its place in dst. It reads in the order of the source, as many values at once as lie together there.
func (f *flow) gather(dst []float32) error {
	moves := slices.Clone(f.moves)
	slices.SortFunc(moves, func(a, b move) int { return cmp.Compare(b.src, a.src) })
	joined := moves[:0]
	for _, m := range moves {
		if n := len(joined); n > 0 && joined[n-1].src == m.size*m.src && joined[n-1].to == m.size*m.to {
			joined[n-1] = move{joined[n-1].size * m.size, m.src, m.to}
		} else {
			joined = append(joined, m)
		}
	}
	run := move{1, 1, 1}
	if n := len(joined); n > 0 && joined[n-1].src <= 4 { // what lies between is read too
		run, joined = joined[n-1], joined[:n-1]
	}
	var values []float32
	if run.src != 1 || run.to != 1 {
		values = make([]float32, (run.size-1)*run.src+1)
	}
	return f.walk(dst, joined, run, values, f.src, f.to)
}

func (f *flow) walk(dst []float32, outer []move, run move, values []float32, src, to int) error {
	if len(outer) > 0 {
		for i := range outer[0].size {
			if err := f.walk(dst, outer[1:], run, values, src+i*outer[0].src, to+i*outer[0].to); err != nil {
				return err
			}
		}
		return nil
	}
	if values == nil {
		return f.from.read(dst[to:to+run.size], src)
	}
	if err := f.from.read(values, src); err != nil {
		return err
	}
	for i := range run.size {
		dst[to+i*run.to] = values[i*run.src]
	}
	return nil
}
