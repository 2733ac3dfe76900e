package main

import (
	"runtime"
	"runtime/debug"

	"github.com/freehold-slm/freehold/distill/lineage"
	"github.com/freehold-slm/freehold/kernels"
)

type versionCmd struct {
	SBOM     bool `name:"sbom" help:"Print the bill of materials of this binary (CycloneDX 1.6)."`
	Licences bool `aliases:"licenses" help:"Print the licences of the modules in this binary, with their texts."`
}

// versionDoc is freehold/version/1.
type versionDoc struct {
	Schema   string   `json:"schema"`
	Version  string   `json:"version"`
	Commit   string   `json:"commit,omitempty"`
	Modified bool     `json:"modified"`
	Binary   string   `json:"binary_sha256,omitempty"`
	Go       string   `json:"go"`
	OS       string   `json:"os"`
	Arch     string   `json:"arch"`
	Level    string   `json:"cpu_level"`
	Levels   []string `json:"cpu_levels"`
}

// programVersion is the version of the module, as the build knows it.
func programVersion() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		return info.Main.Version
	}
	return "unknown"
}

func (c *versionCmd) Run(a *app) error {
	switch {
	case c.SBOM && c.Licences:
		return usagef("--sbom and --licences are both given; keep one")
	case c.SBOM:
		b, err := sbom().JSON()
		a.write("%s", b)
		return err
	case c.Licences:
		moduleLicences(a)
		return nil
	}
	d := versionDoc{Schema: "freehold/version/1", Version: programVersion(), Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH}
	if built, err := lineage.Program(); err == nil {
		d.Commit, d.Modified, d.Binary = built.Commit, built.Modified, built.Binary
	}
	best, err := kernels.Best()
	if err != nil {
		return usagef("%v", err)
	}
	d.Level = best.Name
	for _, l := range kernels.Levels() {
		d.Levels = append(d.Levels, l.Name)
	}
	if a.json {
		return a.emit(d)
	}
	commit := d.Commit
	if len(commit) > 12 {
		commit = commit[:12]
	}
	if d.Modified {
		commit += " (modified)"
	}
	if commit != "" {
		commit = " " + commit
	}
	a.write("freehold %s%s\n%s %s/%s, CPU level %s\n", d.Version, commit, d.Go, d.OS, d.Arch, d.Level)
	return nil
}
