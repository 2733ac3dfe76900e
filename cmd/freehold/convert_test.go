package main

import (
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/freehold-slm/freehold/models/safetensors"
)

// hfFolder writes a model folder of one small layer whose vocabulary is the 256 bytes; edits (old, new) are made in its config.json.
func hfFolder(t testing.TB, edits ...string) string {
	t.Helper()
	dir := t.TempDir()
	config := strings.NewReplacer(edits...).Replace(`{"architectures": ["LlamaForCausalLM"], "vocab_size": 256, "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1,
		"num_attention_heads": 2, "max_position_embeddings": 64, "rms_norm_eps": 1e-5, "rope_theta": 10000, "tie_word_embeddings": true, "eos_token_id": 0}`)
	var vocab strings.Builder
	id := 0
	for r := rune(0); r < 0x144; r++ { // the spelling of bytes by GPT-2
		if r >= '!' && r <= '~' || r >= 0xA1 && r != 0xAD {
			if id > 0 {
				vocab.WriteString(", ")
			}
			text := string(r)
			if r == '"' || r == '\\' {
				text = `\` + text
			}
			vocab.WriteString(`"` + text + `": ` + strconv.Itoa(id))
			id++
		}
	}
	if id != 256 {
		t.Fatalf("%d bytes are spelled", id)
	}
	tokenizer := `{"added_tokens": [], "normalizer": null, "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "use_regex": true},
		"model": {"type": "BPE", "merges": [], "vocab": {` + vocab.String() + `}}}`
	for name, text := range map[string]string{"config.json": config, "tokenizer.json": tokenizer} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	w := safetensors.NewWriter()
	add := func(name string, shape ...int) {
		n := 2
		for _, d := range shape {
			n *= d
		}
		w.Add(name, "BF16", shape, func(out io.Writer) error {
			b := make([]byte, n)
			for i := range b {
				b[i] = []byte{byte(i * 37), 0x3C}[i%2] // around 0.01
			}
			_, err := out.Write(b)
			return err
		})
	}
	add("model.embed_tokens.weight", 256, 16)
	add("model.norm.weight", 16)
	const layer = "model.layers.0."
	add(layer+"input_layernorm.weight", 16)
	add(layer+"post_attention_layernorm.weight", 16)
	for _, p := range []string{"q", "k", "v", "o"} {
		add(layer+"self_attn."+p+"_proj.weight", 16, 16)
	}
	add(layer+"mlp.gate_proj.weight", 32, 16)
	add(layer+"mlp.up_proj.weight", 32, 16)
	add(layer+"mlp.down_proj.weight", 16, 32)
	if err := w.WriteTo(filepath.Join(dir, safetensors.SingleName)); err != nil {
		t.Fatal(err)
	}
	return dir
}

// A converted folder runs, and --type decides the size.
func TestConvert(t *testing.T) {
	folder, out := hfFolder(t), filepath.Join(t.TempDir(), "m.gguf")
	r := freehold(t, "convert", folder, "-o", out).must(t)
	if !strings.Contains(r.out, "llama BF16") {
		t.Errorf("says %q", r.out)
	}
	freehold(t, "inspect", "--full", out).must(t)
	freehold(t, "run", "--raw", "-n", "3", out, "hello").must(t)
	small, err := os.Stat(out)
	if err != nil {
		t.Fatal(err)
	}
	freehold(t, "convert", folder, "-o", out, "--type=f32", "--force").must(t)
	large, err := os.Stat(out)
	if err != nil {
		t.Fatal(err)
	}
	if large.Size() < small.Size()+4096*2 {
		t.Errorf("%d bytes in F32, %d in BF16", large.Size(), small.Size())
	}
	if r := freehold(t, "convert", folder, "-o", filepath.Join(folder, "model.safetensors"), "--force"); r.code != 2 || !strings.Contains(r.err, "a file of the model folder") {
		t.Errorf("over the weights: exit %d, %q", r.code, r.err)
	}
}
