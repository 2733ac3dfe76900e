package distill

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/freehold-slm/freehold/engine"
	"github.com/freehold-slm/freehold/models/spell"
)

//go:embed report_samples.tmpl.html
var samplesSource string

// Of several answers that the teacher draws for a row one is kept (teacher.choose): the one that it holds likeliest a token (best of n), or the one that it
// gave most often (self-consistency, Wang et al. 2022, arXiv:2203.11171). How many of them agreed is kept beside it.

// choices are the values of teacher.choose.
var choices = []string{"likeliest", "vote"}

// fillSamples puts in what a recipe does not say.
func (t *TeacherRecipe) fillSamples(said func(path ...string) bool) {
	if !said("teacher", "samples") {
		t.Samples = 1
	}
	if t.Samples != 1 && !said("teacher", "temperature") {
		t.Temperature = 1
	}
	if t.Samples != 1 && !said("teacher", "choose") {
		t.Choose = "likeliest"
	}
}

func (t *TeacherRecipe) checkSamples(at func(msg string, path ...string) error) (errs []error) {
	if t.Samples < 1 || t.Samples > 64 {
		errs = append(errs, at(fmt.Sprintf("teacher.samples is %d, want 1 to 64", t.Samples), "teacher", "samples"))
	}
	if t.Samples > 1 && !(t.Temperature > 0 && t.Temperature <= 100) {
		errs = append(errs, at(fmt.Sprintf("teacher.temperature is %v, want above 0 to 100", t.Temperature), "teacher", "temperature"))
	}
	if t.Samples == 1 && t.Temperature != 0 {
		errs = append(errs, at("teacher.temperature is for several samples; one is the likeliest token by token", "teacher", "temperature"))
	}
	if t.Samples == 1 && t.Choose != "" {
		errs = append(errs, at("teacher.choose is for several samples; give teacher.samples, such as 5, or leave it out", "teacher", "choose"))
	}
	if t.Samples > 1 && !slices.Contains(choices, t.Choose) {
		errs = append(errs, at(spell.Unknown("value", t.Choose, "teacher.choose", choices), "teacher", "choose"))
	}
	if t.VoteOn != nil && (t.Choose != "vote" || len(t.VoteOn) == 0) {
		errs = append(errs, at("teacher.vote_on names the fields that teacher.choose: vote compares; give both, or leave it out", "teacher", "vote_on"))
	}
	return errs
}

// checkVoteOn refuses fields that the schema does not have.
func (w *answerWork) checkVoteOn() error {
	var s struct {
		Properties map[string]any `json:"properties"`
	}
	if err := json.Unmarshal(w.schema, &s); err != nil || s.Properties == nil {
		return nil // a schema that says it otherwise
	}
	for _, f := range w.j.recipe.Teacher.VoteOn {
		if _, ok := s.Properties[f]; !ok {
			return &RecipeError{File: w.j.recipe.file, Msg: spell.Unknown("field", f, "teacher.vote_on", sortedKeys(s.Properties))}
		}
	}
	return nil
}

// samples is what plan and lineage say of them; "" = one answer.
func (t *TeacherRecipe) samples() string {
	if t.Samples < 2 {
		return ""
	}
	return fmt.Sprintf("%d samples at temperature %g, %s%s", t.Samples, t.Temperature, t.Choose, after(" on ", strings.Join(t.VoteOn, ", ")))
}

// sampleSeed is a row's: a draw is a function of seed, row, sample and place alone, whatever rows are asked beside it.
func sampleSeed(seed uint64, id string) uint64 {
	sum := sha256.Sum256(fmt.Appendf(nil, "sample\x00%d\x00%s", seed, id))
	return binary.LittleEndian.Uint64(sum[:])
}

// ask gets the teacher's answers to the rows that it is asked about, of several samples the chosen one, and the gold ones of the others.
func (w *answerWork) ask(ctx context.Context, a *engine.Answerer, rows []Row, progress func(done int)) ([]answerLine, error) {
	t := w.j.recipe.Teacher
	lines := make([]answerLine, len(rows))
	var texts []string
	var at []int
	for i, row := range rows {
		lines[i] = answerLine{ID: row.ID, Answer: row.Answer, Gold: true}
		if w.asked[row.ID] {
			texts, at = append(texts, row.Text), append(at, i)
		}
	}
	drawn := make([][]sample, len(texts))
	draw := func(i, k int) engine.Gen {
		if t.Samples == 1 {
			return engine.Gen{}
		}
		return engine.Gen{Temperature: t.Temperature, Seed: sampleSeed(w.j.recipe.Train.Seed, rows[at[i]].ID), Sequence: uint32(k)}
	}
	err := a.Samples(ctx, texts, t.Samples, draw, func(i int, got []engine.Answer) error {
		for _, one := range got {
			drawn[i] = append(drawn[i], sample{text: one.Text, value: w.value(one.Text), cut: one.Reason == engine.ReasonLength})
		}
		progress(at[i])
		return nil
	})
	if err == nil && t.Samples > 1 {
		err = scoreSamples(ctx, a, texts, drawn, t.Choose == "vote")
	}
	if err != nil {
		return nil, err
	}
	for i, of := range drawn {
		best := chosen(of, t.Choose == "vote")
		lines[at[i]] = answerLine{ID: rows[at[i]].ID, Answer: of[best].text, Cut: of[best].cut}
		if t.Samples > 1 {
			lines[at[i]].Agree = agreeing(of, of[best])
		}
	}
	return lines, nil
}

// value is what answers are the same by, as for the metric exact: the value of JSON, else the text without white space around it. With teacher.vote_on it
// is that of some fields alone.
func (w *answerWork) value(text string) string {
	on := w.j.recipe.Teacher.VoteOn
	if all, err := decodeJSON(text); err == nil && on != nil {
		some := map[string]any{}
		if fields, ok := all.(map[string]any); ok {
			for _, f := range on {
				if v, ok := fields[f]; ok {
					some[f] = v
				}
			}
			b, _ := json.Marshal(some) // it came from JSON
			return string(b)
		}
	}
	if w.rule != nil {
		if v, err := canonicalJSON(text); err == nil {
			return v
		}
	}
	return strings.TrimSpace(text)
}

// sample is one answer that was drawn for a row.
type sample struct {
	text, value string
	cut         bool
	score       float64 // mean log-probability a token, without temperature and schema; where it was needed
}

// agreeing counts the samples that say what one says. One that was cut says nothing, and agrees with none.
func agreeing(all []sample, one sample) (n int) {
	for _, s := range all {
		if !one.cut && !s.cut && s.value == one.value {
			n++
		}
	}
	return n
}

// chosen is the index of the sample that is kept: with vote that of the most frequent value, and of those the likeliest; an answer that ended comes before
// one that was cut, and the first before its equals.
func chosen(all []sample, vote bool) (best int) {
	for i, s := range all {
		old := all[best]
		n, most := 0, 0
		if vote {
			n, most = agreeing(all, s), agreeing(all, old)
		}
		if old.cut != s.cut && old.cut || old.cut == s.cut && (n > most || n == most && s.score > old.score) {
			best = i
		}
	}
	return best
}

// scoreSamples lets the teacher read the answers where their probabilities decide, each different text of a row once.
func scoreSamples(ctx context.Context, a *engine.Answerer, texts []string, drawn [][]sample, vote bool) error {
	var read, answers []string
	var of []int // row of each
	for i, all := range drawn {
		most := 0
		for _, s := range all {
			most = max(most, agreeing(all, s))
		}
		var seen []string
		for _, s := range all {
			if !slices.Contains(seen, s.text) && (!vote || agreeing(all, s) == most) {
				seen = append(seen, s.text)
			}
		}
		if len(seen) < 2 {
			continue // nothing to decide
		}
		for _, text := range seen {
			read, answers, of = append(read, texts[i]), append(answers, text), append(of, i)
		}
	}
	sums, tokens, err := a.LogProbs(ctx, read, answers)
	if err != nil {
		return err
	}
	for n, row := range of {
		for k := range drawn[row] {
			if s := &drawn[row][k]; s.text == answers[n] {
				s.score = sums[n] / float64(max(1, tokens[n]))
			}
		}
	}
	return nil
}

// sampleTokens estimates what the teacher reads to choose among samples: all of them where the likeliest is kept, next to none for a vote.
func (j *Job) sampleTokens(perRow float64) float64 {
	t := j.recipe.Teacher
	if t.Samples < 2 || t.Choose == "vote" {
		return 0
	}
	chars, rows := 0, 0
	for i, part := range [][]Row{j.data.Train, j.data.Test} {
		for _, r := range part {
			if i == 1 || r.Gold < 0 {
				chars, rows = chars+len(r.Text), rows+1
			}
		}
	}
	return float64(t.Samples) * (float64(chars)/4 + float64(rows)*perRow)
}

// SampleSummary is what summary.json holds of several samples a row: how often they agreed, and on test rows how often they were right then.
type SampleSummary struct {
	Samples     int          `json:"samples"`
	Temperature float64      `json:"temperature"`
	Choose      string       `json:"choose"`
	Agreed      []AgreedRows `json:"agreed"` // the most first; 0 = the answer was cut
}

// AgreedRows are the rows in which so many samples gave the answer that was kept.
type AgreedRows struct {
	Agree int `json:"agree"`
	Train int `json:"train"` // training rows that the teacher was asked about
	Test  int `json:"test"`
	Exact int `json:"exact"` // of these those whose answer is the gold one
}

// Part is the share of test rows that are exact.
func (a AgreedRows) Part() float64 { return share(a.Exact, a.Test) }

// sampled sums up the samples; exact tells which test rows the teacher has right. nil = one answer a row.
func (w *answerWork) sampled(exact []bool) *SampleSummary {
	t := w.j.recipe.Teacher
	if t.Samples < 2 {
		return nil
	}
	s := &SampleSummary{Samples: t.Samples, Temperature: t.Temperature, Choose: t.Choose}
	for n := t.Samples; n >= 0; n-- {
		rows := AgreedRows{Agree: n}
		for _, r := range w.j.data.Train {
			if line := w.answers[r.ID]; !line.Gold && line.Agree == n {
				rows.Train++
			}
		}
		for i, r := range w.j.data.Test {
			if w.answers[r.ID].Agree != n {
				continue
			}
			if rows.Test++; exact[i] {
				rows.Exact++
			}
		}
		if rows.Train+rows.Test > 0 {
			s.Agreed = append(s.Agreed, rows)
		}
	}
	return s
}

// Says is how often the samples agreed, in a line.
func (s *SampleSummary) Says() string {
	rows, all, most := 0, 0, 0
	for _, a := range s.Agreed {
		rows += a.Train + a.Test
		if a.Agree == s.Samples {
			all = a.Train + a.Test
		}
		if 2*a.Agree > s.Samples {
			most += a.Train + a.Test
		}
	}
	return fmt.Sprintf("%d samples a row at temperature %g, %s: of %d rows all agree on %d, more than half on %d", s.Samples, s.Temperature, s.Choose, rows, all, most)
}
