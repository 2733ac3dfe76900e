package freehold_test

import (
	"go/ast"
	"os"
	"regexp"
	"strings"
	"testing"
)

// Each promise of docs/promises.md names a command and tests that are there.
func TestPromises(t *testing.T) {
	all, err := sources()
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]bool{}
	for _, s := range all {
		for _, d := range s.file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && s.test && f.Recv == nil {
				tests[f.Name.Name] = true
			}
		}
	}
	page, err := os.ReadFile("docs/promises.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := 0
	for l := range strings.Lines(string(page)) {
		cells := strings.Split(l, " | ")
		if !strings.HasPrefix(l, "| ") || len(cells) != 3 || strings.HasPrefix(l, "| promise") || strings.HasPrefix(l, "| ---") {
			continue
		}
		rows++
		named := regexp.MustCompile("`(Test[A-Za-z0-9]+)`").FindAllStringSubmatch(cells[2], -1)
		if len(named) == 0 || !strings.Contains(cells[1], "`") {
			t.Errorf("no command or no test: %s", l)
		}
		for _, n := range named {
			if !tests[n[1]] {
				t.Errorf("there is no %s: %s", n[1], l)
			}
		}
	}
	if rows < 10 {
		t.Errorf("found %d promises; the table is read wrongly", rows)
	}
}
