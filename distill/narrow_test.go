package distill

import (
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/freehold-slm/freehold/models"
)

// half is about half of every width of s.
func half(s *models.Spec) Widths {
	w := Widths{Dim: s.Dim / 2, FFN: s.FFN / 2, Heads: s.Heads, KVHeads: s.KVHeads}
	if s.KVHeads > 1 {
		w.KVHeads = s.KVHeads / 2
		w.Heads = w.KVHeads * (s.Heads / s.KVHeads)
	}
	if group := s.Heads / s.KVHeads; group > 1 {
		w.Heads = w.KVHeads * (group - 1)
	}
	return w
}

func scoreTexts(spec *models.Spec) [][]int32 {
	r := rand.New(rand.NewPCG(81, 82))
	return [][]int32{randomTokens(r, 12, spec.Vocab), randomTokens(r, 5, spec.Vocab), randomTokens(r, 9, spec.Vocab)}
}

func columnScores(t *testing.T, s *Student) ColumnScores {
	t.Helper()
	scores, err := ScoreColumns(s, best(t), 2, goParallel(2), scoreTexts(s.Spec), 16)
	if err != nil {
		t.Fatal(err)
	}
	return scores
}

// wholeBase is the unpruned model at path.
func wholeBase(t *testing.T, path string) *Base {
	t.Helper()
	f := openFile(t, path)
	spec, err := models.NewSpec(f)
	if err != nil {
		t.Fatal(err)
	}
	b, err := NewBase(f, Prune{Layers: upTo(spec.Layers)})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// A narrowed student's file is a model of these widths, whose Spec and logits are the student's own, for every
// architecture but those with experts, latent attention or recurrent layers, which are refused.
func TestFixturesNarrow(t *testing.T) {
	level := best(t)
	for _, path := range modelFiles(t) {
		t.Run(filepath.Base(path), func(t *testing.T) {
			b := wholeBase(t, path)
			old := b.Student.Spec
			if old.Experts > 0 || old.KVRank > 0 || old.Mixer != models.NoMixer {
				if err := b.Narrow(Widths{FFN: 8}, nil); err == nil || !strings.Contains(err.Error(), "experts, latent attention and recurrent") {
					t.Errorf("narrowing it: %v", err)
				}
				return
			}
			w := half(old)
			if err := b.Narrow(w, columnScores(t, b.Student)); err != nil {
				t.Fatal(err)
			}
			s := b.Student
			if s.Spec.Dim != w.Dim || s.Spec.FFN != w.FFN || s.Spec.Heads != w.Heads || s.Spec.KVHeads != w.KVHeads || s.Spec.HeadDim != old.HeadDim {
				t.Errorf("widths %+v, want %+v", s.Spec, w)
			}
			file := exportTo(t, b, "f32")
			again, err := models.NewSpec(openFile(t, file))
			if err != nil {
				t.Fatal(err)
			}
			again.Name = s.Spec.Name // which the job gives, not the base
			if !reflect.DeepEqual(again, s.Spec) {
				t.Errorf("the file's Spec is %+v, want %+v", again, s.Spec)
			}
			tokens := randomTokens(rand.New(rand.NewPCG(83, 84)), 40, s.Spec.Vocab)
			logits, _ := engineLogits(t, file, level, tokens)
			sameBits(t, "logits", logits, logitsOf(s, level, tokens))
		})
	}
}

// Columns that do nothing are those that go, and nothing changes without them: zeroed feed-forward channels and heads to
// the last bit, zeroed channels of the residual stream but for rounding, as norms are over fewer columns.
func TestFixturesNarrowKeepsWhatActs(t *testing.T) {
	level := best(t)
	tried := 0
	for _, path := range modelFiles(t) {
		b := wholeBase(t, path)
		s := b.Student
		old := s.Spec
		if old.Experts > 0 || old.KVRank > 0 || old.Mixer != models.NoMixer || old.Norm != models.RMS || old.QKVBias || old.FFNBias || old.Parallel || old.QKNorm == models.QKRow {
			continue
		}
		tried++
		t.Run(filepath.Base(path), func(t *testing.T) {
			r := rand.New(rand.NewPCG(85, 86))
			w := half(old)
			w.Heads = w.KVHeads * (old.Heads / old.KVHeads) // whole groups
			axes, err := axesOf(s.Program)
			if err != nil {
				t.Fatal(err)
			}
			dead := func(n, keep int) map[int32]bool {
				gone := map[int32]bool{}
				for _, i := range r.Perm(n)[keep:] {
					gone[int32(i)] = true
				}
				return gone
			}
			dim := dead(old.Dim, w.Dim)
			rowsGone := map[axis]map[int32]bool{{axisDim, 0}: dim}
			for l := range old.Layers {
				rowsGone[axis{axisFFN, l}] = dead(old.FFN, w.FFN)
				cols := map[int32]bool{}
				for h := range dead(old.KVHeads, w.KVHeads) {
					for i := range old.HeadDim {
						cols[h*int32(old.HeadDim)+int32(i)] = true
					}
				}
				rowsGone[axis{axisKV, l}] = cols
			}
			for _, o := range s.Program.Ops { // rows that write dead columns
				if s.Program.InHead(o.Out) || o.Kind != models.MatMul && o.Kind != models.Embed {
					continue
				}
				p := s.byName[o.W]
				width := p.Shape[0]
				for c := range rowsGone[axes[o.Out]] {
					if o.Kind == models.Embed {
						for at := int(c); at < len(p.W); at += width {
							p.W[at] = 0
						}
					} else {
						clear(p.W[(o.Row+int(c))*width:][:width])
					}
				}
			}
			tokens := randomTokens(r, 30, old.Vocab)
			before := logitsOf(s, level, tokens)
			scores := columnScores(t, s)
			narrow := w
			narrow.Dim = 0
			if err := b.Narrow(narrow, scores); err != nil {
				t.Fatal(err)
			}
			sameBits(t, "logits without dead heads and channels", logitsOf(b.Student, level, tokens), before)
			if err := b.Narrow(Widths{Dim: w.Dim}, scores); err != nil {
				t.Fatal(err)
			}
			s := b.Student
			if strings.HasPrefix(old.Arch, "gemma") || old.QKNorm != models.QKNone {
				return // embeddings scaled by the width; norms that keep theirs
			}
			wider := float64(old.Dim) / float64(w.Dim) // mean squares over fewer columns, epsilon among them
			s.Spec.NormEps = float32(float64(s.Spec.NormEps) * wider)
			for _, p := range s.Params {
				if strings.HasSuffix(p.Name, "_norm.weight") {
					level.Scale(p.W, float32(math.Sqrt(wider)))
				}
			}
			if after := logitsOf(s, level, tokens); !(maxAbsDiff(after, before) <= 1e-4) {
				t.Errorf("without dead channels of the stream, logits are off by %g", maxAbsDiff(after, before))
			}
		})
	}
	if tried < 4 {
		t.Errorf("only %d models were tried", tried)
	}
}

// Heads go by key-value groups: of each that stays the same number of query heads stays.
func TestNarrowChoosesHeads(t *testing.T) {
	s := &models.Spec{Layers: 1, Dim: 4, FFN: 4, Heads: 6, KVHeads: 3, HeadDim: 2}
	scores := ColumnScores{axis{axisHeads, 0}: {5, 1, 2, 3, 0, 4}, axis{axisFFN, 0}: {1, 2, 2, 2}}
	k := scores.choose(s, Widths{Dim: 4, FFN: 2, Heads: 2, KVHeads: 2})
	want := kept{axis{axisKV, 0}: {0, 1, 2, 3}, axis{axisHeads, 0}: {0, 1, 6, 7}, axis{axisFFN, 0}: {1, 2}}
	if !reflect.DeepEqual(k, want) {
		t.Errorf("kept %v, want %v", k, want)
	}
}

// Scores are those of the formula, computed the slow way from the values of the program.
func TestColumnScores(t *testing.T) {
	s := openStudent(t, fixture(t, "llama-gqa.F32.gguf"))
	axes, err := axesOf(s.Program)
	if err != nil {
		t.Fatal(err)
	}
	got, want := columnScores(t, s), ColumnScores{}
	g := NewGraph(s, best(t), 1, goParallel(1))
	squares := map[models.Value][]float64{}
	for _, text := range scoreTexts(s.Spec) {
		var b Batch
		b.Add(text)
		g.Forward(&b)
		for _, o := range g.ops {
			if o.Kind != models.MatMul || !slices.Contains([]string{"attn_q.weight", "attn_output.weight", "ffn_gate.weight", "ffn_down.weight"}, strings.TrimPrefix(o.W, fmt.Sprintf("blk.%d.", o.Layer))) {
				continue // the others read what one of these does
			}
			v := o.In[0]
			x, width, part := g.Value(v), s.Program.Width[v], 1
			if axes[v].kind == axisHeads {
				part = s.Spec.HeadDim
			}
			for c := 0; c < width; c += part {
				mean := 0.0
				for r := range len(text) {
					norm := 0.0
					for _, y := range x[r*width+c : r*width+c+part] {
						norm += float64(y) * float64(y)
					}
					mean += math.Sqrt(norm) / float64(len(text))
				}
				if squares[v] == nil {
					squares[v] = make([]float64, width/part)
				}
				squares[v][c/part] += mean * mean
			}
		}
	}
	for v, sums := range squares {
		if want[axes[v]] == nil {
			want[axes[v]] = make([]float64, len(sums))
		}
		for i, q := range sums {
			want[axes[v]][i] += math.Sqrt(q)
		}
	}
	if len(got) != len(want) {
		t.Fatalf("scores of %d axes, want %d", len(got), len(want))
	}
	for a, list := range want {
		for i := range list {
			if !(math.Abs(got[a][i]-list[i]) <= 1e-9*list[i]) {
				t.Fatalf("axis %v column %d scores %g, want %g", a, i, got[a][i], list[i])
			}
		}
	}
}

func TestNarrowRefuses(t *testing.T) {
	b := wholeBase(t, fixture(t, "llama-gqa.F32.gguf"))
	s := b.Student.Spec
	for _, w := range []Widths{{Dim: s.Dim + 1}, {FFN: -1}, {Heads: s.Heads + 1}, {KVHeads: s.KVHeads + 1}, {Heads: 3, KVHeads: 2}, {Heads: s.Heads, KVHeads: 1}} {
		if err := b.Narrow(w, nil); err == nil {
			t.Errorf("%+v of %d heads, %d kv is accepted", w, s.Heads, s.KVHeads)
		}
	}
}

// A job with a narrower student, and one from random weights, write models of that size and repeat them.
func TestJobNarrow(t *testing.T) {
	for _, student := range []string{"width: {dim: 32, ffn: 64, heads: 2, kv_heads: 1}", "init: random, width: {dim: 32}"} {
		recipe := tinyJob(t)
		freeze := "freeze: [token_embd.weight]"
		edit(t, recipe, freeze, "freeze: [], "+student)
		o := Options{Threads: 2}
		sum, dir := mustApply(t, recipe, o, Stages{})
		model := sha(t, filepath.Join(dir, "model.gguf"))
		spec, err := models.NewSpec(openFile(t, filepath.Join(dir, "model.gguf")))
		if err != nil || spec.Dim != 32 {
			t.Fatalf("%s: dim is %d (%v)", student, spec.Dim, err)
		}
		o.RunsDir = t.TempDir()
		if again, dir := mustApply(t, recipe, o, Stages{}); sha(t, filepath.Join(dir, "model.gguf")) != model || again.Student.Accuracy != sum.Student.Accuracy {
			t.Errorf("%s: a second run gives another model", student)
		}
		fmt.Fprintln(t.Output(), student, sum.Student.Accuracy)
	}
}
