package distill

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/freehold-slm/freehold/kernels"
	"github.com/freehold-slm/freehold/models/gguf"
	"github.com/freehold-slm/freehold/quant"
)

// Example is one row of training data for a classifier: tokens and the teacher's log-probabilities over the labels; or,
// with Answer, for a student that answers with text.
type Example struct {
	ID     string
	List   string // rows of one list, a reranker's query, are learnt together; "" = the row is by itself
	Tokens []int32
	Answer *AnswerTargets // what the last tokens should predict; nil = a classifier's row
	Tags   []int32        // [tokens] of a student that marks tokens, -1 = not learnt; nil = another
	Target []float32      // [labels] teacher's log-probabilities (any constant added); of a list's row its log-odds alone
	Label  int32          // gold or most likely label

	Rationale *Example // the same row once more, with why its answer is right; nil = none
}

// Trainer runs the training loop of a classifier. Everything random is a function of Seed and the step, so that a
// resumed run continues bit for bit.
type Trainer struct {
	Student   *Student
	Loss      Loss
	Opt       Optimizer
	Words     [][]int32 // [labels] first tokens, to classify by label words; nil = the pooled head
	Data      []Example
	Steps     int
	BatchRows int // rows, or lists of them, an optimiser step
	MaxTokens int // tokens a micro-batch; longer batches are accumulated over several
	Seed      uint64
	Run       string // hash of all that determines the run
	Dir       string // checkpoints/ and metrics.jsonl; "" = keep nothing
	SaveEvery int    // steps between checkpoints

	Valid    []Example // a classifier's rows by whose loss the best weights are kept, see validate; nil = the last weights are
	Best     float64   // after Train: that loss
	BestStep int       // after Train: steps done when it was least; 0 = it was not looked at

	OnPolicy     *OnPolicy   // of a student that answers with text; nil = it learns from the answers of Data alone
	Rationales   *Rationales // how those of Data are learnt; nil = not at all
	Match        *Matching   // losses of states and attention beside Loss; nil = none
	Quantize     *quant.Mix  // weights take part in each step as a file of this mix holds them; nil = as they are
	QuantizeFrom int         // the first step, from 0, in which they do

	BF16      bool // matrix products in bf16, where Level has them
	Recompute bool // values inside a layer are computed twice instead of kept
	Level     *kernels.Level
	Workers   int
	Par       Parallel
	FS        gguf.FS
	Warn      func(string)
	Report    func(Progress) // after every step

	epoch int // of order
	order []int
	lists [][]int // of rows that are learnt together; nil = each is by itself
	batch Batch
	words *WordsHead
	head  *Head // of a student that answers with text
	round *rounded
}

// Progress is what Report gets.
type Progress struct {
	Step, Steps  int
	Loss         float64
	TokensPerS   float64
	Tokens       int
	OnPolicy     bool // the step was on answers of the student's own
	Resumed      bool
	Skipped      int
	LearningRate float64
	GradientNorm float64
}

// ErrInterrupted says that training stopped at the caller's wish after saving a checkpoint; running again resumes.
var ErrInterrupted = errors.New("interrupted; run again to resume")

// metric is one line of metrics.jsonl; it holds no times, so that repeated runs give the same file.
type metric struct {
	Step     int     `json:"step"`
	Loss     float64 `json:"loss"`
	LR       float64 `json:"lr"`
	GradNorm float64 `json:"grad_norm"`
	Tokens   int     `json:"tokens"`
	Valid    float64 `json:"valid_loss,omitempty"` // after the step, where it was looked at
	Round    int     `json:"round,omitempty"`      // of replicas, which ended with the step; the numbers are means over them then, and of tokens the sum

	OnPolicy *ownAnswers `json:"on_policy,omitempty"` // the step was on answers of the student's own, and so is its loss

	Rationale *rationaleStep `json:"rationale,omitempty"` // what was learnt beside the answers, whose loss is Loss
}

// Train runs from the newest checkpoint, or the start, to Steps. When ctx ends it saves and returns ErrInterrupted.
// A step whose loss or gradient is not finite is skipped and counted; three in a row end training.
func (t *Trainer) Train(ctx context.Context) error {
	if len(t.Data) == 0 {
		return fmt.Errorf("no training rows")
	}
	if err := t.Opt.Prepare(t.Student); err != nil {
		return err
	}
	if t.Valid != nil {
		t.Student.keepBest()
	}
	ckpt := filepath.Join(t.Dir, "checkpoints")
	metrics := filepath.Join(t.Dir, "metrics.jsonl")
	state := checkpointManifest{Run: t.Run}
	var log *os.File
	if t.Dir != "" {
		if err := os.MkdirAll(ckpt, 0o777); err != nil {
			return err
		}
		m, found, err := loadCheckpoint(ckpt, t.Run, t.Student, t.Warn)
		if err != nil {
			return err
		}
		if found {
			state = m
		}
		if err := trimLines(t.FS, metrics, state.Step); err != nil {
			return err
		}
		if log, err = os.OpenFile(metrics, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o666); err != nil {
			return err
		}
		defer log.Close()
	}
	saved := state.Step
	save := func() error {
		if t.Dir == "" || saved == state.Step {
			return nil
		}
		if err := log.Sync(); err != nil { // a checkpoint never knows more steps than the metrics
			return fmt.Errorf("writing %s: %w", metrics, err)
		}
		err := saveCheckpoint(t.FS, ckpt, t.Student, state, saved)
		saved = state.Step
		return err
	}
	g, err := t.begin()
	if err != nil {
		return err
	}
	resumed := state.Step > 0
	for state.Step < t.Steps {
		if ctx.Err() != nil {
			if err := save(); err != nil {
				return err
			}
			return ErrInterrupted
		}
		start := time.Now()
		line, err := t.advance(ctx, g, &state)
		if ctx.Err() != nil && err != nil {
			continue // the step is not taken; what was before it is saved
		}
		if err != nil {
			return err
		}
		line.Valid = t.validate(g, &state)
		if log != nil {
			b, err := json.Marshal(line)
			if err == nil {
				_, err = log.Write(append(b, '\n'))
			}
			if err != nil {
				return fmt.Errorf("writing %s: %w", metrics, err)
			}
		}
		if t.Report != nil {
			t.Report(Progress{Step: state.Step, Steps: t.Steps, Loss: line.Loss, Tokens: line.Tokens, TokensPerS: float64(line.Tokens) / time.Since(start).Seconds(),
				OnPolicy: line.OnPolicy != nil, Resumed: resumed, Skipped: state.Skipped, LearningRate: line.LR, GradientNorm: line.GradNorm})
		}
		if t.SaveEvery > 0 && state.Step%t.SaveEvery == 0 && state.Step < t.Steps {
			if err := save(); err != nil {
				return err
			}
		}
	}
	if err := save(); err != nil {
		return err
	}
	t.Student.UseAverage()
	if t.Best, t.BestStep = state.Best, state.BestStep; t.BestStep > 0 {
		t.Student.useBest()
	}
	return nil
}

// begin allocates what steps need beside the student and its optimiser.
func (t *Trainer) begin() (*Graph, error) {
	var err error
	if t.round, err = newRounded(t.Student, t.Quantize, t.Workers); err != nil {
		return nil, err
	}
	g := NewGraph(t.Student, t.Level, t.Workers, t.Par)
	g.bf16 = t.BF16 && t.Level.GemmBF16 != nil
	if t.Recompute {
		g.Recompute()
	}
	if t.Words != nil {
		t.words = NewWordsHead(g, t.Words)
	}
	if t.Data[0].Answer != nil {
		t.head = NewHead(g)
	}
	t.lists = lists(t.Data)
	return g, nil
}

// advance takes the optimiser step after state. One whose loss or gradient is not finite is skipped and counted; three in a row are an error.
func (t *Trainer) advance(ctx context.Context, g *Graph, state *checkpointManifest) (metric, error) {
	step := state.Step
	loss, tokens, own, why, err := t.step(ctx, g, step)
	if err != nil {
		return metric{}, fmt.Errorf("step %d: %w", step, err)
	}
	norm, lr := loss, 0.0
	if finite(loss) {
		norm, lr = t.Opt.Step(t.Student, step, t.Level, t.Par)
	}
	if !finite(norm) {
		if state.InRow++; state.InRow >= 3 {
			return metric{}, fmt.Errorf("step %d: loss or gradient is not a number for the third step in a row; lower train.lr (now %g)", step, t.Opt.LR)
		}
		state.Skipped++
		t.Warn(fmt.Sprintf("step %d skipped: loss %v, gradient norm %v", step, loss, norm))
		norm, loss = 0, state.Loss
	} else {
		state.InRow = 0
	}
	state.Step, state.Loss = step+1, loss
	return metric{Step: step, Loss: loss, LR: lr, GradNorm: norm, Tokens: tokens, OnPolicy: own, Rationale: why}, nil
}

// step computes the gradients of optimiser step n (from 0) and returns the mean loss, the tokens, what the student
// said where it was on-policy, and what it learnt beside the answers.
func (t *Trainer) step(ctx context.Context, g *Graph, n int) (loss float64, tokens int, own *ownAnswers, why *rationaleStep, err error) {
	for _, p := range t.Student.Params {
		g.zero(p.G)
	}
	if n >= t.QuantizeFrom {
		t.round.enter(t.Par)
		defer t.round.leave()
	}
	rows := t.rows(n)
	switch {
	case t.lists != nil:
		loss, tokens = t.learnLists(g, rows)
	case t.head != nil && t.OnPolicy.at(n):
		loss, tokens, own, err = t.onPolicyStep(ctx, g, n, rows)
	case t.head != nil:
		loss, tokens = t.answerStep(g, rows)
		if why = t.rationaleStep(g, rows); why != nil {
			if tokens += why.Tokens; !finite(why.Loss) { // the step is none
				loss, why.Loss = why.Loss, 0
			}
		}
	case t.Data[0].Tags != nil:
		loss, tokens = t.tagStep(g, rows)
	default:
		loss, tokens = t.pass(g, t.Data, rows, true)
	}
	return loss, tokens, own, why, err
}

// pass takes rows of a classifier's data through the student in micro-batches and returns their mean loss and the tokens; if
// learn, it adds to the gradients, and the losses of Match to the loss.
func (t *Trainer) pass(g *Graph, data []Example, rows []int, learn bool) (loss float64, tokens int) {
	var b Batch
	for i := 0; i < len(rows); {
		b.Reset()
		first := i
		for ; i < len(rows); i++ {
			ex := &data[rows[i]]
			if i > first && len(b.Tokens)+len(ex.Tokens) > t.MaxTokens {
				break
			}
			b.Add(ex.Tokens)
			if t.words != nil {
				b.Want = append(b.Want, len(b.Tokens)-1)
			}
		}
		g.Forward(&b)
		classLoss := g.ClassLoss
		if t.words != nil {
			classLoss = t.words.Loss
		}
		loss += classLoss(t.Loss, func(s int) Target {
			ex := &data[rows[first+s]]
			return Target{Label: ex.Label, Teacher: ex.Target, Weight: 1 / float32(len(rows))}
		}, learn)
		tokens += len(b.Tokens)
		if !learn {
			continue
		}
		if t.Match != nil {
			loss += t.Match.Loss(g, float64(b.Seqs())/float64(len(rows)))
		}
		g.Backward()
	}
	return loss, tokens
}

// rows lists the data rows, or the lists, of a step: every epoch is a fresh shuffle by Philox, and steps walk through the epochs.
func (t *Trainer) rows(step int) []int {
	n := len(t.Data)
	if t.lists != nil {
		n = len(t.lists)
	}
	out := make([]int, 0, t.BatchRows)
	for i := step * t.BatchRows; i < (step+1)*t.BatchRows; i++ {
		if t.order == nil || t.epoch != i/n {
			t.epoch, t.order = i/n, shuffled(t.Seed, i/n, n)
		}
		out = append(out, t.order[i%n])
	}
	return out
}

// shuffled is the permutation of 0..n-1 of an epoch (Fisher-Yates).
func shuffled(seed uint64, epoch, n int) []int {
	p := make([]int, n)
	for i := range p {
		p[i] = i
	}
	for i := n - 1; i > 0; i-- {
		r := kernels.Philox(seed, [4]uint32{kernels.PurposeShuffle, uint32(epoch), uint32(i), 0})
		j := int(uint64(r[0]) * uint64(i+1) >> 32)
		p[i], p[j] = p[j], p[i]
	}
	return p
}
