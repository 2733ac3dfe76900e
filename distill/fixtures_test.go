package distill

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/freehold-slm/freehold/kernels"
	"github.com/freehold-slm/freehold/models"
	"github.com/freehold-slm/freehold/models/gguf"
)

func fixtures(t testing.TB) string {
	t.Helper()
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	if d := os.Getenv("FREEHOLD_FIXTURES"); d != "" {
		if filepath.IsAbs(d) {
			return d
		}
		return filepath.Join(root, d)
	}
	d := filepath.Join(root, "..", "shared", "fixtures")
	if _, err := os.Stat(d); err == nil {
		return d
	}
	return filepath.Join(root, "testdata")
}

// fixture returns the path of a reference model's file: of the reference data, else of testdata, which holds some of it. A
// test of a model that neither has is left out, and says so.
func fixture(t testing.TB, file string) string {
	t.Helper()
	for _, dir := range []string{fixtures(t), filepath.Join("..", "testdata")} {
		if path := filepath.Join(dir, "models", file); fileExists(path) {
			return path
		}
	}
	t.Skipf("NOT TESTED: %s is neither in %s nor in testdata", file, fixtures(t))
	return ""
}

func fileExists(path string) bool { _, err := os.Stat(path); return err == nil }

// trainCase is fixtures/train/*/case.json.
type trainCase struct {
	Loss struct {
		Kind                     string
		Temperature, Alpha, Beta float64
		K                        int
	}
	Optimizer struct {
		Steps       int
		LR          float64
		Betas       [2]float64
		Eps         float64
		WeightDecay float64 `json:"weight_decay"`
		Clip        float64
		WarmupSteps int `json:"warmup_steps"`
		Schedule    string
		MinLRRatio  float64 `json:"min_lr_ratio"`
	}
	Lora *struct {
		R     int
		Alpha float64
	}
	LoraInit    map[string]struct{ A, B [][]float32 } `json:"lora_init"`
	BatchTokens [][][]int32                           `json:"batch_tokens"`
	LossMask    [][][]int                             `json:"loss_mask"`
	ProbeTokens []int32                               `json:"probe_tokens"`
	VocabSize   int                                   `json:"vocab_size"`
	Expected    struct {
		Loss        []float64
		GradNorm    []float64 `json:"grad_norm"`
		LR          []float64
		ProbeBefore string `json:"probe_logits_before_b64"`
		ProbeAfter  string `json:"probe_logits_after_b64"`
		Teacher     string `json:"teacher_probe_logits_b64"`
	}
}

// goParallel runs work on n goroutines, for tests.
func goParallel(workers int) Parallel {
	return func(n int, fn func(worker, i int)) {
		var wg sync.WaitGroup
		var mu sync.Mutex
		next := 0
		for w := 0; w < workers; w++ {
			wg.Add(1)
			go func() {
				defer wg.Done()
				for {
					mu.Lock()
					i := next
					next++
					mu.Unlock()
					if i >= n {
						return
					}
					fn(w, i)
				}
			}()
		}
		wg.Wait()
	}
}

func openStudent(t *testing.T, path string) *Student {
	t.Helper()
	return openStudentAs(t, path, func(*models.Spec) {})
}

// openStudentAs opens a student whose Spec is changed first.
func openStudentAs(t *testing.T, path string, change func(*models.Spec)) *Student {
	t.Helper()
	f, err := gguf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	spec, err := models.NewSpec(f)
	if err != nil {
		t.Fatal(err)
	}
	change(spec)
	s, err := NewStudent(spec, f)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// logitsOf runs s over tokens and returns all logits.
func logitsOf(s *Student, level *kernels.Level, tokens []int32) []float32 {
	g := NewGraph(s, level, 1, goParallel(1))
	var b Batch
	b.Add(tokens)
	g.Forward(&b)
	out := make([]float32, len(tokens)*s.Spec.Vocab)
	NewHead(g).Logits(out, 0, len(tokens))
	return out
}

func decodeF32(t *testing.T, s string) []float32 {
	t.Helper()
	raw, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	out := make([]float32, len(raw)/4)
	for i := range out {
		out[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
	}
	return out
}

func maxAbsDiff(a, b []float32) float64 {
	worst := 0.0
	for i := range b {
		if d := math.Abs(float64(a[i]) - float64(b[i])); d > worst || d != d {
			worst = d
		}
	}
	return worst
}

// The losses, gradients and 20 optimiser steps of PyTorch, for every folder; one whose architecture or loss is unknown fails.
func TestFixturesTrain(t *testing.T) {
	level, err := kernels.Best()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("CPU level %s", level.Name)
	dirs, _ := filepath.Glob(filepath.Join(fixtures(t), "train", "*", "case.json"))
	if len(dirs) == 0 {
		t.Fatal("no training fixtures")
	}
	for _, path := range dirs {
		dir := filepath.Dir(path)
		t.Run(filepath.Base(dir), func(t *testing.T) {
			raw, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			var c trainCase
			if err := json.Unmarshal(raw, &c); err != nil {
				t.Fatal(err)
			}
			runTrainCase(t, level, dir, &c)
		})
	}
}

func runTrainCase(t *testing.T, level *kernels.Level, dir string, c *trainCase) {
	student, teacher := openStudent(t, filepath.Join(dir, "student.gguf")), openStudent(t, filepath.Join(dir, "teacher.gguf"))
	if c.Lora != nil {
		if err := student.Adapt(slices.Sorted(maps.Keys(c.LoraInit)), c.Lora.R, c.Lora.Alpha, 1); err != nil {
			t.Fatal(err)
		}
		for name, init := range c.LoraInit {
			copy(student.Param(name+".lora_a").W, slices.Concat(init.A...))
			copy(student.Param(name+".lora_b").W, slices.Concat(init.B...))
		}
	}
	if d := maxAbsDiff(logitsOf(student, level, c.ProbeTokens), decodeF32(t, c.Expected.ProbeBefore)); !(d <= 1e-3) {
		t.Errorf("probe logits before training are off by %g, want at most 1e-3", d)
	}
	if d := maxAbsDiff(logitsOf(teacher, level, c.ProbeTokens), decodeF32(t, c.Expected.Teacher)); !(d <= 1e-3) {
		t.Errorf("teacher logits are off by %g, want at most 1e-3", d)
	}
	loss, err := NewLoss(c.Loss.Kind, LossParams{Temperature: c.Loss.Temperature, Alpha: c.Loss.Alpha, Beta: c.Loss.Beta, K: c.Loss.K})
	if err != nil {
		t.Fatal(err)
	}
	o := c.Optimizer
	opt := Optimizer{LR: o.LR, Beta1: o.Betas[0], Beta2: o.Betas[1], Eps: o.Eps, WeightDecay: o.WeightDecay, Clip: o.Clip,
		Schedule: Schedule{Kind: o.Schedule, Warmup: o.WarmupSteps, Steps: o.Steps, MinRatio: o.MinLRRatio}}
	if err := opt.Prepare(student); err != nil {
		t.Fatal(err)
	}
	par := goParallel(2)
	g, tg := NewGraph(student, level, 2, par), NewGraph(teacher, level, 2, par)
	head, thead := NewHead(g), NewHead(tg)
	vocab := student.Spec.Vocab
	for step := 0; step < o.Steps; step++ {
		var b Batch
		var labels []int32
		var weights []float32
		counted := 0
		for s, seq := range c.BatchTokens[step] {
			b.Add(seq[:len(seq)-1])
			labels = append(labels, seq[1:]...)
			for _, m := range c.LossMask[step][s] {
				weights = append(weights, float32(m))
				counted += m
			}
		}
		for i := range weights {
			weights[i] /= float32(counted)
		}
		var soft []float32
		if loss.NeedsTeacher() {
			tg.Forward(&b)
			soft = make([]float32, len(b.Tokens)*vocab)
			thead.Logits(soft, 0, len(b.Tokens))
		}
		student.ZeroGrad()
		g.Forward(&b)
		got := head.Loss(loss, func(r int) Target {
			tgt := Target{Label: labels[r], Weight: weights[r]}
			if soft != nil {
				tgt.Teacher = soft[r*vocab : (r+1)*vocab]
			}
			return tgt
		}, true)
		g.Backward()
		tol := 1e-3
		if step == 0 {
			tol = 1e-5
			compareGrads(t, student, filepath.Join(dir, "grads.gguf"))
		}
		if want := c.Expected.Loss[step]; !(math.Abs(got/want-1) <= tol) {
			t.Fatalf("step %d: loss %.9g, PyTorch %.9g (relative %.2g, want %g)", step, got, want, got/want-1, tol)
		}
		norm, lr := opt.Step(student, step, level, par)
		if want := c.Expected.GradNorm[step]; !(math.Abs(norm/want-1) <= 2e-3) {
			t.Fatalf("step %d: gradient norm %.7g, PyTorch %.7g", step, norm, want)
		}
		if want := c.Expected.LR[step]; !(math.Abs(lr/want-1) <= 1e-9) {
			t.Fatalf("step %d: learning rate %.12g, want %.12g", step, lr, want)
		}
	}
	if d := maxAbsDiff(logitsOf(student, level, c.ProbeTokens), decodeF32(t, c.Expected.ProbeAfter)); !(d <= 1e-2) {
		t.Errorf("probe logits after training are off by %g, want at most 1e-2", d)
	}
}

// halvesFirst takes rows of heads from the order of a llama GGUF, in which the two values that rotate together are
// neighbours, to that of PyTorch, in which they are half a head apart.
func halvesFirst(x []float32, width, heads int) []float32 {
	out := make([]float32, 0, len(x))
	per := len(x) / width / heads
	for h := range heads {
		for half := range 2 {
			for i := half; i < per; i += 2 {
				out = append(out, x[(h*per+i)*width:(h*per+i+1)*width]...)
			}
		}
	}
	return out
}

// compareGrads holds every tensor's first-step gradient against PyTorch's, 1e-4 relative L2.
func compareGrads(t *testing.T, s *Student, path string) {
	t.Helper()
	f, err := gguf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	learn := 0
	for _, p := range s.Params {
		if !p.Frozen() {
			learn++
		}
	}
	if len(f.Tensors) != learn {
		t.Errorf("student has %d tensors that learn, PyTorch gives %d gradients", learn, len(f.Tensors))
	}
	for i := range f.Tensors {
		ref := &f.Tensors[i]
		p := s.Param(ref.Name)
		if p == nil {
			t.Errorf("no parameter %q", ref.Name)
			continue
		}
		grad := p.G
		if heads, ok := strings.CutSuffix(ref.Name, ".lora_b"); ok && s.Spec.Arch == "llama" {
			// The weights' rows are permuted as in the file; the adapters' stand in PEFT's order.
			switch {
			case strings.HasSuffix(heads, ".attn_q.weight"):
				grad = halvesFirst(grad, p.Shape[0], s.Spec.Heads)
			case strings.HasSuffix(heads, ".attn_k.weight"):
				grad = halvesFirst(grad, p.Shape[0], s.Spec.KVHeads)
			}
		}
		var diff, norm float64
		for j := range p.G {
			w := float64(math.Float32frombits(binary.LittleEndian.Uint32(ref.Data[4*j:])))
			d := float64(grad[j]) - w
			diff += d * d
			norm += w * w
		}
		if rel := math.Sqrt(diff / math.Max(norm, 1e-30)); !(rel <= 1e-4) {
			t.Errorf("gradient of %q is off by %.3g relative L2, want at most 1e-4", p.Name, rel)
		}
	}
}
