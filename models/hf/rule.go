package hf

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/freehold-slm/freehold/kernels"
)

// rule says which tensors of a folder are which of a GGUF file: one and one mostly, one and several, or several and one.
type rule struct {
	theirs, ours []slot
	must         bool
}

// slot is a tensor of a rule. part is GGUF's name without the layer.
type slot struct {
	name, part string
	layout
}

// rules are the tensors outside of layers, in GGUF's usual order, and then those of each layer.
func (f *family) rules(d dims, tied bool) (list []rule) {
	for _, ours := range wholeOrder {
		if theirs := f.wholeName(ours); theirs != "" && !(tied && ours == "output.weight") {
			list = append(list, f.rule(d, "", theirs, "", ours, true))
		}
	}
	for l := range d.layers {
		theirs, ours := f.layerPrefix()+strconv.Itoa(l)+".", fmt.Sprintf("blk.%d.", l)
		names, some := f.layerNames(d.kind(l))
		for _, name := range slices.SortedFunc(maps.Keys(names), func(a, b string) int { return strings.Compare(names[a]+a, names[b]+b) }) {
			list = append(list, f.rule(d, theirs, name, ours, names[name], !some[name]))
		}
	}
	return list
}

// layerNames are the tensors of a layer of the given kinds, and which of them may be absent.
func (f *family) layerNames(kinds string) (names map[string]string, some map[string]bool) {
	names, some = maps.Clone(f.names), map[string]bool{}
	for _, k := range strings.Fields(kinds) {
		maps.Copy(names, f.only[k])
	}
	ours := map[string]bool{}
	for _, list := range names {
		for _, o := range strings.Fields(list) {
			ours[o] = true
		}
	}
	for theirs, o := range biasNames {
		weight := strings.TrimSuffix(o, "bias") + "weight"
		if !ours[o] && ours[weight] && names[strings.TrimSuffix(theirs, "bias")+"weight"] == weight {
			names[theirs], some[theirs] = o, !(f.bias && o != "attn_output.bias" && strings.HasPrefix(o, "attn_"))
		}
	}
	return names, some
}

// rule expands one pair of names. In a folder's name {x} stands for a number: there is a tensor for each of axis x.
func (f *family) rule(d dims, theirPrefix, theirs, ourPrefix, ours string, must bool) rule {
	r := rule{must: must}
	text := ""
	for _, part := range strings.Fields(ours) {
		text = f.ourLayout(part)
		r.ours = append(r.ours, slot{ourPrefix + part, part, parseLayout(text, d.axes)})
	}
	if halved := halves[ours]; f.rotated && halved != "" {
		text = halved
	}
	if own := f.layout[theirs]; own != "" {
		text = own
	}
	before, after, many := strings.Cut(theirs, "{")
	if !many {
		r.theirs = []slot{{theirPrefix + theirs, r.ours[0].part, parseLayout(text, d.axes)}}
		return r
	}
	axis, after, _ := strings.Cut(after, "}")
	one := parseLayout(strings.TrimPrefix(text, axis+", "), d.axes)
	for i := range d.axes[axis] {
		r.theirs = append(r.theirs, slot{theirPrefix + before + strconv.Itoa(i) + after, r.ours[0].part, one.of(axis, i)})
	}
	for i := range r.ours {
		r.ours[i].layout = r.ours[i].apart(axis)
	}
	return r
}

// of says that the tensor is the i-th of an axis that it does not have itself.
func (l layout) of(axis string, i int) layout {
	l.boxes = slices.Clone(l.boxes)
	for b := range l.boxes {
		l.boxes[b].tag = fmt.Sprint(axis, i)
	}
	return l
}

// apart makes a box for each place of an axis, as of names them.
func (l layout) apart(axis string) layout {
	var list []box
	for _, b := range l.boxes {
		at := slices.IndexFunc(b.spans, func(s span) bool { return s.axis == axis })
		for i := range b.spans[at].size {
			list = append(list, box{at: b.at + i*b.spans[at].step, spans: slices.Delete(slices.Clone(b.spans), at, at+1), tag: fmt.Sprint(axis, i)})
		}
	}
	l.boxes = list
	return l
}

func (f *family) ourLayout(part string) string {
	for _, m := range []map[string]string{f.layout, shapes} {
		if text := m[part]; text != "" {
			return text
		}
	}
	return "e"
}

// places are the boxes of tensors by their keys, and the sources of their values.
type places map[string]place

type place struct {
	in source
	at *box
}

func placesOf(from []slot, sources []source) places {
	p := places{}
	for i := range from {
		for b := range from[i].boxes {
			p[from[i].boxes[b].key()] = place{sources[i], &from[i].boxes[b]}
		}
	}
	return p
}

// into leads the boxes to their places in the tensor that is made of them.
func (p places) into(to *slot) (list []flow) {
	for i := range to.boxes {
		b := &to.boxes[i]
		from, ok := p[b.key()]
		if !ok {
			panic(fmt.Sprintf("hf: %s: no tensor of its rule has the axes %s", to.name, b.key()))
		}
		list = append(list, flowOf(from.in, from.at, b))
	}
	return list
}

// turns are what becomes of a tensor's values on the way into a GGUF file, and back; nil = they stay.
func (f *family) turns(theirs, part string) (in, out func(float32) float32) {
	switch {
	case f.plusOne && strings.HasSuffix(theirs, "norm.weight"):
		return func(v float32) float32 { return v + 1 }, func(v float32) float32 { return v - 1 }
	case part == "ssm_a": // a folder keeps the logarithm of a state's decay
		return func(v float32) float32 { return float32(-kernels.Exp(float64(v))) }, func(v float32) float32 { return float32(kernels.Log(float64(-v))) }
	}
	return nil, nil
}
