package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"strings"
	"testing"

	"golang.org/x/exp/apidiff"
)

// Nothing that docs/api states is gone or changed, and all that is offered stands there.
func TestAPI(t *testing.T) {
	r, err := compare("../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range r.breaks {
		t.Error(explain(line))
	}
	if len(r.added) > 0 {
		t.Errorf("not in docs/api yet; run: make api\n\t%s", strings.Join(r.added, "\n\t"))
	}
}

const before = `package engine

import "fmt"

const Most = 8

type Kind int

const First Kind = 0

type Gen struct {
	Seed  int
	inner []int
}

func (g *Gen) Run(n int) error { return nil }

type Key struct{ a, b string }

type Expr interface{ isExpr() }

type Seq []Expr

func (Seq) isExpr() {}

type Sampler interface{ Draw() int }

type base struct{ N int }

func (*base) Promoted() {}

type Derived struct {
	*base
	fmt.Stringer
}

type List[T any] struct{ all []T }

func (l *List[T]) Get(i int) T { return l.all[i] }

func Map[A, B any](in []A, f func(A) B) (out []B) { return nil }

type Same = Gen

type option struct{ on bool }

type Option func(*option) error

var ErrGone error
`

func check(t *testing.T, text string) *types.Package {
	t.Helper()
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, "engine.go", text, 0)
	if err != nil {
		t.Fatal(err)
	}
	fmts := types.NewPackage("fmt", "fmt")
	stringer := types.NewNamed(types.NewTypeName(0, fmts, "Stringer", nil), types.NewInterfaceType(nil, nil), nil)
	fmts.Scope().Insert(stringer.Obj())
	fmts.MarkComplete()
	known := &former{now: map[string]*types.Package{"fmt": fmts}}
	p, err := (&types.Config{Importer: known, IgnoreFuncBodies: true}).Check(module+"engine", set, []*ast.File{file}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// stated is what docs/api says of a package.
func stated(t *testing.T, p *types.Package) *former {
	t.Helper()
	text, err := source(p, exported(p))
	if err != nil {
		t.Fatal(err)
	}
	old := &former{set: token.NewFileSet(), files: map[string]*ast.File{}, done: map[string]*types.Package{}, now: map[string]*types.Package{}}
	for _, i := range p.Imports() {
		old.now[i.Path()] = i
	}
	if err := old.add(p.Path(), "engine.txt", text); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return old
}

func exported(p *types.Package) (all []types.Object) {
	for _, name := range p.Scope().Names() {
		if o := p.Scope().Lookup(name); o.Exported() {
			all = append(all, o)
		}
	}
	return all
}

// What is written of a package is, to apidiff, the package itself, in both directions.
func TestWritten(t *testing.T) {
	p := check(t, before)
	written, err := stated(t, p).Import(p.Path())
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []apidiff.Report{apidiff.Changes(p, written), apidiff.Changes(written, p)} {
		if len(r.Changes) > 0 {
			t.Errorf("%s", r)
		}
	}
}

// A change that breaks programs is named, until a reason stands for it; one that does not is told as new.
func TestBreaks(t *testing.T) {
	for _, c := range []struct{ from, to, breaks, added string }{
		{"const Most = 8", "const Most = 9", "engine: Most: value changed from 8 to 9", ""},
		{"const Most = 8", "", "engine: Most: removed", ""},
		{"\tSeed  int\n", "", "engine: Gen.Seed: removed", ""},
		{"\tSeed  int\n", "\tSeed string\n", "engine: Gen.Seed: changed from int to string", ""},
		{"Run(n int) error", "Run(n int64) error", "engine: (*Gen).Run: changed from func(int) error to func(int64) error", ""},
		{"Run(n int)", "Run(n int, more ...int)", "engine: (*Gen).Run: changed from func(int) error to func(int, ...int) error", ""},
		{"Draw() int }", "Draw() int; Reset() }", "engine: Sampler.Reset: added", ""},
		{"{ a, b string }", "{ a []string }", "engine: Key: old is comparable, new is not", ""},
		{"func (*base) Promoted() {}", "", "engine: (*base).Promoted, method set of *Derived: removed", ""},
		{"f func(A) B)", "f func(B) A)", "engine: Map: changed from", ""},
		{"var ErrGone error", "func ErrGone() error { return nil }", "engine: ErrGone: changed from var to func", ""},
		{"func (Seq) isExpr() {}", "", "engine: Seq: no longer implements Expr", ""},
		{"const Most = 8", "const Most = 8\nconst Least = 1", "", "engine: Least: added"},
		{"\tSeed  int\n", "\tSeed int\n\tNew string\n", "", "engine: Gen.New: added"},
		{"type Kind int", "type Kind int\nfunc (Kind) String() string { return \"\" }", "", "engine: Kind.String: added"},
	} {
		now := check(t, strings.Replace(before, c.from, c.to, 1))
		r := stated(t, check(t, before)).against(map[string]*types.Package{now.Path(): now, "fmt": now.Imports()[0]}, "")
		breaks, added := strings.Join(r.breaks, "\n"), strings.Join(r.added, "\n")
		if !strings.HasPrefix(breaks, c.breaks) || (c.breaks == "") != (breaks == "") || added != c.added {
			t.Errorf("%q to %q:\n%s\nnew: %s\nwant %s\nnew: %s", c.from, c.to, breaks, added, c.breaks, c.added)
		}
		for _, line := range r.breaks {
			for reasons, want := range map[string]int{line + because + "it was never right\n": len(r.breaks) - 1, line + because + "\n": len(r.breaks), line + because + "REASON": len(r.breaks), line: len(r.breaks)} {
				if again := stated(t, check(t, before)).against(map[string]*types.Package{now.Path(): now, "fmt": now.Imports()[0]}, reasons); len(again.breaks) != want {
					t.Errorf("with %q %d changes break, want %d", reasons, len(again.breaks), want)
				}
			}
		}
	}
}
