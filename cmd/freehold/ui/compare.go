package ui

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// compareData are two runs beside each other.
type compareData struct {
	A, B    *run
	Fields  []field // of their recipes
	Same    int     // fields that are the same, and are not shown
	Scores  []field
	Charts  []chart
	Without []string // runs whose recipe cannot be read
	Names   []string // all runs, to choose from
	Log     bool
}

// field is a value of two runs.
type field struct {
	Name, A, B string
	Change     string // B less A, of numbers
}

func (s *Site) compare(w http.ResponseWriter, r *http.Request) {
	names, _, _ := s.dir.names()
	d := compareData{Names: names}
	for _, side := range []struct {
		key string
		to  **run
	}{{"a", &d.A}, {"b", &d.B}} {
		name := r.URL.Query().Get(side.key)
		if name == "" {
			continue
		}
		if *side.to = s.dir.open(name); *side.to == nil {
			s.problem(w, http.StatusNotFound, "There is no run %.100q in %s.", name, s.dir.path)
			return
		}
	}
	if d.A != nil && d.B != nil {
		d.fill(logarithmic(r))
	}
	s.show(w, "compare", http.StatusOK, page{Title: "Compare", Runs: s.dir.path, Data: d})
}

func (d *compareData) fill(log bool) {
	d.Log = log
	var of [2]map[string]string
	for i, r := range []*run{d.A, d.B} {
		if r.Recipe == nil {
			d.Without = append(d.Without, r.Name)
			continue
		}
		of[i] = leaves(r.Recipe)
	}
	if d.Without == nil {
		for _, k := range union(of[0], of[1]) {
			if of[0][k] == of[1][k] {
				d.Same++
				continue
			}
			d.Fields = append(d.Fields, field{Name: k, A: of[0][k], B: of[1][k]})
		}
	}
	d.Scores = compareScores(d.A, d.B)
	d.Charts = overlay(curvesOf(d.A, " first", log), curvesOf(d.B, " second", log))
}

// leaves are the values of a document by their path.
func leaves(doc any) map[string]string {
	all := map[string]string{}
	b, err := json.Marshal(doc)
	var v any
	if err != nil || json.Unmarshal(b, &v) != nil {
		return all
	}
	var walk func(path string, v any)
	walk = func(path string, v any) {
		if m, ok := v.(map[string]any); ok {
			for k, v := range m {
				walk(strings.TrimPrefix(path+"."+k, "."), v)
			}
			return
		}
		if text, ok := v.(string); ok {
			all[path] = text
		} else if b, err := json.Marshal(v); err == nil {
			all[path] = string(b)
		}
	}
	walk("", v)
	return all
}

func union(a, b map[string]string) []string {
	both := maps.Clone(a)
	maps.Copy(both, b)
	return slices.Sorted(maps.Keys(both))
}

// compareScores are the scores of two runs, as far as either has them.
func compareScores(a, b *run) (all []field) {
	type values struct {
		text  map[string]string
		value map[string]float64
	}
	var names []string
	var of [2]values
	for i, r := range []*run{a, b} {
		of[i] = values{map[string]string{}, map[string]float64{}}
		s := r.Summary
		if s == nil {
			continue
		}
		put := func(name, text string, v float64) {
			of[i].text[name], of[i].value[name] = text, v
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
		teacher, student := scoresOf(s)
		put("student, "+student.Name, student.Text, student.Of1)
		put("teacher, "+teacher.Name, teacher.Text, teacher.Of1)
		put("test rows", fmt.Sprint(s.Rows["test"]), float64(s.Rows["test"]))
		put("gate", s.Gate, 0)
		put("student's size", size(s.Student.Bytes), float64(s.Student.Bytes))
		put("student's rows/s", fmt.Sprintf("%.1f", s.Student.RowsPerS), s.Student.RowsPerS)
		for _, k := range slices.Sorted(maps.Keys(s.Metrics)) {
			if k == student.Name { // it stands above
				continue
			}
			put(k, num(s.Metrics[k]), s.Metrics[k])
		}
	}
	for _, n := range names {
		f := field{Name: n, A: of[0].text[n], B: of[1].text[n]}
		if d := of[1].value[n] - of[0].value[n]; f.A != "" && f.B != "" && d != 0 {
			f.Change = fmt.Sprintf("%+.4g", d)
			if strings.HasSuffix(f.A, "%") {
				f.Change = fmt.Sprintf("%+.1f points", 100*d)
			} else if n == "student's size" {
				f.Change = fmt.Sprintf("%+.0f %%", 100*d/of[0].value[n])
			}
		}
		all = append(all, f)
	}
	return all
}
