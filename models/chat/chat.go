// Package chat renders the chat template a model carries: the Jinja2 program
// stored under tokenizer.chat_template that turns a conversation into the exact
// text the model was trained on.
//
// The language is Jinja2 as Hugging Face transformers sets it up (immutable
// sandbox, trim_blocks, lstrip_blocks, loop controls, the generation tag, and
// the functions raise_exception, strftime_now and tojson). A template is a
// program from a stranger: it sees its inputs and nothing else, has no file, no
// network and no clock, and runs under caps on steps, depth, memory and output.
// The same input gives the same text always.
package chat

import (
	"encoding/json"
	"fmt"
	"sort"
	"strings"
	"time"
)

// Caps. Every template known to us stays below a hundredth of them.
const (
	maxSource = 1 << 20   // bytes of template text
	maxNest   = 100       // nesting of expressions and blocks in the source
	maxSteps  = 2_000_000 // evaluated nodes and loop turns in one Render
	maxDepth  = 100       // macro calls and nested evaluation while rendering
	maxRange  = 100_000   // elements of range(), as Jinja2's sandbox has it
	maxData   = 100       // nesting of the JSON handed in
	// maxBytes caps the bytes of all strings and lists made during one Render,
	// the output included; growPerByte adds to it for each byte of input, since
	// a template may copy a long message several times.
	maxBytes    = 16 << 20
	growPerByte = 64
)

// Message is one turn. It reads and writes the JSON of OpenAI-style APIs.
type Message struct {
	Role    string
	Content string
	// Parts, when set, is the content instead of Content: any JSON value, for
	// example a list of typed parts, or null.
	Parts            json.RawMessage
	Name             string
	ToolCalls        []ToolCall
	ToolCallID       string
	ReasoningContent string
	// Extra holds any further keys; templates see them after the known ones, in
	// alphabetical order.
	Extra map[string]json.RawMessage
}

// ToolCall is one call that an assistant turn asks for.
type ToolCall struct {
	ID       string   `json:"id,omitempty"`
	Type     string   `json:"type,omitempty"`
	Function Function `json:"function"`
}

// Function names the tool and holds its arguments as JSON. Templates expect an
// object here; a caller that has the arguments as a JSON string, as OpenAI's API
// sends them, decodes that string first.
type Function struct {
	Name      string          `json:"name"`
	Arguments json.RawMessage `json:"arguments,omitempty"`
}

// Input is everything a template can see.
type Input struct {
	Messages []Message
	// Tools are JSON objects; the order of their keys is kept.
	Tools               []json.RawMessage
	AddGenerationPrompt bool
	// EnableThinking is not defined for the template when nil.
	EnableThinking *bool
	BOS, EOS       string
	// Now is what strftime_now formats. Zero: a template that asks for the date
	// fails, because there is no hidden clock here.
	Now time.Time
	// Extra adds variables. Values are anything encoding/json can write; for an
	// object whose key order matters pass a json.RawMessage.
	Extra map[string]any
}

// Template is a parsed template; goroutines may share it.
type Template struct {
	source string
	body   []stmt
}

// Source returns the text the template was parsed from.
func (t *Template) Source() string { return t.source }

// Parse reads a template. Its errors name the line.
func Parse(source string) (*Template, error) {
	if len(source) > maxSource {
		return nil, fmt.Errorf("chat template: %d bytes, more than the %d allowed", len(source), maxSource)
	}
	tokens, err := lex(source)
	if err != nil {
		return nil, fmt.Errorf("chat template: %w", err)
	}
	body, err := parse(tokens)
	if err != nil {
		return nil, fmt.Errorf("chat template: %w", err)
	}
	return &Template{source: source, body: body}, nil
}

// budget is what a Render may still take.
type budget struct{ steps, bytes int }

// Render runs the template. It fails when the template refuses the conversation
// (raise_exception, see RaisedError), uses a value wrongly, or exceeds a cap
// (see LimitError).
func (t *Template) Render(in Input) (string, error) {
	return t.render(in, &budget{maxSteps, maxBytes})
}

// render runs the template within what is left, and takes off what it used. The
// input adds to it as much as reading it takes.
func (t *Template) render(in Input, left *budget) (string, error) {
	vars, size, err := variables(in)
	if err != nil {
		return "", fmt.Errorf("chat template: %w", err)
	}
	r := &run{
		out: &strings.Builder{}, steps: left.steps + size, bytes: left.bytes + growPerByte*size,
		now: in.Now, filters: filters, tests: tests,
	}
	sc := &scope{vars: vars}
	_, err = r.execAll(t.body, sc)
	left.steps, left.bytes = min(left.steps, r.steps), min(left.bytes, r.bytes)
	if err != nil {
		return "", fmt.Errorf("chat template: %w", err)
	}
	return r.out.String(), nil
}

// RaisedError is a template's own refusal, made by raise_exception.
type RaisedError struct{ Message string }

func (e *RaisedError) Error() string { return e.Message }

// LimitError says that a template ran into a cap.
type LimitError struct{ What string }

func (e *LimitError) Error() string { return "stopped: " + e.What }

// chatML is the layout of the im_start / im_end tokens without any default
// system text.
const chatML = `{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}`

var builtin = map[string]string{"chatml": chatML}

// Default returns a built-in template by name, for a model that carries none.
// Nothing uses it unasked: guessing a template degrades a model silently.
func Default(name string) (*Template, error) {
	source, ok := builtin[name]
	if !ok {
		known := make([]string, 0, len(builtin))
		for k := range builtin {
			known = append(known, k)
		}
		sort.Strings(known)
		return nil, fmt.Errorf("chat template: no built-in template %q; known: %v", name, known)
	}
	return Parse(source)
}
