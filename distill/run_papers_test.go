package distill

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/freehold-slm/freehold/distill/papers"
)

// A run leaves its papers: what licences want of NOTICE, a bill of materials with the hashes of what went in, and tables that count what is unknown.
func TestRunPapers(t *testing.T) {
	recipe := tinyJob(t)
	edit(t, recipe, "licence: Apache-2.0", "licence: gemma, licence_reason: terms read")
	edit(t, recipe, "train: train.jsonl,", "train: train.jsonl, licence: MIT,")
	_, dir := mustApply(t, recipe, Options{Threads: 1}, Stages{})
	read := func(name string) string {
		t.Helper()
		b, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	for name, wants := range map[string][]string{
		"NOTICE":                               {"Gemma is provided under and subject to the Gemma Terms of Use", "prohibited_use_policy", "Permission is hereby granted", "The text of LicenseRef-Gemma is not held", "LicenseRef-Gemma, section 3.1"},
		"MODEL_CARD.md":                        {"# tiny", "sha256 " + sha(t, tinyTeacher(t)), "terms read", "| Tokens trained on | "},
		"papers/eu-training-content.md":        {"(draft)", "200 train, 0 valid, 60 test", "Training operations (FLOP)", "Ratio to the base"},
		"papers/eu-technical-documentation.md": {"Human oversight | to be filled in | unknown"},
		"papers/uk-atrs.md":                    {"Senior responsible owner | to be filled in | unknown"},
	} {
		text := read(name)
		for _, want := range wants {
			if !strings.Contains(text, want) {
				t.Errorf("%s does not hold %q:\n%s", name, want, text)
			}
		}
		if m := regexp.MustCompile(`(\d+) verified, (\d+) declared, (\d+) unknown`).FindStringSubmatch(text); name != "NOTICE" {
			for i, status := range []string{"verified", "declared", "unknown"} {
				if n := strings.Count(text, " | "+status+" | "); m == nil || n == 0 || m[i+1] != strings.TrimSpace(jsonOf(t, n)) {
					t.Errorf("%s counts %v, has %d %s", name, m, n, status)
				}
			}
		}
	}
	var bom papers.BOM
	if err := json.Unmarshal([]byte(read("mlbom.cdx.json")), &bom); err != nil {
		t.Fatal(err)
	}
	main := bom.Metadata.Component
	if len(bom.Components) != 3 || bom.Components[0].Hashes[0].Content != sha(t, tinyTeacher(t)) || main.Hashes[0].Content != sha(t, filepath.Join(dir, "model.gguf")) ||
		main.Licenses[0].License.Name != "Gemma Terms of Use" || bom.Components[2].Licenses[0].License.ID != "MIT" || !regexp.MustCompile(`^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`).MatchString(bom.Serial) {
		t.Errorf("%+v", bom)
	}
	v, err := Verify(dir)
	if err != nil || len(v.Bad()) > 0 {
		t.Errorf("%v, %v", v, err)
	}
	for _, name := range []string{"NOTICE", "mlbom.cdx.json", "papers/uk-atrs.md"} {
		if !strings.Contains(read("SHA256SUMS"), "  "+name+"\n") {
			t.Errorf("SHA256SUMS lacks %s", name)
		}
	}
}

func jsonOf(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
