package distill

import (
	"fmt"
	"strings"
)

// AugmentRecipe has a model make further training rows, before the teacher labels: paraphrases of the training texts, and texts for a label.
type AugmentRecipe struct {
	Paraphrases int `yaml:"paraphrases" json:"paraphrases,omitempty"` // of each training row
	PerLabel    int `yaml:"per_label" json:"per_label,omitempty"`     // texts that are asked for, for each label
	Examples    int `yaml:"examples" json:"examples,omitempty"`       // training rows of the label that are shown with each of these

	ParaphrasePrompt string `yaml:"paraphrase_prompt" json:"paraphrase_prompt,omitempty"` // holds {text}
	Prompt           string `yaml:"prompt" json:"prompt,omitempty"`                       // of per_label: holds {label}, and {examples} where some are shown

	Model   string `yaml:"model" json:"model,omitempty"` // that makes them: catalogue name or path; "" = the teacher
	Licence string `yaml:"licence" json:"licence,omitempty"`
	Reason  string `yaml:"licence_reason" json:"licence_reason,omitempty"`

	Temperature float64 `yaml:"temperature" json:"temperature,omitempty"`
	TopP        float64 `yaml:"top_p" json:"top_p,omitempty"`
	MaxTokens   int     `yaml:"max_tokens" json:"max_tokens,omitempty"` // of a text; longer ones are thrown out

	Keep          string  `yaml:"keep" json:"keep,omitempty"`                     // "agreeing": where the teacher gives the label that was meant; "all"
	MinConfidence float64 `yaml:"min_confidence" json:"min_confidence,omitempty"` // of the teacher in that label, under which a text is thrown out
}

// The prompts that are used where a recipe has none.
const (
	paraphrasePrompt = "Say the following text in other words. Keep its meaning, its tone and its language. Answer with the new text alone.\n\n{text}"
	exemplifyPrompt  = "Here are texts with the label \"{label}\":\n\n{examples}\n\nWrite one more text of this kind with the label \"{label}\", about something else. Answer with the text alone."
	labelPrompt      = "Write a short text with the label \"{label}\". Answer with the text alone."
)

func (a *AugmentRecipe) any() bool { return a.Paraphrases > 0 || a.PerLabel > 0 }

func (r *Recipe) augments() bool { return r.Data.Augment.any() }

// fill puts in what a recipe that augments does not say.
func (a *AugmentRecipe) fill(said func(key string) bool) {
	if !a.any() {
		return
	}
	if !said("temperature") {
		a.Temperature = 0.9
	}
	if !said("top_p") {
		a.TopP = 0.95
	}
	if !said("max_tokens") {
		a.MaxTokens = 128
	}
	if a.Paraphrases > 0 && a.ParaphrasePrompt == "" {
		a.ParaphrasePrompt = paraphrasePrompt
	}
	if a.PerLabel == 0 {
		return
	}
	if !said("examples") {
		a.Examples = 4
	}
	if a.Prompt == "" && a.Examples > 0 {
		a.Prompt = exemplifyPrompt
	} else if a.Prompt == "" {
		a.Prompt = labelPrompt
	}
}

// fillKeep says what is kept of a classifier's made rows.
func (a *AugmentRecipe) fillKeep() {
	if a.any() && a.Keep == "" {
		a.Keep = "agreeing"
	}
}

func checkAugment(r *Recipe, at func(msg string, path ...string) error) (errs []error) {
	a := r.Data.Augment
	if a == (AugmentRecipe{}) {
		return nil
	}
	refuse := func(key, format string, args ...any) {
		errs = append(errs, at("data.augment"+key+fmt.Sprintf(format, args...), "data", "augment", strings.TrimPrefix(key, ".")))
	}
	count := func(key string, v, lo, hi int, of string) {
		if v < lo || v > hi {
			refuse(key, " is %d, want %d to %d %s", v, lo, hi, of)
		}
	}
	count(".paraphrases", a.Paraphrases, 0, 100, "of each training row")
	count(".per_label", a.PerLabel, 0, 1e6, "texts for each label")
	if errs == nil && !a.any() {
		refuse("", " makes no rows: give paraphrases (of each training row, such as 1), or for a task classify per_label (texts for each label, such as 200)")
		return errs
	}
	count(".max_tokens", a.MaxTokens, 1, 1<<20, "tokens of a text")
	count(".examples", a.Examples, 0, 64, "rows of the label that are shown")
	if !(a.Temperature >= 0 && a.Temperature <= 100) {
		refuse(".temperature", " is %v, want 0 (always the likeliest token) to 100", a.Temperature)
	}
	if !(a.TopP > 0 && a.TopP <= 1) {
		refuse(".top_p", " is %v, want above 0 to 1 (all tokens)", a.TopP)
	}
	if n := strings.Count(a.ParaphrasePrompt, "{text}"); a.Paraphrases > 0 && n != 1 {
		refuse(".paraphrase_prompt", " holds {text} %d times, want once", n)
	} else if a.Paraphrases == 0 && a.ParaphrasePrompt != "" {
		refuse(".paraphrase_prompt", " is given and paraphrases is 0; leave it out, or say how many of each row")
	}
	if a.PerLabel == 0 && (a.Prompt != "" || a.Examples != 0) {
		refuse(".prompt", " and examples are for per_label, which is 0; leave them out, or say how many texts a label")
	} else if a.PerLabel > 0 {
		if n := strings.Count(a.Prompt, "{label}"); n == 0 {
			refuse(".prompt", " does not hold {label}, the label that a text is asked for")
		}
		if n := strings.Count(a.Prompt, "{examples}"); n != min(a.Examples, 1) {
			refuse(".prompt", " holds {examples} %d times and data.augment.examples is %d; want it once where examples are shown, else not at all", n, a.Examples)
		}
	}
	if r.Task.Type == "classify" && a.Keep != "agreeing" && a.Keep != "all" {
		refuse(".keep", " is %q, want one of: agreeing, all", a.Keep)
	}
	if p := a.MinConfidence; !(p >= 0 && p < 1) || p > 0 && a.Keep != "agreeing" {
		refuse(".min_confidence", " is %v, want a probability from 0 to below 1, with keep: agreeing", p)
	}
	if a.Model == "" && (a.Licence != "" || a.Reason != "") {
		refuse(".licence", " is that of data.augment.model, which is not given; the teacher's is teacher.licence")
	}
	return errs
}

// String says it for people; "" = no rows are made.
func (a AugmentRecipe) String() string {
	var parts []string
	if a.Paraphrases > 0 {
		parts = append(parts, fmt.Sprintf("%d paraphrases of each row", a.Paraphrases))
	}
	if a.PerLabel > 0 {
		parts = append(parts, fmt.Sprintf("%d texts a label (%d examples)", a.PerLabel, a.Examples))
	}
	if parts == nil {
		return ""
	}
	return fmt.Sprintf("%s, %d tokens at temperature %v, top_p %v", strings.Join(parts, ", "), a.MaxTokens, a.Temperature, a.TopP)
}
