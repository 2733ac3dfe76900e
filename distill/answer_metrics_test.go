package distill

import (
	"encoding/json"
	"math"
	"testing"
)

// Metrics of answers against ones counted by hand.
func TestScoreText(t *testing.T) {
	s := scoreText([]string{"the cat sat", "Yes!", "", "a b c d"}, []string{"a cat sat down", "yes", "", "d c b a"}, 1)
	// words in common 2 of 3 and 4; the same; nothing and nothing; all, in another order
	if want := (4.0/7 + 1 + 1 + 1) / 4; math.Abs(s.TokenF1.Mean-want) > 1e-12 {
		t.Errorf("token F1 %v, want %v", s.TokenF1.Mean, want)
	}
	if want := (4.0/7 + 1 + 1 + 2.0/8) / 4; math.Abs(s.RougeL.Mean-want) > 1e-12 {
		t.Errorf("ROUGE-L %v, want %v", s.RougeL.Mean, want)
	}
	if s.Exact.Mean != 0.25 || s.Rows != 4 || s.Exact.CI95[0] > 0.25 || s.Exact.CI95[1] < 0.25 || s.Exact.CI95[1] > 1 {
		t.Errorf("exact %+v", s.Exact)
	}
	if n := longestCommon([]string{"a", "b", "c", "b", "d", "a", "b"}, []string{"b", "d", "c", "a", "b", "a"}); n != 4 {
		t.Errorf("longest common subsequence %d, want 4", n)
	}
}

func TestScoreFields(t *testing.T) {
	gold := []string{`{"a":"x","b":[1,2,2]}`, `{"a":"y"}`, `{"c":{"d":null}}`}
	got := []string{`{"b": [2, 3], "a": "x"}`, `{"a":"y"`, `{"c":{"d":null},"e":true}`}
	s := scoreFields(got, gold, func(text string) bool { return json.Valid([]byte(text)) }, 1)
	for path, want := range map[string]Field{"a": {1, 0, 1}, "b[]": {1, 1, 2}, "c.d": {1, 0, 0}, "e": {0, 1, 0}, "": {3, 2, 3}} {
		if s.Fields[path] != want {
			t.Errorf("field %q is %+v, want %+v", path, s.Fields[path], want)
		}
	}
	if all := s.Fields[""]; all.Precision() != 0.6 || all.Recall() != 0.5 || math.Abs(all.F1()-6.0/11) > 1e-12 || s.FieldF1.Mean != all.F1() {
		t.Errorf("precision %v, recall %v, F1 %v", all.Precision(), all.Recall(), all.F1())
	}
	if *s.Valid != 2.0/3 || s.Exact.Mean != 0 {
		t.Errorf("valid %v, exact %v", *s.Valid, s.Exact.Mean)
	}
	if s := scoreFields([]string{`{"b":1.0,"a":2}`}, []string{`{"a":2,"b":1.0}`}, func(string) bool { return true }, 1); s.Exact.Mean != 1 || s.FieldF1.Mean != 1 {
		t.Errorf("the same value in another order: %+v", s)
	}
	if f := (Field{}); f.F1() != 1 || f.Precision() != 1 {
		t.Errorf("nothing to find and nothing found is %v", f.F1())
	}
}
