package hf

import (
	"encoding/json"
	"fmt"

	"github.com/freehold-slm/freehold/models"
	"github.com/freehold-slm/freehold/models/gguf"
)

func init() {
	families["SmolLM3ForCausalLM"] = &family{arch: "smollm3", modelType: "smollm3", rotated: true, names: with("post_attention_layernorm.weight", "ffn_norm.weight"), keys: smollm3Keys, config: smollm3Config}
}

// smollm3Keys: GGUF has no key for the layers without rotary embedding; they are every fourth.
func smollm3Keys(c *config, d dims, w *gguf.Writer) {
	c.oneOf("hidden_act", "silu")
	c.absent("use_sliding_window")
	if n := c.sizeOr("no_rope_layer_interval", 4, 4096); n != 4 {
		c.fail("no_rope_layer_interval", fmt.Sprint(n), "4")
	}
	if c.has("no_rope_layers") {
		list, _ := c.fields["no_rope_layers"].([]any)
		ok := len(list) == d.layers
		for i := 0; ok && i < len(list); i++ {
			want := json.Number("1")
			if (i+1)%4 == 0 {
				want = "0"
			}
			ok = list[i] == want
		}
		if !ok {
			c.fail("no_rope_layers", shown(c.fields["no_rope_layers"]), fmt.Sprintf("%d numbers, every fourth 0 and the others 1", d.layers))
		}
	}
	rope(c, "smollm3", d, w)
}

func smollm3Config(_ *gguf.File, s *models.Spec, c map[string]any) {
	rotates := make([]int, s.Layers)
	for i := range rotates {
		if (i+1)%4 != 0 {
			rotates[i] = 1
		}
	}
	c["no_rope_layers"], c["no_rope_layer_interval"], c["use_sliding_window"] = rotates, 4, false
}
