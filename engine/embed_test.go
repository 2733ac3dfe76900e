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
	"github.com/freehold-slm/freehold/models/tiny"
)

func openTiny(t *testing.T, name string, opts ...Option) *Model {
	t.Helper()
	path := filepath.Join(t.TempDir(), "model.gguf")
	if err := tiny.ByName(name).Writer().WriteTo(path); err != nil {
		t.Fatal(err)
	}
	m, err := Open(path, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

// Embeddings are the same, bit for bit, alone and beside others, on every level, with any number of threads and any chunk: of encoders,
// also over more than a page of keys, and of a model that generates.
func TestEmbedSameBits(t *testing.T) {
	texts := []string{"the", strings.Repeat("over the cat sat ", 40), "sing, the cat?", strings.Repeat("the ", 250)}
	for _, name := range []string{"bert", "bert-cls", "nomic-bert", "internlm2"} {
		t.Run(name, func(t *testing.T) {
			o := EmbedOptions{}
			if name == "internlm2" {
				o.Pooling = models.PoolMean
				texts[1] = strings.Repeat("over the cat ", 15)
				texts[3] = strings.Repeat("the ", 90)
			}
			var want [][]float32
			for i, l := range kernels.Levels() {
				for _, c := range []struct{ threads, chunk int }{{1, 512}, {3, 7}} {
					m := openTiny(t, name, WithLevel(l), WithThreads(c.threads), WithChunk(c.chunk))
					got, err := m.Embed(context.Background(), texts, o)
					if err != nil {
						t.Fatal(err)
					}
					if want == nil {
						want = got
						for i, v := range got {
							length := 0.0
							for _, x := range v {
								length += float64(x) * float64(x)
							}
							if math.Abs(length-1) > 1e-5 {
								t.Errorf("text %d: length² %g, want 1", i, length)
							}
							if i > 0 && sameBits(v, got[0]) < 0 {
								t.Errorf("texts 0 and %d have one embedding", i)
							}
						}
					}
					for i := range want {
						if at := sameBits(want[i], got[i]); at >= 0 {
							t.Fatalf("level %s, %d threads, chunk %d: text %d, number %d is %v, want %v", l.Name, c.threads, c.chunk, i, at, got[i][at], want[i][at])
						}
					}
				}
				if i > 0 {
					continue
				}
				m := openTiny(t, name)
				for i, text := range texts {
					alone, err := m.Embed(context.Background(), []string{text}, o)
					if err != nil {
						t.Fatal(err)
					}
					if at := sameBits(want[i], alone[0]); at >= 0 {
						t.Errorf("text %d alone: number %d is %v, want %v", i, at, alone[0][at], want[i][at])
					}
				}
			}
		})
	}
}

// Every token of an encoder sees every other: a change of the last word moves the first token's state.
func TestEncoderSeesBothWays(t *testing.T) {
	m := openTiny(t, "bert-cls")
	got, err := m.Embed(context.Background(), []string{"the cat sat over", "the cat sat in"}, EmbedOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if sameBits(got[0], got[1]) < 0 {
		t.Error("the first token's state does not depend on the last")
	}
}

func TestEmbedErrors(t *testing.T) {
	ctx := context.Background()
	m := openTiny(t, "bert")
	s := m.NewSession()
	if _, err := s.Eval(ctx, []int32{5, 6}); err == nil || !strings.Contains(err.Error(), "encoder") {
		t.Errorf("an encoder gives logits (%v)", err)
	}
	if err := m.EvalBatch(ctx, []Seq{{s, []int32{5, 6}, WantMean}}); err != nil || len(s.Pooled()) != m.Spec.Dim {
		t.Fatalf("%d numbers (%v)", len(s.Pooled()), err)
	}
	if err := m.EvalBatch(ctx, []Seq{{s, []int32{7}, WantMean}}); err == nil {
		t.Error("a session of an encoder is continued")
	}
	var long *ContextError
	if _, err := m.Embed(ctx, []string{"a", strings.Repeat("the ", 400)}, EmbedOptions{}); !errors.As(err, &long) || !strings.Contains(fmt.Sprint(err), "text 2") {
		t.Errorf("a text beyond the context: %v", err)
	}
	if _, err := openTiny(t, "internlm2").Embed(ctx, []string{"a"}, EmbedOptions{}); err == nil || !strings.Contains(err.Error(), "pooling_type") {
		t.Errorf("no pooling is stated: %v", err)
	}
}
