package engine

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/freehold-slm/freehold/kernels"
	"github.com/freehold-slm/freehold/models"
	"github.com/freehold-slm/freehold/models/gguf"
	"github.com/freehold-slm/freehold/models/tiny"
)

func sameBits(a, b []float32) int {
	if len(a) != len(b) {
		return 0
	}
	for i := range a {
		if math.Float32bits(a[i]) != math.Float32bits(b[i]) {
			return i
		}
	}
	return -1
}

// combo is one way to compute the same logits.
type combo struct {
	seqs, threads, chunk int
	reuse                bool
	level                *kernels.Level
}

func (c combo) String() string {
	return fmt.Sprintf("%d sequences, %d threads, chunk %d, reuse %v, %s", c.seqs, c.threads, c.chunk, c.reuse, c.level.Name)
}

// run evaluates a prompt and decodes `decode` tokens greedily, among seqs-1 other sequences of other lengths, and
// returns the logits after the prompt and after each token.
func (c combo) run(t *testing.T, m *Model, prompt []int32, decode int) [][]float32 {
	t.Helper()
	ctx := context.Background()
	vocab := int32(m.Spec.Vocab)
	seqs := make([]Seq, c.seqs)
	me := c.seqs / 2
	for i := range seqs {
		p := prompt
		if i != me { // neighbours: other tokens, other lengths
			p = make([]int32, 1+(len(prompt)+i*13)%min(len(prompt), 101))
			for j := range p {
				p[j] = (prompt[j] + int32(i)*31 + 1) % vocab
			}
		}
		s := m.NewSession()
		defer s.Close()
		if c.reuse {
			// A fork of a session that holds a part of the prompt, and had held something else beyond it.
			base := m.NewSession()
			held := len(p) * 2 / 3
			other := append(append([]int32(nil), p[:held]...), (p[held]+1)%vocab)
			if err := m.EvalBatch(ctx, []Seq{{base, other, WantNone}}); err != nil {
				t.Fatal(err)
			}
			base.Truncate(held)
			s.Assign(base)
			base.Close()
			p = p[held:]
		}
		seqs[i] = Seq{s, p, WantLast}
	}
	var out [][]float32
	for range decode + 1 {
		if err := m.EvalBatch(ctx, seqs); err != nil {
			t.Fatal(err)
		}
		out = append(out, append([]float32(nil), seqs[me].Session.Logits()...))
		for i := range seqs {
			seqs[i].Tokens = []int32{argmax(seqs[i].Session.Logits())}
		}
	}
	return out
}

func checkCombos(t *testing.T, open func(opts ...Option) *Model, combos []combo, prompt []int32, decode int) {
	t.Helper()
	opened := map[string]*Model{}
	get := func(c combo) *Model {
		k := fmt.Sprint(c.threads, c.chunk, c.level.Name)
		if opened[k] == nil {
			opened[k] = open(WithThreads(c.threads), WithChunk(c.chunk), WithLevel(c.level))
		}
		return opened[k]
	}
	levels := kernels.Levels()
	base := combo{1, 1, 512, false, levels[len(levels)-1]}
	want := base.run(t, get(base), prompt, decode)
	for _, c := range combos {
		got := c.run(t, get(c), prompt, decode)
		for i := range want {
			if at := sameBits(want[i], got[i]); at >= 0 {
				t.Errorf("%v: step %d, logit %d is %v, want %v", c, i, at, got[i][at], want[i][at])
				break
			}
		}
		if t.Failed() {
			return
		}
	}
}

// kvTypes are f16 and another type that a KV cache of the file can have: q8_0, or f32 where heads are too small for that.
func kvTypes(t *testing.T, f *gguf.File) []KV {
	t.Helper()
	spec, err := models.NewSpec(f)
	if err != nil {
		t.Fatal(err)
	}
	if spec.HeadDim%kernels.ActBlock != 0 {
		return []KV{KVF16, KVF32}
	}
	return []KV{KVF16, KVQ8_0}
}

// eachKV runs a subtest for each of kvTypes.
func eachKV(t *testing.T, f *gguf.File, run func(t *testing.T, kv KV, open func(opts ...Option) *Model)) {
	t.Helper()
	for _, kv := range kvTypes(t, f) {
		t.Run(kv.String(), func(t *testing.T) {
			run(t, kv, func(opts ...Option) *Model { return newModel(t, f, append(opts, WithKV(kv))...) })
		})
	}
}

// openFixture opens a reference model, or a tiny one.
func openFixture(t *testing.T, name string) *gguf.File {
	t.Helper()
	path := ""
	if made, ok := strings.CutPrefix(name, "tiny "); ok {
		path = filepath.Join(t.TempDir(), "model.gguf")
		if err := tiny.ByName(made).Writer().WriteTo(path); err != nil {
			t.Fatal(err)
		}
	} else {
		path = fixture(t, name+".gguf")
	}
	f, err := gguf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// The ops that llama has not, over several pages: windows that begin within a page, capped scores, norms of heads and
// rows, positions, GELU, fused tensors, factors, experts, sinks, latent attention, ALiBi.
func TestFixturesSameBitsArchitectures(t *testing.T) {
	for _, name := range []string{"gemma2.F32", "gemma3.F32", "gpt2.F32", "olmo2.BF16", "phi3-long.F32", "falcon-7b.Q8_0", "granite.Q8_0", "olmo2.Q8_0", "stablelm.Q8_0",
		"llama-moe.Q4_0", "qwen2moe.Q8_0", "qwen3moe-256.Q4_K_M", "qwen3moe.F32", "gpt-oss.MXFP4_MOE", "deepseek2-lite.Q8_0", "deepseek2-qlora.F32",
		"tiny olmo", "tiny cohere2", "tiny nemotron", "tiny hunyuan-dense", "tiny mpt", "tiny stablelm-norms"} {
		t.Run(name, func(t *testing.T) {
			f := openFixture(t, name)
			defer f.Close()
			var combos []combo
			for _, l := range kernels.Levels() {
				combos = append(combos, combo{1, 2, 17, false, l}, combo{3, 2, 512, true, l})
			}
			combos = append(combos, combo{1, 1, 1, false, combos[len(combos)-1].level})
			eachKV(t, f, func(t *testing.T, _ KV, open func(opts ...Option) *Model) {
				m := open()
				prompt := make([]int32, min(m.Context()-10, 290))
				for i := range prompt {
					prompt[i] = int32((i*i*7 + 3*i) % m.Spec.Vocab)
				}
				checkCombos(t, open, combos, prompt, 3)
			})
		})
	}
}

// The same logits, bit for bit, however they are computed: the full grid on small models; with -short one and two
// sequences, and every pair of settings.
func TestFixturesSameBits(t *testing.T) {
	for _, name := range []string{"llama-gqa.F32", "llama256.Q4_K_M", "llama-gqa.Q8_0", "llama256.Q4_1", "qwen2.Q8_0", "llama256.Q5_0"} {
		path := fixture(t, name+".gguf")
		if _, err := os.Stat(path); err != nil {
			continue
		}
		t.Run(name, func(t *testing.T) {
			f, err := gguf.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			var ref tinyref
			readJSON(t, fixture(t, name+".json"), &ref)
			eachKV(t, f, func(t *testing.T, kv KV, open func(opts ...Option) *Model) {
				counts, threads, chunks := []int{1, 2, 7, 32}, []int{1, 2, 8}, []int{1, 17, 512}
				if kv != KVF16 { // the same code but for the kernels
					counts, threads, chunks = []int{1, 7}, []int{2, 8}, []int{1, 17}
				}
				var combos []combo
				for _, l := range kernels.Levels() {
					for _, n := range counts {
						if l.Name == "portable" && (n > 7 || kv != KVF16 && n > 1) {
							continue
						}
						for _, th := range threads {
							for _, ch := range chunks {
								combos = append(combos, combo{n, th, ch, false, l}, combo{n, th, ch, true, l})
							}
						}
					}
				}
				if testing.Short() { // every pair of settings
					levels := kernels.Levels()
					combos = cover([]int{2, len(threads), len(chunks), 2, len(levels)}, 0, func(v []int) combo {
						return combo{1 + v[0], threads[v[1]], chunks[v[2]], v[3] == 1, levels[v[4]]}
					})
				}
				checkCombos(t, open, combos, ref.Tokens[:35], 2)
			})
		})
	}
}

// A context that spans pages: forks in the middle of a page, copies on write, pages computed by several workers.
func TestFixturesSamePages(t *testing.T) {
	for _, name := range []string{"llama-gqa.Q8_0", "llama256.Q4_1"} {
		f, err := gguf.Open(fixture(t, name+".gguf"))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		eachKV(t, f, func(t *testing.T, kv KV, open func(opts ...Option) *Model) {
			if kv != KVQ8_0 && name != "llama-gqa.Q8_0" {
				return // heads of 64, for the type that needs them
			}
			// The file's context is 128 tokens; widen it here, for pages are 256.
			checkPages(t, func(opts ...Option) *Model {
				m := open(opts...)
				m.cfg.context = 2048
				return m
			})
		})
	}
}

func checkPages(t *testing.T, spec func(opts ...Option) *Model) {
	t.Helper()
	prompt := make([]int32, 700)
	for i := range prompt {
		prompt[i] = int32((i*i*31 + 7*i) % 320)
	}
	levels := kernels.Levels()
	native := levels[min(1, len(levels)-1):]
	var combos []combo
	for _, l := range native {
		for _, n := range []int{1, 3} {
			for _, th := range []int{1, 2, 8} {
				for _, ch := range []int{17, 512} {
					combos = append(combos, combo{n, th, ch, false, l}, combo{n, th, ch, true, l})
				}
			}
		}
	}
	if testing.Short() { // every pair of settings
		combos = cover([]int{2, 3, 2, 2, len(native)}, 0, func(v []int) combo {
			return combo{[]int{1, 3}[v[0]], []int{1, 2, 8}[v[1]], []int{17, 512}[v[2]], v[3] == 1, native[v[4]]}
		})
	}
	checkCombos(t, spec, combos, prompt, 3)
}

// SmolLM2 with 600-token prompts, 40 combinations that cover every pair of settings.
func TestRealSameBits(t *testing.T) {
	if os.Getenv("FREEHOLD_LONG") != "1" {
		t.Skip("long test: set FREEHOLD_LONG=1")
	}
	path := realPath(t, "smollm2-135m-instruct")
	f, err := gguf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	m := newModel(t, f)
	prompt := someTokens(m, 600)
	levels := kernels.Levels()
	native := levels[min(1, len(levels)-1):]
	combos := cover([]int{4, 3, 3, 2, len(native)}, 40, func(v []int) combo {
		return combo{[]int{1, 2, 7, 32}[v[0]], []int{1, 2, 8}[v[1]], []int{1, 17, 512}[v[2]], v[3] == 1, native[v[4]]}
	})
	eachKV(t, f, func(t *testing.T, kv KV, open func(opts ...Option) *Model) {
		some := combos
		if kv != KVF16 {
			some = combos[:12]
		}
		checkCombos(t, open, some, prompt, 2)
		if !testing.Short() { // portable: one short prompt
			checkCombos(t, open, []combo{{1, 2, 512, false, levels[0]}}, prompt[:16], 0)
		}
	})
}

// cover returns n different combinations of settings with the given numbers of values, such that every pair of values
// of two settings occurs: greedily, the one that covers most pairs not covered yet, over and over. With n = 0 it stops
// when all pairs are covered.
func cover(sizes []int, n int, make func([]int) combo) []combo {
	type pair struct{ i, a, j, b int }
	seen := map[pair]bool{}
	used := map[string]bool{}
	fresh := func(v []int, mark bool) (count int) {
		for i := range v {
			for j := i + 1; j < len(v); j++ {
				p := pair{i, v[i], j, v[j]}
				if !seen[p] {
					count++
				}
				if mark {
					seen[p] = true
				}
			}
		}
		return count
	}
	var out []combo
	for n == 0 || len(out) < n {
		var best []int
		most := -1
		v := append([]int(nil), sizes...)
		var walk func(int)
		walk = func(i int) {
			if i == len(sizes) {
				if f := fresh(v, false); f > most && !used[fmt.Sprint(v)] {
					most, best = f, append([]int(nil), v...)
				}
				return
			}
			for v[i] = 0; v[i] < sizes[i]; v[i]++ {
				walk(i + 1)
			}
		}
		walk(0)
		if most <= 0 {
			if best == nil || n == 0 {
				break
			}
			clear(seen) // all pairs are covered: cover them again
			continue
		}
		used[fmt.Sprint(best)] = true
		fresh(best, true)
		out = append(out, make(best))
	}
	return out
}
