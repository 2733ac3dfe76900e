package models

import (
	"strings"
	"testing"

	"github.com/freehold-slm/freehold/kernels"
)

// What the files of models with experts say of them.
func TestFixturesExperts(t *testing.T) {
	type shape struct {
		experts, top, ffn, shared, lead int
		router                          kernels.Router
	}
	for _, c := range []struct {
		name string
		keys map[string]any
		want shape
	}{
		{"llama-moe.F32", nil, shape{4, 2, 64, 0, 0, kernels.Router{Gating: kernels.GateSoftmax, Norm: true}}},
		{"llama-moe.F32", map[string]any{"llama.expert_weights_scale": float32(2)}, shape{4, 2, 64, 0, 0, kernels.Router{Gating: kernels.GateSoftmax, Norm: true, Scale: 2}}},
		{"qwen2moe.F32", nil, shape{4, 2, 64, 96, 0, kernels.Router{Gating: kernels.GateSoftmax}}},
		{"qwen2moe.F32", map[string]any{"qwen2moe.expert_feed_forward_length": nil}, shape{4, 2, 64, 96, 0, kernels.Router{Gating: kernels.GateSoftmax}}}, // 128/2
		{"qwen3moe.F32", nil, shape{8, 2, 64, 0, 0, kernels.Router{Gating: kernels.GateSoftmax, Norm: true}}},
		{"olmoe.F32", nil, shape{4, 2, 64, 0, 0, kernels.Router{Gating: kernels.GateSoftmax}}},
		{"gpt-oss.F32", nil, shape{4, 2, 64, 0, 0, kernels.Router{Gating: kernels.GateChosen}}},
		{"deepseek2-lite.F32", nil, shape{8, 2, 32, 64, 1, kernels.Router{Gating: kernels.GateSoftmax, Scale: 1}}},
		{"deepseek2-lite.F32", map[string]any{"deepseek2.expert_gating_func": uint32(2), "deepseek2.expert_weights_norm": true}, shape{8, 2, 32, 64, 1, kernels.Router{Gating: kernels.GateSigmoid, Norm: true, Scale: 1}}},
	} {
		s, err := withKeys(t, c.name, c.keys)
		if err != nil {
			t.Errorf("%s with %v: %v", c.name, c.keys, err)
			continue
		}
		if got := (shape{s.Experts, s.TopExperts, s.ExpertFFN, s.SharedFFN, s.DenseLead, s.Router}); got != c.want {
			t.Errorf("%s with %v: experts are %+v, want %+v", c.name, c.keys, got, c.want)
		}
	}
}

// What is wrong or not supported is refused by an error that names the key or the tensor.
func TestFixturesExpertsRefused(t *testing.T) {
	for _, c := range []struct {
		name string
		keys map[string]any
		want string
	}{
		{"llama-moe.F32", map[string]any{"llama.expert_used_count": uint32(5)}, "expert_used_count is 5, want 1 to 4"},
		{"llama-moe.F32", map[string]any{"llama.expert_used_count": nil}, "expert_used_count"},
		{"llama-moe.F32", map[string]any{"llama.expert_count": uint32(1 << 20)}, "expert_count"},
		{"llama-moe.F32", map[string]any{"llama.expert_count": uint32(8)}, `tensor "blk.0.ffn_gate_inp.weight" has shape [64 4], want [64 8]`},
		{"llama-moe.F32", map[string]any{"llama.expert_count": nil}, `"blk.0.ffn_gate.weight" is missing`},
		{"llama-moe.F32", map[string]any{"llama.expert_feed_forward_length": uint32(32)}, `tensor "blk.0.ffn_gate_exps.weight" has shape [64 64 4], want [64 32 4]`},
		{"llama-moe.F32", map[string]any{"llama.expert_group_count": uint32(2)}, "expert_group_count"},
		{"llama-moe.F32", map[string]any{"llama.expert_weights_scale": float32(-1)}, "expert_weights_scale"},
		{"qwen3.F32", map[string]any{"qwen3.expert_count": uint32(4)}, "expert_count is 4, want 0"},
		{"deepseek2-lite.F32", map[string]any{"deepseek2.attention.key_length_mla": nil}, "convert the model anew"},
		{"deepseek2-lite.F32", map[string]any{"deepseek2.attention.key_length_mla": uint32(8)}, "key_length_mla is 8"},
		{"deepseek2-lite.F32", map[string]any{"deepseek2.attention.kv_lora_rank": uint32(24)}, "key_length is 40"},
		{"deepseek2-lite.F32", map[string]any{"deepseek2.expert_gating_func": uint32(3)}, "expert_gating_func is 3"},
		{"deepseek2-lite.F32", map[string]any{"deepseek2.attention.temperature_scale": float32(0.1)}, "temperature_scale"},
		{"deepseek2-lite.F32", map[string]any{"deepseek2.leading_dense_block_count": uint32(0)}, `"blk.0.ffn_gate_inp.weight" is missing`},
	} {
		s, err := withKeys(t, c.name, c.keys)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s with %v: error %v, want one with %q (%+v)", c.name, c.keys, err, c.want, s)
		}
	}
}

// DeepSeek's yarn scales scores instead of cos and sin: llama.cpp's (1 + 0.1 k ln factor)² / sqrt(key length), k the file's
// multiplier over 0.1.
func TestFixturesLatentScale(t *testing.T) {
	for _, c := range []struct {
		name  string
		keys  map[string]any
		scale float64 // of scores
		turn  float64 // of cos and sin
	}{
		{"deepseek2-qlora.F32", nil, 0.2041241452, 1},
		{"deepseek2-lite.F32", nil, 0.24609782, 1},
		{"deepseek2-lite.F32", map[string]any{"deepseek2.rope.scaling.yarn_log_multiplier": nil}, 0.26464226, 1.1386294},
	} {
		s, err := withKeys(t, c.name, c.keys)
		if err != nil {
			t.Fatal(err)
		}
		_, turn := s.Rope.Freqs(128)
		if d, e := float64(s.AttnScale)-c.scale, turn-c.turn; d*d > 1e-12 || e*e > 1e-12 {
			t.Errorf("%s with %v: scores times %v, cos and sin times %v, want %v, %v", c.name, c.keys, s.AttnScale, turn, c.scale, c.turn)
		}
	}
}
