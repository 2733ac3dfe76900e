package cel

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
)

// Expressions have the answers of cel-go v0.32.0, which wrote testdata/agrees.tsv: a type and a value, "error", or "refused" (not read).
// Where this package knows less it refuses; it never gives another answer.
func TestAgrees(t *testing.T) {
	vars := map[string]any{"a": map[string]any{"b": map[string]any{"c": "deep"}, "n": int64(3), "yes": true, "none": nil}, "n": int64(7), "s": "Grüße",
		"l": []any{int64(1), "two", 3.0, true, map[string]any{"k": int64(1)}, map[string]any{}}, "d": 2.5}
	names := []string{"a", "n", "s", "l", "d"}
	less := map[string]bool{ // what cel-go reads and this package refuses
		`"""three"""`: true, `1u`: true, `b"x"`: true,
	}
	b, err := os.ReadFile("testdata/agrees.tsv")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	if len(lines) < 150 {
		t.Fatalf("%d expressions", len(lines))
	}
	for _, line := range lines {
		src, want, _ := strings.Cut(line, "\t")
		got := "refused"
		if p, err := Compile(src, names...); err == nil {
			if v, err := p.Eval(vars); err != nil {
				got = "error"
			} else {
				text, err := json.Marshal(v)
				if err != nil {
					t.Fatal(err)
				}
				got = strings.Replace(typeName(v), "null", "null_type", 1) + " " + string(text)
			}
		}
		// a name, a function or a pattern that cannot be is found when it is read, not when it is met
		early := want == "error" && got == "refused"
		if got != want && !early && !(less[src] && got == "refused") {
			t.Errorf("%s gives %s, want %s", src, got, want)
		}
	}
}

// What is too long, too deep or too slow ends with an error.
func TestBounds(t *testing.T) {
	for _, src := range []string{strings.Repeat("(", 5000) + "1" + strings.Repeat(")", 5000), strings.Repeat("!", 500) + "true", strings.Repeat("[", 500), strings.Repeat("1+", 9000) + "1"} {
		if _, err := Compile(src); err == nil {
			t.Errorf("%.20s... was read", src)
		}
	}
	items := make([]any, 200)
	p, err := Compile("l.all(a, l.all(b, l.all(c, l.all(d, a == null))))", "l")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Eval(map[string]any{"l": items}); err != errSteps {
		t.Errorf("got %v, want %v", err, errSteps)
	}
}

// No text makes the reader or an evaluation panic.
func FuzzCompile(f *testing.F) {
	b, err := os.ReadFile("testdata/agrees.tsv")
	if err != nil {
		f.Fatal(err)
	}
	for _, line := range strings.Split(string(b), "\n") {
		src, _, _ := strings.Cut(line, "\t")
		f.Add(src)
	}
	f.Fuzz(func(t *testing.T, src string) {
		if len(src) > 4096 {
			return
		}
		p, err := Compile(src, "a")
		if err != nil {
			return
		}
		v, err := p.Eval(map[string]any{"a": map[string]any{"b": []any{int64(1), "x"}}})
		if err == nil && strings.HasPrefix(typeName(v), "*") {
			t.Errorf("%q gives a %T", src, v)
		}
	})
}
