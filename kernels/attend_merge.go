package kernels

// Merging is partial results of one query over consecutive pages: page p's is at p*Step of Out and at p*Each of Max and Sum.
type Merging struct {
	Out        []float32
	Max, Sum   []float32
	Step, Each int
	Pages      int
}

// AttendMergeAll is AttendMerge of all pages of p in rising order, with exponentials taken together. tmp has twice as many elements as p
// has pages.
func (l *Level) AttendMergeAll(out []float32, max, sum float32, p *Merging, tmp []float32) (float32, float32) {
	exps, begun := tmp[:0], sum != 0
	for i := range p.Pages {
		pmax, psum := p.Max[i*p.Each], p.Sum[i*p.Each]
		switch {
		case psum == 0:
		case !begun:
			begun, max = true, pmax
		default:
			m, down, pdown := mergeDown(max, pmax)
			max, exps = m, append(exps, down, pdown)
		}
	}
	l.Exp(exps, exps)
	begun = sum != 0
	for i := range p.Pages {
		pout, psum := p.Out[i*p.Step:][:len(out)], p.Sum[i*p.Each]
		switch {
		case psum == 0:
		case !begun:
			begun, sum = true, psum
			copy(out, pout)
		default:
			a, b := exps[0], exps[1]
			exps = exps[2:]
			l.Scale(out, a)
			l.Axpy(out, b, pout)
			sum = FMA32(psum, b, float32(sum*a))
		}
	}
	return max, sum
}
