package distill

import (
	"fmt"
	"slices"

	"github.com/freehold-slm/freehold/models"
	"github.com/freehold-slm/freehold/models/gguf"
)

// reading is how rows become the base model's tokens, as the task has it.
type reading struct {
	encode func(t *tokenizer, r Row) []int32
	pair   func(t *tokenizer, r Row) (prompt, reply []int32) // of a task that is answered with text; nil = another
	base   *tokenizer
	first  [][]int32 // label words' first tokens; nil = the task has none
	keep   []int32   // kept ids of the base's vocabulary; nil = all

	rationale func(t *tokenizer, r Row) (prompt, reply []int32) // nil = none are learnt
}

// newReading opens the base's tokenizer and finds the tokens that the task uses.
func (j *Job) newReading(f *gguf.File) (*reading, error) {
	t, err := models.Tokenizer(f)
	if err != nil {
		return nil, err
	}
	r := &reading{base: t}
	if err := j.work.read(f, r); err != nil {
		return nil, err
	}
	if j.recipe.Student.Vocab != "task" {
		return r, nil
	}
	used := map[int32]bool{}
	for _, ids := range r.first {
		for _, id := range ids {
			used[id] = true
		}
	}
	for _, row := range j.learns().Train {
		for _, id := range append(r.encode(t, row), r.rationaleTokens(t, row)...) {
			used[id] = true
		}
	}
	v, err := models.Vocabulary(f)
	if err != nil {
		return nil, err
	}
	r.keep, err = TrimVocab(v, used)
	return r, err
}

// small maps tokens of the base to the student's.
func (r *reading) small(ids []int32) []int32 {
	if r.keep == nil {
		return ids
	}
	out := make([]int32, len(ids))
	for i, id := range ids {
		k, ok := slices.BinarySearch(r.keep, id)
		if !ok {
			panic("distill: a used token was not kept")
		}
		out[i] = int32(k)
	}
	return out
}

// examples encodes the training rows for the student and attaches what the task teaches; valid are those that choose the
// best weights.
func (j *Job) examples(b *Base) (ex, valid []Example, first [][]int32, err error) {
	f, err := gguf.Open(j.base.path)
	if err != nil {
		return nil, nil, nil, err
	}
	defer f.Close()
	read, err := j.newReading(f)
	if err != nil {
		return nil, nil, nil, err
	}
	for _, ids := range read.first {
		first = append(first, read.small(ids))
	}
	if ex, err = j.work.examples(read); err != nil {
		return nil, nil, nil, err
	}
	if err := j.sameTokens(b, read, ex); err != nil || !j.recipe.keepsBest() {
		return ex, nil, first, err
	}
	t, err := b.tokenizer() // validation rows may hold tokens that a trimmed vocabulary has not
	if err != nil {
		return nil, nil, nil, err
	}
	return ex, j.work.(validated).valid(read, t), first, nil
}

// headExamples encodes the training rows of a student with a head.
func (j *Job) headExamples(read *reading, of func(r Row, ids []int32) Example) ([]Example, error) {
	rows := j.learns().Train
	ex := make([]Example, len(rows))
	for i, r := range rows {
		ids := read.encode(read.base, r)
		if len(ids) == 0 || len(ids) > j.recipe.Train.MaxTokens {
			return nil, j.tooLong(r, len(ids))
		}
		ex[i] = of(r, read.small(ids))
	}
	return ex, nil
}

func (j *Job) tooLong(r Row, tokens int) error {
	return &DataError{File: j.recipe.file, Msg: fmt.Sprintf("training row %.40q has %d tokens, want 1 to train.max_tokens %d", r.ID, tokens, j.recipe.Train.MaxTokens),
		Fix: "raise train.max_tokens or shorten the row"}
}

// sameTokens holds the tokenizer that the student's file will hold against the examples, which were encoded with the
// base's: trimming must not change a training text's tokens.
func (j *Job) sameTokens(b *Base, read *reading, ex []Example) error {
	t, err := b.tokenizer()
	if err != nil {
		return err
	}
	rows := map[string]Row{}
	for _, r := range j.data.Train {
		rows[r.ID] = r
	}
	for i := range ex {
		row, why := rows[ex[i].ID], ex[i].Rationale
		if !slices.Equal(read.encode(t, row), ex[i].whole()) || why != nil && !slices.Equal(read.rationaleTokens(t, row), why.whole()) {
			return fmt.Errorf("internal: row %.40q encodes differently under the trimmed vocabulary", ex[i].ID)
		}
	}
	return nil
}
