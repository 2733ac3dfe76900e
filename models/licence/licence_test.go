package licence

import (
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"slices"
	"strings"
	"testing"
)

// Every fact is whole: known words, a source, and the sum of the text that lies beside it.
func TestFacts(t *testing.T) {
	seen, held := map[string]bool{}, map[string]bool{}
	for _, f := range Facts() {
		for _, name := range append([]string{strings.ToLower(f.ID)}, f.Also...) {
			if name != strings.ToLower(name) || seen[name] && name != strings.ToLower(f.ID) {
				t.Errorf("%s: %q is not lower case or names two licences", f.ID, name)
			}
			seen[name] = true
			if got, ok := Named(strings.ToUpper(name)); !ok || got.ID != f.ID {
				t.Errorf("%q finds %q, want %s", name, got.ID, f.ID)
			}
		}
		if !slices.Contains(Classes(), f.Class) || f.Class == NotKnown || f.Name == "" || f.Source.Title == "" || !strings.HasPrefix(f.Source.URL, "https://") {
			t.Errorf("%s: class %q, name %q, source %+v", f.ID, f.Class, f.Name, f.Source)
		}
		if f.File != "" {
			held[f.File] = true
			sum := sha256.Sum256([]byte(f.Text()))
			if f.Source.SHA256 == nil || hex.EncodeToString(sum[:]) != *f.Source.SHA256 {
				t.Errorf("%s: the text's sha256 is %x, want %v", f.ID, sum, f.Source.SHA256)
			}
		}
		if f.Verified() && f.Source.Copy == "" {
			t.Errorf("%s: a sum without the place where the text was had", f.ID)
		}
		if free := f.Class == PublicDomain || f.Class == Permissive; free != f.Free() {
			t.Errorf("%s: class %s, and Free is %v", f.ID, f.Class, f.Free())
		}
		for _, d := range f.Duties {
			if !slices.Contains(Kinds(), d.Kind) || d.Section == "" || d.Text == "" || len(d.On) == 0 || !slices.Contains([]Effect{Do, Accept, Forbid}, d.Effect) || d.Unless != "" && d.Unless != "same_licence" {
				t.Errorf("%s: duty %+v", f.ID, d)
			}
			for _, u := range d.On {
				if !slices.Contains(Uses(), u) {
					t.Errorf("%s: use %q", f.ID, u)
				}
			}
			// a line that is to stand in NOTICE is one of the licence's own text
			if text := strings.Join(strings.Fields(f.Text()), " "); f.File != "" && d.Notice != "" && !strings.Contains(text, d.Notice) {
				t.Errorf("%s: its text does not hold %q", f.ID, d.Notice)
			}
			if f.File != "" && d.Display != "" && !strings.Contains(f.Text(), d.Display) {
				t.Errorf("%s: its text does not hold %q", f.ID, d.Display)
			}
		}
	}
	if len(Facts()) < 30 {
		t.Errorf("%d facts", len(Facts()))
	}
	names, err := fs.ReadDir(texts, "texts")
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range names {
		if !held[n.Name()] {
			t.Errorf("texts/%s belongs to no fact", n.Name())
		}
	}
}

func TestJudge(t *testing.T) {
	in := func(role, id string) Input { return Input{Role: role, Name: role + "-file", ID: id, Stated: true} }
	yes := func(in Input, reason string) Input { in.Accepted, in.Reason = in.ID, reason; return in }
	silent := func(role, id, accepted, reason string) Input {
		return Input{Role: role, Name: role + "-file", ID: id, Accepted: accepted, Reason: reason}
	}
	for _, c := range []struct {
		name   string
		use    Use
		inputs []Input
		state  string
		kinds  string // of the findings that refuse, sorted
		id     string // of what is made
	}{
		{"permissive", Distil, []Input{in("teacher", "apache-2.0"), in("base", "MIT")}, Passes, "", "MIT"},
		{"permissive, passed on", Distribute, []Input{in("teacher", "MIT"), in("base", "Apache-2.0")}, WithDuties, "", "Apache-2.0"},
		{"silent file", Distil, []Input{silent("base", "Apache-2.0", "", "")}, Refused, "undeclared", "Apache-2.0"},
		{"declared", Distil, []Input{silent("base", "Apache-2.0", "apache-2.0", "model card")}, WithDuties, "", "Apache-2.0"},
		{"declared as another", Distil, []Input{silent("base", "Apache-2.0", "MIT", "")}, Refused, "undeclared", "Apache-2.0"},
		{"nobody said", Serve, []Input{silent("model", "", "", "")}, Refused, "unknown", "unknown"},
		{"unknown, accepted", Serve, []Input{silent("model", "unknown", "unknown", "ours")}, WithDuties, "", "unknown"},
		{"a licence without facts", Distil, []Input{in("base", "LicenseRef-Acme")}, Refused, "unknown", "LicenseRef-Acme"},
		{"its acceptance", Distil, []Input{yes(in("base", "LicenseRef-Acme"), "")}, WithDuties, "", "LicenseRef-Acme"},
		{"gemma", Distil, []Input{in("teacher", "gemma"), in("base", "Apache-2.0")}, Refused, "acceptance", "Apache-2.0 AND LicenseRef-Gemma"},
		{"gemma, accepted", Distil, []Input{yes(in("teacher", "gemma"), ""), in("base", "Apache-2.0")}, WithDuties, "", "Apache-2.0 AND LicenseRef-Gemma"},
		{"llama 2 teaches another", Distil, []Input{yes(in("teacher", "llama2"), ""), in("base", "MIT")}, Refused, "output_training", "MIT"},
		{"llama 2 teaches its own", Distil, []Input{yes(in("teacher", "llama2"), ""), yes(in("base", "llama2"), "")}, WithDuties, "", "LicenseRef-Llama-2"},
		{"an override wants a reason", Distil, []Input{yes(in("teacher", "llama2"), "licence bought from Meta"), in("base", "MIT")}, WithDuties, "", "MIT"},
		{"llama 3.1", Distil, []Input{yes(in("teacher", "llama3.1"), ""), in("base", "MIT")}, WithDuties, "", "LicenseRef-Llama-3.1 AND MIT"},
		{"data not for business", Distil, []Input{in("base", "MIT"), in("data", "cc-by-nc-4.0")}, Refused, "non_commercial", "CC-BY-NC-4.0 AND MIT"},
		{"share-alike against terms", Distribute, []Input{yes(in("teacher", "gemma"), ""), in("base", "MIT"), in("data", "cc-by-sa-4.0")}, Refused, "conflict", "CC-BY-SA-4.0 AND LicenseRef-Gemma AND MIT"},
		{"the strictest of all", Distil, []Input{in("teacher", "MIT"), in("base", "MIT"), silent("data", "", "", "")}, Refused, "unknown", "MIT AND unknown"},
		{"outputs of a service", Distil, []Input{yes(in("teacher", "openai"), ""), in("base", "MIT")}, Refused, "output_training", "MIT"},
	} {
		v := Judge(c.use, c.inputs)
		var kinds []string
		for _, f := range v.Unmet() {
			kinds = append(kinds, f.Kind)
		}
		slices.Sort(kinds)
		if got := strings.Join(kinds, " "); v.State != c.state || got != c.kinds || v.Licence != c.id {
			t.Errorf("%s: %s, refused by %q, licence %q; want %s, %q, %q", c.name, v.State, got, v.Licence, c.state, c.kinds, c.id)
		}
	}
}

// What is made of Gemma or Llama goes out under their names, lines and limits.
func TestCarried(t *testing.T) {
	v := Judge(Distribute, []Input{{Role: "teacher", ID: "gemma", Stated: true, Accepted: "LicenseRef-Gemma"}, {Role: "base", ID: "MIT", Stated: true}})
	if len(v.Notices()) != 1 || !strings.HasPrefix(v.Notices()[0], "Gemma is provided under") || len(v.Limits()) != 1 || v.Name("triage") != "triage" || v.Strictest != "LicenseRef-Gemma" || v.State == Refused {
		t.Errorf("%q %q %q %+v", v.Notices(), v.Limits(), v.Name("triage"), v)
	}
	v = Judge(Distribute, []Input{{Role: "teacher", ID: "llama3.2", Stated: true, Accepted: "llama3.2"}, {Role: "base", ID: "MIT", Stated: true}})
	if v.Name("triage") != "Llama-triage" || v.Name("Llama-x") != "Llama-x" || v.Notices() != nil {
		t.Errorf("%q %q", v.Name("triage"), v.Notices())
	}
}
