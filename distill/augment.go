package distill

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/freehold-slm/freehold/distill/data"
	"github.com/freehold-slm/freehold/engine"
	"github.com/freehold-slm/freehold/kernels"
	"github.com/freehold-slm/freehold/models/licence"
	"github.com/freehold-slm/freehold/models/token"
)

// The stage augment: a model makes further training rows, paraphrases of those that there are (AugGPT, arXiv:2302.13007) and texts for a label (ZeroGen,
// arXiv:2202.07922), which the teacher then labels like the others. What the model said is kept in hashed shards, and the rows follow from them and the
// data alone (augment_rows.go).

const (
	madeFolder = "augment/"
	madeRows   = madeFolder + "rows.jsonl" // those that stay, each with its origin

	makingSchema    = "freehold/augmented/1"
	makingShardRows = 32 // texts of a shard
)

// openMaker opens the model that makes rows.
func (r *Recipe) openMaker(teacher source) (source, error) {
	a := r.Data.Augment
	if !r.augments() || a.Model == "" || a.Model == r.Teacher.Model {
		if !r.augments() {
			return source{}, nil
		}
		return teacher, nil
	}
	s, err := openSource(r, a.Model, a.Licence, a.Reason)
	if err != nil {
		return s, sourceError("data.augment", err)
	}
	return s, checkTemplate("data.augment", s)
}

// making is a text that is asked for.
type making struct {
	made   data.Made
	prompt string
}

// id names a text by what it was made of, so that its random numbers do not rest on the other rows.
func (m *making) id() string {
	return "made-" + hashOf(m.made.Kind, m.made.Of, m.made.Label, strconv.Itoa(m.made.Number))[:16]
}

// makingLine is a text as the model gave it.
type makingLine struct {
	ID    string `json:"id"`
	Text  string `json:"text"`
	Fault string `json:"fault,omitempty"` // one of the faults below, which only the model's tokenizer and the generation tell
}

const (
	faultLong    = "prompt longer than the model's context"
	faultCut     = "cut at data.augment.max_tokens"
	faultSpecial = "tokens of a chat template"
)

// checkExamples refuses a prompt that shows examples of a label that no training row has.
func (j *Job) checkExamples() error {
	a := j.recipe.Data.Augment
	if a.PerLabel == 0 || a.Examples == 0 {
		return nil
	}
	for i, label := range j.recipe.Task.Labels {
		if len(j.labelRows(i)) == 0 {
			return &DataError{File: j.recipe.file, Msg: fmt.Sprintf("data.augment shows %d examples of each label, and no training row has the gold label %q", a.Examples, label),
				Fix: "label some rows, or write data.augment.examples: 0"}
		}
	}
	return nil
}

// labelRows are the training rows with a gold label.
func (j *Job) labelRows(label int) []Row {
	return slices.DeleteFunc(slices.Clone(j.own.Train), func(r Row) bool { return r.Gold != label })
}

// makings lists the texts that the recipe asks for. Training rows alone are shown to the model.
func (j *Job) makings() []making {
	if j.asked == nil {
		j.asked = j.newMakings()
	}
	return j.asked
}

func (j *Job) newMakings() (all []making) {
	a, task, licence := j.recipe.Data.Augment, j.recipe.Task, j.madeLicence()
	add := func(made data.Made, prompt string) {
		said := sha256.Sum256([]byte(prompt))
		made.Prompt, made.Model, made.SHA256, made.Seed, made.Licence = hex.EncodeToString(said[:]), nameOnly(j.maker.Name), j.maker.sha256, j.recipe.Train.Seed, licence
		all = append(all, making{made, prompt})
	}
	for n := range a.Paraphrases {
		for _, row := range j.own.Train {
			made := data.Made{Kind: data.Paraphrase, Of: row.ID, Number: n + 1}
			if row.Gold >= 0 && task.Labels != nil {
				made.Label = task.Labels[row.Gold]
			}
			add(made, strings.Replace(a.ParaphrasePrompt, "{text}", row.Text, 1))
		}
	}
	if a.PerLabel == 0 {
		return all
	}
	for i, label := range task.Labels {
		rows := j.labelRows(i)
		for n := range a.PerLabel {
			made := data.Made{Kind: data.ForLabel, Label: label, Number: n + 1}
			var shown strings.Builder
			for _, k := range someOf(j.recipe.Train.Seed, i, n, a.Examples, len(rows)) {
				made.Examples = append(made.Examples, rows[k].ID)
				fmt.Fprintf(&shown, "- %s\n", strings.Join(strings.Fields(rows[k].Text), " "))
			}
			add(made, strings.NewReplacer("{label}", label, "{examples}", strings.TrimSuffix(shown.String(), "\n")).Replace(a.Prompt))
		}
	}
	return all
}

// someOf draws k of n rows without repetition, for text number of a label.
func someOf(seed uint64, label, number, k, n int) (some []int) {
	k = min(k, n)
	for draw := uint32(0); len(some) < k; draw++ {
		r := kernels.Philox(seed, [4]uint32{kernels.PurposeShow, uint32(label), uint32(number), draw})
		if at := int(r[0] % uint32(n)); !slices.Contains(some, at) {
			some = append(some, at)
		}
	}
	return some
}

// madeLicence is the licence of the rows that are made: the strictest of the model's and the data's.
func (j *Job) madeLicence() string {
	m := j.maker
	return licence.Judge(licence.Distribute, append(j.dataInputs(), m.Licence.Input("teacher", m.Name, m.Accepted, m.Reason))).Strictest
}

// makingShards are the texts that are asked for; those that are there go into said, by shard.
func (j *Job) makingShards() (f *shardSet[making, makingLine], said [][]makingLine) {
	parts := slices.Collect(slices.Chunk(j.makings(), makingShardRows))
	said = make([][]makingLine, len(parts))
	return &shardSet[making, makingLine]{
		j: j, root: madeFolder, folder: filepath.Join(j.dir, madeFolder), schema: makingSchema, parts: parts, key: j.makingKey,
		keep: func(s int, lines []makingLine) { said[s] = lines },
	}, said
}

// makingKey identifies the question that a shard answers.
func (j *Job) makingKey(part []making) string {
	a := j.recipe.Data.Augment
	parts := []string{makingSchema, j.maker.sha256, j.recipe.Numeric, seed(j.recipe), fmt.Sprint(a.Temperature, a.TopP, a.MaxTokens)}
	for i := range part {
		parts = append(parts, part[i].id(), part[i].prompt)
	}
	return hashOf(parts...)
}

// unmade counts the shards that are not there yet, and all.
func (j *Job) unmade() (missing, all int) {
	f, _ := j.makingShards()
	return f.missing()
}

// checkMade refuses to go on without all texts.
func (j *Job) checkMade() error {
	if n, _ := j.unmade(); n > 0 {
		return &DataError{File: filepath.Join(j.dir, madeFolder), Msg: fmt.Sprintf("%d shards of made rows are missing", n), Fix: "run the augment stage first (freehold apply --only augment)"}
	}
	return nil
}

// augment has the model make what is missing, keeps it in shards, and adds the rows that stay to those that are learnt from.
func (j *Job) augment(ctx context.Context) error {
	f, said := j.makingShards()
	todo, err := f.collect("making rows")
	if err != nil {
		return err
	}
	total := len(j.makings())
	if len(todo) > 0 {
		m, ask, err := j.openMaking()
		if err != nil {
			return err
		}
		defer m.Close()
		tell, before := j.pace("augment", "texts/s", total), f.kept
		for _, s := range todo {
			done := f.kept
			lines, err := j.makeRows(ctx, m, ask, f.parts[s], func(n int) { tell(done+n, done+n-before) })
			if err == nil {
				err = f.put(s, lines)
			}
			if ctx.Err() != nil {
				return ErrInterrupted
			}
			if err != nil {
				return err
			}
		}
	}
	if err := j.addMade(f.parts, said); err != nil {
		return err
	}
	made := j.data.Report.Made
	if made.Kept == 0 {
		j.warn(fmt.Sprintf("data.augment: none of the %d texts is a new training row: %s", made.Asked, &j.data.Report))
	}
	j.event(Event{Stage: "augment", Step: total, Total: total, Msg: fmt.Sprintf("%d of %d texts are new training rows; data.json says why the others are not", made.Kept, made.Asked)})
	if j.kind == applyKind {
		removeBroken(filepath.Join(j.dir, madeFolder))
	}
	return j.writeMade()
}

// openMaking opens the model that makes rows, as it is: an adapter of the teacher's has learnt to say labels.
func (j *Job) openMaking() (*engine.Model, *engine.Answerer, error) {
	return j.openAnswerer(j.maker.path, engine.TextTask{Prompt: "{text}", MaxTokens: j.recipe.Data.Augment.MaxTokens})
}

// makeRows asks the model for the texts of a shard. A text is a function of model, prompt, seed and its own id: not of what is computed beside it.
func (j *Job) makeRows(ctx context.Context, m *engine.Model, ask *engine.Answerer, part []making, progress func(done int)) ([]makingLine, error) {
	a, lines := j.recipe.Data.Augment, make([]makingLine, len(part))
	var requests []engine.Request
	var at []int
	for i := range part {
		lines[i].ID = part[i].id()
		tokens := ask.Tokens(nil, part[i].prompt) // a row's own special tokens are ordinary text
		if len(tokens)+a.MaxTokens > m.Context() {
			lines[i].Fault = faultLong
			continue
		}
		sequence, err := strconv.ParseUint(strings.TrimPrefix(lines[i].ID, "made-")[:8], 16, 32)
		if err != nil {
			panic("distill: an id that is no hash")
		}
		g := engine.Gen{MaxTokens: a.MaxTokens, Temperature: a.Temperature, TopP: a.TopP, Seed: j.recipe.Train.Seed, Sequence: uint32(sequence)}
		requests, at = append(requests, engine.Request{Tokens: tokens, Gen: g}), append(at, i)
	}
	for got, err := range m.Batch(ctx, requests) {
		if err != nil {
			return nil, err
		}
		line := &lines[at[got.Index]]
		switch {
		case got.Reason == engine.ReasonLength:
			line.Fault = faultCut
		case spellsSpecial(m.Tokenizer(), got.Text):
			line.Fault = faultSpecial
		}
		line.Text = strings.ToValidUTF8(got.Text, "\uFFFD")
		progress(at[got.Index] + 1)
	}
	return lines, ctx.Err()
}

// spellsSpecial tells whether a text holds the spelling of a special token.
func spellsSpecial(t *token.Tokenizer, text string) bool {
	return !slices.Equal(t.Encode(nil, text, token.EncodeOptions{}), t.Encode(nil, text, token.EncodeOptions{ParseSpecial: true}))
}

// augmentFacts are what the stage was told.
func (j *Job) augmentFacts() map[string]string {
	a := j.recipe.Data.Augment
	f := map[string]string{"prompt": a.Prompt, "paraphrase_prompt": a.ParaphrasePrompt, "how": a.String(), "seed": seed(j.recipe), "numeric": j.recipe.Numeric}
	if m := j.data.Report.Made; m != nil {
		f["asked"], f["kept"] = strconv.Itoa(m.Asked), strconv.Itoa(m.Kept)
	}
	return f
}
