package main

import (
	"embed"
	"fmt"
	"regexp"
	"runtime/debug"
	"strings"

	"github.com/freehold-slm/freehold/distill/papers"
)

// licenceTexts are the licences of the modules that are linked in, by module path with _ for /, and std, Go's own library.
//
//go:embed licences
var licenceTexts embed.FS

// module is a part of this binary.
type module struct {
	path, version string
	licence       string // SPDX, as its text reads; "" = no text here
	text          string
}

// modules lists what this binary is built from, Go's library first.
func modules() []module {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return nil
	}
	all := []module{{path: "std", version: strings.TrimPrefix(info.GoVersion, "go")}}
	for _, d := range info.Deps {
		if d.Replace != nil {
			d = d.Replace
		}
		all = append(all, module{path: d.Path, version: d.Version})
	}
	for i := range all {
		b, err := licenceTexts.ReadFile("licences/" + strings.ReplaceAll(all[i].path, "/", "_") + ".txt")
		if err == nil {
			all[i].text, all[i].licence = string(b), licenceOf(string(b))
		}
	}
	return all
}

// licenceOf tells the few licences of dependencies by sentences of theirs.
func licenceOf(text string) string {
	flat := strings.Join(strings.Fields(text), " ")
	switch {
	case strings.Contains(flat, "Permission is hereby granted, free of charge"):
		return "MIT"
	case regexp.MustCompile(`Neither the names? of`).MatchString(flat) && strings.Contains(flat, "Redistributions in binary form"):
		return "BSD-3-Clause"
	}
	return ""
}

// sbom is the bill of materials of this binary.
func sbom() *papers.BOM {
	main := papers.Component{Type: "application", Ref: "freehold", Name: "freehold", Version: programVersion(), Licenses: papers.Licensed("Apache-2.0")}
	key := main.Version
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" || s.Key == "GOOS" || s.Key == "GOARCH" {
				main.Properties = append(main.Properties, papers.Property{Name: "freehold:build:" + s.Key, Value: s.Value})
				key += " " + s.Value
			}
		}
	}
	parts := modules()
	for _, m := range parts {
		key += fmt.Sprintf(" %s@%s", m.path, m.version)
	}
	b := papers.NewBOM(key, main)
	for _, m := range parts {
		purl := "pkg:golang/" + m.path + "@" + m.version
		b.Add(papers.Component{Type: "library", Ref: purl, Name: m.path, Version: m.version, PURL: purl, Licenses: papers.Licensed(m.licence)})
	}
	return b
}

// moduleLicences prints the licences of the modules with their texts.
func moduleLicences(a *app) {
	for _, m := range modules() {
		name := m.licence
		if m.text == "" {
			name = "its text is not in this binary; see docs/dependencies.md"
		}
		a.write("%s %s: %s\n", m.path, m.version, name)
	}
	for _, m := range modules() {
		if m.text != "" {
			a.write("\n%s\n%s %s\n%[1]s\n\n%[4]s", strings.Repeat("-", 79), m.path, m.version, m.text)
		}
	}
}
