package chat

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// maxFuzz bounds the inputs of fuzzing, in bytes: it finds nothing more in long ones, and is slower.
const maxFuzz = 2048

// slowest is how long the caps let a Render take, with room for a slow machine.
const slowest = 10 * time.Second

// timed runs f, and once more where it took too long: a machine may pause a process.
func timed(t *testing.T, f func()) {
	t.Helper()
	for range 2 {
		start := time.Now()
		f()
		if time.Since(start) < slowest {
			return
		}
	}
	t.Errorf("took more than %v, twice", slowest)
}

// FuzzTemplate: any text as a template is refused with an error that names the line, or renders within the caps, the same every time.
func FuzzTemplate(f *testing.F) {
	for _, source := range fixtureTemplates(f) {
		f.Add(source)
	}
	data, err := os.ReadFile("testdata/language.json")
	if err != nil {
		f.Fatal(err)
	}
	var cases []struct{ Template string }
	if err := json.Unmarshal(data, &cases); err != nil {
		f.Fatal(err)
	}
	for _, c := range cases {
		f.Add(c.Template)
	}
	f.Fuzz(func(t *testing.T, source string) {
		if len(source) > maxFuzz {
			return
		}
		var out, again string
		var err, err2 error
		timed(t, func() { out, err = render(source) })
		again, err2 = render(source)
		if again != out || fmt.Sprint(err) != fmt.Sprint(err2) {
			t.Errorf("two runs differ: %q %v, %q %v", out, err, again, err2)
		}
		if len(out) > maxBytes+1000*growPerByte {
			t.Errorf("%d bytes of output", len(out))
		}
		var limit *LimitError
		if err != nil && !errors.As(err, &limit) && !strings.HasPrefix(err.Error(), "chat template: line ") {
			t.Errorf("error without a line: %v", err)
		}
	})
}

// FuzzMessages: any JSON as messages and tools is refused, or rendered by real templates, without a panic and within the caps; as JSON
// a message comes out as it went in.
func FuzzMessages(f *testing.F) {
	var templates []*Template
	for _, source := range fixtureTemplates(f) {
		tmpl, err := Parse(source)
		if err != nil {
			f.Fatal(err)
		}
		templates = append(templates, tmpl)
	}
	files, _ := filepath.Glob(filepath.Join(fixtures(f), "chat", "*.json"))
	for i, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		var cases struct {
			Cases []struct{ Messages, Tools json.RawMessage }
		}
		if err := json.Unmarshal(data, &cases); err != nil {
			continue // an index
		}
		for _, c := range cases.Cases {
			f.Add(uint8(i), []byte(c.Messages), []byte(c.Tools))
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, messages, tools []byte) {
		if len(messages)+len(tools) > maxFuzz {
			return
		}
		in := Input{BOS: "<s>", EOS: "</s>", AddGenerationPrompt: which >= 128, Now: time.Unix(0, 0).UTC()}
		if json.Unmarshal(messages, &in.Messages) != nil {
			return
		}
		for _, m := range in.Messages {
			first, err := json.Marshal(m)
			if err != nil {
				t.Fatalf("a message that was read is not written: %v", err)
			}
			var back Message
			if err := json.Unmarshal(first, &back); err != nil {
				t.Fatalf("%s is written and not read: %v", first, err)
			}
			if second, err := json.Marshal(back); err != nil || string(second) != string(first) {
				t.Fatalf("%s, %v, is read and written as %s", first, err, second)
			}
		}
		_ = json.Unmarshal(tools, &in.Tools) // no tools, else
		timed(t, func() {
			out, err := templates[int(which)%len(templates)].Render(in)
			if err == nil && len(out) > maxBytes+growPerByte*(len(messages)+len(tools)+8) {
				t.Errorf("%d bytes of output", len(out))
			}
		})
	})
}

// fixtureTemplates are real models' templates.
func fixtureTemplates(t testing.TB) (sources []string) {
	files, _ := filepath.Glob(filepath.Join(fixtures(t), "chat", "*.jinja"))
	if len(files) == 0 {
		t.Fatalf("no templates in %s", fixtures(t))
	}
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		sources = append(sources, string(source))
	}
	return sources
}
