package quant

import (
	"fmt"
	"strconv"
	"strings"

	k "github.com/freehold-slm/freehold/kernels"
)

// Mix is a file mix: one format for most tensors, finer ones where llama.cpp's
// quantiser spends more bits (src/llama-quant.cpp, for llama-like models).
type Mix struct {
	Name     string // as users and llama.cpp write it, in lower case: "q4_k_m"
	FileType uint32 // GGUF key general.file_type

	base k.Type
	// Formats in place of base; zero value (F32) = base.
	valueMore  k.Type // attn_v (or the matrix it is fused in) in the layers that valueIn picks
	valueIn    func(layer, layers int) bool
	downMore   k.Type // ffn_down in the layers that downIn picks
	downIn     func(layer, layers int) bool
	downGuard  k.Type // ffn_down in the first eighth if there are importances
	floatsOnly bool
}

// moreBits picks the first and last eighth of the layers and every third between.
func moreBits(layer, layers int) bool {
	return layer < layers/8 || layer >= 7*layers/8 || (layer-layers/8)%3 == 2
}

func firstFour(layer, _ int) bool        { return layer < 4 }
func firstEighth(layer, layers int) bool { return layer < layers/8 }

var mixes = []*Mix{
	{Name: "f32", FileType: 0, base: k.F32, floatsOnly: true},
	{Name: "f16", FileType: 1, base: k.F16, floatsOnly: true},
	{Name: "bf16", FileType: 32, base: k.BF16, floatsOnly: true},
	{Name: "q8_0", FileType: 7, base: k.Q8_0},
	{Name: "q4_0", FileType: 2, base: k.Q4_0, downGuard: k.Q4_1},
	{Name: "q4_1", FileType: 3, base: k.Q4_1},
	{Name: "q5_0", FileType: 8, base: k.Q5_0, downGuard: k.Q5_1},
	{Name: "q5_1", FileType: 9, base: k.Q5_1},
	{Name: "q4_k_s", FileType: 14, base: k.Q4_K, valueMore: k.Q5_K, valueIn: firstFour, downMore: k.Q5_K, downIn: firstEighth},
	{Name: "q4_k_m", FileType: 15, base: k.Q4_K, valueMore: k.Q6_K, valueIn: moreBits, downMore: k.Q6_K, downIn: moreBits},
	{Name: "q5_k_s", FileType: 16, base: k.Q5_K},
	{Name: "q5_k_m", FileType: 17, base: k.Q5_K, valueMore: k.Q6_K, valueIn: moreBits, downMore: k.Q6_K, downIn: moreBits},
	{Name: "q6_k", FileType: 18, base: k.Q6_K},
}

// Mixes lists the known mixes, floats first.
func Mixes() []*Mix { return append([]*Mix(nil), mixes...) }

// MixByName finds a mix, in capitals or not.
func MixByName(name string) (*Mix, error) {
	known := make([]string, len(mixes))
	for i, m := range mixes {
		if strings.EqualFold(m.Name, name) {
			return m, nil
		}
		known[i] = m.Name
	}
	return nil, fmt.Errorf("quant: unknown mix %q; known: %s", name, strings.Join(known, " "))
}

// MixTensor is what Pick needs to know of a tensor and its model.
type MixTensor struct {
	Name       string // in the file: "blk.3.ffn_down.weight"
	Shape      []int  // row-major, the width of a row last: [out, in]
	Layers     int    // blocks of the model
	Tied       bool   // the model has no output.weight: token_embd is also its head
	Importance bool   // importances will be used in packing
}

// Pick chooses the format of one tensor. Vectors, norms and what else
// llama.cpp leaves alone become F32. note is empty, or says why the tensor has
// not the format that the mix intends for it (its width fits no whole blocks),
// to be shown to the user.
func (m *Mix) Pick(t MixTensor) (f *Format, note string, err error) {
	if len(t.Shape) == 0 {
		return nil, "", fmt.Errorf("quant: tensor %q has no shape", t.Name)
	}
	if !quantisable(t) {
		return byType[k.F32], "", nil
	}
	if m.floatsOnly {
		return byType[m.base], "", nil
	}
	want, width := m.base, t.Shape[len(t.Shape)-1]
	switch part := tensorPart(t.Name); {
	case part == "output" || part == "token_embd" && t.Tied:
		switch {
		case width%byType[m.base].Block != 0:
			want = k.Q8_0
			note = fmt.Sprintf("width %d is not a multiple of %d, which %s needs", width, byType[m.base].Block, byType[m.base])
		case m.base != k.Q8_0:
			want = k.Q6_K
		}
	case part == "attn_v" || part == "attn_qkv" || part == "attn_kv_b" || part == "ffn_down":
		layer, err := layerOf(t)
		if err != nil {
			return nil, "", err
		}
		switch {
		case part != "ffn_down" && m.valueIn != nil && m.valueIn(layer, t.Layers):
			want = m.valueMore
		case part == "ffn_down" && m.downIn != nil && m.downIn(layer, t.Layers):
			want = m.downMore
		case part == "ffn_down" && m.downGuard != 0 && t.Importance && firstEighth(layer, t.Layers):
			want = m.downGuard
		}
	}
	f = byType[want]
	for width%f.Block != 0 {
		note = fmt.Sprintf("width %d is not a multiple of %d, which %s needs", width, f.Block, f)
		f = byType[narrower(f.Type)]
	}
	if note != "" {
		note = fmt.Sprintf("%s: %s; stored as %s", t.Name, note, f)
	}
	return f, note, nil
}

// narrower is the format with a smaller block that stands in for t.
func narrower(t k.Type) k.Type {
	switch t {
	case k.Q4_K:
		return k.Q5_0
	case k.Q5_K:
		return k.Q5_1
	case k.Q6_K:
		return k.Q8_0
	default: // a width that is no multiple of 32
		return k.F16
	}
}

// keptWhole are parts of names of two-dimensional tensors that are small or
// sensitive and stay F32.
var keptWhole = []string{
	"_norm.weight", "ffn_gate_inp.weight", "position_embd", "token_types", "rope_freqs", "ssm_conv1d", "shortconv.conv",
}

// quantisable tells whether a tensor is a matrix (or a stack of them) that the
// mixes apply to.
func quantisable(t MixTensor) bool {
	if !strings.HasSuffix(t.Name, "weight") {
		return false
	}
	for _, part := range keptWhole {
		if strings.Contains(t.Name, part) {
			return false
		}
	}
	dims := len(t.Shape) // outer dimensions of 1 do not count, as in ggml
	for _, n := range t.Shape[:len(t.Shape)-1] {
		if n != 1 {
			break
		}
		dims--
	}
	return dims >= 2
}

// tensorPart is the role in a name: "ffn_down" of "blk.3.ffn_down.weight" and
// of "blk.3.ffn_down_exps.weight".
func tensorPart(name string) string {
	part := strings.TrimSuffix(name, ".weight")
	if rest, ok := strings.CutPrefix(part, "blk."); ok {
		_, part, _ = strings.Cut(rest, ".")
	}
	if strings.HasPrefix(part, "ffn_down") {
		return "ffn_down"
	}
	return part
}

// layerOf reads N of "blk.N.".
func layerOf(t MixTensor) (int, error) {
	rest, ok := strings.CutPrefix(t.Name, "blk.")
	number, _, _ := strings.Cut(rest, ".")
	layer, err := strconv.Atoi(number)
	if !ok || err != nil || layer < 0 || layer >= t.Layers {
		return 0, fmt.Errorf("quant: tensor %q: want a name blk.N.* with N below the model's %d layers", t.Name, t.Layers)
	}
	return layer, nil
}
