package quant

import (
	"fmt"
	"strconv"
	"strings"

	k "github.com/freehold-slm/freehold/kernels"
)

// Mix is a file mix: one format for most tensors, others by role and layer as
// llama.cpp's quantiser chooses (src/llama-quant.cpp, for llama-like models).
type Mix struct {
	Name     string // as users and llama.cpp write it, in lower case: "q4_k_m"
	FileType uint32 // GGUF key general.file_type

	base       k.Type
	head       k.Type // the output matrix; zero value (F32) = Q6_K
	rules      []rule // in place of base; the first that holds
	floatsOnly bool
}

// rule is a format for the tensors of a role where a condition holds.
type rule struct {
	role role
	when func(t *MixTensor, layer int) bool // nil = always
	use  k.Type
}

// role is what a matrix does in its layer.
type role int

const (
	roleOther role = iota
	roleEmbed      // token_embd that is not also the head
	roleHead
	roleValue // attn_v, or the matrix it is fused in
	roleAttnOutput
	roleDown // ffn_down
	roleFFN  // ffn_up, ffn_gate
)

// layered tells whether rules for the role may ask for the layer.
func (r role) layered() bool { return r == roleValue || r == roleDown }

func roleOf(t *MixTensor) role {
	switch part := tensorPart(t.Name); {
	case part == "output" || part == "token_embd" && t.Tied:
		return roleHead
	case part == "token_embd":
		return roleEmbed
	case part == "attn_v" || part == "attn_qkv" || part == "attn_kv_b":
		return roleValue
	case part == "attn_output":
		return roleAttnOutput
	case part == "ffn_down":
		return roleDown
	case strings.HasPrefix(part, "ffn_"):
		return roleFFN
	default:
		return roleOther
	}
}

// moreBits picks the first and last eighth of the layers and every third between.
func moreBits(t *MixTensor, layer int) bool {
	return layer < t.Layers/8 || layer >= 7*t.Layers/8 || (layer-t.Layers/8)%3 == 2
}

func firstTwo(_ *MixTensor, layer int) bool        { return layer < 2 }
func firstFour(_ *MixTensor, layer int) bool       { return layer < 4 }
func firstSixteenth(t *MixTensor, layer int) bool  { return layer < t.Layers/16 }
func firstEighth(t *MixTensor, layer int) bool     { return layer < t.Layers/8 }
func eighthWeighed(t *MixTensor, layer int) bool   { return t.Importance && firstEighth(t, layer) }
func eighthUnweighed(t *MixTensor, layer int) bool { return !t.Importance && firstEighth(t, layer) }
func sharedByFour(t *MixTensor, _ int) bool        { return t.QueriesPerKV >= 4 }

var iq4Rules = []rule{{roleValue, sharedByFour, k.Q5_K}, {roleDown, eighthUnweighed, k.Q5_K}}

var mixes = []*Mix{
	{Name: "f32", FileType: 0, base: k.F32, floatsOnly: true},
	{Name: "f16", FileType: 1, base: k.F16, floatsOnly: true},
	{Name: "bf16", FileType: 32, base: k.BF16, floatsOnly: true},
	{Name: "q8_0", FileType: 7, base: k.Q8_0, head: k.Q8_0},
	{Name: "q4_0", FileType: 2, base: k.Q4_0, rules: []rule{{roleDown, eighthWeighed, k.Q4_1}}},
	{Name: "q4_1", FileType: 3, base: k.Q4_1},
	{Name: "q5_0", FileType: 8, base: k.Q5_0, rules: []rule{{roleDown, eighthWeighed, k.Q5_1}}},
	{Name: "q5_1", FileType: 9, base: k.Q5_1},
	{Name: "q2_k_s", FileType: 21, base: k.Q2_K, rules: []rule{{roleValue, sharedByFour, k.Q4_K}, {roleDown, firstEighth, k.Q4_K}}},
	{Name: "q2_k", FileType: 10, base: k.Q2_K, rules: []rule{
		{roleValue, sharedByFour, k.Q4_K}, {roleValue, nil, k.Q3_K}, {roleDown, nil, k.Q3_K}, {roleAttnOutput, nil, k.Q3_K},
	}},
	{Name: "q3_k_s", FileType: 11, base: k.Q3_K},
	{Name: "q3_k_m", FileType: 12, base: k.Q3_K, rules: []rule{
		{roleValue, firstTwo, k.Q5_K}, {roleValue, nil, k.Q4_K},
		{roleDown, firstSixteenth, k.Q5_K}, {roleDown, nil, k.Q4_K}, {roleAttnOutput, nil, k.Q4_K},
	}},
	{Name: "q3_k_l", FileType: 13, base: k.Q3_K, rules: []rule{{roleValue, nil, k.Q5_K}, {roleDown, nil, k.Q5_K}, {roleAttnOutput, nil, k.Q5_K}}},
	{Name: "q4_k_s", FileType: 14, base: k.Q4_K, rules: []rule{{roleValue, firstFour, k.Q5_K}, {roleDown, firstEighth, k.Q5_K}}},
	{Name: "q4_k_m", FileType: 15, base: k.Q4_K, rules: []rule{{roleValue, moreBits, k.Q6_K}, {roleDown, moreBits, k.Q6_K}}},
	{Name: "q5_k_s", FileType: 16, base: k.Q5_K},
	{Name: "q5_k_m", FileType: 17, base: k.Q5_K, rules: []rule{{roleValue, moreBits, k.Q6_K}, {roleDown, moreBits, k.Q6_K}}},
	{Name: "q6_k", FileType: 18, base: k.Q6_K},
	{Name: "iq4_nl", FileType: 25, base: k.IQ4_NL, rules: iq4Rules},
	{Name: "iq4_xs", FileType: 30, base: k.IQ4_XS, rules: iq4Rules},
	// For weights that were trained to be ternary; others lose their meaning.
	{Name: "tq1_0", FileType: 36, base: k.TQ1_0, rules: []rule{{roleEmbed, nil, k.Q4_K}}},
	{Name: "tq2_0", FileType: 37, base: k.TQ2_0, rules: []rule{{roleEmbed, nil, k.Q4_K}}},
	// llama.cpp's MXFP4_MOE has the experts in MXFP4, the rest in Q8_0; here the feed-forward matrices of dense models too.
	{Name: "mxfp4", FileType: 38, base: k.Q8_0, head: k.Q8_0, rules: []rule{{roleDown, nil, k.MXFP4}, {roleFFN, nil, k.MXFP4}}},
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

	QueriesPerKV int // query heads that share a key-value head; 0 = the model has no heads

	Override *Format // the user's choice in place of the mix's; nil = none
}

// Pick chooses the format of one tensor. Vectors, norms and what else
// llama.cpp leaves alone become F32. note is empty, or says why the tensor has
// not the format that the mix intends for it (its width fits no whole blocks),
// to be shown to the user.
func (m *Mix) Pick(t MixTensor) (f *Format, note string, err error) {
	if len(t.Shape) == 0 {
		return nil, "", fmt.Errorf("quant: tensor %q has no shape", t.Name)
	}
	if !t.Quantisable() {
		return byType[k.F32], "", nil
	}
	f, note, err = m.choose(&t)
	if err != nil {
		return nil, "", err
	}
	width := t.Shape[len(t.Shape)-1]
	for width%f.Block != 0 {
		note = fmt.Sprintf("width %d is not a multiple of %d, which %s needs", width, f.Block, f)
		f = byType[narrower(f.Type)]
	}
	if note != "" {
		note = fmt.Sprintf("%s: %s; stored as %s", t.Name, note, f)
	}
	return f, note, nil
}

// choose applies the rules; note says why the head is not what they intend.
func (m *Mix) choose(t *MixTensor) (f *Format, note string, err error) {
	role, base := roleOf(t), byType[m.base]
	switch width := t.Shape[len(t.Shape)-1]; {
	case t.Override != nil:
		return t.Override, "", nil
	case m.floatsOnly:
		return base, "", nil
	case role == roleHead && width%base.Block != 0:
		return byType[k.Q8_0], fmt.Sprintf("width %d is not a multiple of %d, which %s needs", width, base.Block, base), nil
	case role == roleHead && m.head == 0:
		return byType[k.Q6_K], "", nil
	case role == roleHead:
		return byType[m.head], "", nil
	}
	layer := 0
	if role.layered() {
		if layer, err = layerOf(t); err != nil {
			return nil, "", err
		}
	}
	for _, r := range m.rules {
		if r.role == role && (r.when == nil || r.when(t, layer)) {
			return byType[r.use], "", nil
		}
	}
	return base, "", nil
}

// narrower is the format with a smaller block that stands in for t.
func narrower(t k.Type) k.Type {
	switch t {
	case k.IQ4_XS:
		return k.IQ4_NL
	case k.Q2_K, k.Q3_K, k.TQ1_0, k.TQ2_0:
		return k.Q4_0
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

// Quantisable tells whether a tensor is a matrix (or a stack of them) that the
// mixes apply to.
func (t *MixTensor) Quantisable() bool {
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
func layerOf(t *MixTensor) (int, error) {
	rest, ok := strings.CutPrefix(t.Name, "blk.")
	number, _, _ := strings.Cut(rest, ".")
	layer, err := strconv.Atoi(number)
	if !ok || err != nil || layer < 0 || layer >= t.Layers {
		return 0, fmt.Errorf("quant: tensor %q: want a name blk.N.* with N below the model's %d layers", t.Name, t.Layers)
	}
	return layer, nil
}
