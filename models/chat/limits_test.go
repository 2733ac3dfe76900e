package chat

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestLimits runs templates built for harm: each must end soon, with a LimitError
// or, where the source itself is the harm, an error from Parse.
func TestLimits(t *testing.T) {
	nest := func(open, middle, end string, n int) string {
		return strings.Repeat(open, n) + middle + strings.Repeat(end, n)
	}
	big := "{% set x = 'aaaaaaaaaaaaaaaa' %}" + strings.Repeat("{% set x = x ~ x %}", 14)
	for name, source := range map[string]string{
		"range":        "{% for i in range(10**9) %}{% endfor %}",
		"nested loops": nest("{% for i in range(100000) %}", "", "{% endfor %}", 3),
		"silent loops": "{% set ns = namespace(n=0) %}" + nest("{% for i in range(99999) %}", "{% set ns.n = ns.n + 1 %}", "{% endfor %}", 4),
		"steps":        "{% set l = range(1000)|list %}" + nest("{% for i in l %}", "{% if i %}{% endif %}", "{% endfor %}", 4),
		"doubling":     "{% set ns = namespace(s='x') %}{% for i in range(60) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}",
		"doubled list": "{% set ns = namespace(s=[1]) %}{% for i in range(60) %}{% set ns.s = ns.s + ns.s %}{% endfor %}",
		"nested list":  "{% set ns = namespace(s=[1]) %}{% for i in range(60) %}{% set ns.s = [ns.s, ns.s] %}{% endfor %}{{ ns.s }}",
		"nested json":  "{% set ns = namespace(s=[1]) %}{% for i in range(60) %}{% set ns.s = [ns.s, ns.s] %}{% endfor %}{{ ns.s|tojson }}",
		"deep list":    "{% set ns = namespace(s=[1]) %}{% for i in range(90000) %}{% set ns.s = [ns.s] %}{% endfor %}{{ ns.s }}",
		"deep equal":   "{% set ns = namespace(s=[1],t=[1]) %}{% for i in range(30000) %}{% set ns.s = [ns.s] %}{% set ns.t = [ns.t] %}{% endfor %}{{ ns.s == ns.t }}",
		"repeat":       "{{ 'abc' * 10**12 }}",
		"repeat list":  "{{ ([1] * 10**12)|length }}",
		"recursion":    "{% macro m(n) %}{{ m(n + 1) }}{% endmacro %}{{ m(0) }}",
		"branching":    "{% macro m(n) %}{% if n %}{{ m(n - 1) }}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(90) }}",
		"loop self":    "{% for i in [1] recursive %}{{ loop([1]) }}{% endfor %}",
		"search":       big + "{% for i in range(100000) %}{{ 'b' in x }}{% endfor %}",
		"replace":      big + "{{ x.replace('a', x) }}",
		"strip":        big + "{% for i in range(100000) %}{% if x.strip('b') %}{% endif %}{% endfor %}",
		"split":        big + "{% for i in range(10000) %}{% if x.split('a') %}{% endif %}{% endfor %}",
		"index":        big + "{% for i in range(100000) %}{% if x[-1] %}{% endif %}{% endfor %}",
		"upper":        big + "{% for i in range(100000) %}{% if x is upper %}{% endif %}{% endfor %}",
		"join":         big + "{{ x.join(range(100000)) }}",
		"indent":       "{{ ('\n' * 10000)|indent(100000, blank=true) }}",
		"batch":        "{{ [1]|batch(10**15, 0)|list }}",
		"brackets":     "{{ " + nest("(", "1", ")", 100_000) + " }}",
		"lists":        "{{ " + nest("[", "1", "]", 100_000) + " }}",
		"nots":         "{{ " + strings.Repeat("not ", 200_000) + "1 }}",
		"minus":        "{{ 1" + strings.Repeat(" - -", 200_000) + "1 }}",
		"sum":          "{{ 1" + strings.Repeat("+1", 300_000) + " }}",
		"else":         "{{ " + strings.Repeat("1 if 0 else ", 80_000) + "1 }}",
		"ifs":          nest("{% if 1 %}", "", "{% endif %}", 40_000),
		"dots":         "{{ x" + strings.Repeat(".y", 300_000) + " }}",
		"filters":      "{{ x" + strings.Repeat("|list", 100_000) + " }}",
		"targets":      "{% set " + nest("(", "a", ")", 200_000) + " = 1 %}",
		"source":       strings.Repeat("a", maxSource+1),
	} {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			tmpl, err := Parse(source)
			if err == nil {
				var out string
				out, err = tmpl.Render(Input{})
				var limit *LimitError
				if !errors.As(err, &limit) {
					t.Errorf("rendered %d bytes and %v, want a LimitError", len(out), err)
				}
			}
			if took := time.Since(start); took > 5*time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
}

// TestLongConversation checks that the caps leave room for real work: a context
// window full of text through the most copying of the templates.
func TestLongConversation(t *testing.T) {
	dir := filepath.Join(fixtures(t), "chat")
	files, err := filepath.Glob(filepath.Join(dir, "*.jinja"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no templates in %s: %v", dir, err)
	}
	var in Input
	for range 500 {
		in.Messages = append(in.Messages,
			Message{Role: "user", Content: strings.Repeat("long text ", 200)},
			Message{Role: "assistant", Content: "<think>" + strings.Repeat("hm ", 300) + "</think>" + strings.Repeat("answer ", 200)})
	}
	in.Tools = []json.RawMessage{json.RawMessage(`{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object","properties":{"x":{"type":"string","description":"y"}}}}}`)}
	in.Now = time.Unix(0, 0).UTC()
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		tmpl, err := Parse(string(source))
		if err != nil {
			t.Fatal(err)
		}
		out, err := tmpl.Render(in)
		if err != nil || len(out) < 1_000_000 {
			t.Errorf("%s: %d bytes, %v", filepath.Base(file), len(out), err)
		}
	}
}

// TestErrors checks that errors name the line and the cause.
func TestErrors(t *testing.T) {
	for source, want := range map[string]string{
		"a\nb\n{{ x.y.z }}":                         "line 3: x is undefined",
		"\n{% for a in 5 %}{% endfor %}":            "line 2: int is not iterable",
		"\n\n{% if %}":                              "line 3: ",
		"{{ 1 }}\n{{ 'a' | nosuch }}":               `line 2: unknown filter "nosuch"; known: abs`,
		"{{ 1 }}\n{{ a is nosuch }}":                `line 2: unknown test "nosuch"; known: !=`,
		"{{ 1 }}\n{% if a is nosuch %}{% endif %}":  `line 2: unknown test "nosuch"; known: !=`,
		"\n{% if 1 %}\n{{ 'a'|nosuch }}{% endif %}": `line 3: unknown filter "nosuch"; known: abs`,
		"{{ '{0}{}'.format(1) }}":                   "line 1: str.format: {} and {} in one text",
		"{{ '{}{0}'.format(1) }}":                   "line 1: str.format: {} and {0} in one text",
		"{{ 'a}b'.format(1) }}":                     "line 1: str.format: a single '}' in the text",
		"{{ '{a'.format(1) }}":                      "line 1: str.format: a single '{' in the text",
		"{{ '{x}'.format(1) }}":                     `line 1: str.format: no argument "x"`,
		"{{ '{}{}'.format(1) }}":                    "line 1: str.format: no argument 1; there are 1",
		"{{ '{a.b}'.format(a=1) }}":                 "line 1: str.format: field {a.b}, want {}, {number} or {name}",
		"{{ '{:9999999999d}'.format(1) }}":          "line 1: str.format: field {:9999999999d}",
		"{% include 'x' %}":                         "line 1: include is not available",
		"{% for a in [1] %}\n":                      "template ends before {% endfor %}",
		"{{ raise_exception('no\\nsystem') }}":      "line 1: no\nsystem",
		"{{ [].append(1) }}":                        "line 1: list.append is not allowed",
		"{{ strftime_now('%Q') }}":                  `line 1: date format "%Q": unknown %Q`,
		"a {# b":                                    "line 1: comment without its end",
		"{{ '\n\n' + 1 }}":                          "line 3: cannot compute str + int",
	} {
		_, err := render(source)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "chat template: line ") {
			t.Errorf("%q: %v, want %s", source, err, want)
		}
	}
	var refused *RaisedError
	if _, err := render("{{ raise_exception('no') }}"); !errors.As(err, &refused) || refused.Message != "no" {
		t.Errorf("raise_exception gives %v", err)
	}
	tmpl, err := Parse("{{ strftime_now('%d') }}")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tmpl.Render(Input{}); err == nil {
		t.Error("the date is known without Input.Now")
	}
}

// TestDefault checks the built-in ChatML against the fixture's text.
func TestDefault(t *testing.T) {
	tmpl, err := Default("chatml")
	if err != nil {
		t.Fatal(err)
	}
	got, err := tmpl.Render(Input{Messages: []Message{{Role: "user", Content: "a"}}, AddGenerationPrompt: true})
	if want := "<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\n"; err != nil || got != want {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
	if _, err := Default("alpaca"); err == nil || !strings.Contains(err.Error(), "chatml") {
		t.Errorf("unknown name: %v", err)
	}
}

// TestMessageJSON checks that a message survives JSON, whatever it holds.
func TestMessageJSON(t *testing.T) {
	for _, data := range []string{
		`{"role":"user","content":"a"}`,
		`{"role":"user","content":[{"type":"text","text":"a"}]}`,
		`{"role":"assistant","content":null,"tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":{"b":1,"a":2}}}]}`,
		`{"role":"tool","content":"","name":"f","tool_call_id":"1"}`,
		`{"role":"assistant","content":"a","reasoning_content":"b","x y":1,"z":{}}`,
	} {
		var m Message
		if err := json.Unmarshal([]byte(data), &m); err != nil {
			t.Fatal(err)
		}
		got, err := json.Marshal(m)
		if err != nil || string(got) != data {
			t.Errorf("got %s, %v, want %s", got, err, data)
		}
		tmpl, err := Parse("{{ messages[0]|tojson(separators=(',',':')) }}")
		if err != nil {
			t.Fatal(err)
		}
		if out, err := tmpl.Render(Input{Messages: []Message{m}}); err != nil || out != data {
			t.Errorf("template sees %s, %v, want %s", out, err, data)
		}
	}
	tmpl, err := Parse("{{ messages[0].content }}")
	if err != nil {
		t.Fatal(err)
	}
	if out, err := tmpl.Render(Input{Messages: []Message{{Content: "a\xff\x00b"}}}); err != nil || out != "a\xff\x00b" {
		t.Errorf("bytes of the content change: %q, %v", out, err)
	}
}
