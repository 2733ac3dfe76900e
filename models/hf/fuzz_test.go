package hf

import (
	"encoding/json"
	"errors"
	"io"
	"testing"

	"github.com/freehold-slm/freehold/models/gguf"
)

// maxFuzz bounds the inputs of fuzzing, in bytes: it finds nothing more in long ones, and is slower.
const maxFuzz = 4096

// mustName fails the test when err does not name file, field, got and want, or could drive a terminal.
func mustName(t *testing.T, err error) {
	t.Helper()
	var bad *Error
	if !errors.As(err, &bad) || bad.File == "" || bad.Field == "" || bad.Got == "" || bad.Want == "" || len(err.Error()) > 4000 {
		t.Fatalf("error does not name file, field, got and want, or is too long: %.5000v", err)
	}
	for _, r := range err.Error() {
		if r < ' ' || r == 0x7f {
			t.Fatalf("control characters in error %q", err)
		}
	}
}

// FuzzConfig: any bytes as config.json are refused with an error or give keys that a GGUF file can hold.
func FuzzConfig(f *testing.F) {
	for arch := range families {
		for _, more := range []string{
			`"rope_theta": 10000.0`,
			`"head_dim": 32, "rope_theta": 1e6, "num_key_value_heads": 1, "rope_scaling": {"rope_type": "linear", "factor": 8.0}`,
			`"rope_theta": 5e5, "rope_scaling": {"type": "llama3", "factor": 8, "low_freq_factor": 1, "high_freq_factor": 4, "original_max_position_embeddings": 64}`,
			`"rope_parameters": {"rope_type": "yarn", "rope_theta": 1e4, "factor": 4, "original_max_position_embeddings": 64}, "no_rope_layers": [1, 0], "layer_types": ["sliding_attention", "full_attention"]`,
			`"rope_theta": 1e6, "query_pre_attn_scalar": 32, "sliding_window": 12, "hidden_activation": "gelu_pytorch_tanh", "head_dim": 32, "use_sliding_window": false`,
			`"n_embd": 64, "n_layer": 2, "n_head": 2, "n_positions": 128, "layer_norm_epsilon": 1e-5, "rotary_emb_base": 10000, "max_seq_len": 64, "attn_config": {"alibi": true}, "n_inner": null, "activation": "gelu"`,
			`"rope_theta": 1e4, "qk_nope_head_dim": 16, "qk_rope_head_dim": 8, "kv_lora_rank": 32, "v_head_dim": 16, "n_routed_experts": 8, "moe_intermediate_size": 32, "n_shared_experts": 2, "num_experts_per_tok": 2, "first_k_dense_replace": 1`,
			`"norm_eps": 1e-5, "layer_norm_epsilon": 1e-5, "conv_L_cache": 3, "layer_types": ["conv", "full_attention"], "state_size": 16, "conv_kernel": 4, "expand": 2, "num_heads": 8, "head_dim": 16, "n_groups": 1, "time_step_limit": [0.0, null]`,
			`"rope_theta": 1e4, "layer_types": ["mamba", "attention"], "mamba_d_state": 16, "mamba_d_conv": 4, "mamba_expand": 2, "mamba_n_heads": 8, "mamba_d_head": "auto", "mamba_n_groups": 1, "shared_intermediate_size": 64, "embedding_multiplier": 1, "residual_multiplier": 1, "attention_multiplier": 1, "logits_scaling": 1`,
			`"rope_theta": 1e4, "rope_scaling": {"type": "longrope", "long_factor": [1, 2], "short_factor": [1, 1]}, "original_max_position_embeddings": 64, "head_dim": 4, "type_vocab_size": 2, "layer_norm_eps": 1e-12, "hidden_act": "gelu"`,
		} {
			f.Add([]byte(`{"architectures": ["` + arch + `"], "vocab_size": 320, "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2,
				"num_attention_heads": 2, "max_position_embeddings": 128, "rms_norm_eps": 1e-5, "tie_word_embeddings": true, ` + more + `}`))
		}
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if len(text) > maxFuzz {
			return
		}
		c := &config{file: "config.json"}
		err := decodeJSON(c.file, text, &c.fields)
		w := gguf.NewWriter()
		var d dims
		if err == nil {
			_, d, err = c.write("fuzz", w)
		}
		if err != nil {
			mustName(t, err)
			return
		}
		for i, n := range []int{d.vocab, d.layers, d.dim, d.heads, d.kvHeads, d.headDim, d.ffn} { // a state space has no heads
			if n < 1 && i < 3 || n < 0 || n > 1<<24 {
				t.Fatalf("accepted sizes %+v", d)
			}
		}
		if err := w.Encode(io.Discard); err != nil {
			t.Fatalf("accepted, and then not written: %v", err)
		}
	})
}

// FuzzTokenizerJSON: any bytes as tokenizer.json, and as tokenizer_config.json, are refused with an error or give keys that a GGUF file can hold.
func FuzzTokenizerJSON(f *testing.F) {
	pre := []string{
		`{"type": "ByteLevel", "add_prefix_space": false}`,
		`{"type": "Sequence", "pretokenizers": [{"type": "Digits", "individual_digits": true}, {"type": "ByteLevel", "add_prefix_space": false, "use_regex": true}]}`,
		`null`,
	}
	for _, pattern := range []string{qwen2Pattern, llama3Pattern} {
		quoted, err := json.Marshal(pattern)
		if err != nil {
			f.Fatal(err)
		}
		pre = append(pre, `{"type": "Sequence", "pretokenizers": [{"type": "Split", "pattern": {"Regex": `+string(quoted)+`}, "behavior": "Isolated", "invert": false}, {"type": "ByteLevel", "add_prefix_space": false, "use_regex": false}]}`)
	}
	f.Add([]byte(`{"added_tokens": [{"id": 0, "content": "[UNK]", "special": true}, {"id": 1, "content": "[CLS]", "special": true}, {"id": 2, "content": "[SEP]", "special": true}], "normalizer": {"type": "BertNormalizer",
		"clean_text": true, "handle_chinese_chars": true, "strip_accents": null, "lowercase": true}, "pre_tokenizer": {"type": "BertPreTokenizer"}, "model": {"type": "WordPiece", "unk_token": "[UNK]",
		"continuing_subword_prefix": "##", "vocab": {"[UNK]": 0, "[CLS]": 1, "[SEP]": 2, "a": 3, "##a": 4}}}`), []byte(`{"cls_token": "[CLS]", "unk_token_id": 70}`))
	for _, p := range pre {
		f.Add([]byte(`{"added_tokens": [{"id": 4, "content": "<|end|>", "special": true}, {"id": 5, "content": "<x>"}], "normalizer": {"type": "NFC"}, "pre_tokenizer": `+p+`,
			"post_processor": {"type": "Sequence", "processors": [{"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "a"}}, {"Sequence": {"id": "A"}}]}]},
			"model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2, "Ġ": 3}, "merges": ["a b", ["a", "b"]], "ignore_merges": false}}`),
			[]byte(`{"bos_token": "<x>", "eos_token": {"content": "<|end|>"}, "pad_token_id": [4], "add_bos_token": true}`))
	}
	f.Fuzz(func(t *testing.T, text, roles []byte) {
		if len(text)+len(roles) > maxFuzz {
			return
		}
		const path, rows = "tokenizer.json", 64
		w := gguf.NewWriter()
		tc := &config{file: "tokenizer_config.json"}
		none := &config{file: "config.json"}
		var ids map[string]int
		tok, err := parseTokenizer(path, text)
		if err == nil {
			ids, err = tok.write(path, rows, tc, w)
		}
		if err == nil {
			err = decodeJSON(tc.file, roles, &tc.fields)
		}
		if err == nil {
			err = tok.roles(path, ids, rows, tc, none, tc, w)
		}
		if err != nil {
			mustName(t, err)
			return
		}
		for _, id := range ids {
			if id < 0 || id >= rows {
				t.Fatalf("accepted the id %d of %d", id, rows)
			}
		}
		if err := w.Encode(io.Discard); err != nil {
			t.Fatalf("accepted, and then not written: %v", err)
		}
	})
}
