package distill

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/freehold-slm/freehold/models/gguf"
	"github.com/freehold-slm/freehold/models/safetensors"
)

// peftTensors reads an adapter's file: values and shapes by name.
func peftTensors(t *testing.T, dir string) (values map[string][]float32, shapes map[string][]int) {
	t.Helper()
	f, err := safetensors.Open(filepath.Join(dir, "adapter_model.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	values, shapes = map[string][]float32{}, map[string][]int{}
	for _, x := range f.Tensors {
		raw := make([]byte, x.Bytes)
		if _, err := x.ReadAt(raw, 0); err != nil || x.DType != "F32" {
			t.Fatalf("%s: %v, %s", x.Name, err, x.DType)
		}
		v := make([]float32, len(raw)/4)
		for i := range v {
			v[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
		}
		values[x.Name], shapes[x.Name] = v, x.Shape
	}
	return values, shapes
}

// The layout is the one that PEFT documents, values are the adapters', and rows of wq and wk lie as in transformers: what
// is first of a pair in GGUF is in the first half of the head there.
func TestFixturesPEFT(t *testing.T) {
	for _, c := range []struct {
		file    string
		rotated bool
	}{{"llama-gqa.F32.gguf", true}, {"qwen3.F32.gguf", false}} {
		t.Run(c.file, func(t *testing.T) {
			s := openStudent(t, fixture(t, c.file))
			doraStudent(t, s, rand.New(rand.NewPCG(67, 68)))
			dir := t.TempDir()
			if err := s.writePEFT(gguf.OS{}, dir, "some/base", []int{0, 3}); err != nil {
				t.Fatal(err)
			}
			var config map[string]any
			text, err := os.ReadFile(filepath.Join(dir, "adapter_config.json"))
			if err != nil || json.Unmarshal(text, &config) != nil {
				t.Fatal(err, string(text))
			}
			for key, want := range map[string]any{"peft_type": "LORA", "task_type": "CAUSAL_LM", "r": 3.0, "lora_alpha": 6.0, "use_dora": true, "bias": "none",
				"base_model_name_or_path": "some/base", "fan_in_fan_out": false, "use_rslora": false, "lora_dropout": 0.0, "inference_mode": true} {
				if config[key] != want {
					t.Errorf("%s is %v, want %v", key, config[key], want)
				}
			}
			if n := len(config["target_modules"].([]any)); n != len(s.adapters) {
				t.Errorf("%d target modules, want %d", n, len(s.adapters))
			}
			values, shapes := peftTensors(t, dir)
			if len(values) != 3*len(s.adapters) {
				t.Errorf("%d tensors, want %d", len(values), 3*len(s.adapters))
			}
			hd, half := s.Spec.HeadDim, s.Spec.HeadDim/2
			for gg, module := range map[string]string{"attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj",
				"ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj"} {
				a, w := s.adapters["blk.1."+gg+".weight"], s.Param("blk.1."+gg+".weight")
				name := "base_model.model.model.layers.1." + module
				for suffix, want := range map[string][]int{".lora_A.weight": {3, w.Shape[0]}, ".lora_B.weight": {w.Shape[1], 3}, ".lora_magnitude_vector": {w.Shape[1]}} {
					if !slices.Equal(shapes[name+suffix], want) {
						t.Fatalf("%s has shape %v, want %v", name+suffix, shapes[name+suffix], want)
					}
				}
				sameBits(t, name+" A", values[name+".lora_A.weight"], a.A.W)
				b, m := values[name+".lora_B.weight"], values[name+".lora_magnitude_vector"]
				for row := range w.Shape[1] {
					to := row
					if c.rotated && (gg == "attn_q" || gg == "attn_k") {
						to = row/hd*hd + row%hd%2*half + row%hd/2
					}
					sameBits(t, fmt.Sprintf("%s B row %d", name, row), b[to*3:to*3+3], a.B.W[row*3:row*3+3])
					sameBits(t, fmt.Sprintf("%s size of row %d", name, row), m[to:to+1], a.M.W[row:row+1])
				}
			}
		})
	}
	s := openStudent(t, fixture(t, "gpt2.F32.gguf"))
	if err := s.writePEFT(gguf.OS{}, t.TempDir(), "x", nil); err == nil || !strings.Contains(err.Error(), `"gpt2" has no names`) {
		t.Errorf("gpt2: %v", err)
	}
}

// PEFT itself loads both kinds, beside the base in transformers, and computes the student's logits.
func TestPEFTLoads(t *testing.T) {
	if out, err := exec.Command("python3", "-c", "import torch, peft, transformers").CombinedOutput(); err != nil {
		t.Skipf("NOT TESTED: python3 without torch, peft and transformers (%v, %.80s)", err, out)
	}
	for _, kind := range []string{"lora", "dora"} {
		path := fixture(t, "llama-gqa.F32.gguf")
		s := openStudent(t, path)
		r := rand.New(rand.NewPCG(69, 70))
		if kind == "dora" {
			doraStudent(t, s, r)
		} else {
			if err := s.Adapt([]string{"blk.*.attn_[qk].weight", "blk.1.ffn_down.weight"}, 4, 10, 1); err != nil {
				t.Fatal(err)
			}
			for _, a := range s.adapters {
				copy(a.B.W, normal(r, len(a.B.W), 0.1))
			}
		}
		dir := t.TempDir()
		if err := s.writePEFT(gguf.OS{}, dir, "tiny", upTo(s.Spec.Layers)); err != nil {
			t.Fatal(err)
		}
		tokens := randomTokens(r, 12, s.Spec.Vocab)
		spec := s.Spec
		ask, err := json.Marshal(map[string]any{"gguf": path, "adapter": dir, "tokens": tokens, "vocab": spec.Vocab, "dim": spec.Dim, "ffn": spec.FFN, "layers": spec.Layers, "heads": spec.Heads,
			"kv_heads": spec.KVHeads, "head_dim": spec.HeadDim, "eps": spec.NormEps, "theta": spec.Rope.Base, "tensors": tensorPlaces(t, path), "modules": len(s.adapters)})
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command("python3", "peft_load.py")
		cmd.Stdin = strings.NewReader(string(ask))
		var stderr strings.Builder
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		var got []float32
		if err != nil || json.Unmarshal(out, &got) != nil {
			t.Fatalf("%s: %v\n%s%s", kind, err, stderr.String(), out)
		}
		want := logitsOf(s, best(t), tokens)
		plain := logitsOf(openStudent(t, path), best(t), tokens)
		if len(got) != len(want) || !(maxAbsDiff(got, want) <= 1e-3) || !(maxAbsDiff(plain, want) > 1e-2) {
			t.Errorf("%s: PEFT's logits are off by %g; adapters move them by %g", kind, maxAbsDiff(got, want), maxAbsDiff(plain, want))
		}
	}
}

// tensorPlaces says where in a file of F32 its tensors lie.
func tensorPlaces(t *testing.T, path string) map[string][2]int {
	t.Helper()
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f := openFile(t, path)
	total := 0
	places := map[string][2]int{}
	for i := range f.Tensors {
		x := &f.Tensors[i]
		at := strings.Index(string(file[total:]), string(x.Data)) + total
		if string(file[at:at+len(x.Data)]) != string(x.Data) {
			t.Fatalf("%s is not found in its file", x.Name)
		}
		places[x.Name] = [2]int{at, len(x.Data) / 4}
		total = at + len(x.Data)
	}
	return places
}
