package chat

import (
	"encoding/json"
	"os"
	"testing"
	"time"
)

// TestLanguage compares small templates with what Jinja2 3.1.6 makes of them, set
// up as transformers does it, over the two messages below at a fixed time.
// Templates with "error" failed there too, at parsing or rendering.
func TestLanguage(t *testing.T) {
	data, err := os.ReadFile("testdata/language.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Template, Error string
		Want            *string
	}
	if err := json.Unmarshal(data, &cases); err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		got, err := render(c.Template)
		switch {
		case c.Want == nil && err == nil:
			t.Errorf("%q\n got %q\nwant an error like %s", c.Template, got, c.Error)
		case c.Want != nil && err != nil:
			t.Errorf("%q\n got %v\nwant %q", c.Template, err, *c.Want)
		case c.Want != nil && got != *c.Want:
			t.Errorf("%q\n got %q\nwant %q", c.Template, got, *c.Want)
		}
	}
}

// render runs a template over a small conversation.
func render(source string) (string, error) {
	tmpl, err := Parse(source)
	if err != nil {
		return "", err
	}
	return tmpl.Render(Input{
		Messages:            []Message{{Role: "system", Content: "S"}, {Role: "user", Content: `Hi "ü"`}},
		AddGenerationPrompt: true, BOS: "<s>", EOS: "</s>",
		Now: time.Date(2025, 3, 9, 14, 5, 6, 0, time.UTC),
	})
}
