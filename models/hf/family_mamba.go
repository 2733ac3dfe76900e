package hf

import (
	"encoding/json"
	"fmt"

	"github.com/freehold-slm/freehold/models"
	"github.com/freehold-slm/freehold/models/gguf"
)

var mambaWhole = map[string]string{"token_embd.weight": "backbone.embeddings.weight", "output_norm.weight": "backbone.norm_f.weight"}

func init() {
	families["MambaForCausalLM"] = &family{arch: "mamba", modelType: "mamba", base: "backbone.", layers: "backbone.layers.", whole: mambaWhole, tied: true, eps: "layer_norm_epsilon",
		names: pairs("norm.weight", "attn_norm.weight", "mixer.in_proj.weight", "ssm_in.weight", "mixer.conv1d.*", "ssm_conv1d.*", "mixer.x_proj.weight", "ssm_x.weight", "mixer.dt_proj.*", "ssm_dt.*",
			"mixer.A_log", "ssm_a", "mixer.D", "ssm_d", "mixer.out_proj.weight", "ssm_out.weight"),
		layout: map[string]string{"ssm_in.weight": "2 i, e", "ssm_conv1d.weight": "i, w", "mixer.conv1d.weight": "i, 1, w", "ssm_conv1d.bias": "i", "ssm_x.weight": "d + 2 s, i", "ssm_dt.weight": "i, d",
			"ssm_dt.bias": "i", "ssm_a": "i, s", "ssm_d": "i"},
		sizes: mambaSizes, keys: mambaKeys, config: mambaConfig}

	families["Mamba2ForCausalLM"] = &family{arch: "mamba2", modelType: "mamba2", base: "backbone.", layers: "backbone.layers.", whole: mambaWhole, eps: "layer_norm_epsilon",
		names: pairs("norm.weight", "attn_norm.weight", "mixer.in_proj.weight", "ssm_in.weight", "mixer.conv1d.*", "ssm_conv1d.*", "mixer.dt_bias", "ssm_dt.bias",
			"mixer.A_log", "ssm_a", "mixer.D", "ssm_d", "mixer.norm.weight", "ssm_norm.weight", "mixer.out_proj.weight", "ssm_out.weight"),
		layout: mamba2Layout("mixer."), sizes: mamba2Sizes, keys: mamba2Keys, config: mamba2Config}
}

// mamba2Layout is how folders keep the tensors of a state space with heads, whose names begin with prefix.
func mamba2Layout(prefix string) map[string]string {
	return map[string]string{prefix + "conv1d.weight": "i + 2 o s, 1, w", prefix + "A_log": "d", prefix + "D": "d", prefix + "norm.weight": "o m"}
}

// mambaAlike reads what both have. A model of states has no end of its context; config.json may name one all the same, else it is llama.cpp's.
func mambaAlike(c *config, d *dims) {
	c.assume("max_position_embeddings", json.Number("1048576"))
	d.context = c.size("max_position_embeddings", 1<<31)
	d.axes["s"], d.axes["w"], d.axes["i"] = c.size("state_size", 1<<10), c.size("conv_kernel", 256), c.size("expand", 64)*d.dim
	c.must(false, "use_bias")
	c.must(true, "use_conv_bias")
	c.oneOf("hidden_act", "silu")
}

func mambaSizes(c *config, d *dims) {
	mambaAlike(c, d)
	d.axes["d"] = (d.dim + 15) / 16
	if c.value("time_step_rank") != "auto" {
		d.axes["d"] = c.sizeOr("time_step_rank", d.axes["d"], 1<<20)
	}
}

func mamba2Sizes(c *config, d *dims) {
	mambaAlike(c, d)
	d.stateHeads(c, "num_heads", "head_dim", "n_groups")
}

// stateHeads reads the heads of a state space of i channels, and its groups.
func (d *dims) stateHeads(c *config, heads, width, groups string) {
	inner := d.axes["i"]
	d.axes["d"], d.axes["o"] = c.size(heads, 1<<20), c.size(groups, 1<<20)
	if n := d.axes["d"]; c.value(width) != "auto" && c.size(width, 1<<20)*n != inner {
		c.fail(heads, fmt.Sprint(n), fmt.Sprintf("%d channels divided by %s %s", inner, width, shown(c.value(width))))
	}
	if n := d.axes["o"]; inner%n != 0 {
		c.fail(groups, fmt.Sprint(n), fmt.Sprintf("a divisor of %d channels", inner))
	}
	d.axes["m"] = inner / d.axes["o"]
	// Time steps are not bounded in GGUF: from 0 to infinity, which is no number of JSON.
	if list, ok := c.value("time_step_limit").([]any); ok && (len(list) != 2 || shown(list[0]) != quote("0.0") && shown(list[0]) != quote("0") || list[1] != nil) {
		c.fail("time_step_limit", shown(list), "0 to infinity")
	}
}

func mambaKeys(c *config, d dims, w *gguf.Writer) { stateKeys("mamba", d, w) }

func mamba2Keys(c *config, d dims, w *gguf.Writer) {
	stateKeys("mamba2", d, w)
	w.Set("mamba2.ssm.group_count", uint32(d.axes["o"]))
}

func stateKeys(arch string, d dims, w *gguf.Writer) {
	for _, k := range [][2]string{{"conv_kernel", "w"}, {"inner_size", "i"}, {"state_size", "s"}, {"time_step_rank", "d"}} {
		w.Set(arch+".ssm."+k[0], uint32(d.axes[k[1]]))
	}
}

func mambaConfig(_ *gguf.File, s *models.Spec, c map[string]any) {
	for _, usual := range []string{"num_attention_heads", "num_key_value_heads", "head_dim", "intermediate_size", "attention_bias", "mlp_bias"} {
		delete(c, usual)
	}
	c["state_size"], c["conv_kernel"], c["expand"], c["use_bias"], c["use_conv_bias"] = s.State, s.Conv, s.Inner/s.Dim, false, true
	if s.Mixer == models.Mamba {
		c["time_step_rank"] = s.TimeRank
	}
}

func mamba2Config(f *gguf.File, s *models.Spec, c map[string]any) {
	mambaConfig(f, s, c)
	c["num_heads"], c["head_dim"], c["n_groups"] = s.StateHeads, s.Inner/s.StateHeads, s.Groups
}
