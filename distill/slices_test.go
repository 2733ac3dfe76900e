package distill

import (
	"context"
	"encoding/csv"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/freehold-slm/freehold/distill/data"
)

// sliced is a job of test rows with columns, and which of them a student has right: by a share for each value of the first.
func sliced(r *rand.Rand, n int, share func(region string) float64) (j *Job, student, teacher []bool) {
	j = &Job{recipe: &Recipe{Eval: EvalRecipe{Slices: []string{"region", "year"}}}, data: &data.Set{}}
	for i := range n {
		region := []string{"north", "south", "west", ""}[i%4]
		text := strings.Repeat("x", 1+r.IntN(200))
		j.data.Test = append(j.data.Test, Row{ID: fmt.Sprint(i), Text: text, Slices: []string{region, fmt.Sprint(1990 + r.IntN(30))}})
		student, teacher = append(student, r.Float64() < share(region)), append(teacher, true)
	}
	return j, student, teacher
}

// A part that a student fails is found and named, the others are not; a student that fails nobody has a part called worse about as rarely as the level
// says, however many there are.
func TestSlices(t *testing.T) {
	r := rand.New(rand.NewPCG(21, 22))
	j, student, teacher := sliced(r, 800, func(region string) float64 {
		if region == "west" {
			return 0.6
		}
		return 0.9
	})
	all := j.slices(student, teacher)
	sum := &Summary{Slices: all}
	if bad := sum.Worse(); len(bad) != 1 || bad[0].Column != "region" || bad[0].Value != "west" || bad[0].Rows != 200 || bad[0].Accuracy >= bad[0].Rest || bad[0].Teacher != 1 {
		t.Fatalf("%+v of %+v", bad, all)
	}
	var names []string
	rows := map[string]int{}
	for _, s := range all {
		names = append(names, s.Column)
		rows[s.Column] += s.Rows
		if s.CI95[0] > s.Accuracy || s.CI95[1] < s.Accuracy || s.PHolm < s.P || s.P <= 0 {
			t.Errorf("%+v", s)
		}
	}
	if got := strings.Join(slices.Compact(names), " "); got != "length region year" || len(all) != 12 || rows["length"] != 800 || rows["region"] != 800 || rows["year"] != 800 {
		t.Errorf("%s, %d parts, %v", got, len(all), rows)
	}
	for _, s := range all { // a quarter is about a quarter; years are many numbers, so they come in quarters too
		if s.Column != "region" && (s.Rows < 150 || s.Rows > 250) || s.Column == "region" && s.Rows != 200 {
			t.Errorf("%+v", s)
		}
	}
	wrong := 0
	const runs = 40
	for range runs {
		j, student, teacher := sliced(r, 300, func(string) float64 { return 0.8 })
		if bad := (&Summary{Slices: j.slices(student, teacher)}).Worse(); len(bad) > 0 {
			wrong++
		}
	}
	if wrong > 5 { // 1 expected: half of 0.05 of 40
		t.Errorf("of %d students that fail nobody %d are said to", runs, wrong)
	}
}

// Values are grouped so that every part has rows enough to say something, and none is lost.
func TestCutSlices(t *testing.T) {
	var values []string
	for i := range 15 {
		for range 5 * (i + 1) {
			values = append(values, fmt.Sprintf("v%02d", i))
		}
	}
	order, in := cutSlices(append(values, slices.Repeat([]string{""}, 40)...), false)
	if len(order) != sliceMost+1 || order[0] != "v14" || order[sliceMost] != "(4 other values)" || !slices.Contains(order, "(none)") {
		t.Errorf("%q", order)
	}
	n := 0
	for _, v := range order {
		n += len(in[v])
	}
	if n != len(values)+40 {
		t.Errorf("%d rows of %d", n, len(values)+40)
	}
	order, in = cutSlices([]string{"1", "1", "1", "1", "1", "1", "7", "9"}, true)
	if strings.Join(order, "|") != "1 to 1|7 to 9" || len(in["1 to 1"]) != 6 {
		t.Errorf("%q", order)
	}
}

// Columns of data files come through a whole job: to the summary, its report and, in another order of values, to another run. Columns that are not there
// are refused with their name.
func TestJobSlices(t *testing.T) {
	recipe := tinyJob(t)
	test := filepath.Join(filepath.Dir(recipe), "test.jsonl")
	lines := strings.Split(strings.TrimSpace(mustRead(t, test)), "\n")
	for i := range lines {
		lines[i] = strings.Replace(lines[i], "{", fmt.Sprintf(`{"desk": %q, "year": %d, `, []string{"night", "day"}[i%3%2], 2000+i%2), 1)
	}
	write(t, test, strings.Join(lines, "\n")+"\n")
	edit(t, recipe, "eval: {", "eval: {slices: [desk, year], ")
	sum, dir := mustApply(t, recipe, Options{Threads: 2}, Stages{})
	got := map[string]int{}
	for _, s := range sum.Slices {
		got[s.Column+" "+s.Value] = s.Rows
	}
	if got["desk night"] != 40 || got["desk day"] != 20 || got["year 2000"] != 30 || got["year 2001"] != 30 || len(sum.Slices) < 6 {
		t.Errorf("%v", got)
	}
	checkPage(t, filepath.Join(dir, "report.html"), "Whom it fails", "desk night", "length ")
	write(t, test, strings.Replace(mustRead(t, test), "night", "day", 1))
	if _, other := mustApply(t, recipe, Options{Threads: 2}, Stages{Only: "label"}); other == dir {
		t.Error("another value of a column is the same run")
	}
	for _, c := range []struct{ old, new, want string }{{"[desk, year]", "[desk, town]", `"town"`}, {"[desk, town]", "[desk, desk]", "given twice"}, {"[desk, desk]", "[length]", "always there"}} {
		edit(t, recipe, c.old, c.new)
		if _, _, err := apply(context.Background(), recipe, Options{}, Stages{Only: "label"}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.new, err)
		}
	}
	table := filepath.Join(filepath.Dir(recipe), "test.csv")
	f, err := os.Create(table)
	if err != nil {
		t.Fatal(err)
	}
	w := csv.NewWriter(f)
	for i := range 30 {
		row := []string{[]string{"rise", "fall"}[i%2] + fmt.Sprint(i), []string{"up", "down"}[i%2], fmt.Sprint("desk ", i%2)}
		if i == 0 {
			row = []string{"text", "label", "desk"}
		}
		if err := w.Write(row); err != nil {
			t.Fatal(err)
		}
	}
	w.Flush()
	f.Close()
	edit(t, recipe, "[length]", "[desk]")
	edit(t, recipe, "test: test.jsonl", "test: test.csv")
	r, err := LoadRecipe(recipe)
	if err != nil {
		t.Fatal(err)
	}
	set, err := loadData(context.Background(), r)
	if err != nil || len(set.Test) != 29 || set.Test[0].Slices[0] != "desk 1" {
		t.Errorf("%v %+v", err, set.Test[0])
	}
	edit(t, recipe, "[desk]", "[dsk]")
	if r, err = LoadRecipe(recipe); err != nil {
		t.Fatal(err)
	}
	if _, err = loadData(context.Background(), r); err == nil || !strings.Contains(err.Error(), `"dsk"`) {
		t.Errorf("a column that the table lacks: %v", err)
	}
}
