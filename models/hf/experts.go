package hf

import (
	"fmt"

	"github.com/freehold-slm/freehold/models"
	"github.com/freehold-slm/freehold/models/gguf"
)

// expertFields are the fields of config.json of a family with experts.
type expertFields struct {
	count  string // how many there are
	ffn    string // width of one
	shared string // width of the block that all tokens have beside them; "" = none
}

// fits tells whether the family has the parts that a model of its architecture has.
func (f *family) fits(s *models.Spec) bool {
	return f.either || (f.experts != nil) == (s.Experts > 0) && (f.experts != nil && f.experts.shared != "") == (s.SharedFFN > 0)
}

// sizes reads the sizes of experts. Layers without experts among others have no place in these GGUF architectures.
func (x *expertFields) sizes(c *config, d *dims) {
	d.experts, d.expertFFN = c.size(x.count, 1<<12), c.size(x.ffn, 1<<22)
	if x.shared != "" {
		d.sharedFFN = c.size(x.shared, 1<<22)
	}
	if n := c.sizeOr("decoder_sparse_step", 1, 4096); n != 1 {
		c.fail("decoder_sparse_step", fmt.Sprint(n), "1: experts in every layer")
	}
	if list, ok := c.fields["mlp_only_layers"].([]any); ok && len(list) > 0 {
		c.fail("mlp_only_layers", shown(list), "none: experts in every layer")
	}
}

// mlpExperts are the names that most families have.
var mlpExperts = []string{"mlp.experts.{x}.gate_proj.weight", "ffn_gate_exps.weight", "mlp.experts.{x}.up_proj.weight", "ffn_up_exps.weight",
	"mlp.experts.{x}.down_proj.weight", "ffn_down_exps.weight"}

// expertKeys writes the keys of experts. normed is what the architecture's router does: the chosen weights are made to sum to 1, or not.
func expertKeys(c *config, arch string, d dims, normed, def bool, w *gguf.Writer) {
	if got := c.flag("norm_topk_prob", def); got != normed {
		c.fail("norm_topk_prob", fmt.Sprint(got), fmt.Sprint(normed))
	}
	w.Set(arch+".expert_count", uint32(d.experts))
	w.Set(arch+".expert_used_count", uint32(c.size("num_experts_per_tok", int64(d.experts))))
}
