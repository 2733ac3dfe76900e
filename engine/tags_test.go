package engine

import (
	"context"
	"errors"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/freehold-slm/freehold/engine/grammar"
	"github.com/freehold-slm/freehold/kernels"
	"github.com/freehold-slm/freehold/models/tiny"
)

const tagSchema = `{"type": "object", "properties": {"verb": {"type": "string", "maxLength": 6}, "n": {"type": ["string", "null"]}, "list": {"type": "array", "items": {"type": "string"}, "maxItems": 2}}, "required": ["n"], "additionalProperties": false}`

func tagNames(t testing.TB, schema string) []string {
	t.Helper()
	tags, err := NewTagging([]byte(schema))
	if err != nil {
		t.Fatal(err)
	}
	return tags.Names()
}

func tagFile(t testing.TB, more map[string]any) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tags.gguf")
	if err := tiny.Tagged(fixture(t, "../hostile/base/base_bpe256.gguf"), path, tagSchema, tagNames(t, tagSchema), more); err != nil {
		t.Fatal(err)
	}
	return path
}

// A model that marks tokens gives each text the same answer, of its schema, whatever the threads, the level and the neighbours; and nothing else.
func TestTagger(t *testing.T) {
	ctx, path := context.Background(), tagFile(t, nil)
	texts := []string{"rise, then climb 3", "", "x", "fall 12 times & drop (twice)", strings.Repeat("soar ", 20), "\xff \t", "你好 2"}
	for i := range 40 {
		texts = append(texts, strings.Repeat("go ", i%7)+string(rune('A'+i%26)))
	}
	var want []Answer
	try := func(texts []string, want []Answer, o ...Option) (all []Answer) {
		t.Helper()
		m, err := Open(path, o...)
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		a, err := m.NewAnswerer(TextTask{})
		if err != nil {
			t.Fatal(err)
		}
		if err := a.Answers(ctx, texts, Gen{}, func(i int, got Answer) error {
			if all = append(all, got); !a.Valid(got.Text) || got.Reason != ReasonEnd || !(got.P > 0 && got.P <= 1) || i != len(all)-1 {
				t.Errorf("answer %d to %q: %+v", i, texts[i], got)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if len(all) != len(texts) {
			t.Fatalf("%d answers to %d texts", len(all), len(texts))
		}
		for i, got := range all {
			if want != nil && (got.Text != want[i].Text || got.P != want[i].P || got.Read != want[i].Read) {
				t.Errorf("answer to %q: %+v, want %+v", texts[i], got, want[i])
			}
		}
		return all
	}
	want = try(texts, nil, WithThreads(2))
	if want[0].Text == want[3].Text || want[1].Text != `{"n":null}` {
		t.Errorf("answers %+v", want[:4])
	}
	try(texts, want, WithThreads(1), WithChunk(8))
	for i := range 4 {
		try(texts[i:i+1], want[i:i+1], WithThreads(2))
	}
	for _, l := range kernels.Levels() {
		try(texts, want, WithLevel(l))
	}

	m, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	s := m.NewSession()
	for _, w := range []Want{WantNone, WantLast, WantAll, WantMean, WantState} {
		if err := m.EvalBatch(ctx, []Seq{{s, []int32{1, 2}, w}}); err == nil {
			t.Errorf("want %d was given", w)
		}
	}
	if err := m.EvalBatch(ctx, []Seq{{s, []int32{1, 2}, WantClass}}); err != nil || len(s.ClassLogits()) != 2*7 {
		t.Fatalf("%d logits, %v", len(s.ClassLogits()), err)
	}
	if err := m.EvalBatch(ctx, []Seq{{s, []int32{3}, WantClass}}); err == nil {
		t.Error("a text went on, whose tokens had not seen what comes")
	}
	a, err := m.NewAnswerer(TextTask{})
	if err != nil {
		t.Fatal(err)
	}
	var long *ContextError
	if err := a.Answers(ctx, []string{"a", strings.Repeat("b", 500)}, Gen{}, func(int, Answer) error { return nil }); !errors.As(err, &long) {
		t.Errorf("a text that does not fit: %v", err)
	}
	if _, err := m.NewAnswerer(TextTask{Prompt: "{text}", MaxTokens: 3}); err == nil {
		t.Error("a prompt was taken")
	}
	if _, err := m.NewClassifier(Task{Labels: []string{"a", "b"}}); err == nil || !strings.Contains(err.Error(), "no labels") {
		t.Errorf("a classifier: %v", err)
	}
	if err := a.Read(ctx, []string{"a"}, []string{"b"}, nil); err == nil {
		t.Error("an answer was read")
	}
}

// Every token sees those after it: another end changes the tags' logits at the beginning.
func TestTagsSeeAhead(t *testing.T) {
	m, err := Open(tagFile(t, nil))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	first := func(tokens ...int32) []float32 {
		s := m.NewSession()
		if err := m.EvalBatch(context.Background(), []Seq{{s, tokens, WantClass}}); err != nil {
			t.Fatal(err)
		}
		return slices.Clone(s.ClassLogits()[:7])
	}
	if slices.Equal(first(5, 6, 7), first(5, 6, 8)) {
		t.Error("the first token does not see the last")
	}
}

// A file whose tags do not fit is refused.
func TestTagsHostile(t *testing.T) {
	names := tagNames(t, tagSchema)
	other := slices.Clone(names)
	other[1] = "B-noun"
	for want, more := range map[string]map[string]any{
		"want false":             {"llama.attention.causal": true},
		"is missing, want shape": {"freehold.tags": names[:3]},
		"tag 1 is":               {"freehold.tags": other},
		"fields of its schema":   {"freehold.task.schema": `{"type": "object", "properties": {"verb": {"type": "string"}}}`},
		"copied from the text,":  {"freehold.task.schema": `{"type": "object", "properties": {"verb": {"type": "integer"}}}`},
		"0 tags, want":           {"freehold.tags": []string{}},
	} {
		m, err := Open(tagFile(t, more))
		if err == nil {
			_, err = m.NewAnswerer(TextTask{})
			m.Close()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %q", more, err, want)
		}
	}
}

// Best finds the best of all sequences of tags that are allowed.
func TestTagsBest(t *testing.T) {
	tags := &Tagging{Fields: make([]grammar.Field, 2)}
	r := rand.New(rand.NewPCG(71, 72))
	allowed := func(seq []int, at []TextSpan) bool {
		for i, tag := range seq {
			if inside(tag) && (i == 0 || seq[i-1] != tag && seq[i-1] != tag-1) || at[i].Start == at[i].End && tag != TagOutside {
				return false
			}
		}
		return true
	}
	for range 300 {
		n := 1 + r.IntN(5)
		at := make([]TextSpan, n)
		for i := range at {
			if at[i] = (TextSpan{i, i + 1}); r.IntN(6) == 0 {
				at[i].End = i
			}
		}
		logits := make([]float32, n*5)
		for i := range logits {
			logits[i] = float32(r.NormFloat64())
		}
		sum := func(seq []int) (s float64) {
			for i, tag := range seq {
				s += float64(logits[i*5+tag])
			}
			return s
		}
		got := tags.Best(logits, at)
		if !allowed(got, at) {
			t.Fatalf("tags %v are not allowed", got)
		}
		seq := make([]int, n)
		for {
			if allowed(seq, at) && sum(seq) > sum(got)+1e-9 {
				t.Fatalf("tags %v give %v, %v give %v", got, sum(got), seq, sum(seq))
			}
			i := 0
			for ; i < n && seq[i] == 4; i++ {
				seq[i] = 0
			}
			if i == n {
				break
			}
			seq[i]++
		}
	}
}

// Schemas whose values are not copied from a text are refused, with the place and why.
func TestTagsRefused(t *testing.T) {
	for schema, want := range map[string]string{
		`{"type": "array", "items": {"type": "string"}}`:                                                         `"#": is not of type object`,
		`{"type": "object"}`:                                                                                     `"#/properties": is missing`,
		`{"type": "object", "properties": {"n": {"type": "integer"}}}`:                                           `"#/properties/n": is of type integer`,
		`{"type": "object", "properties": {"n": {"enum": ["a", "b"]}}}`:                                          `"#/properties/n": is without a type`,
		`{"type": "object", "properties": {"n": {"type": "string", "enum": ["a", "b"]}}}`:                        `"#/properties/n/enum": binds`,
		`{"type": "object", "properties": {"n": {"type": "string", "format": "date"}}}`:                          `"#/properties/n/format": binds`,
		`{"type": "object", "properties": {"n": {"type": "string", "minLength": 2}}}`:                            `"#/properties/n/minLength": binds`,
		`{"type": "object", "properties": {"n": {"type": ["string", "integer"]}}}`:                               `"#/properties/n": is of several types`,
		`{"type": "object", "properties": {"n": {"type": "object", "properties": {"m": {"type": "string"}}}}}`:   `"#/properties/n": is of type object`,
		`{"type": "object", "properties": {"n": {"type": "array", "items": {"type": "object"}}}}`:                `"#/properties/n/items": is not of type string`,
		`{"type": "object", "properties": {"n": {"type": "array", "items": {"type": "string"}, "minItems": 1}}}`: `"#/properties/n/minItems": binds`,
		`{"type": "object", "properties": {"n": {"$ref": "#/$defs/n"}}, "$defs": {"n": {"type": "string"}}}`:     `"#/$defs": binds`,
		`{"type": "object", "properties": {"n": {"type": "string"}}, "required": ["m"]}`:                         `"#/required": m is not`,
		`{"type": "object", "properties": {"n": {"type": "string"}}, "oneOf": []}`:                               `"#/oneOf": binds`,
		`{"type": "object", "properties": {"n": true}}`:                                                          `"#/properties/n": is not an object`,
		`{`: `is no JSON`,
	} {
		if _, err := NewTagging([]byte(schema)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", schema, err, want)
		}
	}
}
