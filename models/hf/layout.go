package hf

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A layout says how the values of a tensor lie, in the manner of einops (Rogozhnikov, ICLR 2022): its sizes from the outermost on, separated
// by commas, each a product of axes ("h c": a row for each column of each head) or a sum ("a + b": the rows of a, then those of b),
// with parentheses where a product has sums in it. A number is an axis of that size.
//
//	g (q + k + v) c, e          heads of queries, keys and values by turns (GPT-NeoX, Falcon, InternLM 2)
//	g q c + g k c + g v c, e    all queries, all keys, all values (GGUF's attn_qkv)
//	e, f                        turned (GPT-2's Conv1D)
//
// Expanding the sums leaves boxes: sets of axes, each with its step in the tensor. A box that a folder's tensor and a GGUF file's both
// have is the same values in another order, so two layouts say how to go from one to the other, and back: a tensor is split where its boxes lie in several
// of the other side, joined where they come from several, turned and permuted where the steps differ.
type layout struct {
	shape []int // rows first
	boxes []box
}

// box is part of a tensor: the place of its first value, and its axes, outermost first. tag tells boxes of the same axes apart.
type box struct {
	at    int
	spans []span
	tag   string
}

type span struct {
	axis       string
	size, step int
}

// key names the box by its axes, whatever their order.
func (b *box) key() string {
	names := []string{b.tag}
	for _, s := range b.spans {
		names = append(names, s.axis)
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

// elements is the number of values of a tensor.
func (l *layout) elements() int {
	n := 1
	for _, size := range l.shape {
		n *= size
	}
	return n
}

// parseLayout reads a layout, of axes of the given sizes. It is written in this package, so what is wrong with it is a bug.
func parseLayout(text string, sizes map[string]int) layout {
	p := &layoutParser{text: text, sizes: sizes, rest: strings.Fields(strings.NewReplacer("(", " ( ", ")", " ) ", "+", " + ", ",", " , ").Replace(text))}
	var l layout
	all := part{size: 1, boxes: []box{{}}}
	for {
		d := p.sum()
		l.shape = append(l.shape, d.size)
		all = all.times(d)
		if len(p.rest) == 0 {
			l.boxes = all.boxes
			return l.checked(text)
		}
		p.take(",")
	}
}

// checked refuses a box that has an axis twice: one step could not say where a value lies.
func (l layout) checked(text string) layout {
	for _, b := range l.boxes {
		seen := map[string]bool{}
		for _, s := range b.spans {
			if seen[s.axis] {
				panic(fmt.Sprintf("hf: layout %q: axis %q twice in one box", text, s.axis))
			}
			seen[s.axis] = true
		}
	}
	return l
}

type layoutParser struct {
	text  string
	sizes map[string]int
	rest  []string
}

// part is an expression's size and its boxes.
type part struct {
	size  int
	boxes []box
}

// times puts the axes of q within those of p.
func (p part) times(q part) part {
	out := part{size: p.size * q.size}
	for _, a := range p.boxes {
		for _, b := range q.boxes {
			x := box{at: a.at*q.size + b.at}
			for _, s := range a.spans {
				x.spans = append(x.spans, span{s.axis, s.size, s.step * q.size})
			}
			x.spans = append(x.spans, b.spans...)
			out.boxes = append(out.boxes, x)
		}
	}
	return out
}

func (p *layoutParser) sum() part {
	out := p.product()
	for p.next() == "+" {
		p.take("+")
		more := p.product()
		for _, b := range more.boxes {
			b.at += out.size
			out.boxes = append(out.boxes, b)
		}
		out.size += more.size
	}
	return out
}

func (p *layoutParser) product() part {
	out := p.factor()
	for !slices.Contains([]string{"", "+", ")", ","}, p.next()) {
		out = out.times(p.factor())
	}
	return out
}

func (p *layoutParser) factor() part {
	name := p.next()
	if name == "(" {
		p.take("(")
		out := p.sum()
		p.take(")")
		return out
	}
	p.take(name)
	size, ok := p.sizes[name]
	if n, err := strconv.Atoi(name); err == nil {
		size, ok = n, true
	}
	if !ok || size < 0 {
		panic(fmt.Sprintf("hf: layout %q: axis %q has no size", p.text, name))
	}
	if name == "1" {
		return part{size: 1, boxes: []box{{}}} // says nothing of where a value lies
	}
	return part{size: size, boxes: []box{{spans: []span{{name, size, 1}}}}}
}

func (p *layoutParser) next() string {
	if len(p.rest) == 0 {
		return ""
	}
	return p.rest[0]
}

func (p *layoutParser) take(want string) {
	if p.next() != want || want == "" {
		panic(fmt.Sprintf("hf: layout %q: %q where %q should stand", p.text, p.next(), want))
	}
	p.rest = p.rest[1:]
}
