package distill

import (
	"encoding/json"
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
	"github.com/freehold-slm/freehold/models/tiny"
)

const tinyEmbed = `version: 1
name: tiny
task: {type: embed}
teacher: {model: %q, licence: Apache-2.0, pooling: mean}
student: {from: teacher, layers: 1, format: f32, freeze: []}
data: {train: train.jsonl, test: test.jsonl, duplicates: keep}
train: {steps: 9, batch: 8, lr: 0.003, warmup: 2, save_every: 2, seed: 3}
eval: {gates: {size_ratio: ">= 1"}}
quantize: [f16, q8_0]
`

// tinyEmbedJob writes a recipe for embeddings with its data; a test row in six belongs to no other.
func tinyEmbedJob(t testing.TB, train, test int) string {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "freehold.yaml"), fmt.Sprintf(tinyEmbed, tinyTeacher(t)))
	words := strings.Fields("rise climb grow soar lift fall sink drop dive lose")
	r := rand.New(rand.NewPCG(95, 96))
	for _, name := range []string{"train", "test"} {
		n := map[string]int{"train": train, "test": test}[name]
		var b strings.Builder
		for i := range n {
			at := i % 2 * 5
			text := words[at+r.IntN(5)] + " " + words[at+r.IntN(5)] + " " + words[r.IntN(10)] + fmt.Sprint(" ", i)
			label := fmt.Sprintf(`, "label": "way %d"`, at)
			if i%6 == 5 {
				label = ""
			}
			fmt.Fprintf(&b, `{"id": "%s-%d", "text": %q%s}`+"\n", name, i, text, label)
		}
		write(t, filepath.Join(dir, name+".jsonl"), b.String())
	}
	return filepath.Join(dir, "freehold.yaml")
}

// The metrics of six vectors in the plane, by hand.
func TestEmbedMetrics(t *testing.T) {
	turn := func(degrees ...float64) (x [][]float32) {
		for _, d := range degrees {
			x = append(x, []float32{float32(math.Cos(d * math.Pi / 180)), float32(math.Sin(d * math.Pi / 180))})
		}
		return x
	}
	rows := make([]Row, 6)
	for i, topic := range []string{"a", "a", "b", "b", "", "b"} {
		rows[i] = Row{Gold: -1, Answer: topic}
		if topic != "" {
			rows[i].Gold = 0
		}
	}
	level := best(t)
	teacher := byCosine(level, turn(0, 10, 40, 90, 100, 170))
	judge := newEmbedJudge(rows, teacher, 1, goParallel(2))
	if judge.main() != "ndcg@10" || !slices.Equal(judge.asked, []int{0, 1, 2, 3, 5}) || !slices.Equal(judge.belongs[3], []int{2, 5}) || judge.belongs[4] != nil {
		t.Fatalf("judge %+v", judge)
	}
	s := judge.score(byCosine(level, turn(0, 50, 40, 90, 100, 170)), nil)
	// Row 0 at 0°: 2 (40), 1 (50), 3, 4, 5: its own, 1, is second. Row 1 at 50°: 2 (10), 3 (40), then 0 and 4 as far (50), 5: its own, 0, is third or fourth.
	// Row 2 at 40°: 1, 0, 3, 4, 5: 3 and 5 are third and fifth. Row 3 at 90°: 4 (10), 1 (40), 2 (50), 5 (80), 0: 2 and 5 are third and fourth.
	// Row 5 at 170°: 4 (70), 3 (80), 1 (120), 2 (130), 0: 3 and 2 are second and fourth.
	if !slices.Equal(s.near[0], []int{2, 1, 3, 4, 5}) || !slices.Equal(s.near[2], []int{1, 0, 3, 4, 5}) || !slices.Equal(s.near[5], []int{4, 3, 1, 2, 0}) {
		t.Errorf("neighbours %v", s.near)
	}
	second := s.found[1]
	if want := []int{2, second, 3, 3, 0, 2}; !slices.Equal(s.found, want) || second != 3 && second != 4 {
		t.Errorf("first places %v, want %v", s.found, want)
	}
	gain := func(place int) float64 { return 1 / math.Log2(float64(place)+1) }
	two := gain(1) + gain(2)
	for _, c := range []struct {
		name      string
		got, want float64
	}{
		{"mrr", s.MRR.Mean, (1./2 + 1/float64(second) + 1./3 + 1./3 + 1./2) / 5},
		{"recall@1", s.Recall1.Mean, 0},
		{"recall@10", s.Recall10.Mean, 1},
		{"ndcg@10", s.NDCG10.Mean, (gain(2) + gain(second) + (gain(3)+gain(5))/two + (gain(3)+gain(4))/two + (gain(2)+gain(4))/two) / 5},
		{"neighbours", s.Neighbours.Mean, 1}, // there are five others
	} {
		if math.Abs(c.got-c.want) > 1e-6 {
			t.Errorf("%s is %.7f, want %.7f", c.name, c.got, c.want)
		}
	}
	// The teacher's own.
	same := judge.score(teacher, nil)
	if same.Neighbours.Mean != 1 || math.Abs(same.Spearman.Mean-1) > 1e-12 || same.Recall1.Mean != 2./5 {
		t.Errorf("the teacher against itself: %+v %+v, recall@1 %v", same.Neighbours, same.Spearman, same.Recall1)
	}
	// Eleven of a group among thirteen rows: the first ten can hold no more than ten.
	right := []bool{true, true, true, true, true, false, true, true, true, true}
	if m := retrieval(right, 1, 10); m["recall@10"] != 0.9 || m["recall@1"] != 1 || m["mrr"] != 1 {
		t.Errorf("of ten that belong, nine are found: %v", m)
	}
	if v := inCommon([]int{1, 2, 3, 4}, []int{4, 9, 1, 7}); v != 0.5 {
		t.Errorf("two of four in common are %v", v)
	}
	// Ranks 0, 1.5, 1.5, 3 and 0, 1, 2, 3: 4.5 / sqrt(4.5 * 5).
	if v, want := spearman([]float64{1, 2, 2, 7}, []float64{0.1, 0.2, 0.3, 0.4}), 4.5/math.Sqrt(4.5*5); math.Abs(v-want) > 1e-12 {
		t.Errorf("spearman %v, want %v", v, want)
	}
	if v := spearman([]float64{1, 1, 1}, []float64{1, 2, 3}); v != 0 {
		t.Errorf("spearman of equals is %v", v)
	}
}

// Rows of one label belong together, and without labels those of one group; without either nothing is said of finding.
func TestEmbedGold(t *testing.T) {
	recipe := tinyEmbedJob(t, 2, 2)
	write(t, filepath.Join(filepath.Dir(recipe), "test.jsonl"), `{"text": "a", "label": "x", "group": "1"}
{"text": "b", "group": "1"}
{"text": "c", "group": 1}
{"text": "d"}
`)
	r, err := LoadRecipe(recipe)
	if err != nil {
		t.Fatal(err)
	}
	d, err := loadData(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, row := range d.Test {
		got = append(got, fmt.Sprint(row.Gold, " ", row.Answer))
	}
	if want := []string{"0 x", "0 1", "0 1", "-1 "}; !slices.Equal(got, want) {
		t.Errorf("rows belong to %q, want %q", got, want)
	}
	write(t, filepath.Join(filepath.Dir(recipe), "test.jsonl"), `{"text": "a"}`+"\n"+`{"text": "b"}`+"\n")
	sum, _ := mustApply(t, recipe, Options{Threads: 1}, Stages{})
	if e := sum.Embedding; e.Main != "neighbours" || e.Asked != 0 || e.Student.MRR != nil || sum.Metrics["retention"] != 1 {
		t.Errorf("without labels and groups: %+v, metrics %v", e, sum.Metrics)
	}
}

// An encoder teaches by its own pooling, and is no student.
func TestEmbedEncoderTeaches(t *testing.T) {
	recipe := tinyEmbedJob(t, 40, 12)
	encoder := filepath.Join(filepath.Dir(recipe), "bert.gguf")
	if err := tiny.ByName("bert").Writer().WriteTo(encoder); err != nil {
		t.Fatal(err)
	}
	edit(t, recipe, fmt.Sprintf("{model: %q, licence: Apache-2.0, pooling: mean}", tinyTeacher(t)), fmt.Sprintf("{model: %q, licence: Apache-2.0}", encoder))
	if _, _, err := apply(t.Context(), recipe, Options{Threads: 1}, Stages{}); err == nil || !strings.Contains(err.Error(), "student.from: ") || !strings.Contains(err.Error(), "bert is an encoder") {
		t.Errorf("an encoder as student: %v", err)
	}
	edit(t, recipe, "from: teacher", fmt.Sprintf("from: %q, licence: Apache-2.0", tinyTeacher(t)))
	sum, dir := mustApply(t, recipe, Options{Threads: 2}, Stages{})
	m, err := engine.Open(filepath.Join(dir, "model.gguf"), engine.WithThreads(1))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	teacher, err := engine.Open(encoder, engine.WithThreads(1))
	if err != nil {
		t.Fatal(err)
	}
	defer teacher.Close()
	if m.Spec.Embedding() != teacher.Spec.Dim || sum.Embedding.Width != teacher.Spec.Dim || sum.Gate == "" {
		t.Errorf("the student's vectors have %d numbers, the encoder's %d; gate %q", m.Spec.Embedding(), teacher.Spec.Dim, sum.Gate)
	}
}

// What does not fit vectors is refused with the key's name.
func TestEmbedRefused(t *testing.T) {
	for _, c := range []struct{ old, new, want string }{
		{"type: embed", "type: embed, labels: [a, b]", "task.labels is for task type classify and multilabel; leave it out of one that is embed"},
		{"type: embed", `type: embed, system: "x"`, "task.system is for teachers that answer"},
		{"type: embed", `type: embed, prompt: "x"`, "task.prompt holds {text} 0 times"},
		{", pooling: mean", "", "teacher.pooling is missing"},
		{"pooling: mean", "pooling: middle", `teacher.pooling is "middle", want one of: cls, last, mean`},
		{"layers: 1", "layers: 1, pooling: cls", `student.pooling is "cls", want one of: last, mean`},
		{"layers: 1", "layers: 1, dim: 65536", "student.dim is 65536, and the teacher's vectors have 64 numbers"},
		{"layers: 1", "layers: 1, dim: 50", "student.dim is 50, and 20 training rows do not tell"},
		{"layers: 1", "layers: 1, dim: -1", "student.dim is -1"},
		{"steps: 9", "steps: 9, loss: forward_kl", `train.loss is "forward_kl", want one of: cosine, mixed_similarity, similarity_kl`},
		{"steps: 9", "steps: 9, loss: cosine, alpha: 0.5", "train.alpha is 0.5"},
		{"steps: 9", "steps: 9, gold: 0.5", "train.gold is for task type classify"},
		{"steps: 9", "steps: 9, min_confidence: 0.5", "train.min_confidence leaves out rows by the teacher's probability"},
		{"train: train.jsonl", "corrections: c.jsonl, train: train.jsonl", "data.corrections are of labels"},
		{"train: train.jsonl", "augment: {paraphrases: 1}, train: train.jsonl", "data.augment is not there"},
		{"eval: {", "eval: {slices: [x], ", "eval.slices are parts"},
		{`{size_ratio: ">= 1"}`, `{accuracy: ">= 1"}`, `"accuracy"`},
	} {
		recipe := tinyEmbedJob(t, 20, 6)
		edit(t, recipe, c.old, c.new)
		_, _, err := apply(t.Context(), recipe, Options{Threads: 1}, Stages{})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v\nwant %s", c.new, err, c.want)
		}
	}
}

// The teacher's vectors in the shards are what the engine gives of the prompt with the text in it, to half precision; a damaged shard is asked for again, and another
// pooling is another question.
func TestEmbedLabels(t *testing.T) {
	recipe := tinyEmbedJob(t, 140, 12)
	edit(t, recipe, "type: embed", `type: embed, prompt: "find: {text}"`)
	asked := 0
	o := Options{Threads: 2, Warn: func(string) {}, Progress: func(e Event) { asked++ }}
	_, dir := mustApply(t, recipe, o, Stages{Only: "label"})
	r, err := LoadRecipe(recipe)
	if err != nil {
		t.Fatal(err)
	}
	j, err := NewJob(t.Context(), r, o)
	if err != nil {
		t.Fatal(err)
	}
	if err := j.work.recall(); err != nil {
		t.Fatal(err)
	}
	m, err := engine.Open(tinyTeacher(t), engine.WithThreads(1))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	for _, row := range []Row{j.data.Train[0], j.data.Train[139], j.data.Test[3]} {
		want, err := m.Embed(t.Context(), []string{"find: " + row.Text}, engine.EmbedOptions{Pooling: models.PoolMean})
		if err != nil {
			t.Fatal(err)
		}
		got := j.work.(*embedWork).vectors[row.ID]
		if len(got) != m.Spec.Dim || math.Abs(lengthOf(got)-1) > 1e-6 {
			t.Fatalf("row %s has a vector of %d numbers and length %v", row.ID, len(got), lengthOf(got))
		}
		for i := range got {
			if d := math.Abs(float64(got[i] - want[0][i])); d > 5e-4*math.Abs(float64(want[0][i]))+1e-6 {
				t.Errorf("row %s, number %d: %v in the shard, %v by the engine", row.ID, i, got[i], want[0][i])
			}
		}
	}
	path := shardPath(filepath.Join(dir, "labels"), 1)
	sum := sha(t, path)
	asked = 0
	edit(t, recipe, "lr: 0.003", "lr: 0.002")
	if _, other := mustApply(t, recipe, o, Stages{Only: "label"}); asked > 0 || other == dir || sha(t, shardPath(filepath.Join(other, "labels"), 1)) != sum {
		t.Errorf("a run that differs in training alone asked %d times", asked)
	}
	edit(t, recipe, "lr: 0.002", "lr: 0.003")
	if err := os.RemoveAll(filepath.Join(filepath.Dir(dir), "002")); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)-40] ^= 1
	write(t, path, string(b))
	if mustApply(t, recipe, o, Stages{Only: "label"}); asked == 0 || sha(t, path) != sum {
		t.Error("a damaged shard was not made again")
	}
	asked = 0
	edit(t, recipe, "pooling: mean", "pooling: last")
	if mustApply(t, recipe, o, Stages{Only: "label"}); asked == 0 {
		t.Error("another pooling did not ask the teacher")
	}
}

// The student's file gives, without being told anything, the vectors that training had, with a projection and without, of both poolings.
func TestEmbedEngineIsTrainer(t *testing.T) {
	for _, c := range []struct{ pooling, more string }{{"mean", ""}, {"last", ""}, {"mean", ", dim: 24"}, {"last", ", dim: 24, width: {dim: 48}"}} {
		t.Run(c.pooling+c.more, func(t *testing.T) {
			recipe := tinyEmbedJob(t, 40, 12)
			edit(t, recipe, "layers: 1", fmt.Sprintf("layers: 1, pooling: %s%s", c.pooling, c.more))
			edit(t, recipe, "quantize: [f16, q8_0]\n", "")
			sum, dir := mustApply(t, recipe, Options{Threads: 2}, Stages{})
			r, err := LoadRecipe(recipe)
			if err != nil {
				t.Fatal(err)
			}
			j, err := NewJob(t.Context(), r, Options{Threads: 1})
			if err != nil {
				t.Fatal(err)
			}
			if err := j.work.label(t.Context()); err != nil {
				t.Fatal(err)
			}
			b, err := j.newStudent()
			if err != nil {
				t.Fatal(err)
			}
			if err := j.restoreFinal(b); err != nil {
				t.Fatal(err)
			}
			m, err := engine.Open(filepath.Join(dir, "model.gguf"), engine.WithThreads(1), engine.WithNumeric(engine.Reference))
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			width := 64
			if c.more != "" {
				width = 24
			}
			if want, _ := models.ParsePooling(c.pooling); m.Spec.Pooling != want || m.Spec.Embedding() != width || (m.Spec.Dense > 0) != (c.more != "") || sum.Embedding.Width != width {
				t.Errorf("the file pools by %v to %d numbers, projection %d", m.Spec.Pooling, m.Spec.Embedding(), m.Spec.Dense)
			}
			g := NewGraph(b.Student, j.level, 1, goParallel(1))
			var batch Batch
			texts := []string{"rise fall 3", "sink", "soar soar dive lose 12 12"}
			for _, text := range texts {
				batch.Add(engine.EncodeText(m.Tokenizer(), text))
			}
			g.Forward(&batch)
			got, err := m.Embed(t.Context(), texts, engine.EmbedOptions{Raw: true})
			if err != nil {
				t.Fatal(err)
			}
			for i := range texts {
				sameBits(t, texts[i], got[i], g.Value(b.Student.Program.Vector)[i*width:(i+1)*width])
			}
			if has := sum.Embedding.Student.Cosine != nil; has == (c.more != "") || (sum.Embedding.Kept == 1) == (c.more != "") {
				t.Errorf("cosine %v, kept %v", sum.Embedding.Student.Cosine, sum.Embedding.Kept)
			}
		})
	}
}

// The gradients of a student of embeddings, through pooling and projection, are the slopes of each loss.
func TestEmbedGradients(t *testing.T) {
	level := best(t)
	f := openFile(t, tinyTeacher(t))
	for _, name := range taskTypes["embed"].losses {
		for _, pooling := range []models.Pooling{models.PoolMean, models.PoolLast} {
			b, err := NewBase(f, Prune{Layers: []int{0}, Pooling: pooling, Dense: 17})
			if err != nil {
				t.Fatal(err)
			}
			loss, err := NewLoss(name, anchored(testParams(0.5), 17))
			if err != nil {
				t.Fatal(err)
			}
			s := b.Student
			r := rand.New(rand.NewPCG(97, 98))
			var batch Batch
			var targets []Target
			for _, n := range []int{5, 1, 9} {
				batch.Add(randomTokens(r, n, s.Spec.Vocab))
				targets = append(targets, Target{Label: int32(r.IntN(9)) - 1, Teacher: normal(r, 17, 1), Weight: 1. / 3})
			}
			g := NewGraph(s, level, 2, goParallel(2))
			run := func(grad bool) float64 {
				s.ZeroGrad()
				g.Forward(&batch)
				v := g.ClassLoss(loss, func(i int) Target { return targets[i] }, grad)
				if grad {
					g.Backward()
				}
				return v
			}
			for _, tensor := range []string{models.DenseTensor, "output_norm.weight", "blk.0.ffn_down.weight", "blk.0.attn_q.weight", "token_embd.weight"} {
				run(true)
				p := s.Param(tensor)
				grad, norm := slices.Clone(p.G), lengthOf(p.G)
				saved := slices.Clone(p.W)
				got, unsure := derivative(func(x float64) float64 {
					for i := range p.W {
						p.W[i] = float32(float64(saved[i]) + x*float64(grad[i])/norm)
					}
					return run(false)
				}, min(0.05, 0.02/norm))
				copy(p.W, saved)
				if tol := 2e-3*norm + unsure; norm == 0 || unsure > 0.02*norm || !(math.Abs(got-norm) <= tol) {
					t.Errorf("%s, %v, %s: slope %.6g (+- %.2g), gradient says %.6g", name, pooling, tensor, got, unsure, norm)
				}
			}
		}
	}
}

// Principal axes of vectors that lie in a plane hold all of them, and the cosines stay; one axis holds the larger part.
func TestPrincipalAxes(t *testing.T) {
	r := rand.New(rand.NewPCG(99, 1))
	a, b := normal(r, 30, 1), normal(r, 30, 1)
	direct(a)
	var x [][]float32
	for range 50 {
		v := slices.Clone(a)
		kernels.Levels()[0].Axpy(v, float32(0.1*r.NormFloat64()), b)
		direct(v)
		x = append(x, v)
	}
	axes, kept, err := principalAxes(x, 2)
	if err != nil || len(axes) != 2 || math.Abs(kept-1) > 1e-6 {
		t.Fatalf("two axes of a plane keep %v: %v", kept, err)
	}
	target := &embedTarget{basis: axes}
	for i := range 10 {
		if got, want := dot(target.of(x[i]), target.of(x[i+10])), dot(x[i], x[i+10]); math.Abs(got-want) > 1e-5 {
			t.Errorf("the cosine of %d and %d is %v, was %v", i, i+10, got, want)
		}
	}
	along := 0.0
	for _, v := range x {
		along += dot(axes[0], v) * dot(axes[0], v) / float64(len(x))
	}
	if _, one, err := principalAxes(x, 1); err != nil || math.Abs(one-along) > 1e-6 || one < 0.5 {
		t.Errorf("one axis keeps %v, want %v: %v", one, along, err)
	}
}

// A student of embeddings comes nearer to its teacher the longer it learns, by each loss, and finds more of its neighbours.
func TestEmbedLearns(t *testing.T) {
	for _, loss := range taskTypes["embed"].losses {
		recipe := tinyEmbedJob(t, 200, 60)
		edit(t, recipe, "quantize: [f16, q8_0]\n", "")
		edit(t, recipe, "steps: 9", "steps: 1, loss: "+loss)
		before, _ := mustApply(t, recipe, Options{Threads: 2}, Stages{})
		edit(t, recipe, "steps: 1", "steps: 150")
		edit(t, recipe, "warmup: 2", "warmup: 10")
		after, dir := mustApply(t, recipe, Options{Threads: 2}, Stages{})
		b, a := before.Embedding.Student, after.Embedding.Student
		if !(a.Cosine.Mean > b.Cosine.Mean) && loss != "similarity_kl" || !(a.Spearman.Mean > b.Spearman.Mean) || !(a.Neighbours.Mean > b.Neighbours.Mean) {
			t.Errorf("%s: cosine %.4f to %.4f, spearman %.4f to %.4f, neighbours %.3f to %.3f", loss, b.Cosine.Mean, a.Cosine.Mean, b.Spearman.Mean, a.Spearman.Mean, b.Neighbours.Mean, a.Neighbours.Mean)
		}
		text, err := os.ReadFile(filepath.Join(dir, "eval", "neighbours.jsonl"))
		if err != nil {
			t.Fatal(err)
		}
		var line neighbourRecord
		if err := json.Unmarshal(text[:strings.IndexByte(string(text), '\n')], &line); err != nil || line.ID != "test-0" || line.Gold != "way 0" || len(line.Student) != 10 || len(line.Teacher) != 10 || line.Place == 0 || line.Hash == "" {
			t.Errorf("neighbours of the first row: %+v (%v)", line, err)
		}
	}
}
