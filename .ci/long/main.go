// Command long prints the regular expression of the tests that do more, or anything at all, where FREEHOLD_LONG is set: what `make test`
// has not done yet. It follows calls by name through the test files of the folders that it is given, and errs towards more.
package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const variable = "FREEHOLD_LONG"

// function is a function of a test file: the names that it uses, and whether it reads the variable.
type function struct {
	name string
	uses map[string]bool
	long bool
}

func main() {
	var all []function
	for _, dir := range os.Args[1:] {
		files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
		if err != nil {
			fail(err)
		}
		for _, file := range files {
			list, err := functions(file)
			if err != nil {
				fail(err)
			}
			all = append(all, list...)
		}
	}
	names := long(all)
	if len(names) == 0 {
		fail(fmt.Errorf("no test of these folders reads %s", variable))
	}
	fmt.Printf("^(%s)$\n", strings.Join(names, "|"))
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "long:", err)
	os.Exit(1)
}

func functions(file string) (list []function, err error) {
	tree, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	for _, d := range tree.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok {
			continue
		}
		x := function{name: f.Name.Name, uses: map[string]bool{}}
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.Ident:
				x.uses[n.Name] = true
			case *ast.BasicLit:
				x.long = x.long || n.Value == `"`+variable+`"`
			}
			return true
		})
		list = append(list, x)
	}
	return list, nil
}

// long names the tests among all that read the variable, or use a function that does.
func long(all []function) (tests []string) {
	reads := map[string]bool{}
	for more := true; more; {
		more = false
		for _, f := range all {
			for name := range f.uses {
				f.long = f.long || name != f.name && reads[name]
			}
			if f.long && !reads[f.name] {
				reads[f.name], more = true, true
			}
		}
	}
	for name := range reads {
		if strings.HasPrefix(name, "Test") {
			tests = append(tests, name)
		}
	}
	slices.Sort(tests)
	return tests
}
