package distill

import (
	"fmt"
	"slices"
	"strings"

	"github.com/freehold-slm/freehold/kernels"
	"github.com/freehold-slm/freehold/models/token"
)

// endText stands for the end of a turn, which each vocabulary spells in its own way; no token's text holds it.
const endText = "\xff\xff<end of turn>"

// crossTokenizer carries over what a teacher held likely at each of its tokens of an answer to the tokens that a student with another
// vocabulary has of the same answer. What both share is the answer's bytes.
type crossTokenizer struct {
	teacher, student *tokenizer
	texts            []string         // of the teacher's tokens; "" = none that an answer could hold
	ids              map[string]int32 // the student's token of a text, as its file calls it
	sum              Alignment
}

// newCrossTokenizer prepares the two vocabularies; keep are the student's tokens, nil = all.
func newCrossTokenizer(teacher, student *tokenizer, keep []int32) *crossTokenizer {
	c := &crossTokenizer{teacher: teacher, student: student, texts: make([]string, teacher.Size()), ids: map[string]int32{}}
	for id := range c.texts {
		c.texts[id] = answerText(teacher, int32(id))
	}
	n := len(keep)
	if keep == nil {
		n = student.Size()
	}
	for _, bytes := range []bool{false, true} { // a byte's own token spells what no ordinary one does
		for small := range int32(n) {
			id := small
			if keep != nil {
				id = keep[small]
			}
			text := answerText(student, id)
			if _, known := c.ids[text]; !known && text != "" && bytes == (student.Type(id) == token.Byte) {
				c.ids[text] = small
			}
		}
	}
	return c
}

// Alignment is how far a student could follow a teacher with other tokens, over the answers that it learns from.
type Alignment struct {
	TeacherTokens int     `json:"teacher_tokens"`
	StudentTokens int     `json:"student_tokens"`
	Aligned       int     `json:"aligned"`    // of the student's: begin at a byte where one of the teacher's does
	TextAlone     int     `json:"text_alone"` // of the student's: learnt from the text, for the teacher's probabilities say nothing of it
	Listed        float64 `json:"listed"`     // probability of the teacher's that its lists hold, summed over its tokens
	Mapped        float64 `json:"mapped"`     // probability of the teacher's that falls on tokens of the student's, summed over these
}

// String is the figure for people.
func (a Alignment) String() string {
	part := func(v float64, n int) float64 { return 100 * v / float64(max(1, n)) }
	return fmt.Sprintf("the teacher has other tokens: its %d of the answers are %d of the student's, of which %.1f %% begin where one of the teacher's does; "+
		"its lists hold %.1f %% of its probability, %.1f %% falls on tokens that the student has; %.1f %% of these are learnt from the text alone",
		a.TeacherTokens, a.StudentTokens, part(float64(a.Aligned), a.StudentTokens), part(a.Listed, a.TeacherTokens), part(a.Mapped, a.StudentTokens), part(float64(a.TextAlone), a.StudentTokens))
}

// answerText is what a token stands for in an answer.
func answerText(t *tokenizer, id int32) string {
	if t.IsEOG(id) {
		return endText
	}
	return string(t.Piece(id, false))
}

// candidate is a token that the teacher held likely.
type candidate struct {
	id   int32
	text string
	p    float64
}

// targets gives, for each token own[k] of an answer, which the student's file calls labels[k], the tokens that the teacher's probabilities
// fall on and their log-probabilities, as a TopLoss wants them. theirs are the teacher's tokens of the answer, of which top tells.
//
// Where a token of the student's begins, the teacher's last token at or before it tells what may follow: of its likely tokens those that
// agree with the answer until there, each with the rest of its text. Where that is a token of the student's, it gets the probability. The answer's
// own token also gets that of longer texts which it begins and which are no tokens of the student's; and where it is longer than the teacher's token, the
// product over those that it takes (the chain rule). All else is left to the rest: of these the teacher only says that it is something else.
func (c *crossTokenizer) targets(top *TopRow, theirs, own, labels []int32) (ids [][]int32, lp [][]float32) {
	a := answerBytes{theirs: theirs}
	known := a.align(c, own)
	c.ids[endText] = labels[len(labels)-1] // of the tokens that could end it, the one that does
	c.sum.TeacherTokens += len(theirs)
	c.sum.StudentTokens += len(own)
	k := len(top.IDs) / max(1, len(top.Rest))
	for t := range theirs {
		list := make([]candidate, k)
		for e := range list {
			at := t*k + e
			list[e] = candidate{top.IDs[at], c.texts[top.IDs[at]], kernels.Exp(float64(top.LogProbs[at]))}
			c.sum.Listed += list[e].p
		}
		a.lists = append(a.lists, list)
	}
	i := 0
	for n, label := range labels {
		var one []int32
		var p []float64
		if known {
			from, to := a.own[n], a.own[n+1]
			for i+1 < len(theirs) && a.their[i+1] <= from {
				i++
			}
			if a.their[i] == from {
				c.sum.Aligned++
			}
			one, p = c.at(&a, i, from, to, label)
		}
		if len(one) == 0 { // the teacher says nothing that the student could
			c.sum.TextAlone++
			one, p = []int32{label}, []float64{1}
		} else {
			for _, v := range p {
				c.sum.Mapped += v
			}
		}
		logs := make([]float32, len(p))
		for e, v := range p {
			logs[e] = float32(kernels.Log(v))
		}
		ids, lp = append(ids, one), append(lp, logs)
	}
	return ids, lp
}

// answerBytes is an answer as both vocabularies cut it.
type answerBytes struct {
	text       string // with the end of the turn
	their, own []int  // where each token begins; at last where the text ends
	theirs     []int32
	lists      [][]candidate // at each of the teacher's tokens
}

// align finds where tokens begin. false = their texts differ in more than a blank in front, which SentencePiece puts there: a tokenizer that
// changes what it reads.
func (a *answerBytes) align(c *crossTokenizer, own []int32) bool {
	spell := func(t *tokenizer, ids []int32) (text string, starts []int) {
		var b strings.Builder
		for _, id := range ids {
			starts = append(starts, b.Len())
			b.WriteString(answerText(t, id))
		}
		return b.String(), append(starts, b.Len())
	}
	theirs, their := spell(c.teacher, a.theirs)
	mine, starts := spell(c.student, own)
	shift := func(starts []int) {
		for i := range starts {
			starts[i]++
		}
	}
	a.text, a.their, a.own = theirs, their, starts
	switch {
	case theirs == mine:
	case theirs == " "+mine:
		shift(a.own)
	case mine == " "+theirs:
		a.text = mine
		shift(a.their)
	default:
		return false
	}
	return true
}

// p is what the teacher gave its own token i of the answer; 0 = too little to be kept.
func (a *answerBytes) p(i int) float64 {
	for _, t := range a.lists[i] {
		if t.id == a.theirs[i] {
			return t.p
		}
	}
	return 0
}

// goesOn is what the teacher gave, at its token i, to tokens that begin with a text.
func (a *answerBytes) goesOn(i int, text string) (sum float64) {
	for _, t := range a.lists[i] {
		if strings.HasPrefix(t.text, text) {
			sum += t.p
		}
	}
	return sum
}

// at gives the target of the student's token [from, to) of the answer, label; i is the teacher's token that tells of it.
func (c *crossTokenizer) at(a *answerBytes, i, from, to int, label int32) (ids []int32, p []float64) {
	start, end := a.their[i], a.their[i+1]
	said, front := a.text[min(start, from):from], a.text[from:max(start, from)] // of the teacher's token, and before it
	whole := 1.0
	if said != "" {
		if a.p(i) == 0 { // what is likely beside a token that is not says nothing of how it goes on
			return nil, nil
		}
		whole = a.goesOn(i, said)
	}
	give := func(id int32, v float64) {
		if at := slices.Index(ids, id); at >= 0 {
			p[at] += v
		} else if v > 0 {
			ids, p = append(ids, id), append(p, v)
		}
	}
	for _, t := range a.lists[i] {
		if len(t.text) <= len(said) || !strings.HasPrefix(t.text, said) {
			continue
		}
		left := front + t.text[len(said):]
		id, known := c.ids[left]
		switch {
		case t.id == a.theirs[i] && to > end: // counted below, as far as it goes on like the answer
		case t.id == a.theirs[i]:
			give(label, t.p/whole)
		case known:
			give(id, t.p/whole)
		case strings.HasPrefix(left, a.text[from:to]):
			give(label, t.p/whole)
		}
	}
	if to > end {
		v := 1 / whole
		for ; i < len(a.theirs) && a.their[i] < to; i++ {
			if a.their[i+1] <= to {
				v *= a.p(i)
			} else {
				v *= a.goesOn(i, a.text[a.their[i]:to])
			}
		}
		give(label, v)
	}
	return ids, p
}
