package peers

import (
	"path/filepath"
	"testing"

	"github.com/freehold-slm/freehold/engine"
	"github.com/freehold-slm/freehold/models/gguf"
	"github.com/freehold-slm/freehold/models/tiny"
)

// A model with two adapters, each with a scale, gives llama.cpp's logits: matrices of attention and feed-forward, fused ones, the head.
func TestLlamaLoRA(t *testing.T) {
	long(t)
	names := []string{"blk.0.attn_q.weight", "blk.0.attn_v.weight", "blk.1.attn_output.weight", "blk.1.ffn_gate.weight", "blk.1.ffn_up.weight",
		"blk.2.ffn_down.weight", "blk.0.attn_qkv.weight", "output.weight"}
	for _, name := range []string{"internlm2", "mpt-positions"} {
		t.Run(name, func(t *testing.T) {
			m, dir := tiny.ByName(name), t.TempDir()
			path, a, b := filepath.Join(dir, "model.gguf"), filepath.Join(dir, "a.gguf"), filepath.Join(dir, "b.gguf")
			for to, w := range map[string]*gguf.Writer{path: m.Writer(), a: m.Adapter(4, 6, names...), b: m.Adapter(3, 0, names[2:]...)} {
				if err := w.WriteTo(to); err != nil {
					t.Fatal(err)
				}
			}
			l := startLlama(t, path, settings{Threads: 1, Exact: true, LoRA: []lora{{a, 0.5}, {b, -0.75}}})
			for _, mode := range []engine.Numeric{engine.Reference, engine.Normal} {
				sameLogProbs(t, l, path, engine.WithNumeric(mode), engine.WithKV(engine.KVF32), engine.WithLoRA(a, 0.5), engine.WithLoRA(b, -0.75))
			}
		})
	}
}
