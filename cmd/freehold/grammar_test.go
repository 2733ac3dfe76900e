package main

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
)

// Whatever the form that is asked for, the answer has it; a form that cannot be had is refused with what to do.
func TestRunGrammar(t *testing.T) {
	model := tiny(t)
	schema := `{"type": "object", "properties": {"a": {"type": "integer", "minimum": 0, "maximum": 9}}, "required": ["a"]}`
	for name, c := range map[string]struct {
		flags []string
		ok    func(text string) bool
	}{
		"schema": {[]string{"--json-schema", schema}, func(s string) bool { return regexp.MustCompile(`^\{\s*"a"\s*:\s*\d\s*\}$`).MatchString(s) }},
		"file":   {[]string{"--json-schema", file(t, "s.json", schema)}, func(s string) bool { return json.Valid([]byte(s)) }},
		"gbnf":   {[]string{"--grammar", file(t, "g.gbnf", "root ::= [ab]{3}\n")}, func(s string) bool { return len(s) == 3 && strings.Trim(s, "ab") == "" }},
		"regex":  {[]string{"--regex", `\d\d:\d\d`}, func(s string) bool { return regexp.MustCompile(`^\d\d:\d\d$`).MatchString(s) }},
		"choice": {[]string{"--choice", "red", "--choice", "blue"}, func(s string) bool { return s == "red" || s == "blue" }},
	} {
		for _, more := range [][]string{nil, {"--temperature=2", "--seed=5"}, {"--draft=lookup"}} {
			args := append(append([]string{"--json", "run", model, "hello", "-n", "100"}, c.flags...), more...)
			d := freehold(t, args...).must(t).document(t, "freehold/run/1")
			if text := d["text"].(string); !c.ok(text) || d["reason"] != "end" {
				t.Errorf("%s %v: %q, reason %v", name, more, text, d["reason"])
			}
		}
	}
	for want, flags := range map[string][]string{
		`--json-schema: schema: "#/type": is string, want one of`:          {"--json-schema", `{"type": "strin"}`},
		"--grammar: grammar:1: want ::=":                                   {"--grammar", file(t, "bad.gbnf", "root = x\n")},
		"--regex: pattern":                                                 {"--regex", "("},
		"--choice and another form of answer are both asked for; keep one": {"--regex", "a", "--choice", "b"},
	} {
		if r := freehold(t, append([]string{"run", model, "hello"}, flags...)...); r.code != exitUsage || !strings.Contains(r.err, want) {
			t.Errorf("%v: code %d, %s\nwant %s", flags, r.code, r.err, want)
		}
	}
	if r := freehold(t, "run", model, "hello", "--grammar", "gone.gbnf"); r.code != exitInput || !strings.Contains(r.err, "gone.gbnf") {
		t.Errorf("a missing file: code %d, %s", r.code, r.err)
	}
}
