package quant

import (
	"fmt"
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
		"q2_k":   "Q6_K Q2_K Q2_K Q3_K Q3_K Q6_K Q3_K",
		"q2_k_s": "Q6_K Q2_K Q2_K Q2_K Q2_K Q6_K Q2_K",
		"q3_k_s": "Q6_K Q3_K Q3_K Q3_K Q3_K Q6_K Q3_K",
		"q3_k_m": "Q6_K Q3_K Q3_K Q5_K Q4_K Q6_K Q5_K",
		"q3_k_l": "Q6_K Q3_K Q3_K Q5_K Q5_K Q6_K Q5_K",
		"iq4_nl": "Q6_K IQ4_NL IQ4_NL IQ4_NL IQ4_NL Q6_K IQ4_NL",
		"iq4_xs": "Q6_K IQ4_XS IQ4_XS IQ4_XS IQ4_XS Q6_K IQ4_XS",
		"tq1_0":  "Q6_K Q4_K TQ1_0 TQ1_0 TQ1_0 Q6_K TQ1_0",
		"tq2_0":  "Q6_K Q4_K TQ2_0 TQ2_0 TQ2_0 Q6_K TQ2_0",
		"mxfp4":  "Q8_0 Q8_0 Q8_0 Q8_0 MXFP4 Q8_0 Q8_0",
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
	if len(Mixes()) != 23 {
		t.Errorf("%d mixes, but 23 in this test", len(Mixes()))
	}
	types := map[uint32]string{}
	for _, m := range Mixes() {
		if other, ok := types[m.FileType]; ok {
			t.Errorf("%s and %s have the same file type %d", m.Name, other, m.FileType)
		}
		types[m.FileType] = m.Name
	}
}

// What depends on the layer, on how many query heads share a key-value head, and on importances.
func TestMixRules(t *testing.T) {
	for _, c := range []struct {
		mix, tensor string
		shared      int
		importance  bool
		want        string // of each of 16 layers
	}{
		{"q2_k", "attn_v", 3, false, "16 Q3_K"},
		{"q2_k", "attn_v", 4, false, "16 Q4_K"},
		{"q2_k", "attn_output", 8, false, "16 Q3_K"},
		{"q2_k", "ffn_up", 8, false, "16 Q2_K"},
		{"q2_k_s", "attn_v", 3, false, "16 Q2_K"},
		{"q2_k_s", "attn_v", 7, false, "16 Q4_K"},
		{"q2_k_s", "attn_output", 7, false, "16 Q2_K"},
		{"q2_k_s", "ffn_down", 1, false, "2 Q4_K 14 Q2_K"},
		{"q3_k_s", "attn_v", 8, false, "16 Q3_K"},
		{"q3_k_m", "attn_v", 1, false, "2 Q5_K 14 Q4_K"},
		{"q3_k_m", "ffn_down", 1, false, "1 Q5_K 15 Q4_K"},
		{"q3_k_m", "attn_output", 1, false, "16 Q4_K"},
		{"q3_k_l", "attn_output", 1, false, "16 Q5_K"},
		{"iq4_xs", "attn_v", 4, true, "16 Q5_K"},
		{"iq4_xs", "ffn_down", 1, false, "2 Q5_K 14 IQ4_XS"},
		{"iq4_nl", "ffn_down", 1, true, "16 IQ4_NL"},
		{"q4_0", "ffn_down", 1, true, "2 Q4_1 14 Q4_0"},
		{"mxfp4", "ffn_gate", 1, false, "16 MXFP4"},
		{"mxfp4", "attn_output", 1, false, "16 Q8_0"},
	} {
		var got []string
		for layer := range 16 {
			x := MixTensor{Name: fmt.Sprintf("blk.%d.%s.weight", layer, c.tensor), Shape: []int{512, 256}, Layers: 16, QueriesPerKV: c.shared, Importance: c.importance}
			f, _ := pickName(t, c.mix, x)
			got = append(got, f)
		}
		var runs []string
		for i := 0; i < len(got); {
			n := 1
			for i+n < len(got) && got[i+n] == got[i] {
				n++
			}
			runs = append(runs, fmt.Sprint(n, " ", got[i]))
			i += n
		}
		if s := strings.Join(runs, " "); s != c.want {
			t.Errorf("%s %s, %d queries a key, importance %v: %s, want %s", c.mix, c.tensor, c.shared, c.importance, s, c.want)
		}
	}
	m, _ := MixByName("q4_0")
	q8, _ := ByName("Q8_0")
	for name, want := range map[string]string{"blk.0.attn_q.weight": "Q8_0", "output.weight": "Q8_0", "blk.0.attn_norm.weight": "F32"} {
		if f, _, err := m.Pick(MixTensor{Name: name, Shape: []int{64, 64}, Layers: 1, Override: q8}); err != nil || f.Name != want {
			t.Errorf("%s with an override: %v, %v, want %s", name, f, err, want)
		}
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
		{"q2_k", "blk.0.attn_q.weight", "Q4_0", "Q2_K needs; stored as Q4_0", []int{576, 576}, false},
		{"q3_k_m", "blk.0.attn_q.weight", "Q4_0", "Q3_K needs; stored as Q4_0", []int{576, 576}, false},
		{"q3_k_m", "blk.0.attn_v.weight", "Q5_1", "Q5_K needs; stored as Q5_1", []int{192, 576}, false},
		{"iq4_xs", "blk.0.attn_q.weight", "IQ4_NL", "IQ4_XS needs; stored as IQ4_NL", []int{576, 576}, false},
		{"tq2_0", "blk.0.attn_q.weight", "Q4_0", "TQ2_0 needs; stored as Q4_0", []int{576, 576}, false},
		{"mxfp4", "blk.0.ffn_up.weight", "F16", "MXFP4 needs; stored as F16", []int{40, 40}, false},
		{"q2_k", "token_embd.weight", "Q8_0", "Q2_K needs; stored as Q8_0", []int{320, 576}, false}, // tied
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
