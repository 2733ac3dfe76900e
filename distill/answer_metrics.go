package distill

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode"

	"github.com/freehold-slm/freehold/distill/stats"
)

// Interval is a mean over rows with its 95 % interval, by bootstrap over the rows.
type Interval struct {
	Mean float64    `json:"mean"`
	CI95 [2]float64 `json:"ci95"`
}

// AnswerScores are the metrics of a model's answers to the test rows.
type AnswerScores struct {
	Exact      Interval         `json:"exact"`                // same answer; of JSON, same value
	TokenF1    *Interval        `json:"token_f1,omitempty"`   // words in common, as in SQuAD
	RougeL     *Interval        `json:"rouge_l,omitempty"`    // longest common subsequence of words, F1
	FieldF1    *Interval        `json:"field_f1,omitempty"`   // of all fields of all rows together
	Fields     map[string]Field `json:"fields,omitempty"`     // by path, "" = all together
	Valid      *float64         `json:"valid,omitempty"`      // share of answers that the schema allows
	Perplexity float64          `json:"perplexity,omitempty"` // a token of the gold answers, by the model's own tokens
	Cut        int              `json:"cut"`                  // answers that did not end
	Rows       int              `json:"rows"`

	byRow map[string]func(rows []int) float64 // metrics as statistics of test rows
}

// Field counts a field's values: right ones, those that are wrong or too many, and those that are missing.
type Field struct {
	Right   int `json:"right"`
	Wrong   int `json:"wrong"`
	Missing int `json:"missing"`
}

// Precision is the share of given values that are right, Recall that of gold values which are given; 1 of nothing.
func (f Field) Precision() float64 { return share(f.Right, f.Right+f.Wrong) }
func (f Field) Recall() float64    { return share(f.Right, f.Right+f.Missing) }

// F1 is their harmonic mean.
func (f Field) F1() float64 { return share(2*f.Right, 2*f.Right+f.Wrong+f.Missing) }

func share(n, of int) float64 {
	if of == 0 {
		return 1
	}
	return float64(n) / float64(of)
}

func (f Field) plus(g Field) Field {
	return Field{f.Right + g.Right, f.Wrong + g.Wrong, f.Missing + g.Missing}
}

// scoreText compares answers with gold texts.
func scoreText(got, gold []string, seed uint64) AnswerScores {
	n := len(gold)
	exact, f1, rouge := make([]float64, n), make([]float64, n), make([]float64, n)
	for i := range gold {
		if strings.TrimSpace(got[i]) == strings.TrimSpace(gold[i]) {
			exact[i] = 1
		}
		a, b := answerWords(got[i]), answerWords(gold[i])
		f1[i], rouge[i] = f1Of(common(a, b), len(a), len(b)), f1Of(longestCommon(a, b), len(a), len(b))
	}
	s := AnswerScores{Rows: n, Exact: interval(exact, seed)}
	s.byRow = map[string]func([]int) float64{"exact": stats.MeanOf(exact), "token_f1": stats.MeanOf(f1)}
	f, r := interval(f1, seed), interval(rouge, seed)
	s.TokenF1, s.RougeL = &f, &r
	return s
}

// scoreFields compares JSON answers with gold ones; valid tells which answers the schema allows.
func scoreFields(got, gold []string, valid func(string) bool, seed uint64) AnswerScores {
	n := len(gold)
	exact, rows, ok := make([]float64, n), make([]Field, n), 0
	s := AnswerScores{Rows: n, Fields: map[string]Field{}}
	for i := range gold {
		if valid(got[i]) {
			ok++
		}
		want, have := fieldsOf(gold[i]), fieldsOf(got[i])
		for path, values := range want {
			f := compareValues(have[path], values)
			s.Fields[path] = s.Fields[path].plus(f)
			rows[i] = rows[i].plus(f)
		}
		for path, values := range have {
			if want[path] == nil {
				f := Field{Wrong: len(values)}
				s.Fields[path] = s.Fields[path].plus(f)
				rows[i] = rows[i].plus(f)
			}
		}
		if a, err := canonicalJSON(got[i]); err == nil {
			if b, err := canonicalJSON(gold[i]); err == nil && a == b {
				exact[i] = 1
			}
		}
	}
	all := Field{}
	for _, f := range rows {
		all = all.plus(f)
	}
	s.Fields[""] = all
	s.Exact = interval(exact, seed)
	pooled := func(pick []int) float64 {
		sum := Field{}
		for _, i := range pick {
			sum = sum.plus(rows[i])
		}
		return sum.F1()
	}
	s.byRow = map[string]func([]int) float64{"exact": stats.MeanOf(exact), "field_f1": pooled}
	f1 := intervalOf(n, seed, pooled)
	s.FieldF1 = &f1
	part := share(ok, n)
	s.Valid = &part
	return s
}

// compareValues counts the values that two lists have in common, each as often as it stands in both.
func compareValues(have, want []string) Field {
	left := map[string]int{}
	for _, v := range want {
		left[v]++
	}
	f := Field{}
	for _, v := range have {
		if left[v] > 0 {
			left[v]--
			f.Right++
		} else {
			f.Wrong++
		}
	}
	f.Missing = len(want) - f.Right
	return f
}

// fieldsOf lists the scalars of a JSON text by path: "a.b", items of lists as "a[]". Text that is no JSON has none.
func fieldsOf(text string) map[string][]string {
	out := map[string][]string{}
	v, err := decodeJSON(text)
	if err != nil {
		return out
	}
	var walk func(path string, v any)
	walk = func(path string, v any) {
		switch v := v.(type) {
		case map[string]any:
			for k, item := range v {
				walk(strings.TrimPrefix(path+"."+k, "."), item)
			}
		case []any:
			for _, item := range v {
				walk(path+"[]", item)
			}
		default:
			b, _ := json.Marshal(v)
			out[path] = append(out[path], string(b))
		}
	}
	walk("", v)
	return out
}

func decodeJSON(text string) (v any, err error) {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	if err = d.Decode(&v); err == nil && d.More() {
		err = fmt.Errorf("more than one JSON value")
	}
	return v, err
}

// canonicalJSON writes a value with sorted keys and no white space.
func canonicalJSON(text string) (string, error) {
	v, err := decodeJSON(text)
	if err != nil {
		return "", err
	}
	b, err := json.Marshal(v)
	return string(b), err
}

// answerWords are the lower-case words of a text, without punctuation.
func answerWords(text string) []string {
	return strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r) })
}

func common(a, b []string) int { return compareValues(a, b).Right }

// longestCommon is the length of the longest common subsequence.
func longestCommon(a, b []string) int {
	row := make([]int, len(b)+1)
	for _, x := range a {
		diagonal := 0
		for j, y := range b {
			above := row[j+1]
			if x == y {
				row[j+1] = diagonal + 1
			} else {
				row[j+1] = max(above, row[j])
			}
			diagonal = above
		}
	}
	return row[len(b)]
}

// f1Of is the harmonic mean of same/a and same/b; two empty texts are the same.
func f1Of(same, a, b int) float64 {
	if a+b == 0 {
		return 1
	}
	return 2 * float64(same) / float64(a+b)
}

func interval(rows []float64, seed uint64) Interval {
	return intervalOf(len(rows), seed, stats.MeanOf(rows))
}

// intervalOf is a score of n rows with its interval.
func intervalOf(n int, seed uint64, of func(rows []int) float64) Interval {
	var v Interval
	v.Mean, v.CI95[0], v.CI95[1] = stats.OfRows(n, seed, of)
	return v
}
