package main

import (
	"go/types"
	"slices"
	"strings"
)

const module = "github.com/freehold-slm/freehold/"

// roots are the packages that are meant for other programs. Of the module's other packages those types count that these hand out or take.
var roots = []string{"engine", "engine/grammar", "engine/server"}

// opaque are types of the arithmetic's inside, which programs only pass on: nothing is promised of what they hold.
var opaque = []string{"kernels.Level", "kernels.Router", "models.Program"}

func isOpaque(t *types.TypeName) bool {
	return slices.Contains(opaque, strings.TrimPrefix(t.Pkg().Path(), module)+"."+t.Name())
}

// offered are the objects of each of the module's packages that a program can get hold of by way of the roots.
func offered(packages map[string]*types.Package) map[string][]types.Object {
	all := map[string]map[types.Object]bool{}
	var todo []types.Object
	add := func(o types.Object) {
		if o.Pkg() == nil || !strings.HasPrefix(o.Pkg().Path(), module) {
			return
		}
		path := strings.TrimPrefix(o.Pkg().Path(), module)
		if all[path] == nil {
			all[path] = map[types.Object]bool{}
		}
		if !all[path][o] {
			all[path][o] = true
			todo = append(todo, o)
		}
	}
	name := func(t *types.TypeName) { add(t) }
	for _, path := range roots {
		scope := packages[module+path].Scope()
		for _, name := range scope.Names() {
			if o := scope.Lookup(name); o.Exported() {
				add(o)
			}
		}
	}
	for len(todo) > 0 {
		o := todo[0]
		todo = todo[1:]
		t, ok := o.(*types.TypeName)
		if !ok {
			mentions(o.Type(), name)
			continue
		}
		named, ok := t.Type().(*types.Named)
		if !ok {
			mentions(types.Unalias(t.Type()), name)
			continue
		}
		of := t.Pkg().Scope()
		for _, name := range of.Names() { // values of an enumeration, and functions that make one
			switch o := of.Lookup(name).(type) {
			case *types.Const:
				if o.Exported() && types.Identical(o.Type(), named) {
					add(o)
				}
			case *types.Func:
				if o.Exported() && makes(o, named) {
					add(o)
				}
			}
		}
		if isOpaque(t) {
			continue
		}
		under := named.Underlying()
		if s, ok := under.(*types.Struct); ok {
			under = shown(s, t.Pkg())
		}
		mentions(under, name)
		for m := range named.Methods() {
			if m.Exported() {
				mentions(m.Type(), name)
			}
		}
	}
	sorted := map[string][]types.Object{}
	for path, set := range all {
		for o := range set {
			sorted[path] = append(sorted[path], o)
		}
		slices.SortFunc(sorted[path], func(a, b types.Object) int { return strings.Compare(a.Name(), b.Name()) })
	}
	return sorted
}

// makes tells whether a function gives a value of a type, or a pointer to one.
func makes(f *types.Func, t types.Type) bool {
	for v := range f.Signature().Results().Variables() {
		if types.Identical(v.Type(), t) || types.Identical(v.Type(), types.NewPointer(t)) {
			return true
		}
	}
	return false
}

// mentions calls f for each type that has a name and stands in t.
func mentions(t types.Type, f func(*types.TypeName)) {
	tuple := func(all *types.Tuple) {
		for v := range all.Variables() {
			mentions(v.Type(), f)
		}
	}
	switch t := t.(type) {
	case *types.Alias:
		f(t.Obj())
	case *types.Named:
		f(t.Obj())
		for a := range t.TypeArgs().Types() {
			mentions(a, f)
		}
	case *types.Pointer:
		mentions(t.Elem(), f)
	case *types.Slice:
		mentions(t.Elem(), f)
	case *types.Array:
		mentions(t.Elem(), f)
	case *types.Chan:
		mentions(t.Elem(), f)
	case *types.Map:
		mentions(t.Key(), f)
		mentions(t.Elem(), f)
	case *types.Signature:
		tuple(t.Params())
		tuple(t.Results())
		for p := range t.TypeParams().TypeParams() {
			mentions(p.Constraint(), f)
		}
	case *types.Struct:
		for v := range t.Fields() {
			mentions(v.Type(), f)
		}
	case *types.Interface:
		for e := range t.EmbeddedTypes() {
			mentions(e, f)
		}
		for m := range t.ExplicitMethods() {
			mentions(m.Type(), f)
		}
	case *types.Union:
		for term := range t.Terms() {
			mentions(term.Type(), f)
		}
	}
}
