package hf

// shapes are the layouts of GGUF's tensors, without their layer. What is not here is one value a column of the residual stream. Axes:
//
//	V vocabulary   P positions    T types of token   e residual stream
//	g key heads    q query heads of each, k and v its one key and value     h = g q
//	c columns of a head, as j pairs of t = 2 in queries and keys
//	f feed-forward width   u rows of ffn_up, 2f where the gate is in it too
//	x experts   y width of one   z width of the block that all tokens share
//	w tokens of a convolution   i channels of a state space, in groups of a columns each   s values of a state   d heads, or columns, of time steps
//
// and those of one family, in its file.
var shapes = map[string]string{
	"token_embd.weight": "V, e", "output.weight": "V, e", "output.bias": "V", "position_embd.weight": "P, e", "token_types.weight": "T, e",

	"attn_q.weight": "g q j t, e", "attn_k.weight": "g k j t, e", "attn_v.weight": "g v c, e", "attn_output.weight": "e, h c",
	"attn_q.bias": "g q j t", "attn_k.bias": "g k j t", "attn_v.bias": "g v c",
	"attn_qkv.weight": "g q c + g k c + g v c, e", "attn_qkv.bias": "g q c + g k c + g v c",
	"attn_q_norm.weight": "c", "attn_k_norm.weight": "c", "attn_sinks.weight": "h",

	"ffn_gate.weight": "f, e", "ffn_up.weight": "u, e", "ffn_down.weight": "e, f", "ffn_gate.bias": "f", "ffn_up.bias": "u",
	"ffn_gate_inp.weight": "x, e", "ffn_gate_exps.weight": "x, y, e", "ffn_up_exps.weight": "x, y, e", "ffn_down_exps.weight": "x, e, y",
	"ffn_gate_inp.bias": "x", "ffn_gate_exps.bias": "x, y", "ffn_up_exps.bias": "x, y", "ffn_down_exps.bias": "x, e",
	"ffn_gate_shexp.weight": "z, e", "ffn_up_shexp.weight": "z, e", "ffn_down_shexp.weight": "e, z",
}

// halves are the layouts, in folders, of queries and keys whose pairs lie apart: the first values of a head's pairs, then the second ones.
// GGUF has them so too where its architecture rotates (i, i+j), and pair after pair where it rotates neighbours.
var halves = map[string]string{"attn_q.weight": "g q t j, e", "attn_k.weight": "g k t j, e", "attn_q.bias": "g q t j", "attn_k.bias": "g k t j"}

// rowNorms are the layouts of norms over all heads of queries, and of keys.
var rowNorms = map[string]string{"attn_q_norm.weight": "g q c", "attn_k_norm.weight": "g k c"}

// asF32 are tensors that stay F32 beside vectors and norms, as in llama.cpp: small, or read by kernels for F32 alone.
var asF32 = map[string]bool{"ffn_gate_inp.weight": true, "position_embd.weight": true, "token_types.weight": true, "ssm_conv1d.weight": true, "shortconv.conv.weight": true,
	"ssm_a": true, "ssm_d": true, "ssm_norm.weight": true, "attn_q_norm.weight": true, "attn_k_norm.weight": true}
