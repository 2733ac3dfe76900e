package engine

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/freehold-slm/freehold/kernels"
	"github.com/freehold-slm/freehold/models/gguf"
	"github.com/freehold-slm/freehold/quant"
)

// BenchmarkExperts compares blocks of experts with a dense block of which a token reads as many bytes: models of 8 layers
// and width 1024 with random weights, in turn, the fastest quarter of the rounds. It reports time over the dense model's.
func BenchmarkExperts(b *testing.B) {
	shapes := [][3]int{{4096, 0, 0}, {1024, 16, 4}, {512, 32, 8}} // width of a block, experts, experts of a token
	for _, format := range []kernels.Type{kernels.Q4_K, kernels.Q8_0} {
		var ms []*Model
		for _, s := range shapes {
			m, err := Open(randomModel(b, format, s[0], s[1], s[2]), WithThreads(2))
			if err != nil {
				b.Fatal(err)
			}
			defer m.Close()
			ms = append(ms, m)
		}
		for _, n := range []int{1, 4, 16, 512} {
			f, _ := quant.ByType(format)
			b.Run(fmt.Sprintf("%s/%d", f.Name, n), func(b *testing.B) {
				times := make([][]float64, len(ms))
				for round := 0; b.Loop(); round++ {
					for i, m := range ms {
						times[i] = append(times[i], passes(b, m, n, max(1, 32/n), round))
					}
				}
				for i := range times {
					slices.Sort(times[i])
				}
				first := len(times[0]) / 4
				for i, s := range shapes[1:] {
					b.ReportMetric(times[i+1][first]/times[0][first], fmt.Sprintf("%d-of-%d/dense", s[2], s[1]))
				}
			})
		}
	}
}

// passes evaluates n tokens at a time after a few, and returns the seconds of all passes.
func passes(b *testing.B, m *Model, n, count, round int) float64 {
	ctx, s := context.Background(), m.NewSession()
	defer s.Close()
	eval := func(n, seed int) {
		tokens := make([]int32, n)
		for j := range tokens {
			tokens[j] = int32((j*j*7 + seed*13 + round*29) % m.Spec.Vocab)
		}
		if err := m.EvalBatch(ctx, []Seq{{s, tokens, WantLast}}); err != nil {
			b.Fatal(err)
		}
	}
	eval(32, 99)
	start := time.Now()
	for k := range count {
		eval(n, k)
	}
	return time.Since(start).Seconds()
}

// randomModel writes a llama of 8 layers and width 1024 with random weights; experts 0 = dense.
func randomModel(b *testing.B, format kernels.Type, ffn, experts, used int) string {
	b.Helper()
	const layers, dim = 8, 1024
	f, err := gguf.Open(filepath.Join("..", "testdata", "models", "llama-gqa.F32.gguf"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	w := gguf.NewWriter()
	for _, kv := range f.KV {
		w.Set(kv.Key, kv.Value)
	}
	for key, v := range map[string]int{"block_count": layers, "context_length": 2048, "embedding_length": dim, "feed_forward_length": ffn,
		"attention.head_count": dim / 64, "attention.head_count_kv": dim / 128, "rope.dimension_count": 64,
		"expert_count": experts, "expert_used_count": used} {
		w.Set("llama."+key, uint32(v))
	}
	r := rand.New(rand.NewPCG(1, 2))
	values := make([]float32, 1<<20)
	for i := range values {
		values[i] = float32(0.05 * r.NormFloat64())
	}
	packed := map[string][]byte{} // rows of a width, repeated in every tensor
	add := func(name string, format kernels.Type, shape ...int) {
		q, _ := quant.ByType(format)
		row, err := q.RowBytes(shape[0])
		if err != nil {
			b.Fatal(err)
		}
		rows := 1
		for _, d := range shape[1:] {
			rows *= d
		}
		key := fmt.Sprint(format, shape[0])
		some := packed[key]
		if some == nil {
			some = make([]byte, len(values)/shape[0]*row)
			q.Pack(some, values, nil, shape[0])
			packed[key] = some
		}
		data := make([]byte, 0, rows*row)
		for len(data) < rows*row {
			data = append(data, some[:min(len(some), rows*row-len(data))]...)
		}
		w.AddTensor(name, format, shape, data)
	}
	add("token_embd.weight", format, dim, 320)
	add("output.weight", format, dim, 320)
	add("output_norm.weight", kernels.F32, dim)
	for l := range layers {
		block := func(name string, format kernels.Type, shape ...int) {
			add(fmt.Sprintf("blk.%d.%s.weight", l, name), format, shape...)
		}
		block("attn_norm", kernels.F32, dim)
		block("ffn_norm", kernels.F32, dim)
		block("attn_q", format, dim, dim)
		block("attn_k", format, dim, dim/2)
		block("attn_v", format, dim, dim/2)
		block("attn_output", format, dim, dim)
		if experts == 0 {
			block("ffn_gate", format, dim, ffn)
			block("ffn_up", format, dim, ffn)
			block("ffn_down", format, ffn, dim)
			continue
		}
		block("ffn_gate_inp", kernels.F32, dim, experts)
		block("ffn_gate_exps", format, dim, ffn, experts)
		block("ffn_up_exps", format, dim, ffn, experts)
		block("ffn_down_exps", format, ffn, dim, experts)
	}
	path := filepath.Join(b.TempDir(), "random.gguf")
	if err := w.WriteTo(path); err != nil {
		b.Fatal(err)
	}
	return path
}
