package chat

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestFixturesCaps holds what is found out about real models' templates against what reading them shows.
func TestFixturesCaps(t *testing.T) {
	want := map[string]string{
		"chatml":                                        "system turn, tool results, generation prompt",
		"zephyr":                                        "system turn, generation prompt",
		"google-gemma-2-2b-it":                          "generation prompt",
		"microsoft-Phi-3.5-mini-instruct":               "system turn, generation prompt",
		"Qwen-Qwen2.5-7B-Instruct":                      "system turn, tools, tool calls, parallel tool calls, tool results, generation prompt",
		"Qwen-Qwen3-0.6B":                               "system turn, tools, tool calls, parallel tool calls, tool results, reasoning, thinking switch, generation prompt",
		"meta-llama-Llama-3.1-8B-Instruct":              "system turn, tools, tool calls, tool results, generation prompt",
		"mistralai-Mistral-Nemo-Instruct-2407":          "system turn, tools, tool calls, parallel tool calls, tool results, tool call ids",
		"HuggingFaceTB-SmolLM3-3B":                      "system turn, tool results, thinking switch, generation prompt",
		"NousResearch-Hermes-2-Pro-Llama-3-8B-tool_use": "system turn, tools, only with tools, tool calls, parallel tool calls, tool results, generation prompt",
	}
	files, err := filepath.Glob(filepath.Join(fixtures(t), "chat", "*.jinja"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no templates in %s: %v", fixtures(t), err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".jinja")
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		tmpl, err := Parse(string(source))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		c, err := tmpl.Caps()
		got := strings.Join(c.Names(), ", ")
		var limit *LimitError
		if errors.As(err, &limit) {
			t.Errorf("%s: %v", name, err)
		}
		if want[name] != "" && (got != want[name] || err != nil) {
			t.Errorf("%s: %s, %v\nwant %s", name, got, err, want[name])
		}
		t.Logf("%s: %s %v", name, got, err)
	}
}

// Each capability is seen by what sets it apart.
func TestCaps(t *testing.T) {
	for _, c := range []struct{ template, want string }{
		{"", ""},
		{"{% for m in messages %}{{ m.role }}{% endfor %}", ""},
		{"{% for m in messages %}{{ m.content }}{% endfor %}", "system turn, tool results"},
		{"{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no') }}{% endif %}{{ m.content }}{% endfor %}", "tool results"},
		{"{% for m in messages %}{% if m.role == 'user' %}{% if m.content is string %}{{ m.content }}{% else %}{% for p in m.content %}{{ p.text }}{% endfor %}{% endif %}{% endif %}{% endfor %}", "typed parts"},
		{"{{ tools }}", "tools"},
		{"{% for t in tools %}{{ t.type }}{% endfor %}", "only with tools"},
		{"{% for t in tools or [] %}{{ t.function.name }}{% endfor %}", "tools"},
		{"{% for m in messages %}{% for c in m.tool_calls or [] %}{{ c.function.arguments | tojson }}{% endfor %}{% endfor %}", "tool calls"},
		{"{% for m in messages %}{% for c in m.tool_calls or [] %}{{ c.function.name + c.function.arguments }}{% endfor %}{% endfor %}", "tool calls, parallel tool calls, arguments as text"},
		{"{% for m in messages %}{% for c in m.tool_calls or [] %}{{ c.function.name ~ c.id ~ c.function.arguments | tojson }}{% endfor %}{% endfor %}", "tool calls, parallel tool calls, tool call ids"},
		{"{% for m in messages %}{% if m.tool_calls | default([]) | length > 1 %}{{ raise_exception('one') }}{% endif %}{% for c in m.tool_calls or [] %}{{ c.function.name ~ c.function.arguments | tojson }}{% endfor %}{% endfor %}", "tool calls"},
		{"{{ messages[-1].reasoning_content }}", "reasoning"},
		{"{% for m in messages %}{{ m.reasoning_content }}{% endfor %}", "reasoning, reasoning of earlier turns"},
		{"{% if enable_thinking is defined and not enable_thinking %}<think></think>{% endif %}", "thinking switch"},
		{"{% if add_generation_prompt %}A:{% endif %}", "generation prompt"},
	} {
		tmpl, err := Parse(c.template)
		if err != nil {
			t.Fatal(err)
		}
		caps, err := tmpl.Caps()
		if got := strings.Join(caps.Names(), ", "); got != c.want || err != nil {
			t.Errorf("%s\n%s, %v, want %s", c.template, got, err, c.want)
		}
	}
}

// A template that refuses all or takes too much is an error, and soon.
func TestCapsRefused(t *testing.T) {
	var limit *LimitError
	var refused *RaisedError
	for _, c := range []struct {
		template string
		as       any
	}{
		{"{{ raise_exception('no') }}", &refused},
		{"{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}", &limit},
		{"{% set ns = namespace(s='x') %}{% for i in range(60) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}", &limit},
		{"{% for i in range(99999) %}{{ i }}{% endfor %}", &limit}, // once is fine, all the probes are too much
		{"{% if messages | length > 1 %}{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}{% endif %}", &limit},
	} {
		tmpl, err := Parse(c.template)
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		caps, err := tmpl.Caps()
		if !errors.As(err, c.as) || caps != (Caps{}) {
			t.Errorf("%s: %+v, %v, want %T", c.template, caps, err, c.as)
		}
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("%s: took %v", c.template, took)
		}
	}
}
