package hf

import "strings"

// shapes are the layouts of GGUF's tensors, without their layer. What is not here is one value a column of the residual stream. Axes:
//
//	V vocabulary   P positions    T types of token   e residual stream
//	g key heads    q query heads of each, k and v its one key and value     h = g q
//	c columns of a head, as j pairs of t = 2 in queries and keys
//	f feed-forward width   u rows of ffn_up, 2f where the gate is in it too   a and b, of size 1, tell a gate from what it gates
//	x experts   y width of one   z width of the block that all tokens share
//	w tokens of a convolution   E the residual stream again, where it is in and out
//	i channels of a state space, in o groups of m   s values of a state   d heads, or columns, of time steps
//
// and those of one family, in its file.
var shapes = map[string]string{
	"token_embd.weight": "V, e", "output.weight": "V, e", "output.bias": "V", "position_embd.weight": "P, e", "token_types.weight": "T, e",

	"attn_q.weight": "g q j t, e", "attn_k.weight": "g k j t, e", "attn_v.weight": "g v c, e", "attn_output.weight": "e, h c",
	"attn_q.bias": "g q j t", "attn_k.bias": "g k j t", "attn_v.bias": "g v c",
	"attn_qkv.weight": "g q c + g k c + g v c, e", "attn_qkv.bias": "g q c + g k c + g v c",
	"attn_q_norm.weight": "c", "attn_k_norm.weight": "c", "attn_sinks.weight": "h",

	"ffn_gate.weight": "f, e", "ffn_up.weight": "u, e", "ffn_down.weight": "e, f", "ffn_gate.bias": "f", "ffn_up.bias": "u",
	"ffn_gate_inp.weight": "x, e", "ffn_gate_exps.weight": "x, a y, e", "ffn_up_exps.weight": "x, b y, e", "ffn_down_exps.weight": "x, e, y",
	"ffn_gate_inp.bias": "x", "ffn_gate_exps.bias": "x, a y", "ffn_up_exps.bias": "x, b y", "ffn_down_exps.bias": "x, e",
	"ffn_gate_shexp.weight": "a z, e", "ffn_up_shexp.weight": "b z, e", "ffn_down_shexp.weight": "e, z",

	"ssm_in.weight": "2 i + 2 o s + d, e", "ssm_conv1d.weight": "i + 2 o s, w", "ssm_conv1d.bias": "i + 2 o s", "ssm_dt.bias": "d", "ssm_a": "d, 1", "ssm_d": "d, 1",
	"ssm_norm.weight": "o, m", "ssm_out.weight": "e, i",
	"shortconv.in_proj.weight": "3 E, e", "shortconv.conv.weight": "e, w", "shortconv.out_proj.weight": "E, e",
}

// halves are the layouts, in folders, of queries and keys whose pairs lie apart: the first values of a head's pairs, then the second ones.
// GGUF has them so too where its architecture rotates (i, i+j), and pair after pair where it rotates neighbours.
var halves = map[string]string{"attn_q.weight": "g q t j, e", "attn_k.weight": "g k t j, e", "attn_q.bias": "g q t j", "attn_k.bias": "g k t j"}

// rowNorms are the layouts of norms over all heads of queries, and of keys.
var rowNorms = map[string]string{"attn_q_norm.weight": "g q c", "attn_k_norm.weight": "g k c"}

// eachNorms are the layouts of norms with weights of their own for each head.
var eachNorms = map[string]string{"attn_q_norm.weight": "h, c", "attn_k_norm.weight": "g, c"}

// staysF32 tells tensors that stay F32 beside vectors, as in llama.cpp: small ones, where a bit counts.
func staysF32(part string) bool {
	switch part {
	case "ffn_gate_inp.weight", "position_embd.weight", "token_types.weight", "ssm_conv1d.weight", "shortconv.conv.weight":
		return true
	}
	return strings.HasSuffix(part, "_norm.weight") || !strings.HasSuffix(part, ".weight")
}
