package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/freehold-slm/freehold/distill"
)

// Every run is a valid recipe of a name of its own; students that are held against each other see the same tokens: the
// recipes of a seed differ in student, loss, rate and rounding alone.
func TestRecipes(t *testing.T) {
	seen := map[string]bool{}
	for i := range methods {
		m := &methods[i]
		rates := m.rates
		if m.rateOf != "" {
			at := slices.IndexFunc(methods, func(o method) bool { return o.name == m.rateOf })
			if at < 0 || at > i || rates != nil {
				t.Fatalf("%s takes the rate of %s, which comes before it and has its own", m.name, m.rateOf)
			}
			rates = methods[at].rates
		}
		if at := slices.Index(ladder, rates[0]); at < 0 || !slices.Equal(rates, ladder[at:min(len(ladder), at+len(rates))]) {
			t.Errorf("%s: rates %v are no neighbours on the ladder", m.name, rates)
		}
		for _, rate := range ladder {
			for _, seed := range seeds {
				r := run{m, rate, seed}
				recipe, err := distill.ParseRecipe(r.name()+".yaml", r.recipe())
				if err != nil {
					t.Fatal(err)
				}
				if seen[r.name()] {
					t.Errorf("%s is there twice", r.name())
				}
				seen[r.name()] = true
				if tr := recipe.Train; tr.Steps != 150 || tr.Batch != 32 || tr.Seed != uint64(seed) || strconv.FormatFloat(tr.LR, 'f', -1, 64) != rate || (tr.Loss == "ce") != m.labels ||
					recipe.Data.TestRows < validation && m.rateOf == "" || recipe.Data.TestRows+recipe.Data.ValidRows != 5000 { // the rows after these are learnt from
					t.Errorf("%s: %+v", r.name(), recipe)
				}
			}
		}
	}
}

// The rate is chosen by a run's own loss on the validation rows, and no test row is asked before it is.
func TestChooseRates(t *testing.T) {
	// A student gives its label p on every row; the teacher is sure of label 0.
	at := map[string]float64{"demo-lr0.0001-s7": 0.6, "demo-lr0.0002-s7": 0.8, "demo-lr0.0005-s7": 0.7, "demo-ce-lr0.0001-s7": 0.5, "demo-ce-lr0.0002-s7": 0.9,
		"narrow-lr0.0002-s7": 0.6, "narrow-lr0.0005-s7": 0.7, "narrow-lr0.001-s7": 0.65,
		"few-lr0.001-s7": 0.7, "few-lr0.002-s7": 0.9, "few-lr0.005-s7": 0.8, "few-ce-lr0.0001-s7": 0.6, "few-ce-lr0.00005-s7": 0.7, "few-ce-lr0.00002-s7": 0.8, "few-ce-lr0.00001-s7": 0.9, "few-ce-lr0.000005-s7": 0.95} // both ways beyond the three
	tried := map[string]int{}
	ask := func(_ context.Context, r run, format string, test bool) ([]answer, error) {
		if test || format != "" || r.seed != seeds[0] {
			t.Errorf("%s is asked for test rows, a format or another seed", r.name())
		}
		tried[r.method.name]++
		p, ok := at[r.name()]
		if !ok {
			p = 0.5
		}
		return []answer{{0, []float64{p, 1 - p}, []float64{1, 0}}}, nil
	}
	var out strings.Builder
	got, err := chooseRates(t.Context(), &out, ask)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"demo": "0.0002", "demo-ce": "0.0002", "demo-q4_0": "0.0002", "narrow": "0.0005", "few": "0.002", "few-ce": "0.000005"} {
		if got[name] != want {
			t.Errorf("rate of %s is %s, want %s", name, got[name], want)
		}
	}
	if want := "map[demo:4 demo-ce:4 demo-random:4 few:5 few-ce:8 narrow:3]"; fmt.Sprint(tried) != want {
		t.Errorf("tried %v, want %s", tried, want)
	}
	if want := "| demo | 0.0002 | 0.22314 | 100.0 |"; !strings.Contains(out.String(), want) { // -ln 0.8
		t.Errorf("the table lacks %q:\n%s", want, out.String())
	}
}

// Hits, divergence and cross-entropy of a row.
func TestMeasures(t *testing.T) {
	list := []answer{{1, []float64{0.25, 0.75}, []float64{0.5, 0.5}}, {0, []float64{0.2, 0.8}, []float64{0, 1}}}
	for _, c := range []struct {
		name string
		got  []float64
		want string
	}{
		{"right", right(list), "[1.0000 0.0000]"},
		{"agreement", agreement(list), "[0.0000 1.0000]"}, // of equal ones the first
		{"divergence", divergence(list), "[0.1438 0.2231]"},
		{"surprise", surprise(list), "[1.3863 0.2231]"},
	} {
		if got := fmt.Sprintf("%.4f", c.got); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

// Every method is asked for test rows with its seeds at its rate, packed where there is something to pack, and the
// table says what they answered: means, differences with p, and what training for a format won back.
func TestTable(t *testing.T) {
	const rows = 40
	divergences := map[string]float64{"demo": 0.1, "demo, packed as q4_0": 0.5, "demo-q4_0": 0.2, "demo-q4_0-after0.5": 0.3, "narrow": 0.1, "narrow, packed as q2_k": 0.5, "narrow-q2_k-after0.5": 0.5}
	asked := map[string]int{}
	all, err := judge(t.Context(), map[string]string{"demo": "0.0002"}, func(_ context.Context, r run, format string, test bool) ([]answer, error) {
		if !test || r.method.name == "demo" && r.rate != "0.0002" {
			t.Errorf("%s is asked for validation rows, or at another rate", r.name())
		}
		name := packed(r.method.name, format)
		asked[name]++
		var list []answer
		for i := range rows {
			p, gold := 0.9, 0
			if name == "demo-random" && i < 10 {
				gold = 1
			}
			list = append(list, answer{gold, []float64{p, 1 - p}, []float64{p, 1 - p}})
			if strings.HasPrefix(name, "few-1.5b") {
				list[i].Teacher = nil // its teacher is not asked
			}
		}
		return list, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range comparisons {
		want := 1
		if c.name == "demo" || c.name == "demo-ce" || strings.HasPrefix(c.name, "few") {
			want = len(seeds)
		}
		if asked[c.name] != want {
			t.Errorf("%s is asked %d times, want %d", c.name, asked[c.name], want)
		}
		if d, ok := divergences[c.name]; ok { // of seed k it is d + k/100
			for k := range all[c.name].divergence {
				for i := range rows {
					all[c.name].divergence[k][i] = d + float64(k)/100
				}
			}
		}
	}
	var out strings.Builder
	if err := table(&out, all); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"| demo | 100.0 (100.0 to 100.0) | 100.0 (100.0 to 100.0) | 0.1100 (0.1100 to 0.1100) | | | | | | |",
		"| demo-random | 75.0 (", " demo | -25.0 (", // a quarter is wrong
		"| demo, packed as q4_0 | 100.0 (100.0 to 100.0) | 100.0 (100.0 to 100.0) | 0.5000 (0.5000 to 0.5000) | demo | +0.0 (+0.0 to +0.0) | 1.0000 | +0.0 (+0.0 to +0.0) | 1.0000 | +0.40000 (+0.40000 to +0.40000) | 0.0001 |",
		"- demo-q4_0: training for the format wins back 75 % (75 to 75) of the KL that packing loses",
		"- demo-q4_0-after0.5: training for the format wins back 50 % (50 to 50) of the KL",
		"| few-1.5b-ce | 100.0 (100.0 to 100.0) | | | few-1.5b | +0.0 (+0.0 to +0.0) | 1.0000 | | | | |\n",
		"- narrow-q2_k-after0.5: training for the format wins back 0 % (0 to 0) of the KL that packing loses",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the table lacks %q:\n%s", want, out.String())
		}
	}
	delete(all, "narrow-q2_k-after0.5")
	if err := table(&out, all); err == nil || !strings.Contains(err.Error(), "narrow-q2_k-after0.5") {
		t.Errorf("a student is missing: %v", err)
	}
}

// What was written is read again, and a damaged file is an error, not fewer rows.
func TestAnswersKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.jsonl")
	list := []answer{{1, []float64{0.25, 0.75}, []float64{0.5, 0.5}}, {0, []float64{0.2, 0.8}, []float64{0, 1}}}
	if err := writeAnswers(path, list); err != nil {
		t.Fatal(err)
	}
	if got, err := readAnswers(path); err != nil || fmt.Sprint(got) != fmt.Sprint(list) {
		t.Errorf("%v (%v), want %v", got, err, list)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b[:len(b)-9], 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := readAnswers(path); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("a line is cut: %v", err)
	}
}

// What is named is left, with the rows of the table that need nothing else.
func TestChoose(t *testing.T) {
	m, c, r := slices.Clone(methods), slices.Clone(comparisons), slices.Clone(recovered)
	defer func() { methods, comparisons, recovered = m, c, r }()
	for names, want := range map[string]string{"demo,few-": `no method "few-"`, "demo-q4_0": "rate of demo"} {
		if err := choose(names); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", names, err, want)
		}
		methods = slices.Clone(m)
	}
	if err := choose("demo,demo-q4_0,few-ce"); err != nil {
		t.Fatal(err)
	}
	if want := "[{demo } {demo, packed as q4_0 demo} {demo-q4_0 demo, packed as q4_0}]"; len(methods) != 3 || fmt.Sprint(comparisons) != want || len(recovered) != 1 {
		t.Errorf("%v, %v, %v", methods, comparisons, recovered)
	}
}
