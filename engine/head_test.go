package engine

import (
	"context"
	"encoding/binary"
	"math"
	"path/filepath"
	"slices"
	"testing"

	"github.com/freehold-slm/freehold/kernels"
	"github.com/freehold-slm/freehold/models"
	"github.com/freehold-slm/freehold/models/gguf"
)

// withHead writes a copy of a fixture model with a classification head of two labels and returns the head's weights
// [2, dim] and bias [2].
func withHead(t *testing.T, name string, pooling models.Pooling) (path string, w, b []float32) {
	t.Helper()
	f, err := gguf.Open(fixture(t, name+".gguf"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	spec, err := models.NewSpec(f)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 2 * spec.Dim {
		w = append(w, float32((i*37)%19-9)/10)
	}
	b = []float32{0.25, -0.5}
	out := gguf.NewWriter()
	for _, kv := range f.KV {
		out.Set(kv.Key, kv.Value)
	}
	out.Set(spec.Arch+".pooling_type", uint32(pooling))
	out.Set(spec.Arch+".classifier.output_labels", []string{"good", "bad"})
	for _, x := range f.Tensors {
		out.AddTensor(x.Name, x.Type, x.Shape, x.Data)
	}
	if pooling == models.PoolMean { // one way to store the head, then the other
		out.AddTensor("cls.output.weight", kernels.F32, []int{spec.Dim, 2}, floatBytes(w))
		out.AddTensor("cls.output.bias", kernels.F32, []int{2}, floatBytes(b))
	} else {
		out.Set(models.ClassifierWeight, w)
		out.Set(models.ClassifierBias, b)
	}
	path = filepath.Join(t.TempDir(), "head.gguf")
	if err := out.WriteTo(path); err != nil {
		t.Fatal(err)
	}
	return path, w, b
}

// The pooled head's logits are weights times the mean (or last) hidden state, whatever the chunk, the neighbours and
// the prefix reused; LogProbs normalises them.
func TestFixturesHead(t *testing.T) {
	ctx := context.Background()
	tokens := []int32{1, 20, 33, 47, 5, 66, 71, 80, 99, 101, 7}
	for _, pooling := range []models.Pooling{models.PoolMean, models.PoolLast} {
		path, w, b := withHead(t, "llama-gqa.Q8_0", pooling)
		var want []float32
		for _, chunk := range []int{512, 3, 1} {
			m, err := Open(path, WithChunk(chunk), WithThreads(2))
			if err != nil {
				t.Fatal(err)
			}
			base := m.NewSession()
			if err := m.EvalBatch(ctx, []Seq{{base, tokens[:4], WantClass}}); err != nil {
				t.Fatal(err)
			}
			cold, reused, other := m.NewSession(), base.Fork(), m.NewSession()
			if err := m.EvalBatch(ctx, []Seq{{other, tokens[5:], WantLast}, {cold, tokens, WantClass}, {reused, tokens[4:], WantClass}}); err != nil {
				t.Fatal(err)
			}
			if want == nil {
				want = slices.Clone(cold.ClassLogits())
				byHand(t, m, tokens, pooling, w, b, want)
			}
			for i, s := range []*Session{cold, reused} {
				if at := sameBits(s.ClassLogits(), want); at >= 0 {
					t.Errorf("pooling %d, chunk %d, way %d: %v, want %v", pooling, chunk, i, s.ClassLogits(), want)
				}
			}
			if pooling == models.PoolMean {
				s := m.NewSession()
				if err := m.EvalBatch(ctx, []Seq{{s, tokens[:3], WantLast}}); err != nil {
					t.Fatal(err)
				}
				if err := m.EvalBatch(ctx, []Seq{{s, tokens[3:], WantClass}}); err == nil {
					t.Error("states that were not pooled were accepted")
				}
			}
			c, err := m.NewClassifier(Task{})
			if err != nil {
				t.Fatal(err)
			}
			rows, err := c.LogProbsTokens(ctx, [][]int32{tokens, tokens[:6]})
			if err != nil {
				t.Fatal(err)
			}
			norm := math.Log(math.Exp(float64(want[0])) + math.Exp(float64(want[1])))
			for l := range want {
				if got := rows[0][l]; math.Abs(got-(float64(want[l])-norm)) > 1e-9 {
					t.Errorf("log-probability of label %d is %v, want %v", l, got, float64(want[l])-norm)
				}
			}
			if _, err := m.NewClassifier(Task{Labels: []string{"x", "y"}}); err == nil {
				t.Error("labels other than the head's were accepted")
			}
			m.Close()
		}
	}
}

// byHand pools the hidden states as the runner leaves them and applies the head in float64.
func byHand(t *testing.T, m *Model, tokens []int32, pooling models.Pooling, w, b, got []float32) {
	t.Helper()
	s := m.NewSession()
	if err := m.EvalBatch(context.Background(), []Seq{{s, tokens, WantAll}}); err != nil {
		t.Fatal(err)
	}
	dim := m.Spec.Dim
	hidden := m.runner.buf[m.plan.hidden] // of the last pass: all rows were wanted
	for l := range b {
		want := float64(b[l])
		for d := range dim {
			x := float64(hidden[(len(tokens)-1)*dim+d])
			if pooling == models.PoolMean {
				x = 0
				for r := range tokens {
					x += float64(hidden[r*dim+d]) / float64(len(tokens))
				}
			}
			want += x * float64(w[l*dim+d])
		}
		if math.Abs(want-float64(got[l])) > 1e-4 {
			t.Errorf("pooling %d: label %d has logit %v, want %v", pooling, l, got[l], want)
		}
	}
}

func floatBytes(x []float32) []byte {
	b := make([]byte, 4*len(x))
	for i, v := range x {
		binary.LittleEndian.PutUint32(b[4*i:], math.Float32bits(v))
	}
	return b
}
