package engine

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"strings"
	"testing"

	"github.com/freehold-slm/freehold/kernels"
	"github.com/freehold-slm/freehold/models"
	"github.com/freehold-slm/freehold/models/gguf"
	"github.com/freehold-slm/freehold/models/tiny"
	"github.com/freehold-slm/freehold/quant"
)

// adaptedNames are matrices of every kind of product: alone, beside others, joined with an activation, read after one, the head.
var adaptedNames = []string{"blk.0.attn_q.weight", "blk.0.attn_v.weight", "blk.1.attn_output.weight", "blk.1.ffn_gate.weight", "blk.1.ffn_up.weight",
	"blk.0.ffn_down.weight", "blk.1.ffn_down.weight", "blk.2.ffn_up.weight", "blk.0.attn_qkv.weight", "output.weight"}

// writeTiny writes a tiny model in a mix, and two adapters for it.
func writeTiny(t *testing.T, name, mix string) (path string, adapters [2]string) {
	t.Helper()
	m, dir := tiny.ByName(name), t.TempDir()
	plain := filepath.Join(dir, "f32.gguf")
	path = filepath.Join(dir, "model.gguf")
	adapters = [2]string{filepath.Join(dir, "a.gguf"), filepath.Join(dir, "b.gguf")}
	for _, w := range []struct {
		path string
		w    *gguf.Writer
	}{{plain, m.Writer()}, {adapters[0], m.Adapter(4, 6, adaptedNames...)}, {adapters[1], m.Adapter(3, 0, adaptedNames[2:]...)}} {
		if err := w.w.WriteTo(w.path); err != nil {
			t.Fatal(err)
		}
	}
	f, err := gguf.Open(plain)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	how, err := quant.MixByName(mix)
	if err != nil {
		t.Fatal(err)
	}
	w, _, err := models.Requantize(f, how, models.RequantizeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.WriteTo(path); err != nil {
		t.Fatal(err)
	}
	return path, adapters
}

func tinyPrompt(n, vocab int) []int32 {
	tokens := make([]int32, n)
	for i := range tokens {
		tokens[i] = int32((i*i*7 + 3*i + 1) % vocab)
	}
	return tokens
}

func allLogits(t *testing.T, m *Model, tokens []int32) []float32 {
	t.Helper()
	s := m.NewSession()
	defer s.Close()
	if err := m.EvalBatch(context.Background(), []Seq{{s, tokens, WantAll}}); err != nil {
		t.Fatal(err)
	}
	return append([]float32(nil), s.LogitsAll()...)
}

// Adapters give what the model with W + scale B·A in place of W gives.
func TestLoRAIsMerged(t *testing.T) {
	for _, name := range []string{"internlm2", "bloom"} {
		t.Run(name, func(t *testing.T) {
			path, adapters := writeTiny(t, name, "f32")
			scales := [2]float32{0.5, -2}
			f, err := gguf.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			spec, err := models.NewSpec(f)
			if err != nil {
				t.Fatal(err)
			}
			merged := gguf.NewWriter()
			for _, kv := range f.KV {
				merged.Set(kv.Key, kv.Value)
			}
			changed := 0
			weights := map[string][]float32{}
			for i, p := range adapters {
				a, err := gguf.Open(p)
				if err != nil {
					t.Fatal(err)
				}
				defer a.Close()
				l, err := models.ReadLoRA(a, spec)
				if err != nil {
					t.Fatal(err)
				}
				for tensor, pair := range l.Pairs {
					if weights[tensor] == nil {
						x, _ := f.Tensor(tensor)
						weights[tensor] = make([]float32, x.Elements())
						format, _ := quant.ByType(x.Type)
						format.Unpack(weights[tensor], x.Data)
					}
					changed++
					for row := range pair.Out {
						for col := range pair.In {
							sum := 0.0
							for r := range pair.Rank {
								sum += float64(pair.B[row*pair.Rank+r]) * float64(pair.A[r*pair.In+col])
							}
							weights[tensor][row*pair.In+col] += float32(sum * float64(pair.Scale) * float64(scales[i]))
						}
					}
				}
			}
			if changed < 8 {
				t.Fatalf("only %d matrices are changed; the test says little", changed)
			}
			for i := range f.Tensors {
				x := &f.Tensors[i]
				data := x.Data
				if w := weights[x.Name]; w != nil {
					format, _ := quant.ByType(kernels.F32)
					data = make([]byte, 4*len(w))
					format.Pack(data, w, nil, x.Shape[0])
				}
				merged.AddTensor(x.Name, x.Type, x.Shape, data)
			}
			to := filepath.Join(t.TempDir(), "merged.gguf")
			if err := merged.WriteTo(to); err != nil {
				t.Fatal(err)
			}
			logits := func(path string, opts ...Option) []float32 {
				m, err := Open(path, append(opts, WithNumeric(Reference), WithThreads(2))...)
				if err != nil {
					t.Fatal(err)
				}
				defer m.Close()
				return allLogits(t, m, tinyPrompt(40, spec.Vocab))
			}
			base, want := logits(path), logits(to)
			got := logits(path, WithLoRA(adapters[0], scales[0]), WithLoRA(adapters[1], scales[1]))
			worst, moved := 0.0, 0.0
			for i := range want {
				worst = math.Max(worst, math.Abs(float64(got[i]-want[i])))
				moved = math.Max(moved, math.Abs(float64(base[i]-want[i])))
			}
			t.Logf("logits differ from the merged model's by at most %.2g; the adapters move them by up to %.2g", worst, moved)
			if !(worst < 2e-4) || moved < 0.5 {
				t.Errorf("logits differ from the merged model's by up to %g, want at most 2e-4; the adapters move them by %g, want 0.5 or more", worst, moved)
			}
			if same := logits(path, WithLoRA(adapters[0], 0)); sameBits(same, base) >= 0 {
				t.Error("an adapter of scale 0 changes logits")
			}
		})
	}
}

// The promise of equal bits holds with adapters, on float and integer products.
func TestLoRASameBits(t *testing.T) {
	for _, c := range []struct{ name, mix string }{{"internlm2", "f32"}, {"internlm2", "q8_0"}, {"bloom", "q8_0"}} {
		t.Run(c.name+" "+c.mix, func(t *testing.T) {
			path, adapters := writeTiny(t, c.name, c.mix)
			open := func(opts ...Option) *Model {
				m, err := Open(path, append(opts, WithLoRA(adapters[0], 1), WithLoRA(adapters[1], 0.3))...)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { m.Close() })
				return m
			}
			var combos []combo
			for _, l := range kernels.Levels() {
				combos = append(combos, combo{1, 2, 17, false, l}, combo{3, 2, 512, true, l})
			}
			combos = append(combos, combo{1, 1, 1, false, combos[len(combos)-1].level})
			checkCombos(t, open, combos, tinyPrompt(70, 100), 3)
		})
	}
}

// Nothing is allocated per decoded token, with adapters on integer and float products too.
func TestLoRANoAllocs(t *testing.T) {
	path, adapters := writeTiny(t, "internlm2", "q8_0")
	for _, threads := range []int{1, 2} {
		m, err := Open(path, WithThreads(threads), WithLoRA(adapters[0], 1), WithLoRA(adapters[1], 1))
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		s, tokens := m.NewSession(), make([]int32, 1, 128)
		step := func() {
			l, err := s.Eval(context.Background(), tokens)
			if err != nil {
				t.Fatal(err)
			}
			tokens = append(tokens, argmax(l))
		}
		for range 10 {
			step()
		}
		if n := testing.AllocsPerRun(80, step); n != 0 {
			t.Errorf("%d threads: %v allocations a token", threads, n)
		}
	}
}

func TestLoRARefused(t *testing.T) {
	path, adapters := writeTiny(t, "internlm2", "f32")
	for _, c := range []struct {
		name string
		edit func(w *gguf.Writer)
		want string
	}{
		{"a model", func(w *gguf.Writer) { w.Set("general.type", "model") }, "general.type"},
		{"another kind", func(w *gguf.Writer) { w.Set("adapter.type", "dora") }, "adapter.type"},
		{"another architecture", func(w *gguf.Writer) { w.Set("general.architecture", "qwen2") }, "general.architecture"},
		{"alpha", func(w *gguf.Writer) { w.Set("adapter.lora.alpha", float32(math.NaN())) }, "adapter.lora.alpha"},
		{"switched on by tokens", func(w *gguf.Writer) { w.Set("adapter.alora.invocation_tokens", []uint32{1}) }, "invocation_tokens"},
		{"half a pair", func(w *gguf.Writer) {
			w.AddTensor("blk.1.attn_q.weight.lora_a", kernels.F32, []int{64, 2}, make([]byte, 512))
		}, "blk.1.attn_q.weight"},
		{"a norm", func(w *gguf.Writer) { w.AddTensor("blk.1.attn_norm.weight", kernels.F32, []int{64}, make([]byte, 256)) }, "blk.1.attn_norm.weight"},
		{"no matrix of it", func(w *gguf.Writer) {
			w.AddTensor("blk.7.attn_q.weight.lora_a", kernels.F32, []int{64, 2}, make([]byte, 512))
		}, "blk.7.attn_q.weight"},
		{"the embedding", func(w *gguf.Writer) {
			w.AddTensor("token_embd.weight.lora_a", kernels.F32, []int{64, 2}, make([]byte, 512))
		}, "token_embd.weight"},
		{"another shape", func(w *gguf.Writer) {
			w.AddTensor("blk.1.attn_q.weight.lora_a", kernels.F32, []int{32, 2}, make([]byte, 256))
			w.AddTensor("blk.1.attn_q.weight.lora_b", kernels.F32, []int{2, 64}, make([]byte, 512))
		}, "[32 2]"},
		{"not finite", func(w *gguf.Writer) {
			w.AddTensor("blk.1.attn_q.weight.lora_a", kernels.F32, []int{64, 2}, []byte(strings.Repeat("\x00\x00\x80\x7f", 128)))
			w.AddTensor("blk.1.attn_q.weight.lora_b", kernels.F32, []int{2, 64}, make([]byte, 512))
		}, "infinity"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := tiny.ByName("internlm2").Adapter(4, 6, "blk.0.attn_q.weight")
			c.edit(w)
			bad := filepath.Join(t.TempDir(), "bad.gguf")
			if err := w.WriteTo(bad); err != nil {
				t.Fatal(err)
			}
			m, err := Open(path, WithLoRA(bad, 1))
			if err == nil {
				m.Close()
				t.Fatal("opened")
			}
			var known *gguf.Error
			if !errors.As(err, &known) || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "bad.gguf") {
				t.Errorf("%v (%T) does not name the file and %q", err, err, c.want)
			}
		})
	}
	if _, err := Open(path, WithLoRA(filepath.Join(t.TempDir(), "none.gguf"), 1)); err == nil {
		t.Error("opened with an adapter that is not there")
	}
	if _, err := Open(path, WithLoRA(adapters[0], float32(math.Inf(1)))); err == nil || !strings.Contains(err.Error(), fmt.Sprint(math.Inf(1))) {
		t.Errorf("opened with an infinite scale (%v)", err)
	}
}
