package hf_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/freehold-slm/freehold/kernels"
	"github.com/freehold-slm/freehold/models"
	"github.com/freehold-slm/freehold/models/gguf"
	"github.com/freehold-slm/freehold/models/gguf/hostile"
	"github.com/freehold-slm/freehold/models/hf"
	"github.com/freehold-slm/freehold/models/safetensors"
)

// The published expressions, as the models' tokenizer.json have them.
const (
	llama3Split = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
	qwen2Split  = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
)

type object = map[string]any

func split(regex string) any {
	return object{"type": "Sequence", "pretokenizers": []any{
		object{"type": "Split", "pattern": object{"Regex": regex}, "behavior": "Isolated", "invert": false},
		object{"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": false}}}
}

// folder is a model folder in the making.
type folder struct {
	config, tokenizer, tokenizerConfig, generation object
	tensors                                        map[string]tensor
}

type tensor struct {
	shape  []int
	values []float32
}

// write writes the folder, tensors of the given dtype.
func (f *folder) write(t testing.TB, dtype safetensors.DType) string {
	t.Helper()
	dir := t.TempDir()
	for name, v := range map[string]object{"config.json": f.config, "tokenizer.json": f.tokenizer, "tokenizer_config.json": f.tokenizerConfig, "generation_config.json": f.generation} {
		if v == nil {
			continue
		}
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	w := safetensors.NewWriter()
	for name, x := range f.tensors {
		var b []byte
		for _, v := range x.values {
			switch dtype {
			case "F32":
				b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
			case "BF16":
				b = binary.LittleEndian.AppendUint16(b, kernels.F32ToBF16(v))
			default:
				t.Fatalf("dtype %s", dtype)
			}
		}
		w.Add(name, dtype, x.shape, func(out io.Writer) error { _, err := out.Write(b); return err })
	}
	if err := w.WriteTo(filepath.Join(dir, safetensors.SingleName)); err != nil {
		t.Fatal(err)
	}
	return dir
}

// apart undoes what GGUF does to the rows of wq and wk: pairs become halves.
func apart(x []float32, rows, width, headDim int) []float32 {
	out := make([]float32, len(x))
	for r := range rows {
		head, i := r/headDim, r%headDim
		to := head*headDim + (i%2)*headDim/2 + i/2
		copy(out[to*width:][:width], x[r*width:][:width])
	}
	return out
}

// theirs are transformers' names of a layer's tensors, by GGUF's.
var theirs = map[string]string{
	"attn_norm": "input_layernorm", "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj",
	"attn_q_norm": "self_attn.q_norm", "attn_k_norm": "self_attn.k_norm", "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj",
	"ffn_norm": "post_attention_layernorm",
}

// theirsPost are those of models with norms after attention and feed-forward block.
var theirsPost = map[string]string{"ffn_norm": "pre_feedforward_layernorm", "post_attention_norm": "post_attention_layernorm", "post_ffw_norm": "post_feedforward_layernorm"}

// cases are reference models (llama.cpp's logits are known for them) and what their config.json would add to the common fields.
var cases = []struct {
	fixture, class string
	config         object
}{
	{"llama-gqa", "LlamaForCausalLM", object{"rope_theta": 10000.0}},
	{"qwen2", "Qwen2ForCausalLM", object{"rope_theta": 1000000.0, "use_sliding_window": false, "sliding_window": 4096}},
	{"qwen3", "Qwen3ForCausalLM", object{"rope_theta": 1000000, "head_dim": 32}},
	{"smollm3", "SmolLM3ForCausalLM", object{"rope_parameters": object{"rope_type": "default", "rope_theta": 10000.0}, "no_rope_layers": []int{1, 1, 1, 0, 1}}},
	{"gemma3", "Gemma3ForCausalLM", object{"rope_theta": 1000000.0, "rope_local_base_freq": 10000.0, "head_dim": 32, "query_pre_attn_scalar": 32, "sliding_window": 12,
		"hidden_activation": "gelu_pytorch_tanh", "rope_scaling": object{"rope_type": "linear", "factor": 8.0}}},
	{"gemma2", "Gemma2ForCausalLM", object{"rope_theta": 10000.0, "head_dim": 32, "query_pre_attn_scalar": 32, "sliding_window": 16, "attn_logit_softcapping": 5.0,
		"final_logit_softcapping": 10.0, "hidden_activation": "gelu_pytorch_tanh"}},
	{"granite", "GraniteForCausalLM", object{"rope_theta": 10000.0, "embedding_multiplier": 6.0, "residual_multiplier": 0.4, "attention_multiplier": 0.0883883, "logits_scaling": 1.6}},
	{"olmo2", "Olmo2ForCausalLM", object{"rope_theta": 10000.0}},
}

func reference(t testing.TB, name string) *gguf.File {
	t.Helper()
	f, err := gguf.Open(filepath.Join(hostile.Folder(t), "..", "models", name+".F32.gguf"))
	if os.IsNotExist(err) {
		t.Skipf("NOT TESTED: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() }) //nolint:errcheck // read only
	return f
}

// folderOf turns a reference model into a folder, with the vocabulary of the reference qwen2.
func folderOf(t testing.TB, f *gguf.File, class string, config object) *folder {
	t.Helper()
	s, err := models.NewSpec(f)
	if err != nil {
		t.Fatal(err)
	}
	out := &folder{tensors: map[string]tensor{}, tokenizer: tokenizerOf(t, reference(t, "qwen2")), config: object{
		"architectures": []string{class}, "vocab_size": s.Vocab, "hidden_size": s.Dim, "intermediate_size": s.FFN, "num_hidden_layers": s.Layers,
		"num_attention_heads": s.Heads, "num_key_value_heads": s.KVHeads, "max_position_embeddings": s.Context, "rms_norm_eps": 1e-5,
		"head_dim": s.HeadDim, "tie_word_embeddings": s.Tied, "bos_token_id": 316, "eos_token_id": 318, "torch_dtype": "float32", "pad_token_id": nil,
	}}
	for k, v := range config {
		out.config[k] = v
	}
	for i := range f.Tensors {
		x := &f.Tensors[i]
		values := make([]float32, x.Elements())
		for j := range values {
			values[j] = math.Float32frombits(binary.LittleEndian.Uint32(x.Data[4*j:]))
		}
		name := map[string]string{"token_embd.weight": "model.embed_tokens.weight", "output_norm.weight": "model.norm.weight", "output.weight": "lm_head.weight"}[x.Name]
		if name == "" {
			part := strings.Split(x.Name, ".") // blk, layer, name, weight or bias
			n := theirs[part[2]]
			if g := theirsPost[part[2]]; g != "" && s.AttnPost != "" {
				n = g
			}
			name = fmt.Sprintf("model.layers.%s.%s.%s", part[1], n, part[3])
		}
		if strings.HasSuffix(name, "q_proj.weight") || strings.HasSuffix(name, "k_proj.weight") {
			if !s.Rope.Neox {
				values = apart(values, x.Rows(), x.Shape[0], s.HeadDim)
			}
		}
		if strings.HasPrefix(s.Arch, "gemma") && strings.HasSuffix(name, "norm.weight") {
			for j := range values {
				values[j]--
			}
		}
		shape := slices.Clone(x.Shape)
		slices.Reverse(shape)
		out.tensors[name] = tensor{shape, values}
	}
	return out
}

// tokenizerOf is the tokenizer.json of a byte-level vocabulary with qwen2's pre-tokenizer.
func tokenizerOf(t testing.TB, f *gguf.File) object {
	t.Helper()
	v, err := models.Vocabulary(f)
	if err != nil {
		t.Fatal(err)
	}
	vocab, added := object{}, []any{}
	for id, text := range v.Tokens {
		if v.Types[id] == 1 {
			vocab[text] = id
		} else {
			added = append(added, object{"id": id, "content": text, "special": v.Types[id] == 3, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false})
		}
	}
	return object{"version": "1.0", "added_tokens": added, "normalizer": object{"type": "NFC"}, "pre_tokenizer": split(qwen2Split),
		"post_processor": object{"type": "ByteLevel"}, "decoder": object{"type": "ByteLevel"},
		"model": object{"type": "BPE", "vocab": vocab, "merges": v.Merges, "ignore_merges": false, "byte_fallback": false}}
}

func convert(t testing.TB, dir string, o hf.Options) *gguf.File {
	t.Helper()
	c, err := hf.Convert(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close() //nolint:errcheck // read only
	var b bytes.Buffer
	if err := c.Encode(&b); err != nil {
		t.Fatal(err)
	}
	f, err := gguf.Parse("converted.gguf", b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestFixturesConvert makes model folders of reference models and converts them back: every tensor has the reference's
// bits (norms of Gemma those of w-1+1), and the Spec is the same, so that the model computes the same.
func TestFixturesConvert(t *testing.T) {
	for _, c := range cases {
		t.Run(c.fixture, func(t *testing.T) {
			want := reference(t, c.fixture)
			got := convert(t, folderOf(t, want, c.class, c.config).write(t, "F32"), hf.Options{})
			if len(got.Tensors) != len(want.Tensors) {
				t.Errorf("%d tensors, want %d", len(got.Tensors), len(want.Tensors))
			}
			for i := range want.Tensors {
				x := &want.Tensors[i]
				y, ok := got.Tensor(x.Name)
				if !ok || y.Type != x.Type || !slices.Equal(y.Shape, x.Shape) {
					t.Errorf("%s: %v %+v, want shape %v", x.Name, ok, y, x.Shape)
					continue
				}
				data := x.Data
				if strings.HasPrefix(c.fixture, "gemma") && strings.HasSuffix(x.Name, "norm.weight") {
					data = nil
					for j := range x.Elements() {
						v := math.Float32frombits(binary.LittleEndian.Uint32(x.Data[4*j:]))
						v--
						v++
						data = binary.LittleEndian.AppendUint32(data, math.Float32bits(v))
					}
				}
				if !bytes.Equal(y.Data, data) {
					t.Errorf("%s has other values", x.Name)
				}
			}
			a, errA := models.NewSpec(want)
			b, errB := models.NewSpec(got)
			if errA != nil || errB != nil {
				t.Fatal(errA, errB)
			}
			a.Name, b.Name = "", ""
			if !reflect.DeepEqual(a, b) {
				t.Errorf("the Spec is\n%+v, want\n%+v", b, a)
			}
			for _, key := range []string{"tokens", "token_type", "merges", "pre", "model", "bos_token_id", "eos_token_id"} {
				x, _ := reference(t, "qwen2").Get("tokenizer.ggml." + key)
				y, _ := got.Get("tokenizer.ggml." + key)
				if !reflect.DeepEqual(x, y) {
					t.Errorf("%s is %v, want %v", key, y, x)
				}
			}
			if v, err := got.Bool("tokenizer.ggml.add_bos_token"); err != nil || v {
				t.Errorf("add_bos_token is %v, %v", v, err)
			}
		})
	}
}

// Matrices keep their type or take the one asked for; vectors are F32.
func TestFixturesTypes(t *testing.T) {
	want := reference(t, "llama-gqa")
	for _, c := range []struct {
		source safetensors.DType
		ask    string
		matrix kernels.Type
	}{{"BF16", "", kernels.BF16}, {"F32", "bf16", kernels.BF16}, {"F32", "F16", kernels.F16}, {"BF16", "f32", kernels.F32}} {
		got := convert(t, folderOf(t, want, "LlamaForCausalLM", cases[0].config).write(t, c.source), hf.Options{Type: c.ask})
		for i := range got.Tensors {
			x := &got.Tensors[i]
			if type_ := map[int]kernels.Type{1: kernels.F32, 2: c.matrix}[len(x.Shape)]; x.Type != type_ {
				t.Errorf("%s to %q: %s has type %v, want %v", c.source, c.ask, x.Name, x.Type, type_)
			}
		}
		if _, err := models.NewSpec(got); err != nil {
			t.Error(err)
		}
	}
}

// What cannot be converted is refused by an error that names it.
func TestFixturesRefused(t *testing.T) {
	want := reference(t, "llama-gqa")
	for says, change := range map[string]func(f *folder){
		`architectures: got "[\"HyenaForCausalLM\"]", want one of: ArceeForCausalLM`: func(f *folder) { f.config["architectures"] = []string{"HyenaForCausalLM"} },
		"config.json: rms_norm_eps: got nothing":                                     func(f *folder) { delete(f.config, "rms_norm_eps") },
		"hidden_act":                                                                 func(f *folder) { f.config["hidden_act"] = "relu" },
		`rope_scaling.rope_type: got "spiral"`:                                       func(f *folder) { f.config["rope_scaling"] = object{"rope_type": "spiral"} },
		"num_hidden_layers":                                                          func(f *folder) { f.config["num_hidden_layers"] = -1 },
		"quantization_config":                                                        func(f *folder) { f.config["quantization_config"] = object{"bits": 4} },
		`tensor "model.layers.1.mlp.up_proj.weight": got nothing`:                    func(f *folder) { delete(f.tensors, "model.layers.1.mlp.up_proj.weight") },
		`tensor "model.visual.weight"`:                                               func(f *folder) { f.tensors["model.visual.weight"] = tensor{[]int{1}, []float32{1}} },
		`tensor "model.norm.weight": got shape [2]`:                                  func(f *folder) { f.tensors["model.norm.weight"] = tensor{[]int{2}, []float32{1, 1}} },
		"NaN near row 0":                                                             func(f *folder) { f.tensors["model.norm.weight"].values[3] = float32(math.NaN()) },
		"F16 cannot hold":                                                            func(f *folder) { f.tensors["model.embed_tokens.weight"].values[3] = 1e6 },
		"pre_tokenizer":                                                              func(f *folder) { f.tokenizer["pre_tokenizer"] = split("(a+)+$") },
		"normalizer":                                                                 func(f *folder) { f.tokenizer["normalizer"] = object{"type": "Lowercase"} },
		"ids below vocab_size":                                                       func(f *folder) { f.tokenizer["added_tokens"] = []any{object{"id": 400, "content": "<x>"}} },
		"tokenizer_config.json: bos_tok":                                             func(f *folder) { f.tokenizerConfig = object{"bos_token": "<nosuch>"} },
	} {
		f := folderOf(t, want, "LlamaForCausalLM", cases[0].config)
		change(f)
		c, err := hf.Convert(f.write(t, "F32"), hf.Options{Type: "f16"})
		if err == nil {
			err = c.Encode(io.Discard)
			c.Close() //nolint:errcheck // read only
		}
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("got %v, want %s", err, says)
		}
	}
}

// The pre-tokenizer is found by what tokenizer.json says it does; roles, flags and template by the other files.
func TestFixturesVocabulary(t *testing.T) {
	want := reference(t, "llama-gqa")
	bytesLevel := func(regex bool) object {
		return object{"type": "ByteLevel", "add_prefix_space": false, "use_regex": regex}
	}
	for name, c := range map[string]struct {
		pre   any
		whole bool
	}{
		"llama-bpe": {split(llama3Split), true}, "dbrx": {split(llama3Split), false}, "qwen2": {split(qwen2Split), false}, "gpt-2": {bytesLevel(true), false},
		"smollm": {object{"type": "Sequence", "pretokenizers": []any{object{"type": "Digits", "individual_digits": true}, bytesLevel(true)}}, false},
	} {
		f := folderOf(t, want, "LlamaForCausalLM", cases[0].config)
		f.tokenizer["pre_tokenizer"] = c.pre
		f.tokenizer["model"].(object)["ignore_merges"] = c.whole
		f.tokenizer["post_processor"] = object{"type": "TemplateProcessing", "single": []any{object{"SpecialToken": object{"id": "x"}}, object{"Sequence": object{"id": "A"}}}}
		delete(f.config, "eos_token_id")
		f.config["vocab_size"] = f.config["vocab_size"].(int)
		f.generation = object{"eos_token_id": []int{317, 318}}
		f.tokenizerConfig = object{"bos_token": object{"content": "a"}, "chat_template": []any{object{"name": "tools", "template": "no"}, object{"name": "default", "template": "yes"}}}
		got := convert(t, f.write(t, "F32"), hf.Options{})
		v, err := models.Vocabulary(got)
		if err != nil {
			t.Fatal(err)
		}
		template, _ := got.String("tokenizer.chat_template")
		if v.Pre != name || !v.AddBOS || v.AddEOS || v.EOS != 317 || v.Tokens[v.BOS] != "a" || template != "yes" {
			t.Errorf("%s: pre %s, add BOS %v, EOS %v, ids %d %d, template %q", name, v.Pre, v.AddBOS, v.AddEOS, v.BOS, v.EOS, template)
		}
	}
}

// A folder of a few bytes does not ask for tables of millions of tokens.
func TestVocabSizeWithoutTensor(t *testing.T) {
	config := object{"architectures": []string{"LlamaForCausalLM"}, "vocab_size": 1 << 24, "hidden_size": 4, "intermediate_size": 4, "num_hidden_layers": 1,
		"num_attention_heads": 1, "max_position_embeddings": 8, "rms_norm_eps": 1e-5, "rope_theta": 1e4}
	tokenizer := object{"model": object{"type": "BPE", "vocab": object{"a": 0}}, "pre_tokenizer": object{"type": "ByteLevel", "add_prefix_space": false}}
	dir := (&folder{config: config, tokenizer: tokenizer, tensors: map[string]tensor{"model.embed_tokens.weight": {[]int{8, 4}, make([]float32, 32)}}}).write(t, "F32")
	c := hostile.Case{Name: "vocab_size", Field: "vocab_size", Mutation: "16 million", File: ".", Dir: dir}
	err := hostile.Run(t, c, func(path string) error {
		_, err := hf.Convert(path, hf.Options{})
		return err
	})
	if err == nil || !strings.Contains(err.Error(), "got shape [8 4], want [16777216 4]") {
		t.Errorf("got %v, want an error that names the shape of the embedding", err)
	}
}

// TestFixturesHostile gives malformed tokenizer.json and tokenizer.model files: refused within bounds where the manifest asks for it.
func TestFixturesHostile(t *testing.T) {
	tried := 0
	for _, c := range hostile.MakeSafetensors(t) {
		name := map[string]string{"tokenizer": "tokenizer.json", "spm": "tokenizer.model"}[c.Area]
		if name == "" {
			continue
		}
		tried++
		config := object{"architectures": []string{"LlamaForCausalLM"}, "vocab_size": 8, "hidden_size": 4, "intermediate_size": 4, "num_hidden_layers": 1,
			"num_attention_heads": 1, "max_position_embeddings": 8, "rms_norm_eps": 1e-5, "rope_theta": 1e4}
		dir := (&folder{config: config, tensors: map[string]tensor{"model.embed_tokens.weight": {[]int{8, 4}, make([]float32, 32)}}}).write(t, "F32")
		err := hostile.Run(t, c, func(path string) error {
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			if c.Expect == "must-load" { // the maker's valid files have no pre-tokenizer; no model is without one
				text = bytes.Replace(text, []byte(`"pre_tokenizer": null`), []byte(`"pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false}`), 1)
			}
			if err := os.WriteFile(filepath.Join(dir, name), text, 0o666); err != nil {
				return err
			}
			_, err = hf.Convert(dir, hf.Options{})
			if err != nil && strings.Contains(err.Error(), `"model.norm.weight": got nothing`) {
				return nil // the vocabulary is through
			}
			return err
		})
		hostile.Judge(t, c, err, true)
	}
	if tried < 17 {
		t.Errorf("%d cases, want 17 at least", tried)
	}
}
