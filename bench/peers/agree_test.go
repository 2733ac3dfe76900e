package peers

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/freehold-slm/freehold/distill"
	"github.com/freehold-slm/freehold/engine"
	"github.com/freehold-slm/freehold/kernels"
	"github.com/freehold-slm/freehold/models"
	"github.com/freehold-slm/freehold/models/gguf"
	"github.com/freehold-slm/freehold/models/gguf/hostile"
	"github.com/freehold-slm/freehold/models/token"
	"github.com/freehold-slm/freehold/quant"
)

// prompts are a hundred beginnings, half of them chat turns.
func prompts() []string {
	frames := []string{
		"The capital of %s is", "Once upon a time, %s", "1. Preheat the oven.\n2. Take %s and", "def %s(x):\n    return", "Q: What is %s?\nA:",
		"<|im_start|>user\nWrite a sentence about %s.<|im_end|>\n<|im_start|>assistant\n",
		"<|im_start|>user\nIs %s good or bad? Answer with one word.<|im_end|>\n<|im_start|>assistant\n",
		"<|im_start|>system\nYou are terse.<|im_end|>\n<|im_start|>user\nTranslate %s into French.<|im_end|>\n<|im_start|>assistant\n",
		"<|im_start|>user\nIs the sentiment of this movie review snippet positive or negative? Answer with one word.\n\nReview: a film about %s that never ends<|im_end|>\n<|im_start|>assistant\n",
		"<|im_start|>user\nCount the letters of %s.<|im_end|>\n<|im_start|>assistant\n",
	}
	things := []string{"France", "the sea", "butter", "naïve façade", "日本", "a dog", "x² + y²", "Wednesday", "http://example.com/a?b=1", "  three  spaces "}
	var all []string
	for _, f := range frames {
		for _, x := range things {
			all = append(all, fmt.Sprintf(f, x))
		}
	}
	return all
}

// Files that this project writes load in llama.cpp and mean the same there: the same tokens, and the same most likely
// next token wherever llama.cpp's own margin is above 0.5 (its logits move by up to 0.4 with its own settings).
func TestLlamaAgrees(t *testing.T) {
	long(t)
	real := realModel(t, "smollm2-135m-instruct")
	t.Run("pulled smollm2-135m-instruct", func(t *testing.T) { agree(t, real) })
	for _, c := range []struct {
		name, mix string
		layers    int
		trim      bool
		labels    []string
	}{
		{"all layers", "q8_0", 30, false, nil},
		{"all layers", "q4_0", 30, false, nil},
		{"all layers", "q4_k_m", 30, false, nil},
		{"all layers", "iq4_nl", 30, false, nil},
		{"20 layers, trimmed vocabulary, head", "f16", 20, true, []string{"negative", "positive"}},
		{"20 layers, trimmed vocabulary, head", "q8_0", 20, true, []string{"negative", "positive"}},
	} {
		t.Run("written "+c.name+" "+c.mix, func(t *testing.T) { agree(t, write(t, real, c.mix, c.layers, c.trim, c.labels)) })
	}
	runs, err := filepath.Glob("../../runs/latest/model*.gguf")
	if err != nil {
		t.Fatal(err)
	}
	if p := os.Getenv("FREEHOLD_STUDENT"); p != "" {
		runs = append(runs, p)
	}
	if len(runs) == 0 {
		t.Log("NOT TESTED: no demo has been run here (make demo), so its student is not among the files")
	}
	for _, p := range runs {
		t.Run("demo "+filepath.Base(p), func(t *testing.T) { agree(t, p) })
	}
}

// write prunes the model at path and writes it in a mix.
func write(t *testing.T, path, mix string, layers int, trim bool, labels []string) string {
	t.Helper()
	f, err := gguf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	p := distill.Prune{Labels: labels}
	for i := range layers {
		p.Layers = append(p.Layers, i)
	}
	if trim {
		v, err := models.Vocabulary(f)
		if err != nil {
			t.Fatal(err)
		}
		tok, err := token.New(v)
		if err != nil {
			t.Fatal(err)
		}
		used := map[int32]bool{}
		for _, text := range prompts() {
			for _, id := range tok.Encode(nil, text, token.EncodeOptions{AddSpecial: true, ParseSpecial: true}) {
				used[id] = true
			}
		}
		for id := range int32(8000) { // and enough others to choose between
			used[id] = true
		}
		if p.Vocab, err = distill.TrimVocab(v, used); err != nil {
			t.Fatal(err)
		}
	}
	b, err := distill.NewBase(f, p)
	if err != nil {
		t.Fatal(err)
	}
	m, err := quant.MixByName(mix)
	if err != nil {
		t.Fatal(err)
	}
	w, _, err := b.Export(m, nil)
	if err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(t.TempDir(), "model.gguf")
	file, err := os.Create(out)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Encode(file); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	return out
}

// agree asks in mode reference, what the file says with nothing rounded: in mode normal our activations are rounded too, and with
// llama.cpp's 0.4 that can add up to more than 0.5 (seen once in 57 prompts of q4_k_m, at a margin of 0.61).
func agree(t *testing.T, path string) {
	m, err := engine.Open(path, engine.WithNumeric(engine.Reference))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	tok, err := m.LoadTokenizer()
	if err != nil {
		t.Fatal(err)
	}
	l := startLlama(t, path, settings{Threads: 1})
	all, compared := prompts(), 0
	for _, text := range all {
		ids := tok.Encode(nil, text, token.EncodeOptions{AddSpecial: true, ParseSpecial: true})
		if theirs := l.tokenize(text); !slices.Equal(ids, theirs) {
			t.Errorf("%q: tokens %v, llama.cpp %v", text, ids, theirs)
			continue
		}
		if sameTop(t, m, l, ids) {
			compared++
		}
	}
	t.Logf("%d prompts: tokens equal; %d with a margin above 0.5 compared (llama.cpp: xllamacpp %s, %s)", len(all), compared, l.Version, l.System)
	if compared < 20 {
		t.Errorf("only %d of %d prompts could be compared; the test says little", compared, len(all))
	}
}

// sameTop compares the most likely token after ids, where llama.cpp's own margin is above 0.5.
func sameTop(t *testing.T, m *engine.Model, l *llama, ids []int32) (compared bool) {
	t.Helper()
	want, margin := l.top(ids)
	if margin <= 0.5 {
		return false
	}
	s := m.NewSession()
	defer s.Close()
	logits, err := s.Eval(context.Background(), ids)
	if err != nil {
		t.Fatal(err)
	}
	got := int32(0)
	for i, v := range logits {
		if v > logits[got] {
			got = int32(i)
		}
	}
	if got != want {
		t.Errorf("%v: next token %d, llama.cpp %d with a margin of %.2f", ids, got, want, margin)
	}
	return true
}

// Every mix that quantize writes loads in llama.cpp, and means the same there after 100 prompts of random tokens; and so does a file of each
// format that is written by an override alone. The model is tiny and 256 wide, so that each format is truly in its file; real weights are above.
func TestLlamaAgreesOnMixes(t *testing.T) {
	long(t)
	src := filepath.Join(hostile.Folder(t), "..", "models", "llama256.F32.gguf")
	if !exists(src) {
		missing(t, "%s", src)
	}
	f, err := gguf.Open(src)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	written := map[kernels.Type]bool{}
	for _, mix := range quant.Mixes() {
		t.Run(mix.Name, func(t *testing.T) { agreeOnMix(t, f, mix, nil, written) })
	}
	f16, err := quant.MixByName("f16")
	if err != nil {
		t.Fatal(err)
	}
	for _, format := range quant.Formats() {
		o, err := models.ParseOverride(".=" + format.Name)
		if err != nil || written[format.Type] {
			continue // not a format of weights, or above
		}
		t.Run("override "+format.Name, func(t *testing.T) { agreeOnMix(t, f, f16, []models.Override{o}, written) })
	}
	for _, format := range quant.Formats() {
		if _, err := models.ParseOverride(".=" + format.Name); err == nil && !written[format.Type] && !t.Failed() {
			t.Errorf("no file held %s", format)
		}
	}
}

// agreeOnMix writes f in a mix, notes which formats the file has, and asks both engines for the most likely token after 100 prompts.
func agreeOnMix(t *testing.T, f *gguf.File, mix *quant.Mix, overrides []models.Override, written map[kernels.Type]bool) {
	w, _, err := models.Requantize(f, mix, models.RequantizeOptions{Overrides: overrides})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "model.gguf")
	if err := w.WriteTo(path); err != nil {
		t.Fatal(err)
	}
	m, err := engine.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	for i := range m.File().Tensors {
		written[m.File().Tensors[i].Type] = true
	}
	l := startLlama(t, path, settings{Threads: 1})
	defer l.Close()
	compared := 0
	for i := range uint32(100) {
		ids := make([]int32, 4+i%29)
		for j := range ids {
			ids[j] = int32(kernels.Philox(7, [4]uint32{i, uint32(j)})[0] % uint32(m.Spec.Vocab))
		}
		if sameTop(t, m, l, ids) {
			compared++
		}
	}
	t.Logf("%d of 100 had a margin above 0.5 and were compared", compared)
	if compared < 20 {
		t.Errorf("only %d of 100 prompts could be compared; the test says little", compared)
	}
}
