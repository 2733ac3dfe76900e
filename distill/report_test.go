package distill

import (
	"strings"
	"testing"
)

// A teacher that has no test row right gets a report like any other: there is nothing that the student could keep of its accuracy.
func TestReportNothingRight(t *testing.T) {
	recipe := tinyJob(t)
	mustApply(t, recipe, Options{}, Stages{})
	r, err := LoadRecipe(recipe)
	if err != nil {
		t.Fatal(err)
	}
	j, err := NewJob(t.Context(), r, Options{})
	if err != nil {
		t.Fatal(err)
	}
	sum, err := readSummary(j.Dir())
	if err != nil {
		t.Fatal(err)
	}
	sum.Teacher.Accuracy, sum.Student.Accuracy = 0, 0
	delete(sum.Metrics, "retention") // as eval does with 0/0
	page, err := j.report(sum)
	if err != nil || !strings.Contains(string(page), "The teacher had no row right") {
		t.Errorf("%v\n%.1500s", err, page)
	}
}
