package models

// latent writes attention over a latent state (DeepSeek-AI, arXiv:2405.04434), in the form in which the matrices that
// would make keys and values of it are applied to queries and results instead:
//
//	q = wq·h (or q_b·norm(q_a·h)): a head has NopeDim columns and Dims that rotate; k_b turns the first into KVRank
//	c = kv_a·h: KVRank columns, normed, and Dims that rotate; key and value of all heads
//	out = v_b·attend(q, c, c), of each head's first KVRank columns
func (b builder) latent(h Value, l int, name func(string) string) Value {
	s := b.p.Spec
	dims := s.Rope.Dims
	weight := func(n string) Op { return Op{W: name(n) + ".weight", Layer: l} }
	q, wq := h, "attn_q"
	if s.QRank > 0 {
		q, wq = b.norm(b.matmul(h, s.QRank, weight("attn_q_a"), false), l, name("attn_q_a_norm"), 0), "attn_q_b"
	}
	q = b.matmul(q, s.Heads*(s.NopeDim+dims), weight(wq), false)
	q = b.op(Op{Kind: Rotate, Layer: l, Heads: s.Heads, Tail: dims}, b.p.Width[q], q)
	q = b.heads(q, l, name("attn_k_b"), s.NopeDim, s.KVRank, dims)

	c := b.matmul(h, s.HeadDim, weight("attn_kv_a_mqa"), false)
	c = b.op(Op{Kind: RMSNorm, W: name("attn_kv_a_norm") + ".weight", Layer: l, Cols: s.KVRank}, s.HeadDim, c)
	c = b.op(Op{Kind: Rotate, Layer: l, Heads: 1, Tail: dims}, s.HeadDim, c)
	return b.heads(b.attend(l, name, q, c, c), l, name("attn_v_b"), s.KVRank, s.LatentDim, 0)
}

// heads multiplies cols columns of each head by a matrix of its own, of the given rows.
func (b builder) heads(x Value, l int, name string, cols, rows, tail int) Value {
	n := b.p.Spec.Heads
	return b.op(Op{Kind: StackMatMul, W: name + ".weight", Layer: l, Parts: n, Stack: n, Cols: cols, Tail: tail}, n*(rows+tail), x)
}
