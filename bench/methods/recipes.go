package main

import (
	"cmp"
	"fmt"
)

// recipe is one run: the demo's task with some rows of its data. %s: name, teacher, student, data, rate, seed, train. Weights
// are written as they are, so that packing the file is packing the weights.
const recipe = `version: 1
name: %s
task:
  type: classify
  labels: [negative, positive]
  prompt: "Is the sentiment of this movie review snippet positive or negative? Answer with one word.\n\nReview: {text}"
teacher: {%s, calibration: median}
student: {%s}
data: {source: movie-review-snippets, licence: unknown, %s}
train: {steps: 150, batch: 32, precision: bf16, lr: %s, seed: %d%s}
`

// Teachers: the demo's, and one that is right more often.
const (
	small = "model: smollm2-135m-instruct"
	large = "model: qwen2.5-coder-1.5b-instruct, licence: Apache-2.0"
)

// Rows to learn from: as many as the runs see, each once, or an eighth of them, eight times. The rows that are judged on are the same
// for all. The large teacher is slow and labels next to none of them: the others are valid_rows, which no run reads.
const (
	manyRows  = "train_rows: 4800, test_rows: 5000"
	fewRows   = "train_rows: 600, test_rows: 5000"
	fewJudged = "train_rows: 600, test_rows: 168, valid_rows: 4832"
)

// Students: the demo's, and one with widths of whole super-blocks (256), so that every matrix takes its K format.
const (
	demo   = "layers: 8, format: "
	narrow = "layers: 8, width: {dim: 512, ffn: 1536, heads: 4, kv_heads: 2}, format: "
	random = ", init: random, freeze: []"
	other  = "from: smollm2-135m-instruct, " + demo // of another teacher
)

// ladder are rates of learning.
var ladder = []string{"0.000005", "0.00001", "0.00002", "0.00005", "0.0001", "0.0002", "0.0005", "0.001", "0.002", "0.005"}

// method is a way to make a student. Its rate is that of rates, or of the ladder beyond them, whose first run has the lowest loss, its
// own, on the validation rows; the other seeds run at that rate.
type method struct {
	name, student string
	teacher       string   // "" = small
	data          string   // "" = manyRows
	train         string   // what is said of training beside rate and seed
	rates         []string // of learning, neighbours on the ladder
	rateOf        string   // in place of rates: the method whose rate it takes
	labels        bool     // its loss is cross-entropy with the teacher's label, not divergence
	pack          string   // the format that its file is packed as afterwards, for comparison
	seeds         int      // how many of the seeds, 0 = the first: more where a difference is smaller than what another order of rows makes
}

var methods = []method{
	{name: "demo", student: demo + "f32", rates: []string{"0.0002", "0.0005", "0.001"}, pack: "q4_0", seeds: 3},
	{name: "demo-ce", student: demo + "f32", train: ", loss: ce", rates: []string{"0.0002", "0.0005", "0.001"}, labels: true, seeds: 3},
	{name: "demo-random", student: demo + "f32" + random, rates: []string{"0.0005", "0.001", "0.002"}},
	{name: "demo-q4_0", student: demo + "q4_0", train: ", quantize: q4_0", rateOf: "demo"},
	{name: "demo-q4_0-after0.5", student: demo + "q4_0", train: ", quantize: q4_0, quantize_after: 0.5", rateOf: "demo"},
	{name: "narrow", student: narrow + "f32", rates: []string{"0.0002", "0.0005", "0.001"}, pack: "q2_k"},
	{name: "narrow-q2_k-after0.5", student: narrow + "q2_k", train: ", quantize: q2_k, quantize_after: 0.5", rateOf: "narrow"},
	{name: "few", student: demo + "f32", data: fewRows, rates: []string{"0.0002", "0.0005", "0.001"}, seeds: 3},
	{name: "few-ce", student: demo + "f32", data: fewRows, train: ", loss: ce", rates: []string{"0.0002", "0.0005", "0.001"}, labels: true, seeds: 3},
	{name: "few-1.5b", student: other + "f32", teacher: large, data: fewJudged, rateOf: "few", seeds: 3},
	{name: "few-1.5b-ce", student: other + "f32", teacher: large, data: fewJudged, train: ", loss: ce", rateOf: "few-ce", labels: true, seeds: 3},
}

// seeds of the runs at the chosen rate: they shuffle the rows, and draw random weights.
var seeds = []int{7, 8, 9}

// runs lists the seeds that a method's students are made with, packed students those of the first alone.
func (m *method) runs(format string) []int {
	if format != "" {
		return seeds[:1]
	}
	return seeds[:max(1, m.seeds)]
}

// run is a method at a rate with a seed.
type run struct {
	method *method
	rate   string
	seed   int
}

func (r run) name() string { return fmt.Sprintf("%s-lr%s-s%d", r.method.name, r.rate, r.seed) }

func (r run) recipe() []byte {
	return fmt.Appendf(nil, recipe, r.name(), cmp.Or(r.method.teacher, small), r.method.student, cmp.Or(r.method.data, manyRows), r.rate, r.seed, r.method.train)
}
