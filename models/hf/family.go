package hf

import (
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"

	"github.com/freehold-slm/freehold/models"
	"github.com/freehold-slm/freehold/models/gguf"
)

// family is how one architecture of transformers becomes one of GGUF.
type family struct {
	arch      string            // general.architecture
	modelType string            // config.json's "model_type"; "" = nothing is written as this family
	fields    map[string]string // of config.json that have another name than Llama's: that name -> their own

	// Tensors, by their names in transformers and in GGUF.
	base     string                       // what stands before all names in some folders and not in others; "" = model.
	layers   string                       // what stands before the number of a layer; "" = model.layers.
	names    map[string]string            // of a layer: name in transformers -> name in GGUF, or several, both without the layer
	only     map[string]map[string]string // more of them in layers of the named kinds, see dims.kinds
	whole    map[string]string            // outside of layers, GGUF's name -> transformers', where not as in wholeNames; "" = not there
	unneeded []string                     // in some folders, without a meaning here: what their names end in, or with a point last what they begin with
	layout   map[string]string            // of tensors that do not lie as shapes says: by GGUF's name, or the folder's where that differs from GGUF's
	rotated  bool                         // rows of wq and wk lie as halves and GGUF wants pairs (rope without neox)
	plusOne  bool                         // norm weights are kept less 1
	bias     bool                         // wq, wk and wv must have a bias
	tied     bool                         // transformers' default of tie_word_embeddings
	ffn2     bool                         // gate and up are one tensor

	sizes   func(c *config, d *dims) // reads sizes of attention and feed-forward block; nil = dims.usual, which it may call
	layer   bool                     // norms are LayerNorm, not RMSNorm
	eps     string                   // field of the norms' epsilon; "" = rms_norm_eps, none = always 1e-5
	unmoved bool                     // no rotary embedding
	rotary  float32                  // transformers' default of partial_rotary_factor; 0 = 1, and no other
	experts *expertFields            // nil = a dense model
	either  bool                     // with experts or without; sizes reads theirs
	packed  bool                     // matrices may be in MXFP4, which sizes looks after
	capped  bool                     // attention scores are capped
	keys    func(c *config, d dims, w *gguf.Writer)
	config  func(f *gguf.File, s *models.Spec, c map[string]any) // the way back: fields beside those of all families; nil = none
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
	context                                          int // 0 = config.json does not say
	rotary                                           int // columns of a head that rotate
	experts, expertFFN, sharedFFN                    int
	kinds                                            []string       // [layers] names in family.only, with spaces between them; nil = all layers are alike
	axes                                             map[string]int // of layouts, see shapes
}

func (d *dims) kind(layer int) string {
	if d.kinds == nil {
		return ""
	}
	return d.kinds[layer]
}

// none is the eps of families whose epsilon config.json does not state.
const none = "none"

// wholeNames are the tensors outside of layers: name in GGUF -> name in transformers.
var wholeNames = map[string]string{"token_embd.weight": "model.embed_tokens.weight", "output_norm.weight": "model.norm.weight", "output.weight": "lm_head.weight"}

// wholeOrder is the order of tensors outside of layers.
var wholeOrder = []string{"token_embd.weight", "position_embd.weight", "token_types.weight", "token_embd_norm.weight", "token_embd_norm.bias", "output_norm.weight", "output_norm.bias",
	"output.weight", "output.bias"}

// wholeName is a tensor's name in transformers, "" where the family has none.
func (f *family) wholeName(ours string) string {
	if theirs, ok := f.whole[ours]; ok {
		return theirs
	}
	return wholeNames[ours]
}

// layerPrefix is what stands before the number of a layer.
func (f *family) layerPrefix() string {
	if f.layers == "" {
		return "model.layers."
	}
	return f.layers
}

// ignored tells names of tensors that mean nothing here: tables that are computed from config.json, and heads for training.
func (f *family) ignored(name string) bool {
	name = strings.TrimPrefix(name, f.base)
	return strings.HasSuffix(name, ".rotary_emb.inv_freq") || slices.ContainsFunc(f.unneeded, func(u string) bool {
		return strings.HasSuffix(name, u) || strings.HasSuffix(u, ".") && strings.HasPrefix(name, u)
	})
}

// llamaNames are the tensors of a layer that most families have.
var llamaNames = map[string]string{
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

// pairs are names in a folder and in GGUF by turns; one that ends in a star stands for weight and bias.
func pairs(list ...string) map[string]string {
	m := map[string]string{}
	for i := 0; i < len(list); i += 2 {
		theirs, both := strings.CutSuffix(list[i], "*")
		if !both {
			m[list[i]] = list[i+1]
			continue
		}
		for _, kind := range []string{"weight", "bias"} {
			m[theirs+kind] = strings.TrimSuffix(list[i+1], "*") + kind
		}
	}
	return m
}

// with is llamaNames and some more pairs.
func with(list ...string) map[string]string {
	m := maps.Clone(llamaNames)
	maps.Copy(m, pairs(list...))
	return m
}

// without is llamaNames but for some, and some more pairs.
func without(names []string, list ...string) map[string]string {
	m := with(list...)
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

// common reads the sizes and writes the keys that all families share.
func (f *family) common(c *config, w *gguf.Writer) dims {
	c.own = f.fields
	d := dims{vocab: c.size("vocab_size", 1<<24), layers: c.size("num_hidden_layers", 4096), dim: c.size("hidden_size", 1<<20), axes: map[string]int{}}
	if !f.packed {
		c.absent("quantization_config")
	}
	switch {
	case f.experts != nil:
		f.experts.sizes(c, &d)
	case !f.either:
		c.absent("num_local_experts", "num_experts")
	}
	if !f.capped {
		c.absent("attn_logit_softcapping")
	}
	if f.sizes != nil {
		f.sizes(c, &d)
	} else {
		d.usual(c)
	}
	if d.headDim > 0 && d.rotary == 0 && !f.unmoved {
		d.rotary = f.rotaryDims(c, d.headDim)
	}
	for name, size := range map[string]int{"V": d.vocab, "P": d.context, "e": d.dim, "g": d.kvHeads, "q": d.heads / max(1, d.kvHeads), "k": 1, "v": 1, "h": d.heads,
		"c": d.headDim, "j": d.headDim / 2, "t": 2, "a": 1, "b": 1, "E": d.dim, "f": d.ffn, "u": d.ffn, "x": d.experts, "y": d.expertFFN, "z": d.sharedFFN} {
		d.axes[name] = size
	}
	if f.ffn2 {
		d.axes["u"] = 2 * d.ffn
	}
	for _, k := range []struct {
		name  string
		value int
	}{
		{"vocab_size", d.vocab}, {"context_length", d.context}, {"embedding_length", d.dim}, {"block_count", d.layers},
		{"feed_forward_length", d.ffn}, {"attention.head_count", d.heads}, {"attention.head_count_kv", d.kvHeads},
		{"attention.key_length", d.headDim}, {"attention.value_length", d.headDim}, {"rope.dimension_count", d.rotary},
	} {
		if k.value > 0 || strings.HasSuffix(k.name, "_count") && d.headDim == 0 || k.name == "feed_forward_length" {
			w.Set(f.arch+"."+k.name, uint32(k.value))
		}
	}
	if c.pools != models.PoolNone {
		w.Set(f.arch+".pooling_type", uint32(c.pools))
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

// usual reads the sizes of attention and of a dense feed-forward block.
func (d *dims) usual(c *config) {
	d.context = c.size("max_position_embeddings", 1<<31)
	d.heads = c.size("num_attention_heads", 1<<12)
	d.kvHeads = c.sizeOr("num_key_value_heads", d.heads, 1<<12)
	if d.heads%d.kvHeads != 0 {
		c.fail("num_key_value_heads", fmt.Sprint(d.kvHeads), fmt.Sprintf("a divisor of num_attention_heads %d", d.heads))
	}
	if !c.has("head_dim") && d.dim%d.heads != 0 {
		c.fail("hidden_size", fmt.Sprint(d.dim), fmt.Sprintf("a multiple of num_attention_heads %d, or a head_dim", d.heads))
	}
	d.headDim = c.sizeOr("head_dim", d.dim/d.heads, 1<<14)
	if d.headDim%2 != 0 {
		c.fail("head_dim", fmt.Sprint(d.headDim), "an even number")
	}
	if d.ffn == 0 {
		d.ffn = c.size("intermediate_size", 1<<22)
	}
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
	if !c.has("sliding_window") || !c.flag("use_sliding_window", true) {
		return
	}
	if n := c.size("sliding_window", 1<<31); n < c.size("max_position_embeddings", 1<<31) {
		w.Set(f+".context_length", uint32(n))
	}
}
