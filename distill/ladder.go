package distill

import (
	"context"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"time"

	"github.com/freehold-slm/freehold/engine"
)

// Rung is one form of the student on the quantisation ladder: its weights as they were trained, those of model.gguf,
// and each format of the recipe.
type Rung struct {
	Format   string      `json:"format"`
	File     string      `json:"file,omitempty"` // "" = the weights as they were trained, which are not kept as a model
	Bytes    int64       `json:"bytes"`
	Score    float64     `json:"score"` // accuracy, or the task's main metric
	KL       *Divergence `json:"kl,omitempty"`
	RowsPerS float64     `json:"rows_per_s"`     // all rungs in turn on the same rows
	Test     *Comparison `json:"test,omitempty"` // against the weights as they were trained
}

// Divergence is how far what a form of the student says is from what the weights as they were trained say: KL(trained ||
// form) of the labels of each test row, or of each token of the gold answers, in nats; of embeddings 1 - the cosine of the two vectors of a row.
type Divergence struct {
	Mean float64 `json:"mean"`
	P999 float64 `json:"p99_9"` // 99.9th percentile, the nearest that was seen
	Max  float64 `json:"max"`
	Of   int     `json:"of"`
	Unit string  `json:"unit"` // "row" or "token"
}

// unquantized is the name of the trained weights on the ladder.
const unquantized = "f32"

// ladderRows is how many test rows the divergence of answers is measured on.
const ladderRows = 200

// form is what a rung's model does on the test rows.
type form struct {
	scores rowScores
	unit   string                                                      // of the divergences
	ask    func(ctx context.Context) (rows int, err error)             // one round of the measurement of speed
	from   func(ctx context.Context, full *form) ([]float64, error)    // divergences from another form
	lp     [][]float64                                                 // [row][label]
	embeds [][]float32                                                 // [row] vectors
	read   func(ctx context.Context, from, to int, each logitFn) error // of the gold answers of some rows
}

// logitFn gets the logits [vocab] before token t of row i.
type logitFn = func(i, t int, logits []float32) error

// quantize writes the student in each format of the recipe, and measures the ladder.
func (j *Job) quantize(ctx context.Context, b *Base, sum *Summary) error {
	sum.Quantized, sum.Ladder = nil, nil
	if len(j.recipe.Quantize) == 0 {
		return nil
	}
	for i, format := range j.recipe.Quantize {
		j.event(Event{Stage: "quantize", Step: i, Total: len(j.recipe.Quantize), Msg: format})
		path := j.modelPath(format)
		if err := j.export(b, format, path); err != nil {
			return err
		}
		q := Quantized{Format: format, File: filepath.Base(path)}
		var err error
		if q.SHA256, q.Bytes, err = hashFile(path); err != nil {
			return err
		}
		sum.Quantized = append(sum.Quantized, q)
	}
	if err := j.ladder(ctx, b, sum); err != nil {
		return err
	}
	for i := range sum.Quantized {
		sum.Quantized[i].Accuracy = sum.Ladder[i+2].Score
	}
	return writeJSON(j.opt.FS, filepath.Join(j.dir, "eval", "ladder.json"), ladderFile{"freehold/ladder/1", sum.metric(), sum.Ladder})
}

// ladderFile is eval/ladder.json.
type ladderFile struct {
	Schema string `json:"schema"`
	Metric string `json:"metric"`
	Ladder []Rung `json:"ladder"`
}

// Apart is what a rung's divergence is called.
func (s *Summary) Apart() string {
	if s.Embedding != nil {
		return "1 - cos"
	}
	return "KL"
}

// ladder measures every form of the student: the weights as they were trained, model.gguf, and the further formats.
func (j *Job) ladder(ctx context.Context, b *Base, sum *Summary) error {
	full, size, err := b.inMemory(unquantized, j.lineage())
	if err != nil {
		return err
	}
	sum.Ladder = []Rung{{Format: unquantized, Bytes: size}, {Format: j.recipe.Student.Format, File: "model.gguf", Bytes: sum.Student.Bytes}}
	for _, q := range sum.Quantized {
		sum.Ladder = append(sum.Ladder, Rung{Format: q.Format, File: q.File, Bytes: q.Bytes})
	}
	opts := []engine.Option{engine.WithThreads(j.opt.Threads), engine.WithLevel(j.level)}
	forms, names := make([]*form, len(sum.Ladder)), append([]string{"unquantized", ""}, j.recipe.Quantize...)
	for i := range sum.Ladder {
		r := &sum.Ladder[i]
		j.event(Event{Stage: "quantize", Step: i, Total: len(forms), Msg: "measuring " + r.Format})
		var m *engine.Model
		if i == 0 {
			m, err = engine.New(full, opts...)
		} else {
			m, err = engine.Open(filepath.Join(j.dir, r.File), opts...)
		}
		if err != nil {
			return err
		}
		defer m.Close()
		if forms[i], err = j.work.measure(ctx, m, names[i]); err != nil {
			return fmt.Errorf("%s: %w", r.Format, err)
		}
		r.Score = forms[i].scores.all()
		if i == 0 {
			continue
		}
		kl, err := forms[i].from(ctx, forms[0])
		if err != nil {
			return fmt.Errorf("%s: %w", r.File, err)
		}
		r.KL = divergences(kl, forms[i].unit)
		test := compare(r.Format, "the weights as they were trained", sum.metric(), forms[i].scores, forms[0].scores, j.recipe.Train.Seed)
		r.Test = &test
	}
	return j.ladderSpeeds(ctx, sum.Ladder, forms)
}

// ladderSpeeds times the forms in turn on the same rows and keeps the medians.
func (j *Job) ladderSpeeds(ctx context.Context, ladder []Rung, forms []*form) error {
	j.event(Event{Stage: "quantize", Msg: "speed of each format"})
	rates := make([][]float64, len(forms))
	for range speedRounds {
		for i, f := range forms {
			start := time.Now()
			n, err := f.ask(ctx)
			if err != nil {
				return err
			}
			rates[i] = append(rates[i], float64(n)/time.Since(start).Seconds())
		}
	}
	for i := range ladder {
		slices.Sort(rates[i])
		ladder[i].RowsPerS = rates[i][speedRounds/2]
	}
	return nil
}

// divergence is KL(p || q) in nats, of log-probabilities.
func divergence(p, q []float64) float64 {
	kl := 0.0
	for i, e := range expAll(p) {
		if e > 0 {
			kl += float64(e * (p[i] - q[i]))
		}
	}
	return max(0, kl) // rounding may leave less
}

func divergences(kl []float64, unit string) *Divergence {
	d := &Divergence{Of: len(kl), Unit: unit}
	for _, v := range kl {
		d.Mean += v / float64(len(kl))
	}
	if kl = slices.Sorted(slices.Values(kl)); len(kl) > 0 {
		d.P999, d.Max = kl[int(math.Ceil(0.999*float64(len(kl))))-1], kl[len(kl)-1]
	}
	return d
}

// tokenDivergence is the divergence of one form from another at each token of the first n rows' gold answers.
func tokenDivergence(ctx context.Context, m *engine.Model, n int, full, f *form) (kl []float64, err error) {
	const together = 4 // rows, whose logits are held
	level, p, tmp := m.Level(), make([]float32, m.Spec.Vocab), make([]float32, m.Spec.Vocab)
	for from := 0; from < n; from += together {
		to := min(n, from+together)
		held := map[[2]int][]float32{}
		err := full.read(ctx, from, to, func(i, t int, logits []float32) error {
			held[[2]int{i, t}] = slices.Clone(logits)
			return nil
		})
		if err == nil {
			err = f.read(ctx, from, to, func(i, t int, logits []float32) error {
				was := held[[2]int{i, t}]
				shift := softmax(level, p, was, 1) - softmax(level, tmp, logits, 1)
				sum := 0.0
				for k, e := range p {
					if e > 0 {
						sum += float64(float64(e) * (float64(was[k]) - float64(logits[k]) - shift))
					}
				}
				kl = append(kl, max(0, sum))
				return nil
			})
		}
		if err != nil {
			return nil, err
		}
	}
	return kl, nil
}
