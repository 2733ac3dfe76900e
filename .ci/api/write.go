package main

import (
	"bytes"
	"fmt"
	"go/constant"
	"go/format"
	"go/types"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// writer writes what a package offers as Go source: declarations without bodies, sorted, with one field in place of all that a struct hides. That is what apidiff is given
// as the package's former self, and what a reviewer reads.
type writer struct {
	pkg     *types.Package
	imports map[string]string // path -> name
	todo    []*types.TypeName
	seen    map[*types.TypeName]bool
	out     bytes.Buffer
}

// source is the text of objects of a package, and of all its types that these need.
func source(pkg *types.Package, offered []types.Object) ([]byte, error) {
	w := &writer{pkg: pkg, imports: map[string]string{}, seen: map[*types.TypeName]bool{}}
	for _, o := range offered {
		switch o := o.(type) {
		case *types.TypeName:
			w.need(o)
		case *types.Const:
			typed := ""
			if named, ok := o.Type().(*types.Named); ok {
				typed = " " + w.text(named)
			} else if basic, ok := o.Type().(*types.Basic); ok && basic.Info()&types.IsUntyped == 0 {
				typed = " " + basic.Name()
			}
			if o.Val().Kind() == constant.Float && strings.Contains(o.Val().ExactString(), "/") {
				return nil, fmt.Errorf("%s.%s is a fraction, which is not written yet", pkg.Path(), o.Name())
			}
			fmt.Fprintf(&w.out, "const %s%s = %s\n", o.Name(), typed, o.Val().ExactString())
		case *types.Var:
			fmt.Fprintf(&w.out, "var %s %s\n", o.Name(), w.text(o.Type()))
		case *types.Func:
			fmt.Fprintf(&w.out, "func %s%s%s%s\n", o.Name(), w.params(o.Signature().TypeParams()), w.signature(o), body(o))
		}
	}
	for len(w.todo) > 0 {
		next := slices.MinFunc(w.todo, func(a, b *types.TypeName) int { return strings.Compare(a.Name(), b.Name()) })
		w.todo = slices.DeleteFunc(w.todo, func(t *types.TypeName) bool { return t == next })
		w.declare(next)
	}
	var head bytes.Buffer
	fmt.Fprintf(&head, "package %s\n\n", pkg.Name())
	for _, path := range slices.Sorted(maps.Keys(w.imports)) {
		fmt.Fprintf(&head, "import %s %q\n", w.imports[path], path)
	}
	return format.Source(append(append(head.Bytes(), '\n'), w.out.Bytes()...))
}

// need has a type declared.
func (w *writer) need(t *types.TypeName) {
	if !w.seen[t] {
		w.seen[t] = true
		w.todo = append(w.todo, t)
	}
}

// declare writes a type and its methods.
func (w *writer) declare(t *types.TypeName) {
	if t.IsAlias() {
		fmt.Fprintf(&w.out, "\ntype %s = %s\n", t.Name(), w.text(types.Unalias(t.Type())))
		return
	}
	named := t.Type().(*types.Named)
	if isOpaque(t) {
		fmt.Fprintf(&w.out, "\ntype %s struct{ hidden [0]func() }\n", t.Name())
		return
	}
	under := named.Underlying()
	if s, ok := under.(*types.Struct); ok {
		under = shown(s, w.pkg)
	}
	fmt.Fprintf(&w.out, "\ntype %s%s %s\n", t.Name(), w.params(named.TypeParams()), w.text(under))
	methods := slices.SortedFunc(named.Methods(), func(a, b *types.Func) int { return strings.Compare(a.Name(), b.Name()) })
	for _, m := range methods {
		if m.Exported() || w.sealing(m.Name()) {
			fmt.Fprintf(&w.out, "func (%s) %s%s%s\n", w.text(m.Signature().Recv().Type()), m.Name(), w.signature(m), body(m))
		}
	}
}

// body is what Go wants of functions with type parameters.
func body(f *types.Func) string {
	if s := f.Signature(); s.TypeParams().Len() > 0 || s.RecvTypeParams().Len() > 0 {
		return " { panic(0) }"
	}
	return ""
}

// params are the type parameters of a declaration.
func (w *writer) params(list *types.TypeParamList) string {
	if list.Len() == 0 {
		return ""
	}
	var all []string
	for p := range list.TypeParams() {
		all = append(all, p.Obj().Name()+" "+w.text(p.Constraint()))
	}
	return "[" + strings.Join(all, ", ") + "]"
}

// signature is what stands behind a function's name and type parameters.
func (w *writer) signature(f *types.Func) string {
	s := f.Signature()
	return strings.TrimPrefix(w.text(types.NewSignatureType(nil, nil, nil, s.Params(), s.Results(), s.Variadic())), "func")
}

// sealing tells whether a hidden method is one of the package's interfaces': the types that have it are all that there are of these.
func (w *writer) sealing(method string) bool {
	for _, name := range w.pkg.Scope().Names() {
		if i, ok := w.pkg.Scope().Lookup(name).Type().Underlying().(*types.Interface); ok {
			for m := range i.Methods() {
				if m.Name() == method && !m.Exported() {
					return true
				}
			}
		}
	}
	return false
}

// shown is a struct with one field in place of those that it hides; what is compared by == stays so.
func shown(s *types.Struct, in *types.Package) *types.Struct {
	var fields []*types.Var
	var tags []string
	var hidden types.Type
	for i := range s.NumFields() {
		f := s.Field(i)
		if f.Exported() || f.Embedded() {
			fields, tags = append(fields, f), append(tags, s.Tag(i))
		} else if hidden == nil || !types.Comparable(f.Type()) {
			if hidden = types.Typ[types.Int]; !types.Comparable(f.Type()) {
				hidden = types.NewArray(types.NewSignatureType(nil, nil, nil, nil, nil, false), 0)
			}
		}
	}
	if hidden != nil {
		fields, tags = append(fields, types.NewField(0, in, "hidden", hidden, false)), append(tags, "")
	}
	return types.NewStruct(fields, tags)
}

// unnamed are the names that the compiler gives to results that have none.
var unnamed = regexp.MustCompile(`#rv\d+ `)

// text writes a type in the words of the package, and sees to it that what it names is there.
func (w *writer) text(t types.Type) string {
	mentions(t, func(o *types.TypeName) {
		if o.Pkg() == w.pkg {
			w.need(o)
		}
	})
	text := types.TypeString(t, func(p *types.Package) string {
		if p == w.pkg {
			return ""
		}
		w.imports[p.Path()] = p.Name()
		return p.Name()
	})
	return unnamed.ReplaceAllString(text, "")
}
