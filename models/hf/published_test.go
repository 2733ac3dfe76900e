package hf_test

import (
	"bytes"
	"encoding/json"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/freehold-slm/freehold/kernels"
	"github.com/freehold-slm/freehold/models/gguf"
	"github.com/freehold-slm/freehold/models/hf"
	"github.com/freehold-slm/freehold/models/safetensors"
	"github.com/freehold-slm/freehold/quant"
)

// rewrite writes a copy of a folder with other tensors and another text of config.json.
func rewrite(t *testing.T, dir string, tensors func(w *safetensors.Writer, name string, x *safetensors.Tensor, b []byte), config func(text string) string) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), filepath.Base(dir))
	if err := os.CopyFS(out, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	all, info := read(t, dir)
	w := safetensors.NewWriter()
	for name, b := range all {
		tensors(w, name, info[name], b)
	}
	if err := w.WriteTo(filepath.Join(out, safetensors.SingleName)); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "config.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(out, "config.json"), []byte(config(string(text))), 0o666); err != nil {
		t.Fatal(err)
	}
	return out
}

func add(w *safetensors.Writer, name string, d safetensors.DType, shape []int, b []byte) {
	w.Add(name, d, shape, func(out io.Writer) error { _, err := out.Write(b); return err })
}

// folderFor writes the folder of a model, and returns it with the file that it gives.
func folderFor(t *testing.T, name string) (dir string, file []byte) {
	t.Helper()
	e, err := hf.NewExport(modelOf(t, name), hf.ExportOptions{})
	if err != nil {
		t.Fatal(err)
	}
	dir = filepath.Join(t.TempDir(), "model")
	if err := e.WriteTo(dir); err != nil {
		t.Fatal(err)
	}
	return dir, fileBytes(t, dir)
}

// Folders as they were published, where they are not as transformers writes them now, give the same file.
func TestFixturesPublished(t *testing.T) {
	same := func(text string) string { return text }
	for _, c := range []struct {
		model, says string
		name        func(string) string
		more        string // a tensor that means nothing
		config      func(string) string
	}{
		{"gpt2", "without what stands before all names, and with masks", func(n string) string { return strings.TrimPrefix(n, "transformer.") }, "h.0.attn.bias", same},
		{"bert", "with what stands before all names, and the head of training", func(n string) string { return "bert." + n }, "cls.predictions.bias", same},
		{"qwen3", "of embeddings, without what stands before all names", func(n string) string { return strings.TrimPrefix(n, "model.") }, "layers.0.self_attn.rotary_emb.inv_freq", same},
		{"mamba2", "with a number that JSON does not have", func(n string) string { return n }, "x.rotary_emb.inv_freq", func(text string) string {
			return strings.Replace(text, "{", `{"time_step_limit": [0.0, Infinity], "said": "Infinity, NaN",`, 1)
		}},
		{"bloom", "with the names of fields that it has now", func(n string) string { return n }, "x.rotary_emb.inv_freq", func(text string) string {
			return strings.NewReplacer(`"n_embed"`, `"hidden_size"`, `"n_layer"`, `"num_hidden_layers"`).Replace(text)
		}},
	} {
		t.Run(c.model+" "+c.says, func(t *testing.T) {
			dir, want := folderFor(t, c.model)
			once := true
			other := rewrite(t, dir, func(w *safetensors.Writer, name string, x *safetensors.Tensor, b []byte) {
				if add(w, c.name(name), x.DType, x.Shape, b); once {
					add(w, c.more, "F32", []int{1}, make([]byte, 4))
					once = false
				}
			}, c.config)
			if !bytes.Equal(fileBytes(t, other), want) {
				t.Error("the file is another one")
			}
		})
	}
}

// gpt-oss's experts stay in MXFP4, block by block, and decode to the values that the published blocks and scales mean.
func TestFixturesPacked(t *testing.T) {
	dir, _ := folderFor(t, "gpt-oss-plain")
	fp4 := []float32{0, 0.5, 1, 1.5, 2, 3, 4, 6}
	want := map[string][]float32{} // of a packed tensor, in its own order
	seed := uint32(1)
	random := func() byte { seed = seed*1664525 + 1013904223; return byte(seed >> 24) }
	packed := rewrite(t, dir, func(w *safetensors.Writer, name string, x *safetensors.Tensor, b []byte) {
		if !strings.HasSuffix(name, "_proj") {
			add(w, name, x.DType, x.Shape, b)
			return
		}
		// [experts, in, out] of floats, [experts, out, in/32, 16] here
		shape := []int{x.Shape[0], x.Shape[2], x.Shape[1] / 32, 16}
		blocks, scales := make([]byte, x.Elements()/2), make([]byte, x.Elements()/32)
		values := make([]float32, x.Elements())
		for i := range scales {
			scales[i] = 120 + random()%8
		}
		for i := range blocks {
			blocks[i] = random()
			for half, code := range []byte{blocks[i] & 15, blocks[i] >> 4} {
				v := fp4[code&7] * float32(math.Ldexp(1, int(scales[i/16])-127))
				if code > 7 {
					v = -v
				}
				values[2*i+half] = v
			}
		}
		want[name] = values
		add(w, name+"_blocks", "U8", shape, blocks)
		add(w, name+"_scales", "U8", shape[:3], scales)
	}, func(text string) string {
		return strings.Replace(text, "{", `{"quantization_config": {"quant_method": "mxfp4"},`, 1)
	})
	for ask, matrix := range map[string]kernels.Type{"": kernels.MXFP4, "f32": kernels.F32, "bf16": kernels.BF16} {
		f := convert(t, packed, hf.Options{Type: ask})
		for l := range 3 {
			layer := func(part string) []float32 {
				x, ok := f.Tensor("blk." + string(rune('0'+l)) + "." + part)
				if !ok || x.Type != matrix {
					t.Fatalf("--type %q: %s has type %v (%v), want %v", ask, part, x.Type, ok, matrix)
				}
				format, _ := quant.ByType(x.Type)
				values := make([]float32, x.Elements())
				format.Unpack(values, x.Data)
				return values
			}
			prefix := "model.layers." + string(rune('0'+l)) + ".mlp.experts."
			gate, up, down := layer("ffn_gate_exps.weight"), layer("ffn_up_exps.weight"), layer("ffn_down_exps.weight")
			for i, v := range want[prefix+"gate_up_proj"] { // [4, 2*96, 64]: gate and up by turns
				row, col := i/64, i%64
				got := [][]float32{gate, up}[row%2][row/2*64+col]
				if got != v {
					t.Fatalf("--type %q: row %d column %d is %v, want %v", ask, row, col, got, v)
				}
			}
			for i, v := range want[prefix+"down_proj"] {
				if down[i] != v {
					t.Fatalf("--type %q: value %d of down is %v, want %v", ask, i, down[i], v)
				}
			}
		}
	}
}

// A WordPiece vocabulary says the same in tokenizer.json and in GGUF.
func TestFixturesWordPiece(t *testing.T) {
	dir, _ := folderFor(t, "bert")
	text, err := os.ReadFile(filepath.Join(dir, "tokenizer.json"))
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Model struct {
			Type  string
			Vocab map[string]int
		}
	}
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	a, b := modelOf(t, "bert"), convert(t, dir, hf.Options{})
	tokens := func(f *gguf.File) []string {
		list, err := f.Strings("tokenizer.ggml.tokens")
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	x, y := tokens(a), tokens(b)
	if file.Model.Type != "WordPiece" || file.Model.Vocab["##ing"] == 0 || file.Model.Vocab["cat"] == 0 || file.Model.Vocab["[CLS]"] != 2 {
		t.Errorf("tokenizer.json has %s with ##ing %d, cat %d, [CLS] %d", file.Model.Type, file.Model.Vocab["##ing"], file.Model.Vocab["cat"], file.Model.Vocab["[CLS]"])
	}
	for i := range x {
		if x[i] != y[i] {
			t.Errorf("token %d is %q, want %q", i, y[i], x[i])
		}
	}
	for _, change := range []string{`"clean_text": true`, `"BertPreTokenizer"`, `"##"`, `"[CLS]"`} {
		bad := strings.ReplaceAll(string(text), change, strings.NewReplacer("true", "false", "Bert", "Best", "##", "@@", "CLS", "XLS").Replace(change))
		if err := os.WriteFile(filepath.Join(dir, "tokenizer.json"), []byte(bad), 0o666); err != nil {
			t.Fatal(err)
		}
		if c, err := hf.Convert(dir, hf.Options{}); err == nil {
			c.Close() //nolint:errcheck // read only
			t.Errorf("with another %s it is converted", change)
		}
	}
}
