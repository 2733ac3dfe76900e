package distill

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/freehold-slm/freehold/engine"
	"github.com/freehold-slm/freehold/models"
	"github.com/freehold-slm/freehold/models/gguf"
	"github.com/freehold-slm/freehold/models/token"
)

// crossLosses learn from a teacher with other tokens: what falls on none of the student's is the rest of the one, and the other learns the text too.
var crossLosses = []string{"mixed_topk", "topk_rest_kl"}

// openTokenizer opens the tokenizer of a model's file.
func openTokenizer(path string) (*tokenizer, error) {
	f, err := gguf.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return models.Tokenizer(f)
}

// asksTokens tells whether the student learns from the teacher's probabilities of tokens, which then have to be tokens of its own.
func (w *answerWork) asksTokens() bool {
	return (w.needsTop() || w.onPolicy()) && w.j.teacher.sha256 != w.j.base.sha256
}

// otherTokens says in what the teacher's tokens differ from the student's: what they are, or how they encode the data and the answers that are there. "" = in nothing.
// That both have as many proves nothing.
func (w *answerWork) otherTokens(teacher, student *tokenizer) string {
	for id := range int32(min(teacher.Size(), student.Size())) {
		if a, b := teacher.Text(id), student.Text(id); a != b {
			return fmt.Sprintf("token %d is %.40q and %.40q", id, a, b)
		}
	}
	for _, row := range w.j.data.Train {
		for _, text := range []string{row.Text, row.Answer, w.answers[row.ID].Answer} {
			opt := token.EncodeOptions{}
			if !slices.Equal(teacher.Encode(nil, text, opt), student.Encode(nil, text, opt)) {
				return fmt.Sprintf("%.60q is encoded differently", text)
			}
		}
	}
	return ""
}

// otherTeacher gives the teacher's tokenizer where it has other tokens than the student's base, nil where it has the same or is not asked about
// tokens, and refuses what cannot be learnt then.
func (w *answerWork) otherTeacher(student *tokenizer) (*tokenizer, error) {
	if !w.asksTokens() {
		return nil, nil
	}
	j := w.j
	teacher, err := openTokenizer(j.teacher.path)
	if err != nil {
		return nil, err
	}
	what := w.otherTokens(teacher, student)
	if what == "" {
		return nil, nil
	}
	refuse := func(key, fix string) error {
		return &RecipeError{File: j.recipe.file, Msg: fmt.Sprintf("%s learns from the teacher's probabilities of tokens, but %s and %s have other tokens: %s; %s, or take a student from a model of the teacher's family",
			key, j.teacher.Name, j.base.Name, what, fix)}
	}
	switch loss := j.recipe.Train.Loss; {
	case w.onPolicy():
		return nil, refuse("train.on_policy", "leave it out")
	case !slices.Contains(crossLosses, loss):
		return nil, refuse("train.loss "+loss, "take loss: topk_rest_kl, which carries over to the student's tokens what it can, or ce, which learns from the answers")
	}
	return teacher, nil
}

// cross carries the teacher's probabilities over to the tokens of a student of another vocabulary.
type cross struct {
	*crossTokenizer
	answerer *engine.Answerer
}

// newCross opens the teacher's vocabulary for the student's tokens; nil = they are the same.
func (w *answerWork) newCross(read *reading) (*cross, error) {
	teacher, err := w.otherTeacher(read.base)
	if teacher == nil || err != nil {
		return nil, err
	}
	if sum := tokensHash(teacher); w.tokens != "" && w.tokens != sum {
		return nil, &DataError{File: filepath.Join(w.j.dir, labelsDir), Msg: fmt.Sprintf("the teacher's probabilities are of a vocabulary with sha256 %.12s, %s has %.12s", w.tokens, w.j.teacher.Name, sum), Fix: "remove the folder and label again"}
	}
	m, a, err := w.openTeacher()
	if err != nil {
		return nil, err
	}
	defer m.Close()
	return &cross{newCrossTokenizer(teacher, read.base, read.keep), a}, nil
}

// learn gives the targets of a row's answer: what the teacher held likely at its tokens of it, as it reads it, on the student's tokens reply.
func (c *cross) learn(r Row, top *TopRow, answer string, reply, labels []int32) (ids [][]int32, lp [][]float32, err error) {
	_, theirs := c.answerer.Pair(c.teacher, r.Text, answer)
	if top == nil || len(top.Rest) != len(theirs) {
		return nil, nil, fmt.Errorf("internal: the teacher reads the answer of row %.40q as %d tokens, its probabilities are of others", r.ID, len(theirs))
	}
	ids, lp = c.targets(top, theirs, reply, labels)
	return ids, lp, nil
}

// tokensHash tells vocabularies apart: a hash of the tokens in their order.
func tokensHash(t *tokenizer) string {
	h := sha256.New()
	for id := range int32(t.Size()) {
		fmt.Fprintf(h, "%q\n", t.Text(id))
	}
	return hex.EncodeToString(h.Sum(nil))
}

// alignment tells how far a teacher with other tokens was followed; nil = its tokens are the student's, or it was not asked about them.
func (w *answerWork) alignment() (*Alignment, error) {
	if w.aligned != nil || !w.asksTokens() {
		return w.aligned, nil
	}
	err := w.examplesAgain()
	return w.aligned, err
}

// planCross is what a plan says of it; "" = nothing.
func (j *Job) planCross() (string, error) {
	w, ok := j.work.(*answerWork)
	if !ok || !w.asksTokens() {
		return "", nil
	}
	student, err := openTokenizer(j.base.path)
	if err != nil {
		return "", err
	}
	if teacher, err := w.otherTeacher(student); teacher == nil || err != nil {
		return "", err
	}
	return ", other tokens than the teacher's (matched by bytes)", nil
}

// crossMethod is what a paper says of it beside the rest of the method.
func (s *Summary) crossMethod() string {
	if s.Answers == nil || s.Answers.Alignment == nil {
		return ""
	}
	return "; " + s.Answers.Alignment.String()
}
