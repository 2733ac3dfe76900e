package engine

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/freehold-slm/freehold/models"
	"github.com/freehold-slm/freehold/models/gguf"
)

func watchedModel(t *testing.T, name string, opts ...Option) *Model {
	t.Helper()
	m, err := Open(fixture(t, name), append([]Option{WithNumeric(Reference)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

// gather watches the tokens as sequences of the given lengths.
func gather(t *testing.T, m *Model, tokens []int32, lengths ...int) *models.Importance {
	t.Helper()
	var seqs []Seq
	for _, n := range lengths {
		seqs = append(seqs, Seq{Session: m.NewSession(), Tokens: tokens[:n], Want: WantAll})
	}
	p := &models.Importance{}
	if err := m.watched(context.Background(), seqs, p.Add); err != nil {
		t.Fatal(err)
	}
	return p
}

func importanceBytes(t *testing.T, p *models.Importance) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := p.Writer().Encode(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// Every matrix of the layers sees every token once (fused ones too), and what the first sees is the normed embedding.
func TestFixturesImportance(t *testing.T) {
	for _, name := range []string{"llama-gqa.F32.gguf", "llama-gqa.Q4_0.gguf", "phi3-plain.F32.gguf", "gemma3.F32.gguf", "gpt2.F32.gguf", "starcoder2.F32.gguf"} {
		t.Run(name, func(t *testing.T) {
			m := watchedModel(t, name)
			tokens := []int32{1, 9, 4, 7, 3, 200, 17, 5, 80, 81, 82, 33}
			p := gather(t, m, tokens, 12, 5, 1)
			f, err := gguf.Parse("imatrix.gguf", importanceBytes(t, p))
			if err != nil {
				t.Fatal(err)
			}
			matrices := 0
			for i := range m.file.Tensors {
				w := &m.file.Tensors[i]
				if len(w.Shape) < 2 || !strings.HasPrefix(w.Name, "blk.") || !strings.HasSuffix(w.Name, ".weight") {
					continue
				}
				matrices++
				c, ok := f.Tensor(w.Name + ".counts")
				if !ok {
					t.Fatalf("%s has no importances", w.Name)
				}
				var count [1]float32
				unpack(t, count[:], c)
				if count[0] != 18 {
					t.Errorf("%s saw %v tokens, want 18", w.Name, count[0])
				}
			}
			if p.Len() != matrices || matrices == 0 {
				t.Errorf("importances of %d matrices, the layers have %d", p.Len(), matrices)
			}
		})
	}

	m := watchedModel(t, "llama-gqa.F32.gguf")
	tokens := []int32{1, 9, 4}
	dim := m.Spec.Dim
	norm, err := m.vector("blk.0.attn_norm.weight")
	if err != nil {
		t.Fatal(err)
	}
	want, x, y := make([]float64, dim), make([]float32, dim), make([]float32, dim)
	for _, id := range tokens {
		m.plan.embed.row(x, int(id))
		m.level.RMSNorm(y, x, norm, m.Spec.NormEps)
		for i, v := range y {
			want[i] += float64(v) * float64(v)
		}
	}
	p := gather(t, m, tokens, 3)
	for _, name := range []string{"attn_q", "attn_k", "attn_v"} {
		got, err := p.Columns("blk.0."+name+".weight", dim)
		if err != nil || got == nil {
			t.Fatal(name, got, err)
		}
		for i, v := range got {
			if v != float32(want[i])/3 {
				t.Fatalf("%s column %d: %v, want %v", name, i, v, want[i]/3)
			}
		}
	}
}

func unpack(t *testing.T, dst []float32, w *gguf.Tensor) {
	t.Helper()
	f, err := (&Model{file: &gguf.File{Name: "test"}}).format(w)
	if err != nil {
		t.Fatal(err)
	}
	f.Unpack(dst, w.Data)
}

// The sums do not depend on threads or on how tokens are cut into passes, and nobody watches afterwards.
func TestFixturesImportanceInvariant(t *testing.T) {
	tokens := []int32{1, 9, 4, 7, 3, 200, 17, 5, 80, 81, 82, 33}
	var want []byte
	for _, opts := range [][]Option{{WithThreads(1)}, {WithThreads(3)}, {WithChunk(5)}, {WithChunk(1), WithThreads(2)}} {
		m := watchedModel(t, "llama-gqa.Q4_0.gguf", opts...)
		got := importanceBytes(t, gather(t, m, tokens, 12, 7, 9))
		if want == nil {
			want = got
		} else if !bytes.Equal(got, want) {
			t.Error("the importances depend on threads or passes")
		}
		if m.runner.watch != nil {
			t.Error("the watcher stays after the gathering")
		}
	}
}

func TestFixturesImportanceRefuses(t *testing.T) {
	ctx := context.Background()
	path := fixture(t, "llama-gqa.F32.gguf")
	normal, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer normal.Close()
	if _, err := normal.Importance(ctx, []string{"x"}, nil); err == nil || !strings.Contains(err.Error(), "mode reference") {
		t.Errorf("in mode normal: %v", err)
	}
	m := watchedModel(t, "llama-gqa.F32.gguf")
	if _, err := m.Importance(ctx, nil, nil); err == nil || !strings.Contains(err.Error(), "no texts") {
		t.Errorf("without texts: %v", err)
	}
}
