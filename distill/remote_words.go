package distill

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/freehold-slm/freehold/distill/remote"
	"github.com/freehold-slm/freehold/kernels"
)

// labelWords reads labels out of a remote teacher's answers.
type labelWords [][]string // [label] spellings

func newLabelWords(t *TaskRecipe) labelWords {
	w := make(labelWords, len(t.Labels))
	for i, l := range t.Labels {
		words := t.Words[l]
		if words == nil {
			words = []string{l}
		}
		for _, word := range words {
			r, n := utf8.DecodeRuneInString(word)
			for _, s := range []string{string(unicode.ToLower(r)) + word[n:], string(unicode.ToUpper(r)) + word[n:]} {
				if !slices.Contains(w[i], s) {
					w[i] = append(w[i], s)
				}
			}
		}
	}
	return w
}

// longest is the length of the longest spelling in bytes.
func (w labelWords) longest() (n int) {
	for _, words := range w {
		for _, s := range words {
			n = max(n, len(s))
		}
	}
	return n
}

// parse reads an answer strictly: it is a label but for case, white space, quotes or stars around it and a full stop after it, or it is none (-1).
func (w labelWords) parse(answer string) int {
	answer = strings.TrimFunc(answer, func(r rune) bool { return unicode.IsSpace(r) || strings.ContainsRune("\"'`*.", r) })
	for i, words := range w {
		if slices.ContainsFunc(words, func(s string) bool { return strings.EqualFold(s, answer) }) {
			return i
		}
	}
	return -1
}

// begun are the labels that a text is the beginning of; else the one that it goes on after, which must not be a longer word.
func (w labelWords) begun(text string) (labels []int) {
	var past []int
	for i, words := range w {
		for _, s := range words {
			if strings.HasPrefix(s, text) {
				labels = append(labels, i)
				break
			}
			rest, ok := strings.CutPrefix(text, s)
			if next, _ := utf8.DecodeRuneInString(rest); ok && !unicode.IsLetter(next) && !unicode.IsDigit(next) {
				past = append(past, i)
				break
			}
		}
	}
	if labels == nil {
		return past
	}
	return labels
}

// Kinds of what an answer says of the labels.
const (
	byProbability = "by log-probabilities" // of the tokens that begin them
	byAnswer      = "by the answer alone"  // the server gives no log-probabilities: all on one label
	byNothing     = "no label"             // all alike
)

// score gives log-probabilities over the labels, not yet normalised. A token that begins one label's words alone counts for it, with all tokens before it; one
// that begins several, and was said, is followed. A label that no listed token begins is no likelier than the least that is listed and no likelier than what the list
// leaves over, and gets that. Without probabilities it is all on the label that was answered.
func (w labelWords) score(l *remoteLine) (lp []float64, how string) {
	found, bounds := make([][]float64, len(w)), make([][]float64, len(w))
	said, at, listed, ended := 0.0, "", false, false
	for _, t := range l.Tokens {
		if len(t.Top) < 2 { // no list
			break
		}
		top := t.Top
		if !slices.ContainsFunc(top, func(o remote.Likely) bool { return o.Text == t.Text }) {
			top = append(slices.Clone(top), remote.Likely{Text: t.Text, LogProb: t.LogProb})
		}
		follow, begun := false, make([]bool, len(w))
		var ps []float64
		for _, o := range top {
			p := logProb(o.LogProb)
			ps = append(ps, p)
			text := strings.TrimLeftFunc(at+o.Text, unicode.IsSpace)
			if text == "" {
				follow = follow || o.Text == t.Text
				continue
			}
			labels := w.begun(text)
			if len(labels) == 1 {
				found[labels[0]] = append(found[labels[0]], said+p)
				listed = true
			}
			if len(labels) > 1 && o.Text == t.Text {
				follow = true
			}
			for _, k := range labels {
				begun[k] = begun[k] || len(labels) == 1 || o.Text == t.Text
			}
		}
		bound := slices.Min(ps)
		if rest := 1 - kernels.Exp(logSumExp(ps)); rest > 0 {
			bound = min(bound, kernels.Log(rest))
		}
		for k := range w {
			if !begun[k] {
				bounds[k] = append(bounds[k], said+max(bound, -100))
			}
		}
		if ended = follow; !follow {
			break
		}
		at, said = at+t.Text, said+logProb(t.LogProb)
	}
	k := w.parse(l.Answer)
	switch {
	case !listed && k < 0:
		return make([]float64, len(w)), byNothing
	case !listed:
		return withGold(make([]float64, len(w)), k, 1), byAnswer
	case ended && k >= 0: // what was followed to its end is the answer's
		found[k] = append(found[k], said)
	}
	lp = make([]float64, len(w))
	for k := range w {
		switch {
		case found[k] != nil:
			lp[k] = logSumExp(found[k])
		case bounds[k] != nil:
			lp[k] = slices.Max(bounds[k])
		default: // begun, and the answer ended there as another
			lp[k] = said + kernels.Log(leastGold)
		}
	}
	return lp, byProbability
}

// logProb is a served log-probability as a number to go on with: servers write -9999 and the like for none.
func logProb(v float64) float64 { return min(max(v, -100), 0) }

// logSumExp is log(sum(exp(x))).
func logSumExp(x []float64) float64 {
	m, sum := slices.Max(x), 0.0
	for _, v := range x {
		sum += kernels.Exp(v - m)
	}
	return m + kernels.Log(sum)
}
