package engine

import (
	"context"
	"testing"
	"time"

	"github.com/freehold-slm/freehold/kernels"
)

// Speed of the real models, in llama.cpp's terms: pp512 = a prompt of 512 tokens, tg128 = 128 tokens one by one.
func BenchmarkReal(b *testing.B) {
	for _, name := range []string{"smollm2-135m-instruct", "qwen2.5-coder-0.5b-instruct"} {
		b.Run(name+"/pp512", func(b *testing.B) {
			m := openReal(b, name)
			prompt := someTokens(m, 512)
			for b.Loop() {
				s := m.NewSession()
				if err := m.EvalBatch(context.Background(), []Seq{{s, prompt, WantLast}}); err != nil {
					b.Fatal(err)
				}
				s.Close()
			}
			b.ReportMetric(512*float64(b.N)/b.Elapsed().Seconds(), "tok/s")
		})
		b.Run(name+"/tg128", func(b *testing.B) {
			m := openReal(b, name)
			tokens := someTokens(m, 1)
			for b.Loop() {
				s := m.NewSession()
				tokens = tokens[:1]
				for range 128 {
					l, err := s.Eval(context.Background(), tokens)
					if err != nil {
						b.Fatal(err)
					}
					tokens = append(tokens, argmax(l))
				}
				s.Close()
			}
			b.ReportMetric(128*float64(b.N)/b.Elapsed().Seconds(), "tok/s")
		})
		b.Run(name+"/labels", func(b *testing.B) { // rows of 30 tokens after a shared prefix of 30, 32 together
			m := openReal(b, name)
			base := m.NewSession()
			if err := m.EvalBatch(context.Background(), []Seq{{base, someTokens(m, 30), WantNone}}); err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				var seqs []Seq
				for range 32 {
					seqs = append(seqs, Seq{base.Fork(), someTokens(m, 30), WantLast})
				}
				if err := m.EvalBatch(context.Background(), seqs); err != nil {
					b.Fatal(err)
				}
				for _, s := range seqs {
					s.Session.Close()
				}
			}
			b.ReportMetric(32*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}

func openReal(t testing.TB, name string, opts ...Option) *Model {
	t.Helper()
	m, err := Open(realPath(t, name), opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

// someTokens returns n token ids that spread over the vocabulary.
func someTokens(m *Model, n int) []int32 {
	t := make([]int32, n)
	for i := range t {
		t[i] = int32((i*7919 + 13) % (m.Spec.Vocab - 100))
	}
	return t
}

// readTask reads the weights of one token and does nothing with them: what decoding would cost if only memory did.
type readTask struct{ pieces [][]byte }

func (t *readTask) run(_, chunk int) {
	for b := t.pieces[chunk]; len(b) > 0; {
		n := min(len(b), kernels.PeakReadBytes)
		kernels.PeakRead(b[:n])
		b = b[n:]
	}
}

// BenchmarkLimit decodes tokens and, in turns, merely reads the same weights with the same threads, so that both meet
// the same machine. "of-memory-speed" is the share of the memory's speed that decoding reaches.
func BenchmarkLimit(b *testing.B) {
	for _, name := range []string{"smollm2-135m-instruct", "qwen2.5-coder-0.5b-instruct"} {
		b.Run(name, func(b *testing.B) {
			m := openReal(b, name)
			read := &readTask{}
			add := func(w *matrix) {
				for from := 0; from < len(w.data); from += chunkBytes {
					read.pieces = append(read.pieces, w.data[from:min(len(w.data), from+chunkBytes)])
				}
			}
			for i := range m.plan.steps {
				for j := range m.plan.steps[i].mats {
					add(&m.plan.steps[i].mats[j])
				}
			}
			add(&m.plan.head.mats[0])
			s := m.NewSession()
			tokens := someTokens(m, 1)
			var decode, reading time.Duration
			for b.Loop() {
				start := time.Now()
				l, err := s.Eval(context.Background(), tokens)
				if err != nil {
					b.Fatal(err)
				}
				decode += time.Since(start)
				if tokens = append(tokens, argmax(l)); len(tokens) > 128 {
					tokens = tokens[:1]
				}
				start = time.Now()
				if err := m.pool.run(read, len(read.pieces)); err != nil {
					b.Fatal(err)
				}
				reading += time.Since(start)
			}
			n := 0
			for _, p := range read.pieces {
				n += len(p)
			}
			b.ReportMetric(float64(b.N)/decode.Seconds(), "tok/s")
			b.ReportMetric(float64(n)*float64(b.N)/reading.Seconds()/1e9, "read-GB/s")
			b.ReportMetric(reading.Seconds()/decode.Seconds(), "of-memory-speed")
		})
	}
}
