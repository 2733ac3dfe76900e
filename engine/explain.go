package engine

import (
	"context"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Explanation says on which words of a text a classifier's answer rests, by occlusion: the text is classified again without
// each of its words (Zeiler and Fergus, arXiv:1311.2901), and what the answer's log-odds lose is what the word did for it. Two
// words of which either would do explain little, each alone.
type Explanation struct {
	Choices []Choice     // of the whole text, best first
	LogOdds float64      // of the best label against all others together, calibrated
	Words   []WordEffect // in the order of the text
	Passes  int          // forward passes, one a text: the whole one, and one without each word
	Tokens  int          // in their prompts together
}

// WordEffect is what a word does for the answer.
type WordEffect struct {
	Text       string
	Start, End int     // bytes of the text
	Change     float64 // log-odds of the answer with the word less those without it: above 0 it speaks for the answer
}

// Strongest lists the words by the size of what they do, the one that does most first.
func (e *Explanation) Strongest() []WordEffect {
	size := func(w WordEffect) float64 { return max(w.Change, -w.Change) }
	words := slices.Clone(e.Words)
	slices.SortStableFunc(words, func(a, b WordEffect) int {
		switch x, y := size(a), size(b); {
		case x > y:
			return -1
		case x < y:
			return 1
		}
		return 0
	})
	return words
}

// explainMost is how many pieces of a text are left out, one at a time, at most: a text of more words is left out by runs of neighbours.
const explainMost = 256

// Explain classifies a text and says which of its words the answer rests on. The text without each word goes through the model in the
// same batches as other texts do.
func (c *Classifier) Explain(ctx context.Context, text string) (*Explanation, error) {
	spans := textPieces(text, explainMost)
	texts := []string{text}
	for _, s := range spans {
		texts = append(texts, leaveOut(text, s))
	}
	e := &Explanation{Passes: len(texts), Words: make([]WordEffect, len(spans))}
	prompts := make([][]int32, len(texts))
	for i, t := range texts {
		var err error
		if prompts[i], err = c.Tokens(t); err != nil {
			return nil, err
		}
		if n := len(prompts[i]); n > c.m.cfg.context {
			return nil, &ContextError{n, c.m.cfg.context}
		}
		e.Tokens += len(prompts[i])
	}
	rows, err := c.LogProbsTokens(ctx, prompts)
	if err != nil {
		return nil, err
	}
	e.Choices = c.Choices(rows[0])
	best := slices.Index(c.task.Labels, e.Choices[0].Label)
	e.LogOdds = logOdds(c.Calibrated(rows[0]), best)
	for i, s := range spans {
		e.Words[i] = WordEffect{text[s.start:s.end], s.start, s.end, e.LogOdds - logOdds(c.Calibrated(rows[i+1]), best)}
	}
	return e, nil
}

// logOdds is log(p/(1-p)) of one of log-probabilities, without rounding 1-p away.
func logOdds(lp []float64, k int) float64 {
	others := slices.Delete(slices.Clone(lp), k, k+1)
	return lp[k] - logSum(others)
}

// span is a part of a text in bytes.
type span struct{ start, end int }

// textPieces cuts a text into what is left out at a time, at most n pieces: words (letters, digits, and apostrophes, hyphens and points
// within them), each character of scripts that put no spaces between words, and what else stands between them (punctuation, emoji).
func textPieces(text string, n int) []span {
	const none, word, other = 0, 1, 2
	var all []span
	kind, alone := none, false // of the character before
	for at, size := 0, 0; at < len(text); at += size {
		var r rune
		r, size = utf8.DecodeRuneInString(text[at:])
		next, _ := utf8.DecodeRuneInString(text[at+size:])
		now := other
		switch {
		case unicode.IsSpace(r):
			now = none
		case letter(r):
			now = word
		case kind != none && (unicode.IsMark(r) || r == zeroWidthJoiner): // is of the character before
			all[len(all)-1].end = at + size
			continue
		case kind == word && strings.ContainsRune("'’-.,_", r) && letter(next):
			now = word
		}
		single := unspaced(r)
		switch {
		case now == none:
		case now == kind && !single && !alone:
			all[len(all)-1].end = at + size
		default:
			all = append(all, span{at, at + size})
		}
		kind, alone = now, single
	}
	if len(all) <= n {
		return all
	}
	run := (len(all) + n - 1) / n
	var some []span
	for i := 0; i < len(all); i += run {
		some = append(some, span{all[i].start, all[min(len(all), i+run)-1].end})
	}
	return some
}

const zeroWidthJoiner = '\u200d'

func letter(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }

// unspaced tells letters of scripts that put no spaces between words.
func unspaced(r rune) bool {
	return unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar)
}

// leaveOut is a text without a part of it and without the space that would be left over. Of a text that is one word a full stop is left:
// no model reads nothing.
func leaveOut(text string, s span) string {
	before, after := text[:s.start], text[s.end:]
	switch trimmed := strings.TrimRightFunc(before, unicode.IsSpace); {
	case strings.TrimSpace(after) == "":
		before = trimmed
	case trimmed != before || before == "":
		after = strings.TrimLeftFunc(after, unicode.IsSpace)
	}
	if left := before + after; strings.TrimSpace(left) != "" {
		return left
	}
	return "."
}
