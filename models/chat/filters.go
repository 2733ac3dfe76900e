package chat

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// filterFunc computes value|name(args). It takes the arguments it knows out of a.
type filterFunc func(r *run, v value, a *args) (value, error)

var filters = map[string]filterFunc{
	"abs":        filterAbs,
	"batch":      filterBatch,
	"capitalize": viaMethod("capitalize"),
	"count":      filterLength,
	"d":          filterDefault,
	"default":    filterDefault,
	"dictsort":   filterDictsort,
	"e":          filterEscape,
	"escape":     filterEscape,
	"first":      filterFirst,
	"float":      filterFloat,
	"format":     filterFormat,
	"indent":     filterIndent,
	"int":        filterInt,
	"items":      filterItems,
	"join":       filterJoin,
	"last":       filterLast,
	"length":     filterLength,
	"list":       filterList,
	"lower":      viaMethod("lower"),
	"map":        filterMap,
	"max":        filterMax,
	"min":        filterMin,
	"reject":     filterSelect(false, false),
	"rejectattr": filterSelect(true, false),
	"replace":    filterReplace,
	"reverse":    filterReverse,
	"round":      filterRound,
	"safe":       filterString,
	"select":     filterSelect(false, true),
	"selectattr": filterSelect(true, true),
	"sort":       filterSort,
	"string":     filterString,
	"sum":        filterSum,
	"title":      viaMethod("title"),
	"tojson":     filterToJSON,
	"trim":       filterTrim,
	"unique":     filterUnique,
	"upper":      viaMethod("upper"),
	"wordcount":  filterWordcount,
}

// viaMethod makes a filter of a string method without arguments.
func viaMethod(name string) filterFunc {
	return func(r *run, v value, a *args) (value, error) {
		s, err := r.text(v)
		if err != nil {
			return nil, err
		}
		return stringMethods[name](r, s, a)
	}
}

func filterAbs(r *run, v value, _ *args) (value, error) {
	n, f, isInt, ok := number(v)
	if !ok {
		return nil, fmt.Errorf("abs of a %s", typeName(v))
	}
	if isInt && n < 0 {
		return intArithmetic("-", 0, n)
	} else if isInt {
		return n, nil
	}
	if f < 0 {
		f = -f
	}
	return f, nil
}

func filterDefault(_ *run, v value, a *args) (value, error) {
	def, ok := a.arg("default_value")
	if !ok {
		def = ""
	}
	falsy := a.bool("boolean", false)
	if _, ok := v.(undefined); ok || falsy && !truth(v) {
		return def, nil
	}
	return v, nil
}

func filterEscape(r *run, v value, _ *args) (value, error) {
	s, err := r.text(v)
	if err != nil {
		return nil, err
	}
	return htmlEscaper.Replace(s), r.make(5 * len(s))
}

func filterFloat(_ *run, v value, a *args) (value, error) {
	def, ok := a.arg("default")
	if !ok {
		def = 0.0
	}
	if _, f, _, ok := number(v); ok {
		return f, nil
	}
	if s, ok := v.(string); ok {
		if f, err := strconv.ParseFloat(strings.TrimFunc(s, isSpace), 64); err == nil {
			return f, nil
		}
	}
	return def, nil
}

func filterInt(_ *run, v value, a *args) (value, error) {
	def, ok := a.arg("default")
	if !ok {
		def = int64(0)
	}
	base, err := a.int("base", 10)
	if err != nil {
		return nil, err
	}
	n, f, isInt, ok := number(v)
	if ok && isInt {
		return n, nil
	}
	if s, isText := v.(string); isText {
		s = strings.TrimFunc(s, isSpace)
		if n, err := strconv.ParseInt(s, int(max(min(base, 36), 2)), 64); err == nil {
			return n, nil
		}
		f, err = strconv.ParseFloat(s, 64)
		ok = err == nil
	}
	if ok && f > -1<<63 && f < 1<<63 {
		return int64(f), nil
	}
	return def, nil
}

func filterFormat(r *run, v value, a *args) (value, error) {
	s, err := r.text(v)
	if err != nil {
		return nil, err
	}
	values := &list{a.pos, true}
	a.pos = nil
	return r.format(s, values)
}

func filterIndent(r *run, v value, a *args) (value, error) {
	s, err := r.text(v)
	if err != nil {
		return nil, err
	}
	pad := "    "
	if w, ok := a.arg("width"); ok {
		if n, _, isInt, ok := number(w); ok && isInt && n <= maxRange {
			pad = strings.Repeat(" ", int(max(n, 0)))
		} else if pad, ok = w.(string); !ok {
			return nil, fmt.Errorf("indent by a %s", typeName(w))
		}
	}
	first, blank := a.bool("first", false), a.bool("blank", false)
	if err := r.make(len(s) + len(pad)*(1+strings.Count(s, "\n"))); err != nil {
		return nil, err
	}
	lines := strings.Split(s, "\n")
	for i, line := range lines {
		if (i > 0 || first) && (blank || line != "") {
			lines[i] = pad + line
		}
	}
	return strings.Join(lines, "\n"), nil
}

func filterLength(r *run, v value, _ *args) (value, error) {
	n, ok := length(v)
	if !ok {
		return nil, fmt.Errorf("a %s has no length", typeName(v))
	}
	return int64(n), r.work(n)
}

func filterReplace(r *run, v value, a *args) (value, error) {
	s, err := r.text(v)
	if err != nil {
		return nil, err
	}
	return replace(r, s, a)
}

// filterRound rounds to decimal places, 0..15; halves as the binary value falls.
func filterRound(_ *run, v value, a *args) (value, error) {
	_, f, _, ok := number(v)
	if !ok {
		return nil, fmt.Errorf("round of a %s", typeName(v))
	}
	places, err := a.int("precision", 0)
	if err != nil {
		return nil, err
	}
	how, err := a.str("method", "common")
	if err != nil {
		return nil, err
	}
	if places < 0 || places > 15 {
		return nil, fmt.Errorf("round to %d places, want 0 to 15", places)
	}
	scale := 1.0
	for range places {
		scale *= 10
	}
	switch how {
	case "ceil":
		return math.Ceil(f*scale) / scale, nil
	case "floor":
		return math.Floor(f*scale) / scale, nil
	case "common":
		return strconv.ParseFloat(strconv.FormatFloat(f, 'f', int(places), 64), 64)
	}
	return nil, fmt.Errorf("round method %q, want common, ceil or floor", how)
}

func filterString(r *run, v value, _ *args) (value, error) {
	return r.text(v)
}

func filterTrim(r *run, v value, a *args) (value, error) {
	s, err := r.text(v)
	if err != nil {
		return nil, err
	}
	return strip(true, true)(r, s, a)
}

func filterWordcount(r *run, v value, _ *args) (value, error) {
	s, err := r.text(v)
	if err != nil {
		return nil, err
	}
	return int64(len(strings.FieldsFunc(s, isSpace))), r.work(len(s))
}
