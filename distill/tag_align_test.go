package distill

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/freehold-slm/freehold/engine"
	"github.com/freehold-slm/freehold/models"
	"github.com/freehold-slm/freehold/models/gguf"
	"github.com/freehold-slm/freehold/models/token"
)

const tagSchema = `{"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": ["string", "null"]}, "list": {"type": "array", "items": {"type": "string"}}}, "required": ["b"]}`

func tinyTokenizer(t testing.TB) *tokenizer {
	t.Helper()
	f, err := gguf.Open(tinyTeacher(t))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	v, err := models.Vocabulary(f)
	if err != nil {
		t.Fatal(err)
	}
	tok, err := token.New(v)
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

// Values are found in texts as people would find them; what is not found is counted and masks what may be its.
func TestTagAlignment(t *testing.T) {
	tags, err := engine.NewTagging([]byte(tagSchema))
	if err != nil {
		t.Fatal(err)
	}
	tok := tinyTokenizer(t)
	for _, c := range []struct {
		name, text, answer string
		read               string // what the tags say when they are read back
		loose              int
		missing            string // fields, with the number of values
	}{
		{"plain", "Max lives in Bern", `{"a": "Max", "b": "Bern"}`, `{"a":"Max","b":"Bern"}`, 0, ""},
		{"nothing", "Max lives in Bern", `{"b": null}`, `{"b":null}`, 0, ""},
		{"empty values", "Max", `{"a": "", "b": " ", "list": []}`, `{"b":null}`, 0, ""},
		{"whole text", "Bern", `{"b": "Bern"}`, `{"b":"Bern"}`, 0, ""},
		{"empty text", "", `{"b": "Bern"}`, `{"b":null}`, 0, "b 1"},
		{"a comma after a full stop", "Main St., Bern", `{"a": "Main St.", "b": "Bern"}`, `{"a":"Main St.","b":"Bern"}`, 0, ""},
		{"brackets", "(Bern)", `{"b": "Bern"}`, `{"b":"Bern"}`, 0, ""},
		{"other case", "MAX lives in bern", `{"a": "Max", "b": "Bern"}`, `{"a":"MAX","b":"bern"}`, 2, ""},
		{"exact before other case", "max and Max", `{"b": "Max"}`, `{"b":"Max"}`, 0, ""},
		{"white space", "New \n\t York", `{"b": "New York"}`, `{"b":"New York"}`, 0, ""},
		{"white space around the value", "New York", `{"b": "  New  York "}`, `{"b":"New York"}`, 0, ""},
		{"within a word", "Berner", `{"b": "Bern"}`, `{"b":null}`, 0, "b 1"},
		{"within a number", "1234", `{"b": "23"}`, `{"b":null}`, 0, "b 1"},
		{"a number at a word", "42nd and 100km", `{"a": "42", "b": "km"}`, `{"a":"42","b":"km"}`, 0, ""},
		{"a script without blanks", "我住在北京市", `{"b": "北京"}`, `{"b":"北京"}`, 0, ""},
		{"a combining mark", "Cafe\u0301 Bar", `{"b": "Cafe"}`, `{"b":null}`, 0, "b 1"},
		{"letters outside ASCII", "STRASSE ÄRGER", `{"b": "Ärger"}`, `{"b":"ÄRGER"}`, 1, ""},
		{"emoji", "a 🚀🚀 b", `{"b": "🚀"}`, `{"b":"🚀"}`, 0, ""},
		{"quotes", `say "hi" \ now`, `{"b": "\"hi\" \\"}`, `{"b":"\"hi\" \\"}`, 0, ""},
		{"the same value twice, by the order of fields", "5 Main 5", `{"b": "5", "a": "5"}`, `{"a":"5","b":"5"}`, 0, ""},
		{"one place for two values", "5 Main", `{"a": "5", "b": "5"}`, `{"a":"5","b":null}`, 0, "b 1"},
		{"the value with one place comes first", "5 Main 5", `{"a": "5", "b": "5 Main"}`, `{"a":"5","b":"5 Main"}`, 0, ""},
		{"the longer value comes first", "New York New", `{"a": "New", "b": "New York"}`, `{"a":"New","b":"New York"}`, 0, ""},
		{"parts of a text", "Smith, and Jones & Co", `{"b": "Smith Jones & Co"}`, `{"b":"Smith Jones & Co"}`, 0, ""},
		{"parts in another order", "Jones and Smith", `{"b": "Smith Jones"}`, `{"b":null}`, 0, "b 1"},
		{"a list", "red, green and red", `{"b": null, "list": ["red", "green", "red"]}`, `{"b":null,"list":["red","green","red"]}`, 0, ""},
		{"a list in another order", "red, green", `{"b": null, "list": ["green", "red"]}`, `{"b":null,"list":["red","green"]}`, 0, ""},
		{"items side by side", "red green", `{"b": null, "list": ["red", "green"]}`, `{"b":null,"list":["red","green"]}`, 0, ""},
		{"an item in parts", "red and green", `{"b": null, "list": ["red green"]}`, `{"b":null}`, 0, "list 1"},
		{"an item too many", "red", `{"b": null, "list": ["red", "red"]}`, `{"b":null,"list":["red"]}`, 0, "list 1"},
		{"made up", "Max lives in Bern", `{"a": "Moritz", "b": "Bern"}`, `{"b":"Bern"}`, 0, "a 1"},
		{"no UTF-8", "Max \xff Bern", `{"a": "Max", "b": "Bern"}`, `{"a":"Max","b":"Bern"}`, 0, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			ids, at := tags.Tokens(tok, c.text)
			var sum TagAlignment
			got, learnt, err := tagsOf(tags, c.text, at, c.answer, &sum)
			if err != nil || len(got) != len(ids) {
				t.Fatalf("%d tags of %d tokens: %v", len(got), len(ids), err)
			}
			plain := make([]int, len(got))
			for i, tag := range got {
				if plain[i] = max(0, int(tag)); (tag < 0) != (plain[i] == engine.TagOutside && (c.missing != "" || at[i].Start == at[i].End)) {
					t.Errorf("token %d has tag %d", i, tag)
				}
			}
			read, err := tags.JSON(tags.Values(c.text, at, plain))
			if err != nil || read != c.read {
				t.Errorf("read back: %s, want %s (%v)", read, c.read, err)
			}
			missing := strings.TrimSuffix(strings.TrimPrefix(fmt.Sprint(sum.Missing), "map["), "]")
			if missing = strings.ReplaceAll(missing, ":", " "); missing != c.missing || sum.Loose != c.loose {
				t.Errorf("missing %q, loose %d; want %q, %d", missing, sum.Loose, c.missing, c.loose)
			}
			if sum.Values != sum.Exact+sum.Loose+sum.missing() || sum.Rows != 1 || learnt != slices.ContainsFunc(got, func(tag int32) bool { return tag >= 0 }) {
				t.Errorf("counted %+v, learnt %v", sum, learnt)
			}
		})
	}
}

// Whatever the text and the answer: no place is given twice, values lie where they are said to, and all are counted once.
func FuzzTagAlignment(f *testing.F) {
	tags, err := engine.NewTagging([]byte(tagSchema))
	if err != nil {
		f.Fatal(err)
	}
	tok := tinyTokenizer(f)
	for _, seed := range [][4]string{{"5 Main St., Bern", "5", "Bern", "Main"}, {"İstanbul ǅ \xff", "i̇stanbul", "ǆ", "\xff"}, {"a  a", "a", "a", "a a"}, {"北京🚀", "京", "🚀", "北"}} {
		f.Add(seed[0], seed[1], seed[2], seed[3])
	}
	f.Fuzz(func(t *testing.T, text, a, b, item string) {
		if len(text)+len(a)+len(b)+len(item) > 400 {
			return
		}
		answer, err := json.Marshal(map[string]any{"a": a, "b": b, "list": []string{item, a}})
		if err != nil {
			return
		}
		ids, at := tags.Tokens(tok, text)
		end := 0
		for i := range ids {
			if at[i].End > at[i].Start {
				if at[i].Start < 0 || at[i].End > len(text) || at[i].Start > end {
					t.Fatalf("token %d stands at %v of %q", i, at[i], text)
				}
				end = at[i].End
			}
		}
		if end != len(text) {
			t.Fatalf("tokens reach to %d of %q", end, text)
		}
		values, err := valuesOf(tags, string(answer))
		if err != nil {
			t.Fatal(err)
		}
		spans, _ := place(tags, text, values)
		var all []engine.TextSpan
		for _, list := range spans {
			all = append(all, list...)
		}
		slices.SortFunc(all, func(x, y engine.TextSpan) int { return x.Start - y.Start })
		for i, s := range all {
			if s.End <= s.Start || s.End > len(text) || i > 0 && s.Start < all[i-1].End {
				t.Fatalf("places %v of %q", all, text)
			}
		}
		var sum TagAlignment
		got, _, err := tagsOf(tags, text, at, string(answer), &sum)
		if err != nil || sum.Values != sum.Exact+sum.Loose+sum.missing() {
			t.Fatalf("%+v, %v", sum, err)
		}
		for i, tag := range got {
			if tag > 0 && tag%2 == 0 && (i == 0 || got[i-1] != tag && got[i-1] != tag-1) {
				t.Fatalf("tags %v: a value goes on that has not begun", got)
			}
		}
	})
}
