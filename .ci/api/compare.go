package main

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/exp/apidiff"
	"golang.org/x/tools/go/packages"
)

// report is what changed since docs/api was written.
type report struct {
	breaks []string // without those that breaks.txt gives a reason for
	added  []string
}

// because stands between a change and its reason.
const because = ", because "

// compare holds the packages of the module at root against its docs/api.
func compare(root string) (report, error) {
	old, err := read(filepath.Join(root, "docs", "api"))
	if err != nil {
		return report{}, err
	}
	var imports []string
	for _, file := range old.files {
		for _, i := range file.Imports {
			path, _ := strconv.Unquote(i.Path.Value)
			imports = append(imports, path)
		}
	}
	now, err := load(root, imports)
	if err != nil {
		return report{}, err
	}
	reasons, err := os.ReadFile(filepath.Join(root, "docs", "api", "breaks.txt"))
	if err != nil {
		return report{}, err
	}
	return old.against(now, string(reasons)), nil
}

// against compares packages with what they are now (by import path).
func (old *former) against(now map[string]*types.Package, reasons string) report {
	var r report
	old.now = now
	breaks := func(path, change string) {
		line := strings.TrimPrefix(path, module) + ": " + change
		if !slices.ContainsFunc(strings.Split(reasons, "\n"), func(l string) bool {
			reason, ok := strings.CutPrefix(l, line+because)
			return ok && strings.TrimSpace(reason) != "" && reason != "REASON"
		}) {
			r.breaks = append(r.breaks, line)
		}
	}
	for _, path := range slices.Sorted(maps.Keys(old.files)) {
		then, err := old.Import(path)
		if err != nil { // a type of another module that is not there any more
			breaks(path, err.Error())
			continue
		}
		if now[path] == nil {
			breaks(path, "the package is removed")
			continue
		}
		whole := slices.Contains(roots, strings.TrimPrefix(path, module))
		for _, c := range apidiff.Changes(then, now[path]).Changes {
			switch {
			case !c.Compatible:
				breaks(path, c.Message)
			case whole:
				r.added = append(r.added, strings.TrimPrefix(path, module)+": "+c.Message)
			}
		}
	}
	return r
}

// former is what docs/api says that packages were.
type former struct {
	set   *token.FileSet
	files map[string]*ast.File // by import path
	done  map[string]*types.Package
	now   map[string]*types.Package // for what is not in files
}

func read(dir string) (*former, error) {
	old := &former{set: token.NewFileSet(), files: map[string]*ast.File{}, done: map[string]*types.Package{}}
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() == "breaks.txt" {
			return err
		}
		name, err := filepath.Rel(dir, p)
		if err != nil {
			return err
		}
		text, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		return old.add(module+strings.TrimSuffix(filepath.ToSlash(name), ".txt"), p, text)
	})
	return old, err
}

func (old *former) add(path, name string, text []byte) (err error) {
	old.files[path], err = parser.ParseFile(old.set, name, text, parser.SkipObjectResolution)
	return err
}

// Import gives a package as it was, or one that is none of ours.
func (old *former) Import(path string) (*types.Package, error) {
	file := old.files[path]
	if file == nil {
		if p := old.now[path]; p != nil {
			return p, nil
		}
		return nil, fmt.Errorf("package %s is not there", path)
	}
	if old.done[path] == nil {
		config := types.Config{Importer: old, IgnoreFuncBodies: true}
		p, err := config.Check(path, old.set, []*ast.File{file}, nil)
		if err != nil {
			return nil, err
		}
		old.done[path] = p
	}
	return old.done[path], nil
}

// load has the go command build the module's packages, and others, on one platform: what is offered may differ between them.
func load(root string, more []string) (map[string]*types.Package, error) {
	var patterns []string
	for _, path := range roots {
		patterns = append(patterns, module+path)
	}
	list, err := packages.Load(&packages.Config{Dir: root, Mode: packages.NeedName | packages.NeedImports | packages.NeedDeps | packages.NeedTypes | packages.NeedExportFile,
		Env: append(os.Environ(), "GOOS=linux", "GOARCH=amd64", "CGO_ENABLED=0")}, append(patterns, more...)...)
	if err != nil {
		return nil, err
	}
	all := map[string]*types.Package{}
	var failed []error
	packages.Visit(list, nil, func(p *packages.Package) {
		for _, e := range p.Errors {
			failed = append(failed, e)
		}
		all[p.PkgPath] = p.Types
	})
	return all, errors.Join(failed...)
}

// write states in docs/api what is offered now.
func write(root string) error {
	now, err := load(root, nil)
	if err != nil {
		return err
	}
	dir := filepath.Join(root, "docs", "api")
	old, err := read(dir)
	if err != nil {
		return err
	}
	file := func(path string) string {
		return filepath.Join(dir, filepath.FromSlash(strings.TrimPrefix(path, module))+".txt")
	}
	all := offered(now)
	for path, objects := range all {
		text, err := source(now[module+path], objects)
		if err != nil {
			return err
		}
		if err := os.MkdirAll(filepath.Dir(file(path)), 0o777); err != nil {
			return err
		}
		if err := os.WriteFile(file(path), text, 0o666); err != nil {
			return err
		}
		delete(old.files, module+path)
	}
	for path := range old.files {
		if err := os.Remove(file(path)); err != nil {
			return err
		}
	}
	return nil
}
