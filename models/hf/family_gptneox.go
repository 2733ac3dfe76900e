package hf

import (
	"github.com/freehold-slm/freehold/models"
	"github.com/freehold-slm/freehold/models/gguf"
)

// byTurns are the layouts of queries, keys and values by turns, a group of heads after the other.
var byTurns = [2]string{"g (q + k + v) c, e", "g (q + k + v) c"}

// gelu are the names of GELU. GGUF's architectures without a gate mean its tanh form, whichever the model was trained with, as llama.cpp does.
var gelu = []string{"gelu", "gelu_pytorch_tanh", "gelu_new", "gelu_fast"}

func init() {
	families["GPTNeoXForCausalLM"] = &family{arch: "gptneox", modelType: "gpt_neox", fields: map[string]string{"rope_theta": "rotary_emb_base", "partial_rotary_factor": "rotary_pct"},
		base: "gpt_neox.", layers: "gpt_neox.layers.", names: pairs("input_layernorm.*", "attn_norm.*", "attention.query_key_value.*", "attn_qkv.*", "attention.dense.*", "attn_output.*",
			"post_attention_layernorm.*", "ffn_norm.*", "mlp.dense_h_to_4h.*", "ffn_up.*", "mlp.dense_4h_to_h.*", "ffn_down.*"),
		layout: map[string]string{"attention.query_key_value.weight": byTurns[0], "attention.query_key_value.bias": byTurns[1]},
		whole: map[string]string{"token_embd.weight": "gpt_neox.embed_in.weight", "output_norm.weight": "gpt_neox.final_layer_norm.weight", "output_norm.bias": "gpt_neox.final_layer_norm.bias",
			"output.weight": "embed_out.weight"}, unneeded: []string{".attention.bias", ".attention.masked_bias"},
		layer: true, eps: "layer_norm_eps", rotary: 0.25, keys: gptneoxKeys, config: gptneoxConfig}
}

func gptneoxKeys(c *config, d dims, w *gguf.Writer) {
	c.oneOf("hidden_act", gelu...)
	c.must(true, "attention_bias")
	w.Set("gptneox.use_parallel_residual", c.flag("use_parallel_residual", true))
	c.assume("rope_theta", tenThousand)
	rope(c, "gptneox", d, w)
}

func gptneoxConfig(_ *gguf.File, s *models.Spec, c map[string]any) {
	c["hidden_act"], c["use_parallel_residual"], c["attention_bias"] = "gelu_pytorch_tanh", s.Parallel, true
}
