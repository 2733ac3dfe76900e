package hf

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/freehold-slm/freehold/models"
	"github.com/freehold-slm/freehold/models/gguf"
)

// exportConfig writes config.json, and reads it again: each key of the architecture must come back as the file has it.
func (f *family) exportConfig(file *gguf.File, s *models.Spec, e *Export) (map[string]any, dims, error) {
	c := map[string]any{
		"architectures": []string{e.Class}, "model_type": f.modelType, "vocab_size": s.Vocab, "hidden_size": s.Dim, "intermediate_size": s.FFN,
		"num_hidden_layers": s.Layers, "num_attention_heads": s.Heads, "num_key_value_heads": s.KVHeads, "head_dim": s.HeadDim,
		"max_position_embeddings": s.Context, "tie_word_embeddings": s.Tied, "hidden_act": "silu",
		"attention_bias": s.QKVBias, "mlp_bias": s.FFNBias, "attention_dropout": 0.0, "use_cache": true,
		"torch_dtype": map[string]string{"F32": "float32", "F16": "float16", "BF16": "bfloat16"}[e.Type],
	}
	if f.eps != none {
		c[f.epsField()] = s.NormEps
	}
	if f.rotary != 0 {
		c["partial_rotary_factor"] = float32(s.Rope.Dims) / float32(s.HeadDim)
	}
	if n, err := file.Uint(f.arch + ".feed_forward_length"); err == nil {
		c["intermediate_size"] = n // the Spec of a model with experts has 0
	}
	if x := f.experts; x != nil {
		c[x.count], c[x.ffn], c["num_experts_per_tok"] = s.Experts, s.ExpertFFN, s.TopExperts
		if x.shared != "" {
			c[x.shared] = s.SharedFFN
		}
	}
	if err := ropeConfig(file, s, c); err != nil {
		return nil, dims{}, err
	}
	if f.config != nil {
		f.config(file, s, c)
	}
	for usual, own := range f.fields {
		if v, ok := c[usual]; ok {
			c[own] = v
			delete(c, usual)
		}
	}
	pointed(c)
	d, err := f.verify(file, c)
	return c, d, err
}

// pointed gives whole numbers that are floats a decimal point, which transformers insists on.
func pointed(c map[string]any) {
	for k, v := range c {
		switch v := v.(type) {
		case map[string]any:
			pointed(v)
		case float32:
			c[k] = pointedNumber(float64(v), 32)
		case float64:
			c[k] = pointedNumber(v, 64)
		}
	}
}

func pointedNumber(v float64, bits int) json.Number {
	text := strconv.FormatFloat(v, 'g', -1, bits)
	if !strings.ContainsAny(text, ".e") {
		text += ".0"
	}
	return json.Number(text)
}

// silent are keys that change nothing that is computed, or nothing in the models of these families.
var silent = []string{"rope.scaling.finetuned", "rope.scaling.type", "rope.scaling.attn_factor", "expert_count", "expert_used_count", "attention.causal",
	"attention.sliding_window_pattern"}

// verify refuses a file of which config.json cannot state every key. It returns the sizes that config.json states.
func (f *family) verify(file *gguf.File, c map[string]any) (d dims, err error) {
	text, err := json.Marshal(c)
	if err != nil {
		return d, err
	}
	cfg := &config{file: "config.json"}
	if err := decodeJSON(cfg.file, text, &cfg.fields); err != nil {
		return d, err
	}
	if n, err := file.Uint(f.arch + ".pooling_type"); err == nil {
		cfg.pools = models.Pooling(n)
	}
	w := gguf.NewWriter()
	if d = f.common(cfg, w); cfg.err == nil {
		f.keys(cfg, d, w)
	}
	if cfg.err != nil {
		return d, fmt.Errorf("%s: cannot be stated in config.json: %w", file.Name, cfg.err)
	}
	stated := map[string]gguf.Value{}
	for _, kv := range w.Metadata() {
		stated[kv.Key] = kv.Value
	}
	for _, kv := range file.KV {
		key, ours := strings.CutPrefix(kv.Key, f.arch+".")
		if !ours || slices.Contains(silent, key) {
			continue
		}
		if n, ok := number(kv.Value); ok && n == 0 && stated[kv.Key].Type == 0 {
			continue // 0 says that there is none
		}
		if got, ok := stated[kv.Key]; !ok || !sameValue(got, kv.Value) {
			return d, &Error{file.Name, "key " + kv.Key, shownValue(kv.Value), "what config.json of this family can state"}
		}
	}
	return d, nil
}

// sameValue compares values whatever their wire types.
func sameValue(a, b gguf.Value) bool {
	if list, ok := a.Ints(); ok {
		other, ok := b.Ints()
		return ok && slices.Equal(list, other)
	}
	x, okX := number(a)
	y, okY := number(b)
	if okX && okY {
		return x == y
	}
	if p, ok := a.Bool(); ok {
		q, ok := b.Bool()
		return ok && p == q
	}
	s, okS := a.Text()
	t, okT := b.Text()
	return okS && okT && s == t
}

func number(v gguf.Value) (float64, bool) {
	if n, ok := v.Int(); ok {
		return float64(n), true
	}
	return v.Float()
}

func shownValue(v gguf.Value) string {
	if x, ok := number(v); ok {
		return fmt.Sprint(x)
	}
	return v.TypeName()
}

// ropeConfig writes rope_theta and rope_scaling.
func ropeConfig(file *gguf.File, s *models.Spec, c map[string]any) error {
	r := &s.Rope
	if r.Scaling == "" { // it was not read
		return nil
	}
	c["rope_theta"] = r.Base
	var scaling map[string]any
	switch {
	case r.Long != nil && r.Short != nil && r.Scaling == "none":
		scaling = map[string]any{"rope_type": "longrope", "type": "longrope", "long_factor": r.Long, "short_factor": r.Short, "attention_factor": float32(r.AttnFactor)}
		c["original_max_position_embeddings"] = int64(r.OrigContext)
	case r.Long != nil || r.Short != nil || r.Factors != nil && r.Scaling != "none":
		return &Error{file.Name, "rope.scaling.type", quote(r.Scaling) + " with frequency factors", "none, linear, yarn, longrope, or llama 3's factors"}
	case r.Factors != nil:
		return llama3Config(file, s, c)
	case r.Scaling == "linear":
		scaling = map[string]any{"rope_type": "linear", "factor": r.Factor}
	case r.Scaling == "yarn":
		if v, err := file.Float(s.Arch + ".rope.scaling.attn_factor"); err == nil && v != 1 {
			return &Error{file.Name, "rope.scaling.attn_factor", fmt.Sprint(v), "1"}
		}
		scaling = map[string]any{"rope_type": "yarn", "factor": r.Factor, "original_max_position_embeddings": int64(r.OrigContext), "beta_fast": r.BetaFast, "beta_slow": r.BetaSlow}
	case r.Scaling != "none":
		return &Error{file.Name, "rope.scaling.type", quote(r.Scaling), "none, linear or yarn"}
	}
	if scaling != nil {
		c["rope_scaling"] = scaling
	}
	return nil
}

// llama3Config finds the parameters that give rope_freqs.weight: the largest divisor is the factor; of the others the published
// values are tried.
func llama3Config(file *gguf.File, s *models.Spec, c map[string]any) error {
	factor := float64(slices.Max(s.Rope.Factors))
	for _, context := range []float64{8192, 4096, 16384, 32768} {
		if slices.Equal(llama3Factors(s.HeadDim, float64(float32(s.Rope.Base)), factor, 1, 4, context), s.Rope.Factors) {
			c["rope_scaling"] = map[string]any{"rope_type": "llama3", "factor": factor, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
				"original_max_position_embeddings": int64(context)}
			return nil
		}
	}
	return &Error{file.Name, `tensor "rope_freqs.weight"`, fmt.Sprintf("factors up to %v", factor), "those of llama 3's rope_scaling with low_freq_factor 1 and high_freq_factor 4"}
}
