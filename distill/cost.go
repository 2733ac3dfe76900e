package distill

import (
	_ "embed"
	"fmt"
	"reflect"

	"github.com/freehold-slm/freehold/distill/energy"
)

// EnergyUsed is what the machine used in the stages of this invocation, processors and memory whole, whoever else worked beside.
type EnergyUsed struct {
	Counters []string           `json:"counters,omitempty"` // RAPL's, such as package-0 and dram
	Why      string             `json:"why,omitempty"`      // there are none
	Joules   map[string]float64 `json:"joules,omitempty"`   // by stage
}

// ModelCost is what a million rows cost on this machine at the measured speed, and of a classifier a million tokens of its prompts.
type ModelCost struct {
	Model  string       `json:"model"` // "teacher" or "student"
	Hours  float64      `json:"hours"` // of this machine, a million rows
	KWh    *float64     `json:"kwh"`   // a million rows; null = not measured
	Rows   energy.Cost  `json:"rows"`
	Tokens *energy.Cost `json:"tokens,omitempty"`
}

// CostTable is teacher and student at given prices.
type CostTable struct {
	Prices energy.Prices `json:"prices"`
	Models []ModelCost   `json:"models"`
}

// startMeter opens the machine's energy counters; without them the run says why.
func (j *Job) startMeter() (stop func()) {
	open := j.opt.Meter
	if open == nil {
		open = func() (*energy.Meter, error) { return energy.Open("") }
	}
	m, err := open()
	j.used = &EnergyUsed{}
	if err != nil {
		j.used.Why = err.Error()
		return func() {}
	}
	j.meter, j.used.Counters, j.used.Joules = m, m.Counters(), map[string]float64{}
	return func() {
		m.Close()
		j.meter = nil
	}
}

// metered runs a stage and keeps what it used.
func (j *Job) metered(stage string, work func() error) error {
	used, err := j.meter.Of(work)
	if used != nil {
		j.used.Joules[stage] += *used
	}
	return err
}

// after adds the stages of an earlier invocation that this one did not run.
func (e *EnergyUsed) after(earlier *EnergyUsed) *EnergyUsed {
	if e == nil || len(e.Joules) == 0 && earlier != nil && len(earlier.Joules) > 0 {
		return earlier
	}
	if earlier != nil {
		for stage, used := range earlier.Joules {
			if _, ok := e.Joules[stage]; !ok {
				e.Joules[stage] = used
			}
		}
	}
	return e
}

// repriced tells whether a finished run is to be reckoned at other prices.
func (j *Job) repriced(sum *Summary) bool {
	return j.opt.Prices.Given() && (sum.Cost == nil || !reflect.DeepEqual(sum.Cost.Prices, j.opt.Prices))
}

// costTable reckons from what eval measured. Without new prices those of before count.
func (j *Job) costTable(sum *Summary) *CostTable {
	t := &CostTable{Prices: j.opt.Prices}
	if !t.Prices.Given() && sum.Cost != nil {
		t.Prices = sum.Cost.Prices
	}
	for _, m := range []struct {
		name string
		of   *ModelResult
	}{{"teacher", &sum.Teacher}, {"student", &sum.Student}} {
		if !(m.of.RowsPerS > 0) {
			return nil
		}
		c := ModelCost{Model: m.name, Hours: 1e6 / m.of.RowsPerS / 3600, Rows: t.Prices.PerMillion(m.of.RowsPerS, m.of.JoulesPerRow)}
		if m.of.JoulesPerRow != nil {
			kwh := *m.of.JoulesPerRow / 3.6 // 10^6 rows of J, 3.6 * 10^6 J a kWh
			c.KWh = &kwh
		}
		if n := m.of.TokensPerRow; n > 0 {
			var joules *float64
			if m.of.JoulesPerRow != nil {
				each := *m.of.JoulesPerRow / n
				joules = &each
			}
			tokens := t.Prices.PerMillion(m.of.RowsPerS*n, joules)
			c.Tokens = &tokens
		}
		t.Models = append(t.Models, c)
	}
	return t
}

//go:embed report_cost.tmpl.html
var costSource string

// Ratio is how many times as much the teacher costs as the student, at the measured speeds.
func (t *CostTable) Ratio() string { return fmt.Sprintf("%.1f", t.Models[0].Hours/t.Models[1].Hours) }

// amount is a number that may be unknown.
func amount(x *float64) string {
	if x == nil {
		return "unknown"
	}
	return fmt.Sprintf("%.3g", *x)
}
