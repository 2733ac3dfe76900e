package main

import (
	"encoding/json"
	"os"
	"path"
	"regexp"
	"strings"
	"testing"

	"github.com/freehold-slm/freehold/distill/papers"
)

// Each module that docs/dependencies.md does not keep for tests has its licence's text in the binary, of the licence that the page names;
// the bill of materials lists what the build says is linked.
func TestModuleLicences(t *testing.T) {
	page, err := os.ReadFile("../../docs/dependencies.md")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]bool{"std.txt": true}
	for _, m := range regexp.MustCompile("(?m)^\\| `([^`]+)` [^ ]+ \\| ([^|]+) \\| ([^|]+) \\|").FindAllStringSubmatch(string(page), -1) {
		if strings.HasPrefix(m[3], "tests only") {
			continue
		}
		file := strings.ReplaceAll(m[1], "/", "_") + ".txt"
		want[file] = true
		b, err := licenceTexts.ReadFile(path.Join("licences", file))
		if err != nil || licenceOf(string(b)) != m[2] {
			t.Errorf("%s: licence %q, want %q; %v", m[1], licenceOf(string(b)), m[2], err)
		}
	}
	files, err := licenceTexts.ReadDir("licences")
	if err != nil || len(want) < 6 {
		t.Fatal(err, want)
	}
	for _, f := range files {
		if !want[f.Name()] {
			t.Errorf("licences/%s belongs to no module", f.Name())
		}
	}
	var bom papers.BOM
	if err := json.Unmarshal([]byte(freehold(t, "version", "--sbom").must(t).out), &bom); err != nil {
		t.Fatal(err)
	}
	texts := freehold(t, "version", "--licences").must(t).out
	seen := false
	for _, c := range bom.Components {
		seen = seen || c.Name == "github.com/alecthomas/kong"
		if !strings.Contains(texts, c.Name+" "+c.Version+": ") || c.PURL != "pkg:golang/"+c.Name+"@"+c.Version {
			t.Errorf("%+v is not among the licences", c)
		}
	}
	if bom.Spec != "1.6" || bom.Metadata.Component.Name != "freehold" || !seen || !strings.Contains(texts, "Redistribution and use in source and binary forms") {
		t.Errorf("%+v", bom)
	}
}
