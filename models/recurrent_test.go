package models

import (
	"reflect"
	"strings"
	"testing"
)

// What files of models with recurrent layers say of them.
func TestFixturesRecurrent(t *testing.T) {
	type sizes struct {
		mixer                                      Mixer
		attention                                  []bool
		heads, kv, headDim, ffn                    int
		conv, inner, state, stateHeads, rank, grps int
		rope                                       int
		norm                                       string
	}
	none, third := make([]bool, 3), []bool{false, false, true, false}
	for _, c := range []struct {
		name string
		keys map[string]any
		want sizes
	}{
		{"mamba2.Q8_0", nil, sizes{Mamba2, none, 0, 0, 0, 0, 4, 128, 16, 8, 0, 1, 0, "output_norm"}},
		{"mamba2.Q8_0", map[string]any{"mamba2.attention.head_count": nil, "mamba2.attention.head_count_kv": nil, "mamba2.feed_forward_length": nil},
			sizes{Mamba2, none, 0, 0, 0, 0, 4, 128, 16, 8, 0, 1, 0, "output_norm"}},
		{"mamba.Q8_0", nil, sizes{Mamba, none, 0, 0, 0, 0, 4, 128, 16, 128, 4, 1, 0, "output_norm"}},
		{"mamba.Q8_0", map[string]any{"mamba.ssm.dt_b_c_rms": false}, sizes{Mamba, none, 0, 0, 0, 0, 4, 128, 16, 128, 4, 1, 0, "output_norm"}},
		{"lfm2.Q8_0", nil, sizes{ShortConv, third, 4, 2, 16, 128, 3, 0, 0, 0, 0, 0, 16, "token_embd_norm"}},
		{"granitehybrid.F32", nil, sizes{Mamba2, third, 4, 2, 16, 128, 4, 128, 16, 8, 0, 1, 0, "output_norm"}},
		{"granitehybrid.F32", map[string]any{"granitehybrid.rope.scaling.finetuned": true}, sizes{Mamba2, third, 4, 2, 16, 128, 4, 128, 16, 8, 0, 1, 16, "output_norm"}},
	} {
		s, err := withKeys(t, c.name, c.keys)
		if err != nil {
			t.Errorf("%s with %v: %v", c.name, c.keys, err)
			continue
		}
		got := sizes{s.Mixer, s.Attention, s.Heads, s.KVHeads, s.HeadDim, s.FFN, s.Conv, s.Inner, s.State, s.StateHeads, s.TimeRank, s.Groups, s.Rope.Dims, s.OutputNorm}
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s with %v: %+v, want %+v", c.name, c.keys, got, c.want)
		}
	}
}

// Sizes that do not fit together, and what is not computed here, are refused by errors that name the key.
func TestFixturesRecurrentRefuses(t *testing.T) {
	for _, c := range []struct {
		name, key string
		value     any
		want      string
	}{
		{"mamba2.Q8_0", "mamba2.ssm.group_count", uint32(3), "mamba2.ssm.group_count is 3, want a divisor of ssm.time_step_rank 8"},
		{"mamba2.Q8_0", "mamba2.ssm.group_count", nil, "mamba2.ssm.group_count"},
		{"mamba2.Q8_0", "mamba2.ssm.time_step_rank", uint32(7), "mamba2.ssm.time_step_rank is 7, want a divisor of ssm.inner_size 128"},
		{"mamba2.Q8_0", "mamba2.ssm.inner_size", uint32(0), "mamba2.ssm.inner_size is 0"},
		{"mamba2.Q8_0", "mamba2.ssm.state_size", uint32(1 << 20), "mamba2.ssm.state_size is 1048576, want 1 to 1024"},
		{"mamba2.Q8_0", "mamba2.ssm.state_size", uint32(32), `tensor "blk.0.ssm_in.weight" has shape [64 296], want [64 328]`},
		{"mamba2.Q8_0", "mamba2.ssm.conv_kernel", uint32(3), `tensor "blk.0.ssm_conv1d.weight" has shape [4 160], want [3 160]`},
		{"mamba.Q8_0", "mamba.ssm.dt_b_c_rms", true, "mamba.ssm.dt_b_c_rms is true; norms of time steps, B and C are not supported"},
		{"mamba.Q8_0", "mamba.ssm.conv_kernel", nil, "mamba."},
		{"lfm2.Q8_0", "lfm2.shortconv.l_cache", uint32(1000), "lfm2.shortconv.l_cache is 1000, want 1 to 256"},
		{"lfm2.Q8_0", "lfm2.attention.sliding_window", uint32(64), "lfm2.attention.sliding_window is 64; windows are not supported"},
		{"lfm2.Q8_0", "lfm2.attention.causal", false, "lfm2.attention.causal is false"},
		{"lfm2.Q8_0", "lfm2.attention.head_count_kv", []int32{0, 0, 2}, "lfm2.attention.head_count_kv has 3 values, want one for each of 4 layers"},
		{"lfm2.Q8_0", "lfm2.attention.head_count_kv", []int32{0, 1, 2, 0}, "lfm2.attention.head_count_kv is 2 in layer 2 and 1 before"},
		{"lfm2.Q8_0", "lfm2.attention.head_count_kv", []int32{0, 0, -2, 0}, "lfm2.attention.head_count_kv is -2 in layer 2"},
		{"lfm2.Q8_0", "lfm2.attention.head_count_kv", []int32{0, 2, 2, 0}, `tensor "blk.1.attn_q.weight" is missing`},
		{"lfm2.Q8_0", "lfm2.attention.head_count", uint32(0), "lfm2.attention.head_count is 0, but lfm2.attention.head_count_kv is 2"},
		{"lfm2.Q8_0", "lfm2.feed_forward_length", uint32(0), "lfm2.feed_forward_length is 0"},
		{"granitehybrid.F32", "granitehybrid.feed_forward_length", nil, "granitehybrid.feed_forward_length is 0"},
		{"llama-gqa.Q8_0", "llama.shortconv.l_cache", uint32(3), "llama has attention in all layers"},
	} {
		if _, err := withKeys(t, c.name, map[string]any{c.key: c.value}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s with %s = %v: %v, want %q", c.name, c.key, c.value, err, c.want)
		}
	}
}
