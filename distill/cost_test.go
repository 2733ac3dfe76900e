package distill

import (
	"encoding/json"
	"math"
	"path/filepath"
	"strings"
	"testing"

	"github.com/freehold-slm/freehold/distill/energy"
)

// counting is a meter that rises by a joule whenever it is read: what is read before and after uses one.
func counting() (*energy.Meter, error) {
	n := 0.0
	return energy.NewMeter([]string{"package-0"}, func() (float64, error) { n++; return n, nil }), nil
}

// A run on a machine with counters says what its stages and a row used, one on a machine without says why not; costs are there where a price is, are those of
// the measured figures, and are reckoned anew for other prices without anything else being done again.
func TestJobCost(t *testing.T) {
	recipe := tinyJobOf(t, 64, 32)
	none := func() (*energy.Meter, error) { return energy.Open(filepath.Join(t.TempDir(), "none")) }
	sum, dir := mustApply(t, recipe, Options{Threads: 2, Meter: none}, Stages{})
	if sum.Student.JoulesPerRow != nil || sum.Energy == nil || sum.Energy.Joules != nil || !strings.Contains(sum.Energy.Why, "is not there") {
		t.Errorf("%+v %v", sum.Energy, sum.Student.JoulesPerRow)
	}
	if c := sum.Cost; c == nil || len(c.Models) != 2 || c.Models[0].Rows.Hour != nil || c.Models[1].Rows.Energy != nil || c.Models[1].KWh != nil || !(c.Models[1].Hours > 0) {
		t.Errorf("%+v", c)
	}
	checkPage(t, filepath.Join(dir, "report.html"), "What it costs", "No price was given", "Energy is unknown: ", "is not there")
	if b := mustRead(t, filepath.Join(dir, "summary.json")); !strings.Contains(b, `"joules_per_row": null`) {
		t.Errorf("%s", b)
	}

	hour, kwh := 2.0, 0.3
	model := sha(t, filepath.Join(dir, "model.gguf"))
	asked := false
	o := Options{Threads: 2, Meter: none, Prices: energy.Prices{Hour: &hour, KWh: &kwh}, Progress: func(e Event) { asked = asked || e.Stage == "eval" }}
	again, same := mustApply(t, recipe, o, Stages{})
	if same != dir || asked || sha(t, filepath.Join(dir, "model.gguf")) != model || again.Student.RowsPerS != sum.Student.RowsPerS {
		t.Errorf("other prices in %s, was %s; measured again: %v", same, dir, asked)
	}
	for i, m := range []ModelResult{again.Teacher, again.Student} {
		c := again.Cost.Models[i]
		if want := hour / 3600 / m.RowsPerS * 1e6; c.Rows.Hour == nil || math.Abs(*c.Rows.Hour/want-1) > 1e-9 || c.Rows.Energy != nil {
			t.Errorf("%+v, want %v", c, want)
		}
		if want := hour / 3600 / m.RowsPerS / m.TokensPerRow * 1e6; c.Tokens == nil || math.Abs(*c.Tokens.Hour/want-1) > 1e-9 {
			t.Errorf("%+v, want %v a million tokens", c.Tokens, want)
		}
	}
	checkPage(t, filepath.Join(dir, "report.html"), "2 an hour", "0.3 a kWh", "unknown")
	o.Prices = energy.Prices{}
	if kept, _ := mustApply(t, recipe, o, Stages{From: "report"}); kept.Cost.Prices.Hour == nil || *kept.Cost.Prices.Hour != hour {
		t.Errorf("without new prices: %+v", kept.Cost)
	}

	power := Options{Threads: 2, Meter: counting, RunsDir: t.TempDir(), Prices: energy.Prices{KWh: &kwh}}
	sum, _ = mustApply(t, recipe, power, Stages{})
	for _, stage := range []string{"label", "train", "eval"} {
		if want := map[string]float64{"label": 1, "train": 1, "eval": 1 + 2*2*speedRounds + 2}[stage]; sum.Energy.Joules[stage] != want {
			t.Errorf("%s: %+v", stage, sum.Energy)
		}
	}
	row, c := sum.Student.JoulesPerRow, sum.Cost.Models[1]
	if row == nil || *row != 1./32 || c.KWh == nil || math.Abs(*c.KWh/(*row/3.6)-1) > 1e-9 || c.Rows.Energy == nil || math.Abs(*c.Rows.Energy/(*c.KWh*kwh)-1) > 1e-9 || c.Rows.Hour != nil {
		t.Errorf("%v %+v", row, c)
	}
	if strings.Join(sum.Energy.Counters, " ") != "package-0" || sum.Energy.Why != "" {
		t.Errorf("%+v", sum.Energy)
	}
}

// What an invocation did not run keeps the energy of the one that did.
func TestEnergyAfter(t *testing.T) {
	for _, c := range []struct{ now, before, want string }{
		{`{"joules":{"eval":2}}`, `{"joules":{"train":5,"eval":1}}`, `{"joules":{"eval":2,"train":5}}`},
		{`{"why":"none"}`, `{"joules":{"train":5}}`, `{"joules":{"train":5}}`},
		{`{"why":"none"}`, `null`, `{"why":"none"}`},
		{`null`, `{"why":"none"}`, `{"why":"none"}`},
	} {
		var now, before *EnergyUsed
		if json.Unmarshal([]byte(c.now), &now) != nil || json.Unmarshal([]byte(c.before), &before) != nil {
			t.Fatal(c)
		}
		if got, err := json.Marshal(now.after(before)); err != nil || string(got) != c.want {
			t.Errorf("%s after %s: %s, want %s", c.now, c.before, got, c.want)
		}
	}
}
