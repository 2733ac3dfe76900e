package tiny

// Parts of blocks that many architectures share.
const (
	embedding = "token_embd.weight D V, output_norm.weight D, "
	head      = embedding + "output.weight D V, "
	qkv       = "attn_q.weight D Q, attn_k.weight D K, attn_v.weight D K, attn_output.weight Q D, "
	qkvBias   = "attn_q.bias Q, attn_k.bias K, attn_v.bias K, "
	fused     = "attn_qkv.weight D Q+2K, attn_output.weight Q D, "
	gated     = "ffn_gate.weight D F, ffn_up.weight D F, ffn_down.weight F D, "
	plain     = "ffn_up.weight D F, ffn_down.weight F D, "
	plainBias = "ffn_up.bias F, ffn_down.bias D, "
	normBias  = "attn_norm.bias D, ffn_norm.bias D, "
	norms     = "attn_norm.weight D, ffn_norm.weight D, "
	stacks    = "ffn_gate_inp.weight D 4, ffn_gate_exps.weight D F 4, ffn_up_exps.weight D F 4, ffn_down_exps.weight F D 4, "
	posts     = "post_attention_norm.weight D, post_ffw_norm.weight D, "
)

const sharedBlock = "ffn_gate_shexp.weight D 48, ffn_up_shexp.weight D 48, ffn_down_shexp.weight 48 D, "

// graniteExperts are the keys of Granite with experts.
var graniteExperts = rms(with(with(with(with(with(with(rope, "embedding_scale", float32(6)), "residual_scale", float32(0.4)), "attention.scale", float32(0.2)), "logit_scale", float32(1.5)),
	"expert_count", uint32(4)), "expert_used_count", uint32(2)))

// rms, layer and rope are keys that most have.
func rms(more map[string]any) map[string]any {
	return with(more, "attention.layer_norm_rms_epsilon", float32(1e-5))
}

func layer(more map[string]any) map[string]any {
	return with(more, "attention.layer_norm_epsilon", float32(1e-5))
}

func with(m map[string]any, key string, value any) map[string]any {
	all := map[string]any{key: value}
	for k, v := range m {
		all[k] = v
	}
	return all
}

type keys = map[string]any

var rope = keys{"rope.dimension_count": uint32(16), "rope.freq_base": float32(5000)}

// Models is the table: architectures of which there are no reference files otherwise.
var Models = []Model{
	{Name: "olmo", Arch: "olmo", Keys: layer(with(rope, "attention.clamp_kqv", float32(1.5))),
		Tensors: "token_embd.weight D V", Block: qkv + gated, Sizes: map[string]int{"M": 4}},
	{Name: "command-r", Arch: "command-r", Keys: layer(with(rope, "logit_scale", float32(0.5))),
		Tensors: embedding, Block: "attn_norm.weight D, " + qkv + gated},
	{Name: "command-r-norms", Arch: "command-r", Keys: layer(with(rope, "logit_scale", float32(0.5))),
		Tensors: embedding, Block: "attn_norm.weight D, attn_q_norm.weight H N, attn_k_norm.weight H M, " + qkv + gated,
		Sizes: map[string]int{"L": 64, "D": 32, "F": 32, "N": 2, "M": 1}}, // llama.cpp reads these norms in models of 64 layers and more
	{Name: "cohere2", Arch: "cohere2", Keys: layer(with(with(rope, "logit_scale", float32(0.5)), "attention.sliding_window", uint32(7))),
		Tensors: embedding, Block: "attn_norm.weight D, " + qkv + gated, Sizes: map[string]int{"L": 5}},
	{Name: "exaone", Arch: "exaone", Keys: rms(rope), Tensors: head + "rope_freqs.weight R", Block: norms + qkv + gated},
	{Name: "exaone4", Arch: "exaone4", Keys: rms(rope), Tensors: embedding,
		Block: "attn_q_norm.weight H, attn_k_norm.weight H, " + posts + qkv + gated},
	{Name: "exaone4-window", Arch: "exaone4", Keys: rms(with(rope, "attention.sliding_window", uint32(7))), Tensors: head,
		Block: "attn_q_norm.weight H, attn_k_norm.weight H, " + posts + qkv + gated, Sizes: map[string]int{"L": 64, "D": 32, "F": 32, "N": 2, "M": 1}}, // llama.cpp applies the window to 64 layers alone
	{Name: "nemotron", Arch: "nemotron", Keys: layer(keys{"rope.dimension_count": uint32(8)}), Tensors: head + "output_norm.bias D",
		Block: norms + normBias + qkv + plain},
	{Name: "arcee", Arch: "arcee", Keys: rms(rope), Tensors: head + "rope_freqs.weight R", Block: norms + qkv + plain},
	{Name: "hunyuan-dense", Arch: "hunyuan-dense", Keys: rms(rope), Tensors: embedding,
		Block: norms + "attn_q_norm.weight H, attn_k_norm.weight H, " + qkv + gated},
	{Name: "mpt", Arch: "mpt", Keys: layer(keys{"attention.max_alibi_bias": float32(8), "attention.clamp_kqv": float32(2)}),
		Tensors: embedding, Block: norms + fused + plain, Sizes: map[string]int{"D": 96, "N": 6, "M": 6, "F": 384}},
	{Name: "mpt-positions", Arch: "mpt", Keys: layer(nil), Tensors: head + "position_embd.weight D C, output_norm.bias D",
		Block: norms + normBias + "attn_qkv.bias Q+2K, attn_output.bias D, " + fused + plain + plainBias,
		Sizes: map[string]int{"M": 4}},
	{Name: "bloom", Arch: "bloom", Keys: layer(nil), Tensors: embedding + "token_embd_norm.weight D, token_embd_norm.bias D, output_norm.bias D",
		Block: norms + normBias + "attn_qkv.bias Q+2K, attn_output.bias D, " + fused + plain + plainBias, Sizes: map[string]int{"M": 4, "F": 256}},
	{Name: "falcon-norms", Arch: "falcon", Keys: layer(rope), Tensors: embedding + "output_norm.bias D",
		Block: "attn_norm.weight D, attn_norm.bias D, attn_norm_2.weight D, attn_norm_2.bias D, " + fused + plain},
	{Name: "stablelm-norms", Arch: "stablelm", Keys: layer(keys{"rope.dimension_count": uint32(8), "use_parallel_residual": true}), Tensors: head + "output_norm.bias D",
		Block: "attn_norm.weight D, attn_norm.bias D, attn_q_norm.weight H N, attn_k_norm.weight H M, " + qkv + gated},

	{Name: "gpt-oss-plain", Arch: "gpt-oss", Keys: rms(with(with(with(with(with(with(with(rope, "rope.scaling.type", "yarn"), "rope.scaling.factor", float32(4)), "rope.scaling.original_context_length", uint32(64)), "attention.sliding_window", uint32(9)), "expert_count", uint32(4)), "expert_used_count", uint32(2)), "expert_feed_forward_length", uint32(96))),
		Tensors: head, Block: "attn_norm.weight D, post_attention_norm.weight D, attn_sinks.weight N, attn_output.bias D, " + qkv + qkvBias + "ffn_gate_inp.bias 4, " +
			"ffn_gate_exps.bias F 4, ffn_up_exps.bias F 4, ffn_down_exps.bias D 4, " + stacks},
	{Name: "granitemoe-shared", Arch: "granitemoe", Keys: with(graniteExperts, "expert_shared_feed_forward_length", uint32(48)), Tensors: embedding,
		Block: norms + qkv + stacks + sharedBlock},
	{Name: "granitehybrid-moe", Arch: "granitehybrid", Keys: with(with(with(with(with(with(with(graniteExperts, "expert_shared_feed_forward_length", uint32(48)), "ssm.conv_kernel", uint32(4)), "ssm.inner_size", uint32(128)),
		"ssm.state_size", uint32(16)), "ssm.time_step_rank", uint32(8)), "ssm.group_count", uint32(2)), "attention.head_count_kv", []int32{0, 2}), Tensors: embedding, Sizes: map[string]int{"L": 2},
		Block: norms + "ssm_in.weight D 328, ssm_conv1d.weight 4 192, ssm_conv1d.bias 192, ssm_dt.bias 8, ssm_a 1 8, ssm_d 1 8, ssm_norm.weight 64 2, ssm_out.weight 128 D, " + stacks + sharedBlock,
		Last:  norms + qkv + stacks + sharedBlock},
	{Name: "internlm2", Arch: "internlm2", Keys: rms(rope), Tensors: head, Block: norms + qkv + gated},
	{Name: "ernie4_5", Arch: "ernie4_5", Keys: rms(rope), Tensors: embedding, Block: norms + qkv + gated},
	{Name: "seed_oss", Arch: "seed_oss", Keys: rms(rope), Tensors: head,
		Block: "attn_norm.weight D, post_attention_norm.weight D, " + qkv + qkvBias + gated},
	{Name: "starcoder", Arch: "starcoder", Keys: layer(nil), Tensors: head + "position_embd.weight D C, output_norm.bias D",
		Block: norms + normBias + "attn_qkv.bias Q+2K, attn_output.bias D, " + fused + plain + plainBias, Sizes: map[string]int{"M": 1}},
	{Name: "minicpm", Arch: "minicpm", Keys: rms(with(with(with(rope, "embedding_scale", float32(3)), "residual_scale", float32(0.4)), "logit_scale", float32(2))),
		Tensors: head, Block: norms + qkv + gated},
	{Name: "glm4", Arch: "glm4", Keys: rms(keys{"rope.dimension_count": uint32(8)}), Tensors: head,
		Block: norms + posts + qkv + qkvBias + "ffn_up.weight D 2F, ffn_down.weight F D, "},
}
