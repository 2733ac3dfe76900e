package papers

import (
	"strings"
	"testing"

	"github.com/freehold-slm/freehold/models/licence"
)

// What nobody said is unknown and counted, whatever its status would have been, and no value breaks out of its cell.
func TestPaper(t *testing.T) {
	p := Paper{Title: "Card", About: "About."}
	p.Section("One")
	p.Add("name", "a|b\n<script>", Declared, "recipe")
	p.Add("contact", "", Verified, "owner")
	p.Section("Two")
	p.Add("sum", "12", Verified, "file")
	text := p.Markdown()
	for _, want := range []string{"Fields: 1 verified, 1 declared, 1 unknown.", `| name | a\|b<br>&lt;script> | declared | recipe |`, "| contact | to be filled in | unknown | owner |", "## Two\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("the paper lacks %q:\n%s", want, text)
		}
	}
}

// Each component is depended on by the main one; the serial number is the run's, and a UUID.
func TestBOM(t *testing.T) {
	b := NewBOM("key", Component{Ref: "main"})
	b.Add(Component{Ref: "base"})
	if len(b.Components) != 1 || len(b.Dependencies) != 2 || b.Dependencies[0].Ref != "main" || b.Dependencies[0].DependsOn[0] != "base" {
		t.Errorf("%+v", b)
	}
	if again := NewBOM("key", Component{}); again.Serial != b.Serial || NewBOM("other", Component{}).Serial == b.Serial || len(b.Serial) != 45 || b.Serial[23] != '8' {
		t.Errorf("serial number %s, again %s", b.Serial, again.Serial)
	}
	for id, want := range map[string]string{"": "", "unknown": "", "MIT AND unknown": "name MIT AND unknown", "MIT AND Apache-2.0": "expression MIT AND Apache-2.0", "MIT": "id MIT", "No-Such": "name No-Such"} {
		got := ""
		for _, l := range Licensed(id) {
			switch {
			case l.Expression != "":
				got = "expression " + l.Expression
			case l.License.ID != "":
				got = "id " + l.License.ID
			default:
				got = "name " + l.License.Name
			}
		}
		if got != want {
			t.Errorf("licence %q: %q, want %q", id, got, want)
		}
	}
}

// A notice holds each licence's text once, and names those that it lacks.
func TestNotice(t *testing.T) {
	in := []licence.Input{{Role: "base", Name: "b", ID: "MIT", Stated: true}, {Role: "teacher", Name: "t", ID: "MIT", Stated: true}, {Role: "data", Name: "d", ID: "No-Such", Stated: true}}
	v := licence.Judge(licence.Distribute, in)
	text, missing := Notice("mine", &v, in)
	if n := strings.Count(text, "Permission is hereby granted"); n != 1 {
		t.Errorf("MIT's text is there %d times:\n%s", n, text)
	}
	if len(missing) != 1 || !strings.Contains(text, "The text of "+missing[0]+" is not held by freehold") {
		t.Errorf("missing %v:\n%s", missing, text)
	}
}
