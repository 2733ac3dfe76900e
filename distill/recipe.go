package distill

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"github.com/freehold-slm/freehold/distill/data"
)

// Recipe is one run as a file: freehold.yaml. Every key is known or refused with its line.
type Recipe struct {
	Version  int           `yaml:"version" json:"version"`
	Name     string        `yaml:"name" json:"name"`
	Task     TaskRecipe    `yaml:"task" json:"task"`
	Teacher  TeacherRecipe `yaml:"teacher" json:"teacher"`
	Student  StudentRecipe `yaml:"student" json:"student"`
	Data     DataRecipe    `yaml:"data" json:"data"`
	Train    TrainRecipe   `yaml:"train" json:"train"`
	Eval     EvalRecipe    `yaml:"eval" json:"eval"`
	Quantize []string      `yaml:"quantize" json:"quantize"`
	Policy   string        `yaml:"policy" json:"policy,omitempty"` // file of rules, or the name of a bundle
	Numeric  string        `yaml:"numeric" json:"numeric"`

	file   string            // where it was read, for messages
	dir    string            // relative paths start here
	bundle map[string]string // where in a bundle that was unpacked is what the recipe names; nil = it stands in none
}

// TaskRecipe is what the student is for.
type TaskRecipe struct {
	Type   string              `yaml:"type" json:"type"`     // one of TaskTypes
	Labels []string            `yaml:"labels" json:"labels"` // in the order of the head
	Prompt string              `yaml:"prompt" json:"prompt"` // the teacher's user turn, with {text}
	System string              `yaml:"system" json:"system,omitempty"`
	Words  map[string][]string `yaml:"words" json:"words,omitempty"` // spellings of a label in the teacher's answer; default the label

	LabelsPerText float64 `yaml:"labels_per_text" json:"labels_per_text,omitempty"` // multilabel: how many a text has on average, for the teacher's calibration

	AbstainBelow float64  `yaml:"abstain_below" json:"abstain_below,omitempty"` // probability under which the student had better not answer; 0 = none
	Prompts      []string `yaml:"prompts" json:"prompts,omitempty"`             // further ones, that plan --probe tries

	Schema    Schema `yaml:"schema" json:"schema,omitempty"`         // of the answers
	MaxTokens int    `yaml:"max_tokens" json:"max_tokens,omitempty"` // of an answer
}

// TeacherRecipe names the model that labels.
type TeacherRecipe struct {
	Model       string `yaml:"model" json:"model"`     // catalogue name or path
	Licence     string `yaml:"licence" json:"licence"` // declares or accepts a licence that the file does not state
	Reason      string `yaml:"licence_reason" json:"licence_reason,omitempty"`
	Calibration string `yaml:"calibration" json:"calibration"` // none, mean, median

	Samples     int      `yaml:"samples" json:"samples,omitempty"`         // answers a row, of which one is kept
	Temperature float64  `yaml:"temperature" json:"temperature,omitempty"` // of several samples; one is greedy
	Choose      string   `yaml:"choose" json:"choose,omitempty"`           // which of several: likeliest or vote
	VoteOn      []string `yaml:"vote_on" json:"vote_on,omitempty"`         // extract: fields that must be the same for answers to agree; nil = all

	Pooling string `yaml:"pooling" json:"pooling,omitempty"` // embed: of its states: mean, cls or last; "" = as its file states

	Adapt    AdaptRecipe    `yaml:"adapt" json:"adapt,omitzero"`       // to the task, before it labels
	Ensemble EnsembleRecipe `yaml:"ensemble" json:"ensemble,omitzero"` // further teachers

	OpenAI         string       `yaml:"openai" json:"openai,omitempty"`       // address of an OpenAI-compatible endpoint, where Model is a name; "" = a model of this machine
	EgressOK       bool         `yaml:"egress_ok" json:"egress_ok,omitempty"` // rows may be sent there
	KeyEnv         string       `yaml:"key_env" json:"key_env,omitempty"`     // environment variable that holds the key; "" = none is sent
	ResponseFormat string       `yaml:"response_format" json:"response_format,omitempty"`
	Params         string       `yaml:"params" json:"params,omitempty"` // JSON: further fields of each request
	Budget         RemoteBudget `yaml:"budget" json:"budget,omitzero"`
	Prices         RemotePrices `yaml:"prices" json:"prices,omitzero"`
	Limits         RemoteLimits `yaml:"limits" json:"limits,omitzero"`
}

// StudentRecipe says what learns and what the written file looks like.
type StudentRecipe struct {
	From    string   `yaml:"from" json:"from"` // catalogue name, path, or "teacher"
	Licence string   `yaml:"licence" json:"licence"`
	Reason  string   `yaml:"licence_reason" json:"licence_reason,omitempty"`
	Head    string   `yaml:"head" json:"head"`               // "pooled": a head on the mean state; "words": label words after the prompt
	Prompt  string   `yaml:"prompt" json:"prompt,omitempty"` // its user turn, with {text}; "" = the teacher's turns
	Layers  Layers   `yaml:"layers" json:"layers"`           // a count (the first ones) or a list
	Width   Widths   `yaml:"width" json:"width"`             // sizes that it is narrowed to
	Init    string   `yaml:"init" json:"init"`               // "base": the base's weights; "random": its shape alone
	Vocab   string   `yaml:"vocab" json:"vocab"`             // "full" or "task": only tokens of the training text
	Format  string   `yaml:"format" json:"format"`           // mix of model.gguf
	Freeze  []string `yaml:"freeze" json:"freeze"`           // tensor name patterns that do not learn

	Attention string `yaml:"attention" json:"attention,omitempty"` // "causal", or "bidirectional": each token sees those after it too; "" = causal

	Pooling string `yaml:"pooling" json:"pooling,omitempty"` // embed: of its states: mean or last
	Dim     int    `yaml:"dim" json:"dim,omitempty"`         // embed: numbers of its vectors; 0 = as many as the teacher's

	Calibration string `yaml:"calibration" json:"calibration,omitempty"` // of its probabilities: "temperature" or "none"; "" = a temperature where enough validation rows have gold labels
	LoRA        LoRA   `yaml:"lora" json:"lora"`
}

// LoRA says that low-rank adapters learn instead of the weights; they are merged into the student's file.
type LoRA struct {
	Kind    string   `yaml:"kind" json:"kind,omitempty"` // "lora", or "dora": with the sizes of rows apart
	Init    string   `yaml:"init" json:"init,omitempty"` // "random", or "pissa": from the weight's SVD; "" = random
	Rank    int      `yaml:"rank" json:"rank,omitempty"` // 0 = none
	Alpha   float64  `yaml:"alpha" json:"alpha,omitempty"`
	Targets []string `yaml:"targets" json:"targets,omitempty"` // tensor name patterns; default: every linear layer of every block
}

// fill puts in what a recipe with adapters does not say.
func (l *LoRA) fill() {
	if l.Rank > 0 && l.Kind == "" {
		l.Kind = "lora"
	}
	if l.Init == "random" { // said or not, the run is the same
		l.Init = ""
	}
	if l.Rank > 0 && l.Alpha == 0 {
		l.Alpha = float64(2 * l.Rank)
		if l.Init == "pissa" {
			l.Alpha = float64(l.Rank)
		}
	}
	if l.Rank > 0 && l.Targets == nil {
		l.Targets = []string{"blk.*"}
	}
}

// bidirectional tells whether the student's tokens see those after them.
func (r *Recipe) bidirectional() bool { return r.Student.Attention == "bidirectional" }

// keepsBest tells whether validation rows choose the weights.
func (r *Recipe) keepsBest() bool { return r.Train.Keep == "best" }

// Layers lists kept layers; in YAML also a plain count n, meaning 0..n-1.
type Layers []int

// maxLayers is how many layers check lets a student have.
const maxLayers = 4096

// UnmarshalYAML accepts a count or a list.
func (l *Layers) UnmarshalYAML(b []byte) error {
	var n int
	if err := yaml.Unmarshal(b, &n); err == nil {
		*l = nil
		for i := range min(n, maxLayers+1) {
			*l = append(*l, i)
		}
		return nil
	}
	var list []int
	if err := yaml.Unmarshal(b, &list); err != nil {
		return errors.New("layers: want a count or a list of layer numbers")
	}
	*l = list
	return nil
}

// DataRecipe names the task data: a file for each split, one file that is split, or a data set of the catalogue that is
// split by row id; and what is left out of it.
type DataRecipe struct {
	Train      string         `yaml:"train" json:"train,omitempty"`
	Valid      string         `yaml:"valid" json:"valid,omitempty"`
	Test       string         `yaml:"test" json:"test,omitempty"`
	Split      data.Fractions `yaml:"split" json:"split"` // of train, where there is no test file
	Columns    data.Columns   `yaml:"columns" json:"columns"`
	Source     string         `yaml:"source" json:"source,omitempty"`
	Licence    string         `yaml:"licence" json:"licence,omitempty"` // declares the files' licence, or accepts the source's
	Reason     string         `yaml:"licence_reason" json:"licence_reason,omitempty"`
	TrainRows  int            `yaml:"train_rows" json:"train_rows,omitempty"`
	ValidRows  int            `yaml:"valid_rows" json:"valid_rows,omitempty"`
	TestRows   int            `yaml:"test_rows" json:"test_rows,omitempty"`
	Duplicates string         `yaml:"duplicates" json:"duplicates"` // keep, exact (same words) or near
	Near       float64        `yaml:"near" json:"near"`             // similarity of a near repetition
	MinChars   int            `yaml:"min_chars" json:"min_chars,omitempty"`
	MaxChars   int            `yaml:"max_chars" json:"max_chars,omitempty"`
	Language   []string       `yaml:"language" json:"language,omitempty"` // that texts may be in; nil = any
	Mask       []string       `yaml:"mask" json:"mask,omitempty"`         // kinds of personal data

	Corrections string `yaml:"corrections" json:"corrections,omitempty"` // file of what people said of rows
	Collected   string `yaml:"collected" json:"collected,omitempty"`     // file of rows that a server kept; they are learnt from, never judged by

	Augment AugmentRecipe `yaml:"augment" json:"augment,omitzero"` // rows that a model makes; they are learnt from, never judged by
}

// TrainRecipe holds the hyper-parameters of training.
type TrainRecipe struct {
	Loss        string      `yaml:"loss" json:"loss"`
	Temperature float64     `yaml:"temperature" json:"temperature"`
	Gold        float64     `yaml:"gold" json:"gold,omitempty"` // share of a row's own label in what is learnt, the teacher's is the rest
	Epochs      float64     `yaml:"epochs" json:"epochs,omitempty"`
	Steps       int         `yaml:"steps" json:"steps,omitempty"` // instead of epochs
	Batch       int         `yaml:"batch" json:"batch"`           // rows a step
	MaxTokens   int         `yaml:"max_tokens" json:"max_tokens"` // tokens of a training text; longer rows are an error
	Optimizer   string      `yaml:"optimizer" json:"optimizer"`
	EMA         float64     `yaml:"ema" json:"ema"` // decay of the average of the weights that becomes the student; 0 = the last weights
	LR          float64     `yaml:"lr" json:"lr"`
	Schedule    string      `yaml:"schedule" json:"schedule"`
	Warmup      int         `yaml:"warmup" json:"warmup"`
	WeightDecay float64     `yaml:"weight_decay" json:"weight_decay"`
	Clip        float64     `yaml:"clip" json:"clip"`
	Precision   string      `yaml:"precision" json:"precision"` // of the matrix products: "f32" or "bf16"
	Match       MatchRecipe `yaml:"match" json:"match,omitzero"`
	Recompute   bool        `yaml:"recompute" json:"recompute"`                     // values inside a layer: computed twice instead of kept
	Quantize    string      `yaml:"quantize" json:"quantize,omitempty"`             // the mix whose rounding the weights learn with; "" = none
	After       float64     `yaml:"quantize_after" json:"quantize_after,omitempty"` // part of the steps that come before the rounding
	Seed        uint64      `yaml:"seed" json:"seed"`
	SaveEvery   int         `yaml:"save_every" json:"save_every"` // steps between checkpoints
	Keep        string      `yaml:"keep" json:"keep,omitempty"`   // "last" weights, or "best" by the loss on validation rows; "" = last

	MinConfidence float64 `yaml:"min_confidence" json:"min_confidence,omitempty"` // of the teacher, under which a row is not learnt from; 0 = all are

	TopLogits int     `yaml:"top_logits" json:"top_logits,omitempty"` // of the teacher's, at each token of an answer
	Alpha     float64 `yaml:"alpha" json:"alpha,omitempty"`           // share of the teacher's term in a mixed loss

	OnPolicy OnPolicyRecipe `yaml:"on_policy" json:"on_policy,omitzero"` // steps on answers of the student's own

	Rationale RationaleRecipe `yaml:"rationale" json:"rationale,omitzero"` // why answers are right, learnt beside them
	Outer     OuterRecipe     `yaml:"outer" json:"outer,omitzero"`         // replicas that several machines can train
}

// EvalRecipe holds the gates: metric -> condition such as ">= 0.90".
type EvalRecipe struct {
	Gates  map[string]string `yaml:"gates" json:"gates"`
	Slices []string          `yaml:"slices" json:"slices,omitempty"` // columns of the data that metrics are also given by
}

// RecipeError is a mistake in a recipe, with its place.
type RecipeError struct {
	File      string
	Line, Col int
	Msg       string
}

func (e *RecipeError) Error() string {
	if e.Line == 0 {
		return fmt.Sprintf("%s: %s", e.File, e.Msg)
	}
	return fmt.Sprintf("%s:%d:%d: %s", e.File, e.Line, e.Col, e.Msg)
}

// defaults are what a recipe does not say.
func defaultRecipe() Recipe {
	return Recipe{
		Teacher: TeacherRecipe{Calibration: "median"},
		Student: StudentRecipe{From: "teacher", Head: "pooled", Init: "base", Layers: Layers{0, 1, 2, 3, 4, 5, 6, 7}, Vocab: "task", Format: "q8_0", Freeze: []string{"token_embd.weight"}},
		Train: TrainRecipe{Loss: "forward_kl", Temperature: 1, Epochs: 3, Batch: 32, MaxTokens: 512, Optimizer: "adamw", LR: 1e-4, Schedule: "linear",
			Warmup: 20, WeightDecay: 0.01, Clip: 1, Precision: "f32", Seed: 7, SaveEvery: 50},
		Data:    DataRecipe{Duplicates: "exact", Near: 0.8},
		Numeric: "normal",
	}
}

// LoadRecipe reads and checks a recipe file, or the freehold.yaml of a folder.
func LoadRecipe(file string) (*Recipe, error) {
	if isFolder(file) {
		file = filepath.Join(file, "freehold.yaml")
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, &DataError{File: file, Msg: "cannot be read: " + errText(err), Fix: "run `freehold init` to make a recipe"}
	}
	return ParseRecipe(file, b)
}

// ParseRecipe reads a recipe; file names it in messages and relative paths start at its folder.
func ParseRecipe(file string, b []byte) (*Recipe, error) {
	r := defaultRecipe()
	r.file, r.dir = file, filepath.Dir(file)
	b = bytes.TrimPrefix(b, []byte("\ufeff"))
	if err := checkTokens(file, b); err != nil {
		return nil, err
	}
	tree, err := parser.ParseBytes(b, 0, parser.AllowDuplicateMapKey()) // checkShape says it better
	if err != nil {
		return nil, yamlError(file, err)
	}
	switch {
	case len(tree.Docs) == 0 || len(tree.Docs) == 1 && tree.Docs[0].Body == nil:
		return nil, &RecipeError{File: file, Msg: "is empty; `freehold init` writes a recipe to start from"}
	case len(tree.Docs) > 1:
		e := &RecipeError{File: file, Msg: fmt.Sprintf("holds %d YAML documents, want one", len(tree.Docs))}
		if start := tree.Docs[1].Start; start != nil {
			e.Line, e.Col = start.Position.Line, start.Position.Column
		}
		return nil, e
	}
	if err := checkShape(file, "", tree.Docs[0].Body, reflect.TypeOf(r)); err != nil {
		return nil, err
	}
	if err := yaml.NodeToValue(tree.Docs[0].Body, &r, yaml.Strict()); err != nil {
		return nil, yamlError(file, err)
	}
	r.Student.LoRA.fill()
	r.Data.Augment.fill(func(key string) bool { return findKey(tree.Docs[0].Body, "data", "augment", key) != nil })
	r.Train.Outer.fill(func(key string) bool { return findKey(tree.Docs[0].Body, "train", "outer", key) != nil })
	if r.Train.Keep == "last" { // said or not, the run is the same
		r.Train.Keep = ""
	}
	if r.Student.Attention == "causal" {
		r.Student.Attention = ""
	}
	if ty, ok := taskTypes[r.Task.Type]; ok && ty.fill != nil {
		ty.fill(&r, func(path ...string) bool { return findKey(tree.Docs[0].Body, path...) != nil })
	}
	fillRemote(&r, func(path ...string) bool { return findKey(tree.Docs[0].Body, path...) != nil })
	if r.Train.Steps > 0 && findKey(tree.Docs[0].Body, "train", "epochs") == nil {
		r.Train.Epochs = 0
	}
	return &r, r.check(tree.Docs[0].Body)
}

// yamlError keeps the position and the first line of what the YAML library says.
func yamlError(file string, err error) error {
	e := &RecipeError{File: file, Msg: err.Error()}
	var y yaml.Error
	if errors.As(err, &y) {
		e.Msg = y.GetMessage()
		if t := y.GetToken(); t != nil {
			e.Line, e.Col = t.Position.Line, t.Position.Column
		}
	}
	e.Msg, _, _ = strings.Cut(e.Msg, "\n")
	return e
}

// findKey finds a value by its path of keys.
func findKey(n ast.Node, path ...string) ast.Node {
	for _, want := range path {
		var values []*ast.MappingValueNode
		switch m := n.(type) {
		case *ast.MappingNode:
			values = m.Values
		case *ast.MappingValueNode:
			values = []*ast.MappingValueNode{m}
		}
		n = nil
		for _, v := range values {
			if v.Key.GetToken().Value == want {
				n = v.Value
			}
		}
		if n == nil {
			return nil
		}
	}
	return n
}
