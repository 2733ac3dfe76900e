package hf

import (
	"fmt"
	"maps"
	"sort"
	"strings"

	"github.com/freehold-slm/freehold/models"
	"github.com/freehold-slm/freehold/models/gguf"
)

// family is how one architecture of transformers becomes one of GGUF.
type family struct {
	arch    string            // general.architecture
	rotated bool              // rows of wq and wk lie as halves and GGUF wants pairs (rope without neox)
	plusOne bool              // norm weights are kept less 1
	names   map[string]string // tensors of a layer: name in transformers -> name in GGUF, both without the layer
	whole   map[string]string // tensors outside of layers that are not as in wholeNames; "" = not there
	bias    bool              // wq, wk and wv must have a bias
	tied    bool              // transformers' default of tie_word_embeddings
	ffn2    bool              // gate and up are one tensor
	layer   bool              // norms are LayerNorm, not RMSNorm
	eps     string            // field of the norms' epsilon; "" = rms_norm_eps, none = always 1e-5
	rotary  float32           // transformers' default of partial_rotary_factor; 0 = 1, and no other
	experts *expertNames      // nil = a dense model
	qkRows  bool              // norms of queries and keys are over all heads
	capped  bool              // attention scores are capped
	keys    func(c *config, d dims, w *gguf.Writer)

	// The way back.
	modelType string                                               // config.json's "model_type"
	config    func(f *gguf.File, s *models.Spec, c map[string]any) // fields beside those of all families; nil = none
}

// families by the name in config.json's "architectures", filled by the init of each family_*.go.
var families = map[string]*family{}

// Architectures lists the names that can be converted, sorted.
func Architectures() []string {
	var names []string
	for n := range families {
		names = append(names, n)
	}
	sort.Strings(names)
	return names
}

// familyOf finds the family of a config.
func familyOf(c *config) (*family, error) {
	list, _ := c.fields["architectures"].([]any)
	if len(list) == 1 {
		if name, ok := list[0].(string); ok && families[name] != nil {
			return families[name], nil
		}
	}
	return nil, &Error{c.file, "architectures", shown(c.fields["architectures"]), "one of: " + strings.Join(Architectures(), ", ")}
}

// dims are the sizes that tensors are checked against.
type dims struct {
	vocab, layers, dim, heads, kvHeads, headDim, ffn int
	rotary                                           int // columns of a head that rotate
	experts, expertFFN, sharedFFN                    int
	qkRows, ffn2                                     bool
}

// none is the eps of families whose epsilon config.json does not state.
const none = "none"

// wholeNames are the tensors outside of layers: name in GGUF -> name in transformers.
var wholeNames = map[string]string{"token_embd.weight": "model.embed_tokens.weight", "output_norm.weight": "model.norm.weight", "output.weight": "lm_head.weight"}

// wholeName is a tensor's name in transformers, "" where the family has none.
func (f *family) wholeName(ours string) string {
	if theirs, ok := f.whole[ours]; ok {
		return theirs
	}
	return wholeNames[ours]
}

// layerNames are the tensors of a layer that all families here have.
var layerNames = map[string]string{
	"input_layernorm.weight":  "attn_norm.weight",
	"self_attn.q_proj.weight": "attn_q.weight",
	"self_attn.k_proj.weight": "attn_k.weight",
	"self_attn.v_proj.weight": "attn_v.weight",
	"self_attn.o_proj.weight": "attn_output.weight",
	"mlp.gate_proj.weight":    "ffn_gate.weight",
	"mlp.up_proj.weight":      "ffn_up.weight",
	"mlp.down_proj.weight":    "ffn_down.weight",
}

// biasNames may be there.
var biasNames = map[string]string{
	"self_attn.q_proj.bias": "attn_q.bias", "self_attn.k_proj.bias": "attn_k.bias", "self_attn.v_proj.bias": "attn_v.bias", "self_attn.o_proj.bias": "attn_output.bias",
	"mlp.gate_proj.bias": "ffn_gate.bias", "mlp.up_proj.bias": "ffn_up.bias", "mlp.down_proj.bias": "ffn_down.bias",
}

// allNames are the tensors of a layer that may be there, without stacks of experts.
func (f *family) allNames() map[string]string {
	all, ours := maps.Clone(f.names), map[string]bool{}
	for _, o := range f.names {
		ours[o] = true
	}
	for theirs, o := range biasNames {
		if !ours[o] {
			all[theirs] = o
		}
	}
	return all
}

// with is layerNames and some more pairs.
func with(pairs ...string) map[string]string {
	m := map[string]string{}
	for k, v := range layerNames {
		m[k] = v
	}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	return m
}

// without is layerNames but for some, and some more pairs.
func without(names []string, pairs ...string) map[string]string {
	m := with(pairs...)
	for _, n := range names {
		delete(m, n)
	}
	return m
}

// Parts of names, for families that lack or change them.
var (
	noGate   = []string{"mlp.gate_proj.weight"}
	fusedQKV = []string{"self_attn.q_proj.weight", "self_attn.k_proj.weight", "self_attn.v_proj.weight"}
	fusedFFN = []string{"mlp.gate_proj.weight", "mlp.up_proj.weight"}
	denseFFN = []string{"mlp.gate_proj.weight", "mlp.up_proj.weight", "mlp.down_proj.weight"}
)

// shape is what a tensor must have in transformers' order (rows first), by its name in GGUF without the layer.
func (d dims) shape(name string) []int {
	q, kv := d.heads*d.headDim, d.kvHeads*d.headDim
	switch name {
	case "token_embd.weight", "output.weight":
		return []int{d.vocab, d.dim}
	case "output.bias":
		return []int{d.vocab}
	case "attn_q.weight":
		return []int{q, d.dim}
	case "attn_k.weight", "attn_v.weight":
		return []int{kv, d.dim}
	case "attn_output.weight":
		return []int{d.dim, q}
	case "attn_qkv.weight":
		return []int{q + 2*kv, d.dim}
	case "ffn_gate.weight", "ffn_up.weight":
		if d.ffn2 {
			return []int{2 * d.ffn, d.dim}
		}
		return []int{d.ffn, d.dim}
	case "ffn_gate_inp.weight":
		return []int{d.experts, d.dim}
	case "ffn_gate_exps.weight", "ffn_up_exps.weight": // of one expert
		return []int{d.expertFFN, d.dim}
	case "ffn_down_exps.weight":
		return []int{d.dim, d.expertFFN}
	case "ffn_gate_shexp.weight", "ffn_up_shexp.weight":
		return []int{d.sharedFFN, d.dim}
	case "ffn_down_shexp.weight":
		return []int{d.dim, d.sharedFFN}
	case "ffn_gate_inp_shexp.weight":
		return []int{1, d.dim}
	case "ffn_down.weight":
		return []int{d.dim, d.ffn}
	case "attn_q.bias":
		return []int{q}
	case "attn_k.bias", "attn_v.bias":
		return []int{kv}
	case "ffn_gate.bias", "ffn_up.bias":
		return []int{d.ffn}
	case "attn_q_norm.weight":
		if d.qkRows {
			return []int{q}
		}
		return []int{d.headDim}
	case "attn_k_norm.weight":
		if d.qkRows {
			return []int{kv}
		}
		return []int{d.headDim}
	}
	return []int{d.dim} // the other norms and biases
}

// common reads the sizes and writes the keys that all families share.
func (f *family) common(c *config, w *gguf.Writer) dims {
	d := dims{
		vocab: c.size("vocab_size", 1<<24), layers: c.size("num_hidden_layers", 4096), dim: c.size("hidden_size", 1<<20),
		heads: c.size("num_attention_heads", 1<<12), ffn: c.size("intermediate_size", 1<<22), qkRows: f.qkRows, ffn2: f.ffn2,
	}
	d.kvHeads = c.sizeOr("num_key_value_heads", d.heads, 1<<12)
	if !c.has("head_dim") && d.dim%d.heads != 0 {
		c.fail("hidden_size", fmt.Sprint(d.dim), fmt.Sprintf("a multiple of num_attention_heads %d, or a head_dim", d.heads))
	}
	d.headDim = c.sizeOr("head_dim", d.dim/d.heads, 1<<14)
	if d.headDim%2 != 0 {
		c.fail("head_dim", fmt.Sprint(d.headDim), "an even number")
	}
	c.absent("quantization_config")
	if f.experts == nil {
		c.absent("num_local_experts", "num_experts")
	} else {
		f.experts.sizes(c, &d)
	}
	if !f.capped {
		c.absent("attn_logit_softcapping")
	}
	d.rotary = f.rotaryDims(c, d.headDim)
	for _, k := range []struct {
		name  string
		value int
	}{
		{"vocab_size", d.vocab}, {"context_length", c.size("max_position_embeddings", 1<<31)}, {"embedding_length", d.dim}, {"block_count", d.layers},
		{"feed_forward_length", d.ffn}, {"attention.head_count", d.heads}, {"attention.head_count_kv", d.kvHeads},
		{"attention.key_length", d.headDim}, {"attention.value_length", d.headDim}, {"rope.dimension_count", d.rotary},
	} {
		w.Set(f.arch+"."+k.name, uint32(k.value))
	}
	eps, key := float32(1e-5), f.arch+".attention.layer_norm_rms_epsilon"
	if f.eps != none {
		eps = c.positive(f.epsField())
	}
	if f.layer {
		key = f.arch + ".attention.layer_norm_epsilon"
	}
	w.Set(key, eps)
	return d
}

func (f *family) epsField() string {
	if f.eps == "" {
		return "rms_norm_eps"
	}
	return f.eps
}

// rotaryDims is how many columns of a head rotate; the factor stands in rope_parameters in folders of transformers 5.
func (f *family) rotaryDims(c *config, headDim int) int {
	def := f.rotary
	if def == 0 {
		def = 1
	}
	factor := c.positiveOr("partial_rotary_factor", def)
	if p, ok := c.object("rope_parameters"); ok {
		factor = p.positiveOr("partial_rotary_factor", factor)
	}
	n := int(float32(headDim) * factor)
	if f.rotary == 0 && factor != 1 {
		c.fail("partial_rotary_factor", fmt.Sprint(factor), "1")
	} else if n < 2 || n%2 != 0 || n > headDim {
		c.fail("partial_rotary_factor", fmt.Sprint(factor), fmt.Sprintf("an even number of the %d columns of a head", headDim))
	}
	return n
}

// window bounds the context of a model whose window of attention has no place in its GGUF architecture: within it, nothing is changed.
func window(c *config, f string, w *gguf.Writer) {
	if !c.has("sliding_window") || c.flag("use_sliding_window", true) == false {
		return
	}
	if n := c.size("sliding_window", 1<<31); n < c.size("max_position_embeddings", 1<<31) {
		w.Set(f+".context_length", uint32(n))
	}
}
