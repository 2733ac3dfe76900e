package hf

import (
	"fmt"
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
	bias    bool              // wq, wk and wv must have a bias
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
	qkRows                                           bool
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

// shape is what a tensor must have in transformers' order (rows first), by its name in GGUF without the layer.
func (d dims) shape(name string) []int {
	q, kv := d.heads*d.headDim, d.kvHeads*d.headDim
	switch name {
	case "token_embd.weight", "output.weight":
		return []int{d.vocab, d.dim}
	case "attn_q.weight":
		return []int{q, d.dim}
	case "attn_k.weight", "attn_v.weight":
		return []int{kv, d.dim}
	case "attn_output.weight":
		return []int{d.dim, q}
	case "ffn_gate.weight", "ffn_up.weight":
		return []int{d.ffn, d.dim}
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
		heads: c.size("num_attention_heads", 1<<12), ffn: c.size("intermediate_size", 1<<22), qkRows: f.qkRows,
	}
	d.kvHeads = c.sizeOr("num_key_value_heads", d.heads, 1<<12)
	if !c.has("head_dim") && d.dim%d.heads != 0 {
		c.fail("hidden_size", fmt.Sprint(d.dim), fmt.Sprintf("a multiple of num_attention_heads %d, or a head_dim", d.heads))
	}
	d.headDim = c.sizeOr("head_dim", d.dim/d.heads, 1<<14)
	if d.headDim%2 != 0 {
		c.fail("head_dim", fmt.Sprint(d.headDim), "an even number")
	}
	c.absent("quantization_config", "num_local_experts", "num_experts")
	if !f.capped {
		c.absent("attn_logit_softcapping")
	}
	if r := c.positiveOr("partial_rotary_factor", 1); r != 1 {
		c.fail("partial_rotary_factor", fmt.Sprint(r), "1")
	}
	for _, k := range []struct {
		name  string
		value int
	}{
		{"vocab_size", d.vocab}, {"context_length", c.size("max_position_embeddings", 1<<31)}, {"embedding_length", d.dim}, {"block_count", d.layers},
		{"feed_forward_length", d.ffn}, {"attention.head_count", d.heads}, {"attention.head_count_kv", d.kvHeads},
		{"attention.key_length", d.headDim}, {"attention.value_length", d.headDim}, {"rope.dimension_count", d.headDim},
	} {
		w.Set(f.arch+"."+k.name, uint32(k.value))
	}
	w.Set(f.arch+".attention.layer_norm_rms_epsilon", c.positive("rms_norm_eps"))
	return d
}
