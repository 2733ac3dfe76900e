package distill

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/freehold-slm/freehold/engine"
	"github.com/freehold-slm/freehold/kernels"
	"github.com/freehold-slm/freehold/models"
	"github.com/freehold-slm/freehold/models/gguf"
	"github.com/freehold-slm/freehold/models/tiny"
	"github.com/freehold-slm/freehold/models/token"
	"github.com/freehold-slm/freehold/quant"
)

func openFile(t testing.TB, path string) *gguf.File {
	t.Helper()
	f, err := gguf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// Encoders are refused by name, wherever a student or teacher is opened.
func TestEncodersRefused(t *testing.T) {
	paths, err := tiny.Files(t.TempDir(), "bert")
	if err != nil {
		t.Fatal(err)
	}
	f := openFile(t, paths[0])
	spec, err := models.NewSpec(f)
	if err != nil {
		t.Fatal(err)
	}
	_, base := NewBase(f, Prune{Layers: []int{0}})
	_, student := NewStudent(spec, f)
	_, model := checkModel(paths[0], false)
	for what, err := range map[string]error{"NewBase": base, "NewStudent": student, "checkModel": model} {
		if err == nil || !strings.Contains(err.Error(), "bert is an encoder") {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// Pruning by layers keeps the named blocks' tensors, value for value, and all that is not in a block.
func TestFixturesPruneLayers(t *testing.T) {
	for _, path := range modelFiles(t) {
		t.Run(filepath.Base(path), func(t *testing.T) {
			f := openFile(t, path)
			spec, err := models.NewSpec(f)
			if err != nil {
				t.Fatal(err)
			}
			layers := []int{spec.Layers - 1}
			if spec.Layers > 2 {
				layers = []int{0, spec.Layers - 1}
			}
			b, err := NewBase(f, Prune{Layers: layers})
			if err != nil {
				t.Fatal(err)
			}
			if b.Student.Spec.Layers != len(layers) {
				t.Errorf("the student has %d layers", b.Student.Spec.Layers)
			}
			for _, p := range b.Student.Params {
				name := p.Name
				for i, l := range layers {
					if rest, ok := strings.CutPrefix(name, fmt.Sprintf("blk.%d.", i)); ok {
						name = fmt.Sprintf("blk.%d.%s", l, rest)
						break
					}
				}
				src, ok := f.Tensor(name)
				if !ok {
					t.Fatalf("no tensor %q", name)
				}
				want := make([]float32, len(p.W))
				mustFormat(kernels.F32).Unpack(want, src.Data)
				sameBits(t, p.Name+" from "+name, p.W, want)
			}
			// The written file is a model of that many layers with the same program.
			out := openFile(t, exportTo(t, b, "f32"))
			again, err := models.NewSpec(out)
			if err != nil {
				t.Fatal(err)
			}
			tokens := randomTokens(rand.New(rand.NewPCG(61, 62)), 60, spec.Vocab)
			logits, _ := engineLogits(t, out.Name, best(t), tokens)
			sameBits(t, "logits", logits, logitsOf(b.Student, best(t), tokens))
			if again.Layers != len(layers) || again.Vocab != spec.Vocab || again.HeadDim != spec.HeadDim {
				t.Errorf("the written file has %+v", again)
			}
			if got, err := out.Ints("freehold.source_layers"); err != nil || len(got) != len(layers) || got[len(got)-1] != int64(spec.Layers-1) {
				t.Errorf("freehold.source_layers is %v (%v)", got, err)
			}
		})
	}
	f := openFile(t, modelFiles(t)[0])
	for _, layers := range [][]int{nil, {-1}, {99}, {1, 0}, {0, 0}} {
		if _, err := NewBase(f, Prune{Layers: layers}); err == nil || !strings.Contains(err.Error(), "layer") {
			t.Errorf("layers %v: %v", layers, err)
		}
	}
}

// mixErrors are the largest relative errors (root mean square) that a mix may make in a matrix of random normal
// weights: 1.5 times what the step of its coarsest format gives.
var mixErrors = map[string]float64{"f32": 0, "f16": 5e-4, "bf16": 3e-3, "q8_0": 0.01, "q6_k": 0.035, "q5_1": 0.07, "q5_0": 0.07, "q4_1": 0.14, "q4_0": 0.15, "q4_k_m": 0.14}

// A written file of any mix holds the student's weights within the mix's error, computes in engine's mode reference
// exactly what training computes with these weights, and is the same file when written again.
func TestFixturesExport(t *testing.T) {
	level := best(t)
	for _, path := range modelFiles(t) {
		switch filepath.Base(path) {
		case "qwen2.F32.gguf", "llama-gqa.F32.gguf", "llama256.F32.gguf", "qwen2moe.F32.gguf":
		default:
			continue
		}
		b := withHead(t, path, models.PoolMean)
		tokens := randomTokens(rand.New(rand.NewPCG(71, 72)), 40, b.Student.Spec.Vocab)
		for mix, tol := range mixErrors {
			t.Run(filepath.Base(path)+"/"+mix, func(t *testing.T) {
				file := exportTo(t, b, mix)
				s := openStudent(t, file)
				for _, p := range b.Student.Params {
					limit := tol
					if len(p.Shape) < 2 || strings.HasPrefix(p.Name, "cls.") || strings.Contains(p.Name, "ffn_gate_inp") {
						limit = 0 // vectors, heads and routers stay as they are
					}
					if d := relativeL2(s.Param(p.Name).W, p.W); !(d <= limit) || limit > 0 && d == 0 {
						t.Errorf("%s is off by %.3g of its size, want at most %g and not 0", p.Name, d, limit)
					}
				}
				logits, class := engineLogits(t, file, level, tokens)
				sameBits(t, "logits", logits, logitsOf(s, level, tokens))
				g := NewGraph(s, level, 1, goParallel(1))
				var batch Batch
				batch.Add(tokens)
				g.Forward(&batch)
				sameBits(t, "classification logits", class, g.Value(s.Program.Class))

				one, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				two, err := os.ReadFile(exportTo(t, b, mix))
				if err != nil || !bytes.Equal(one, two) {
					t.Errorf("two exports differ (%v)", err)
				}
				m, err := quant.MixByName(mix)
				if err != nil {
					t.Fatal(err)
				}
				if ft, err := openFile(t, file).Uint("general.file_type"); err != nil || ft != uint64(m.FileType) {
					t.Errorf("general.file_type is %d (%v)", ft, err)
				}
			})
		}
	}
}

// A student's file can be a student again, head included.
func TestFixturesStudentOfStudent(t *testing.T) {
	b := withHead(t, modelFiles(t)[0], models.PoolMean)
	s := openStudent(t, exportTo(t, b, "f32"))
	if len(s.Params) != len(b.Student.Params) {
		t.Fatalf("%d tensors, want %d", len(s.Params), len(b.Student.Params))
	}
	for _, p := range b.Student.Params {
		sameBits(t, p.Name, s.Param(p.Name).W, p.W)
	}
}

// vocabFiles lists vocabularies, byte-level BPE and SPM: the fixture models', and those of SmolLM2 and Gemma 3 where they
// were pulled.
func vocabFiles(t *testing.T) map[string]*gguf.File {
	t.Helper()
	out := map[string]*gguf.File{"base_bpe256": openFile(t, tinyTeacher(t))}
	for _, path := range modelFiles(t) {
		f := openFile(t, path)
		out[filepath.Base(path)] = f
	}
	for name, file := range map[string]string{"smollm2": "smollm2-135m-instruct.gguf", "gemma3-270m": "gemma-3-270m.gguf"} {
		if cache, err := os.UserCacheDir(); err == nil {
			path := filepath.Join(cache, "freehold", "models", file)
			if _, err := os.Stat(path); err == nil {
				out[name] = openFile(t, path)
			}
		}
		if out[name] == nil {
			t.Logf("SKIPPED: the vocabulary of %s, which was not pulled", file)
		}
	}
	return out
}

var trainTexts = []string{"the word that they have is from what this was, with 12 of them", "A thin, funny movie — not good.\tReally!",
	"it's  a naïve café", "don't   stop\n\nnow", "什么", "the the the", "x", "(well-made) 3.5/10 :-)"}

var unseenTexts = []string{"Quite another text: zebra, quixotic & 987654321!", "emoji 🙂 and 漢字 and \x00 control", "\u202eright to left", "tabs\t\tand   spaces ",
	"don't they'll we'RE", "Ünïcödé", "\xff\xfe not UTF-8 \xc3", "<|endoftext|> <|im_start|>user", ""}

// Trimming keeps what it promises: the used tokens, all their parts, the single bytes and the special tokens, in order;
// the training texts encode to the same tokens, and any other text still decodes to its own bytes.
func TestFixturesTrimVocab(t *testing.T) {
	for name, f := range vocabFiles(t) {
		t.Run(name, func(t *testing.T) {
			v, err := models.Vocabulary(f)
			if err != nil {
				t.Fatal(err)
			}
			full, err := token.New(v)
			if err != nil {
				t.Fatal(err)
			}
			used := map[int32]bool{}
			for _, text := range trainTexts {
				for _, id := range engine.EncodeText(full, text) {
					used[id] = true
				}
			}
			keep, err := TrimVocab(v, used)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.IsSorted(keep) || len(slices.Compact(slices.Clone(keep))) != len(keep) {
				t.Fatal("the kept ids do not rise")
			}
			kept := map[string]bool{}
			for _, id := range keep {
				kept[v.Tokens[id]] = true
			}
			for id := range used {
				if !kept[v.Tokens[id]] {
					t.Errorf("used token %q is not kept", v.Tokens[id])
				}
			}
			made := map[string]bool{} // by the merges that are listed; SPM has none
			for _, m := range v.Merges {
				if l, r, ok := cutMerge(m); ok && kept[l+r] {
					made[l+r] = made[l+r] || kept[l] && kept[r]
				}
			}
			for w, ok := range made {
				if !ok {
					t.Errorf("token %q is kept, but none of the merges that make it has its parts", w)
				}
			}
			for i, text := range v.Tokens {
				if (v.Types != nil && v.Types[i] != token.Normal || v.Model == "gpt2" && len([]rune(text)) == 1) && !kept[text] {
					t.Errorf("special token or byte %q (%d) is not kept", text, i)
				}
			}
			if len(v.Tokens) > 1000 && len(keep) > len(v.Tokens)/10 {
				t.Errorf("%d of %d tokens are kept for %d used ones", len(keep), len(v.Tokens), len(used))
			}

			if testing.Short() && len(v.Tokens) > 1000 {
				return
			}
			spec, err := models.NewSpec(f)
			if err != nil {
				t.Fatal(err)
			}
			b, err := NewBase(f, Prune{Layers: []int{0}, Vocab: keep})
			if err != nil {
				t.Fatal(err)
			}
			if b.Student.Spec.Vocab != len(keep) {
				t.Errorf("the student's vocabulary has %d entries, want %d", b.Student.Spec.Vocab, len(keep))
			}
			// Rows of the embedding are the source's rows.
			src, _ := f.Tensor("token_embd.weight")
			format, _ := quant.ByType(src.Type)
			rb, err := format.RowBytes(spec.Dim)
			if err != nil {
				t.Fatal(err)
			}
			row := make([]float32, spec.Dim)
			for i := 0; i < len(keep); i += 1 + len(keep)/50 {
				format.Unpack(row, src.Data[int(keep[i])*rb:(int(keep[i])+1)*rb])
				sameBits(t, fmt.Sprintf("embedding of token %d", keep[i]), b.Student.Param("token_embd.weight").W[i*spec.Dim:(i+1)*spec.Dim], row)
			}

			out := openFile(t, exportTo(t, b, "f16"))
			ids, err := out.Ints("freehold.vocab.source_ids")
			if err != nil || len(ids) != len(keep) {
				t.Fatalf("freehold.vocab.source_ids has %d entries (%v)", len(ids), err)
			}
			for i := range ids {
				if int32(ids[i]) != keep[i] {
					t.Fatalf("freehold.vocab.source_ids[%d] is %d, want %d", i, ids[i], keep[i])
				}
			}
			sv, err := models.Vocabulary(out)
			if err != nil {
				t.Fatal(err)
			}
			small, err := token.New(sv)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range sv.Merges {
				if l, r, ok := cutMerge(m); !ok || !kept[l] || !kept[r] || !kept[l+r] {
					t.Errorf("merge %q is kept without its tokens", m)
				}
			}
			for i, id := range keep {
				if sv.Tokens[i] != v.Tokens[id] {
					t.Fatalf("token %d is %q, want %q", i, sv.Tokens[i], v.Tokens[id])
				}
			}
			for i, r := range sv.Roles() {
				if old := *v.Roles()[i].ID; (old >= 0) != (*r.ID >= 0) || old >= 0 && keep[*r.ID] != int32(old) {
					t.Errorf("special token %s is %d, was %d", r.Name, *r.ID, old)
				}
			}
			if small.AddsBOS() != full.AddsBOS() || small.AddsEOS() != full.AddsEOS() {
				t.Error("BOS or EOS are added otherwise")
			}
			for _, text := range trainTexts {
				want := engine.EncodeText(full, text)
				if got := pick(keep, engine.EncodeText(small, text)); !slices.Equal(got, want) {
					t.Errorf("training text %q encodes to %v, want %v", text, got, want)
				}
			}
			for _, text := range append(slices.Clone(unseenTexts), trainTexts...) {
				wide := full.Encode(nil, text, token.EncodeOptions{})
				ids := small.Encode(nil, text, token.EncodeOptions{})
				if got, want := small.Decode(nil, ids, token.DecodeOptions{}), full.Decode(nil, wide, token.DecodeOptions{}); string(got) != string(want) {
					t.Errorf("%q comes back as %q, from the full vocabulary as %q", text, got, want)
				}
			}
		})
	}
	if _, err := TrimVocab(token.Vocab{Model: "bert"}, nil); err == nil || !strings.Contains(err.Error(), "vocab: full") {
		t.Errorf("trimming a vocabulary of another kind: %v", err)
	}
}

// A student with a head that was written answers through engine.Classifier what the graph says.
func TestClassifierOfExport(t *testing.T) {
	b := tinyBase(t)
	scrambled := rand.New(rand.NewPCG(3, 3))
	for _, p := range []string{"cls.output.weight", "cls.output.bias"} {
		copy(b.Student.Param(p).W, normal(scrambled, len(b.Student.Param(p).W), 1))
	}
	m, err := engine.Open(exportTo(t, b, "f32"), engine.WithNumeric(engine.Reference))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	c, err := m.NewClassifier(engine.Task{})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(c.Labels(), []string{"up", "down"}) {
		t.Errorf("labels %q", c.Labels())
	}
	texts := []string{"rise", "fall and fall", "a", "rise again"}
	got, err := c.LogProbs(context.Background(), texts)
	if err != nil {
		t.Fatal(err)
	}
	tok, err := m.LoadTokenizer()
	if err != nil {
		t.Fatal(err)
	}
	for i, text := range texts {
		g := NewGraph(b.Student, best(t), 1, goParallel(1))
		var batch Batch
		batch.Add(engine.EncodeText(tok, text))
		g.Forward(&batch)
		want := logSoftmax(to64(g.Value(b.Student.Program.Class)))
		for l := range want {
			if !(math.Abs(got[i][l]-want[l]) <= 1e-12) {
				t.Errorf("%q: label %d has log-probability %v, the graph says %v", text, l, got[i][l], want[l])
			}
		}
	}
}
