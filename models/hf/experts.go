package hf

import (
	"fmt"
	"io"
	"slices"

	"github.com/freehold-slm/freehold/models/gguf"
	"github.com/freehold-slm/freehold/quant"
)

// expertNames is how a family with experts names what GGUF keeps as one stack a layer.
type expertNames struct {
	count  string            // field of how many there are
	ffn    string            // and of the width of one
	shared string            // and of the block that all tokens have beside them; "" = none
	stacks map[string]string // name in GGUF -> that of one expert's matrix, with its number
}

// sizes reads the sizes of experts. Layers without experts among others have no place in these GGUF architectures.
func (x *expertNames) sizes(c *config, d *dims) {
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
var mlpExperts = map[string]string{"ffn_gate_exps.weight": "mlp.experts.%d.gate_proj.weight",
	"ffn_up_exps.weight": "mlp.experts.%d.up_proj.weight", "ffn_down_exps.weight": "mlp.experts.%d.down_proj.weight"}

// expertKeys writes the keys of experts. normed is what the architecture's router does: the chosen weights are made to sum to 1, or not.
func expertKeys(c *config, arch string, d dims, normed, def bool, w *gguf.Writer) {
	if got := c.flag("norm_topk_prob", def); got != normed {
		c.fail("norm_topk_prob", fmt.Sprint(got), fmt.Sprint(normed))
	}
	w.Set(arch+".expert_count", uint32(d.experts))
	w.Set(arch+".expert_used_count", uint32(c.size("num_experts_per_tok", int64(d.experts))))
}

// stacks adds the experts of a layer: their matrices one after the other in one tensor.
func (c *Conversion) stacks(f *family, d dims, from, to string, used map[string]bool) error {
	format, err := quant.ByName(c.Type)
	if err != nil {
		return err
	}
	for _, ours := range []string{"ffn_down_exps.weight", "ffn_gate_exps.weight", "ffn_up_exps.weight"} {
		want := d.shape(ours)
		var pieces []*piece
		for i := range d.experts {
			name := from + fmt.Sprintf(f.experts.stacks[ours], i)
			t := c.model.Tensors[name]
			if t == nil {
				return &Error{c.model.Name, "tensor " + quote(name), "nothing", fmt.Sprintf("a tensor of shape %v", want)}
			}
			if !slices.Equal(t.Shape, want) {
				return badShape(t, want)
			}
			source, err := sourceFormat(t)
			if err != nil {
				return err
			}
			used[name] = true
			c.Size += t.Bytes
			pieces = append(pieces, &piece{t: t, from: source, to: format, width: want[1], c: c})
		}
		c.AddTensorFunc(to+ours, format.Type, []int{want[1], want[0], d.experts}, func(out io.Writer) error {
			for _, p := range pieces {
				if err := p.write(out); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return nil
}

// unstack is the way back: the matrix of each expert in the stack t of a layer, whose name in transformers begins with prefix.
func (e *Export) unstack(fam *family, t *gguf.Tensor, prefix, part string) error {
	pattern, ok := "", fam.experts != nil && len(t.Shape) == 3
	if ok {
		pattern, ok = fam.experts.stacks[part]
	}
	if !ok {
		return &Error{e.file.Name, "tensor " + quote(t.Name), "a tensor that " + e.Class + " does not have", "the tensors of a text model"}
	}
	size := len(t.Data) / t.Shape[2]
	for i := range t.Shape[2] {
		one := *t
		one.Shape, one.Data = t.Shape[:2], t.Data[i*size:(i+1)*size]
		if err := e.add(fam, nil, &one, prefix+fmt.Sprintf(pattern, i), part); err != nil {
			return err
		}
	}
	return nil
}
