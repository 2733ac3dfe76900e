package quant

import (
	"strings"
	"testing"
)

func pickName(t *testing.T, mix string, x MixTensor) (string, string) {
	t.Helper()
	m, err := MixByName(mix)
	if err != nil {
		t.Fatal(err)
	}
	f, note, err := m.Pick(x)
	if err != nil {
		t.Fatal(err)
	}
	return f.Name, note
}

// What llama.cpp put in a Q4_K_M file of a model with 18 layers, width 640,
// feed-forward width 2048 and tied embeddings.
func TestMixAsLlamaCpp(t *testing.T) {
	const layers = 18
	down := strings.Fields("Q6_K Q6_K Q4_K Q4_K Q6_K Q4_K Q4_K Q6_K Q4_K Q4_K Q6_K Q4_K Q4_K Q6_K Q4_K Q6_K Q6_K Q6_K")
	value := strings.Fields("Q8_0 Q8_0 Q5_0 Q5_0 Q8_0 Q5_0 Q5_0 Q8_0 Q5_0 Q5_0 Q8_0 Q5_0 Q5_0 Q8_0 Q5_0 Q8_0 Q8_0 Q8_0")
	for layer := range layers {
		prefix := "blk." + string(rune('0'+layer/10)) + string(rune('0'+layer%10)) + "."
		for _, c := range []struct {
			name, want string
			shape      []int
		}{
			{"ffn_down.weight", down[layer], []int{640, 2048}},
			{"attn_v.weight", value[layer], []int{256, 640}},
			{"attn_k.weight", "Q5_0", []int{256, 640}},
			{"attn_output.weight", "Q4_K", []int{640, 1024}},
			{"ffn_up.weight", "Q5_0", []int{2048, 640}},
			{"ffn_norm.weight", "F32", []int{640}},
			{"attn_q.bias", "F32", []int{640}},
		} {
			got, note := pickName(t, "Q4_K_M", MixTensor{Name: prefix + c.name, Shape: c.shape, Layers: layers, Tied: true})
			if got != c.want {
				t.Errorf("%s%s: %s, want %s", prefix, c.name, got, c.want)
			}
			if fell := c.shape[len(c.shape)-1]%256 != 0 && got != "F32"; fell != (note != "") {
				t.Errorf("%s%s: note %q; fell back: %v", prefix, c.name, note, fell)
			}
		}
	}
	if got, _ := pickName(t, "q4_k_m", MixTensor{Name: "token_embd.weight", Shape: []int{262144, 640}, Layers: layers, Tied: true}); got != "Q8_0" {
		t.Errorf("tied token_embd: %s, want Q8_0", got)
	}
}

// One block of width 256, own output matrix; and fused attention, tied.
func TestMixTable(t *testing.T) {
	for mix, want := range map[string]string{ // output token_embd attn_k attn_v ffn_down | tied token_embd, attn_qkv
		"f32":    "F32 F32 F32 F32 F32 F32 F32",
		"f16":    "F16 F16 F16 F16 F16 F16 F16",
		"bf16":   "BF16 BF16 BF16 BF16 BF16 BF16 BF16",
		"q4_0":   "Q6_K Q4_0 Q4_0 Q4_0 Q4_0 Q6_K Q4_0",
		"q4_1":   "Q6_K Q4_1 Q4_1 Q4_1 Q4_1 Q6_K Q4_1",
		"q5_0":   "Q6_K Q5_0 Q5_0 Q5_0 Q5_0 Q6_K Q5_0",
		"q5_1":   "Q6_K Q5_1 Q5_1 Q5_1 Q5_1 Q6_K Q5_1",
		"q8_0":   "Q8_0 Q8_0 Q8_0 Q8_0 Q8_0 Q8_0 Q8_0",
		"q4_k_s": "Q6_K Q4_K Q4_K Q5_K Q4_K Q6_K Q5_K",
		"q4_k_m": "Q6_K Q4_K Q4_K Q6_K Q6_K Q6_K Q6_K",
		"q5_k_s": "Q6_K Q5_K Q5_K Q5_K Q5_K Q6_K Q5_K",
		"q5_k_m": "Q6_K Q5_K Q5_K Q6_K Q6_K Q6_K Q6_K",
		"q6_k":   "Q6_K Q6_K Q6_K Q6_K Q6_K Q6_K Q6_K",
	} {
		var got []string
		for _, x := range []MixTensor{
			{Name: "output.weight"}, {Name: "token_embd.weight"}, {Name: "blk.0.attn_k.weight"}, {Name: "blk.0.attn_v.weight"},
			{Name: "blk.0.ffn_down.weight"}, {Name: "token_embd.weight", Tied: true}, {Name: "blk.0.attn_qkv.weight", Tied: true},
		} {
			x.Shape, x.Layers = []int{512, 256}, 1
			f, note := pickName(t, mix, x)
			if note != "" {
				t.Errorf("%s: %s: note %q for a width that fits", mix, x.Name, note)
			}
			got = append(got, f)
		}
		if s := strings.Join(got, " "); s != want {
			t.Errorf("%s: %s, want %s", mix, s, want)
		}
	}
	if len(Mixes()) != 13 {
		t.Errorf("%d mixes, but 13 in this test", len(Mixes()))
	}
}

func TestMixFallbacks(t *testing.T) {
	for _, c := range []struct {
		mix, name, want, note string
		shape                 []int
		importance            bool
	}{
		{"q6_k", "blk.0.attn_q.weight", "Q8_0", "blk.0.attn_q.weight: width 576 is not a multiple of 256, which Q6_K needs; stored as Q8_0", []int{576, 576}, false},
		{"q5_k_m", "blk.0.attn_q.weight", "Q5_1", "Q5_K needs", []int{576, 576}, false},
		{"q4_0", "token_embd.weight", "Q8_0", "Q6_K needs", []int{320, 576}, false}, // tied
		{"q4_0", "blk.0.attn_q.weight", "F16", "multiple of 32, which Q4_0 needs; stored as F16", []int{40, 40}, false},
		{"q4_k_m", "blk.0.attn_q.weight", "F16", "Q5_0 needs", []int{40, 40}, false},
		{"q4_0", "blk.0.ffn_down.weight", "Q4_1", "", []int{64, 64}, true},
		{"q5_0", "blk.0.ffn_down.weight", "Q5_1", "", []int{64, 64}, true},
		{"q4_0", "blk.1.ffn_down.weight", "Q4_0", "", []int{64, 64}, true},
		{"q4_0", "blk.0.ffn_gate_inp.weight", "F32", "", []int{8, 64}, false},
		{"q4_0", "blk.0.ffn_down_exps.weight", "Q4_0", "", []int{8, 64, 64}, false},
		{"q4_0", "cls.output.weight", "Q4_0", "", []int{2, 64}, false},
		{"q4_0", "cls.output.weight", "F32", "", []int{1, 64}, false}, // ggml counts it as a vector
	} {
		got, note := pickName(t, c.mix, MixTensor{Name: c.name, Shape: c.shape, Layers: 8, Tied: true, Importance: c.importance})
		if got != c.want || !strings.Contains(note, c.note) || (c.note == "") != (note == "") {
			t.Errorf("%s %s %v: %s, %q; want %s, %q", c.mix, c.name, c.shape, got, note, c.want, c.note)
		}
	}
	m, _ := MixByName("q4_k_m")
	for _, x := range []MixTensor{
		{Name: "blk.8.attn_v.weight", Shape: []int{64, 64}, Layers: 8},
		{Name: "attn_v.weight", Shape: []int{64, 64}, Layers: 8},
		{Name: "output.weight"},
	} {
		if _, _, err := m.Pick(x); err == nil || !strings.Contains(err.Error(), x.Name) {
			t.Errorf("%+v: error %v, want one that names the tensor", x, err)
		}
	}
	if _, err := MixByName("q4_k_x"); err == nil || !strings.Contains(err.Error(), "q4_k_m") {
		t.Errorf("unknown mix: error %v, want the known ones", err)
	}
}
