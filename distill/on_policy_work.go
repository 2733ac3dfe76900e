package distill

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/freehold-slm/freehold/engine"
)

// OnPolicyRecipe has the student answer itself in part of the steps; see OnPolicy.
type OnPolicyRecipe struct {
	Share       float64 `yaml:"share" json:"share,omitempty"`             // of the steps; 0 = none
	After       float64 `yaml:"after" json:"after,omitempty"`             // part of the steps that come before the first
	Loss        string  `yaml:"loss" json:"loss,omitempty"`               // one of onPolicyLosses
	Beta        float64 `yaml:"beta" json:"beta,omitempty"`               // jsd: weight of the teacher in the mixture
	MaxTokens   int     `yaml:"max_tokens" json:"max_tokens,omitempty"`   // of an answer
	Temperature float64 `yaml:"temperature" json:"temperature,omitempty"` // that its tokens are drawn at
}

// onPolicyLosses compare whole distributions, which the teacher gives here.
var onPolicyLosses = []string{"forward_kl", "jsd", "reverse_kl"}

// ownTokens are drawn of an answer at most, unless the recipe says otherwise.
const ownTokens = 64

// fillOnPolicy puts in what a recipe with on_policy does not say.
func fillOnPolicy(r *Recipe, said func(path ...string) bool) {
	o := &r.Train.OnPolicy
	missing := func(key string) bool { return !said("train", "on_policy", key) }
	if !said("train", "on_policy") {
		return
	}
	if missing("loss") {
		o.Loss = "jsd"
	}
	if missing("beta") && o.Loss == "jsd" {
		o.Beta = 0.5
	}
	if missing("max_tokens") {
		o.MaxTokens = min(ownTokens, r.Task.MaxTokens)
	}
	if missing("temperature") {
		o.Temperature = 1
	}
}

func checkOnPolicy(r *Recipe, at func(msg string, path ...string) error) (errs []error) {
	o := r.Train.OnPolicy
	if o == (OnPolicyRecipe{}) {
		return nil
	}
	refuse := func(key, format string, args ...any) {
		errs = append(errs, at("train.on_policy."+key+fmt.Sprintf(format, args...), "train", "on_policy", key))
	}
	if !(o.Share > 0 && o.Share <= 1) {
		refuse("share", " is %v, want above 0 to 1 (all steps); leave on_policy out for none", o.Share)
	}
	if !(o.After >= 0 && o.After <= 0.99) {
		refuse("after", " is %v, want a part of the steps from 0 to 0.99", o.After)
	}
	if !slices.Contains(onPolicyLosses, o.Loss) {
		refuse("loss", " is %q, want one of: %s", o.Loss, strings.Join(onPolicyLosses, ", "))
	}
	switch {
	case o.Loss == "jsd" && !(o.Beta > 0 && o.Beta < 1):
		refuse("beta", " is %v, want between 0 and 1; the ends are loss: forward_kl and loss: reverse_kl", o.Beta)
	case o.Loss != "jsd" && o.Beta != 0:
		refuse("beta", " is for loss: jsd alone")
	}
	if o.MaxTokens < 1 || o.MaxTokens > r.Task.MaxTokens {
		refuse("max_tokens", " is %d, want 1 to task.max_tokens %d", o.MaxTokens, r.Task.MaxTokens)
	}
	if !(o.Temperature > 0 && o.Temperature <= 100) {
		refuse("temperature", " is %v, want above 0 to 100", o.Temperature)
	}
	return errs
}

// onPolicy tells whether the student answers itself in some steps.
func (w *answerWork) onPolicy() bool { return w.j.recipe.Train.OnPolicy.Share > 0 }

// String says it for people; "" = none.
func (o OnPolicyRecipe) String() string {
	if o.Share == 0 {
		return ""
	}
	of := o.Loss
	if o.Beta != 0 {
		of += fmt.Sprintf(" (beta %v)", o.Beta)
	}
	return fmt.Sprintf("%v of the steps after %v, %s, %d tokens at temperature %v", o.Share, o.After, of, o.MaxTokens, o.Temperature)
}

// ownMethod is what a paper says of it beside the rest of the method.
func ownMethod(r *Recipe) string {
	if s := r.Train.OnPolicy.String(); s != "" {
		return "; on-policy (on answers of the student's own): " + s
	}
	return ""
}

// checkOwn refuses rows that leave an answer of the student's own no room, and tokens that the teacher has no logits of.
func (w *answerWork) checkOwn(r *reading) error {
	if !w.onPolicy() {
		return nil
	}
	j, own := w.j, w.j.recipe.Train.OnPolicy.MaxTokens
	last := int32(j.base.spec.Vocab - 1)
	if r.keep != nil {
		last = r.keep[len(r.keep)-1]
	}
	if n := j.teacher.spec.Vocab; int(last) >= n {
		return &RecipeError{File: j.recipe.file, Msg: fmt.Sprintf("train.on_policy asks the teacher about each token of the student's, but %s has %d tokens and the student's reach %d (%s); take a student from a model of the teacher's family, or leave on_policy out",
			j.teacher.Name, n, last, j.base.Name)}
	}
	m, a, err := w.openTeacher()
	if err != nil {
		return err
	}
	defer m.Close()
	for _, row := range j.data.Train {
		if n := len(a.Tokens(nil, row.Text)); n+own > m.Context() {
			return &DataError{File: row.File, Line: row.Line, Msg: fmt.Sprintf("the teacher's prompt has %d tokens and an answer of the student's own up to %d (train.on_policy.max_tokens), the teacher's context is %d", n, own, m.Context()),
				Fix: "shorten the row or lower train.on_policy.max_tokens"}
		}
		prompt, _ := r.pair(r.base, row)
		if n := len(prompt) + own; n > j.recipe.Train.MaxTokens {
			return &DataError{File: row.File, Line: row.Line, Msg: fmt.Sprintf("the prompt has %d tokens and an answer of the student's own up to %d (train.on_policy.max_tokens), train.max_tokens is %d", len(prompt), own, j.recipe.Train.MaxTokens),
				Fix: "raise train.max_tokens, shorten the row or lower train.on_policy.max_tokens"}
		}
	}
	return nil
}

// newOnPolicy opens the teacher for the examples' own answers; done closes it.
func (w *answerWork) newOnPolicy(b *Base, ex []Example) (o *OnPolicy, done func(), err error) {
	j, r := w.j, &w.j.recipe.Train
	loss, err := NewLoss(r.OnPolicy.Loss, LossParams{Temperature: r.Temperature, Beta: r.OnPolicy.Beta})
	if err != nil {
		return nil, nil, err
	}
	m, a, err := w.openTeacher()
	if err != nil {
		return nil, nil, err
	}
	now := &snapshot{base: b, level: j.level, opts: []engine.Option{engine.WithThreads(j.opt.Threads), engine.WithLevel(j.level), engine.WithNumeric(engine.Reference)}}
	o = &OnPolicy{Share: r.OnPolicy.Share, First: r.OnPolicy.first(j.steps()), Loss: loss, MaxTokens: r.OnPolicy.MaxTokens, Temperature: r.OnPolicy.Temperature, Seed: r.Seed,
		Student: now.open, Teacher: m, Keep: b.keep}
	rows := map[string]Row{}
	for _, row := range j.data.Train {
		rows[row.ID] = row
	}
	for i := range ex {
		o.Prompts = append(o.Prompts, a.Tokens(nil, rows[ex[i].ID].Text))
	}
	return o, func() { m.Close() }, nil //nolint:errcheck // a mapping
}

// first is the first step (from 0) that may be on-policy.
func (o *OnPolicyRecipe) first(steps int) int { return int(math.Ceil(o.After * float64(steps))) }
