package models

import (
	"fmt"

	"github.com/freehold-slm/freehold/kernels"
)

// maxExperts bounds the experts of a layer.
const maxExperts = 1024

// Sparse tells whether a layer has experts.
func (s *Spec) Sparse(layer int) bool { return s.Experts > 0 && layer >= s.DenseLead }

// experts reads the keys that architectures with experts share; false when the model has none. ffn is the width of an
// expert where the file does not state it.
func (r *reader) experts(s *Spec, ffn int, router kernels.Router) bool {
	if !r.has("expert_count") {
		return false
	}
	n, err := r.f.Uint(r.key("expert_count"))
	r.note(err)
	if n == 0 {
		return false
	}
	s.Experts = r.size("expert_count", maxExperts)
	s.TopExperts = r.size("expert_used_count", uint64(max(1, s.Experts)))
	if groups := r.sizeOr("expert_group_count", 1, maxExperts); groups > 1 {
		r.note(fmt.Errorf("%s: %s is %d; experts that are chosen by groups are not supported", r.f.Name, r.key("expert_group_count"), groups))
	}
	s.ExpertFFN = r.sizeOr("expert_feed_forward_length", max(1, ffn), 1<<22)
	s.Router = router
	s.Router.Scale = float32(r.floatOr("expert_weights_scale", 0))
	return true
}

// noExperts refuses a file with experts where the architecture did not read them.
func (r *reader) noExperts(s *Spec) {
	if r.err != nil || s.Experts > 0 || !r.has("expert_count") {
		return
	}
	n, err := r.f.Uint(r.key("expert_count"))
	r.note(err)
	if n > 0 {
		r.note(fmt.Errorf("%s: %s is %d, want 0: %s has no experts here", r.f.Name, r.key("expert_count"), n, r.arch))
	}
}

// experts writes a sparse feed-forward block:
//
//	route = top(gate_inp·h);  out = sum over the chosen experts e of w_e * down_e·(act(gate_e·h) * up_e·h)
//
// and the shared block beside them.
func (b builder) experts(h Value, l int, name func(string) string) Value {
	s := b.p.Spec
	logits := b.matmul(h, s.Experts, Op{W: name("ffn_gate_inp") + ".weight", Layer: l}, s.RouterBias)
	choose := Op{Kind: Route, Layer: l, Parts: s.TopExperts, Router: &s.Router}
	if s.ChoiceBias {
		choose.B = name("exp_probs_b") + ".bias"
	}
	route := b.op(choose, 2*s.TopExperts, logits)
	stack := func(x Value, n string, cols, rows int) Value {
		o := Op{Kind: StackMatMul, W: name(n) + ".weight", Layer: l, Parts: s.TopExperts, Stack: s.Experts, Cols: cols, Shared: x == h}
		if s.FFNBias {
			o.B = name(n) + ".bias"
		}
		return b.op(o, s.TopExperts*rows, x, route)
	}
	var in []Value
	if s.Act.gated() {
		in = append(in, stack(h, "ffn_gate_exps", s.Dim, s.ExpertFFN))
	}
	in = append(in, stack(h, "ffn_up_exps", s.Dim, s.ExpertFFN))
	v := b.op(Op{Kind: s.Act.kind(), Layer: l}, s.TopExperts*s.ExpertFFN, in...)
	out := b.op(Op{Kind: Mix, Layer: l, Parts: s.TopExperts}, s.Dim, stack(v, "ffn_down_exps", s.ExpertFFN, s.Dim), route)
	if s.SharedFFN == 0 {
		return out
	}
	shared := b.dense(h, l, name, "_shexp", s.SharedFFN)
	if s.SharedGate {
		gate := b.matmul(h, 1, Op{W: name("ffn_gate_inp_shexp") + ".weight", Layer: l}, false)
		shared = b.op(Op{Kind: Gate, Layer: l}, s.Dim, shared, gate)
	}
	return b.add(l, out, shared)
}
