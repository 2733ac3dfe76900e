package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/freehold-slm/freehold/bench"
	"github.com/freehold-slm/freehold/distill"
	"github.com/freehold-slm/freehold/distill/energy"
	"github.com/freehold-slm/freehold/distill/lineage"
)

// recipeArg says which recipe is meant.
type recipeArg struct {
	Recipe string `arg:"" optional:"" default:"freehold.yaml" env:"FREEHOLD_RECIPE" help:"Recipe, or its folder."`
}

// stageFlags say how stages of a recipe are run.
type stageFlags struct {
	jobFlags
	lockFlags
}

// jobFlags say how a recipe is run.
type jobFlags struct {
	computeFlags
	Runs string            `env:"FREEHOLD_RUNS" help:"Folder of the run folders; default: runs beside the recipe." placeholder:"DIR"`
	Run_ string            `name:"run" help:"Run folder to go on with, such as 001; default: the newest of this recipe, else a new one." placeholder:"NAME"`
	at   energy.Prices     // of a command that takes prices
	held *lineage.Enforced // of a command that runs stages
	wait time.Duration     // of one that labels: see takeOverFlag
}

// priceFlags are what the user pays; nothing is reckoned without them.
type priceFlags struct {
	PriceHour *float64 `help:"What an hour of this machine costs, in any currency: a million tokens or rows are reckoned at the measured speed." placeholder:"PRICE"`
	PriceKWh  *float64 `name:"price-kwh" help:"What a kWh costs: reckoned from the energy counters, where this machine shows them." placeholder:"PRICE"`
}

func (f *priceFlags) prices() (energy.Prices, error) {
	p := energy.Prices{Hour: f.PriceHour, KWh: f.PriceKWh}
	if err := p.Check(); err != nil {
		return p, usagef("--price-hour, --price-kwh: %v", err)
	}
	return p, nil
}

// job reads the recipe and resolves its inputs.
func (f *jobFlags) job(a *app, recipe string) (*distill.Job, error) {
	r, err := distill.LoadRecipe(recipe)
	if err != nil {
		return nil, err
	}
	return f.resolve(a, r)
}

// resolve resolves a recipe's inputs.
func (f *jobFlags) resolve(a *app, r *distill.Recipe) (*distill.Job, error) {
	o, err := f.options(a)
	if err != nil {
		return nil, err
	}
	return distill.NewJob(a.ctx, r, o)
}

// options are what the flags say, of a job that can be resumed.
func (f *jobFlags) options(a *app) (distill.Options, error) {
	level, err := f.level()
	if err != nil {
		return distill.Options{}, err
	}
	a.resumable = true
	follow := stageTimes{a: a}
	return distill.Options{
		Threads: f.Threads, RunsDir: f.Runs, Run: f.Run_, Level: level.Name, Prices: f.at, Patience: f.wait, Enforced: f.held, Offline: a.offline,
		Progress: follow.event, Warn: func(s string) { a.warn("%s", s) },
	}, nil
}

// stageTimes turns events into progress, and leaves a line for each stage that has begun.
type stageTimes struct {
	a   *app
	now int // the stage that runs, as an index of the stages; what it calls may tell of earlier ones
}

func (s *stageTimes) event(e distill.Event) {
	if i := slices.Index(distill.StageNames(), e.Stage) + 1; i > s.now {
		s.now = i
		s.a.note("%s ...", e.Stage)
	}
	s.a.progress.show(eventLine(e), false)
}

// stages runs some stages of a recipe and prints how it went. The process is locked before it opens models and rows, which strangers made.
func (f *stageFlags) stages(a *app, recipe string, st distill.Stages) error {
	r, err := distill.LoadRecipe(recipe)
	if err != nil {
		return err
	}
	if f.Runs == "" {
		f.Runs = r.RunsDir()
	}
	network := ""
	if host := r.Teacher.RemoteHost(); host != "" && !a.offline && st.Runs("label") {
		network = "the teacher is at " + host
	}
	if f.held, err = f.lock(a, f.Runs, network); err != nil {
		return err
	}
	j, err := f.resolve(a, r)
	if err != nil {
		return err
	}
	if st.Only == "" {
		plan, err := j.Plan(a.ctx)
		if err != nil {
			return err
		}
		a.note("%s\n", strings.TrimRight(plan.Text(), "\n"))
		if err := a.enough(plan); err != nil {
			return err
		}
	}
	sum, err := j.Apply(a.ctx, st)
	a.progress.clear()
	if errors.Is(err, context.Canceled) {
		err = distill.ErrInterrupted
	}
	if sum == nil {
		if err == nil {
			if a.json {
				return a.emit(stageDone{"freehold/stage/1", st.Only, j.Dir()})
			}
			a.write("%s: done, in %s\n", st.Only, j.Dir())
		}
		return err
	}
	if a.json {
		return errors.Join(a.emit(sum), err)
	}
	if j.Idle() {
		a.note("this run is finished and its files are whole: nothing to do (--from eval measures it again)\n")
	}
	a.summary(sum, j.Dir())
	return err
}

// enough refuses a job that this machine's memory cannot hold, and warns of one that may not fit.
func (a *app) enough(p *distill.Plan) error {
	m := bench.ThisMachine()
	total, free := m.RAM()
	switch {
	case total > 0 && p.RAMBytes > total:
		return &resourceError{fmt.Sprintf("the job needs up to %s of memory and this machine has %s; take a smaller teacher, or a student with fewer layers", size(p.RAMBytes), size(total))}
	case free > 0 && p.RAMBytes > free:
		a.warn("the job needs up to %s of memory, of which %s is free now", size(p.RAMBytes), size(free))
	}
	return nil
}

// stageDone is freehold/stage/1.
type stageDone struct {
	Schema string `json:"schema"`
	Stage  string `json:"stage"`
	Run    string `json:"run"`
}

// summary prints the result of a run as a table.
func (a *app) summary(s *distill.Summary, dir string) {
	model := func(role string, m distill.ModelResult) []string {
		if m.Bytes == 0 {
			return []string{role, accuracy(m.Scores), "", "", m.Name + " (remote)"}
		}
		return []string{role, accuracy(m.Scores), size(m.Bytes), fmt.Sprintf("%.0f", m.RowsPerS), m.Name}
	}
	if columns, rows := s.ScoreTable(); columns != nil {
		a.scores(columns, rows)
		if s.Answers != nil && s.Answers.Samples != nil {
			a.write("\nteacher: %s\n", s.Answers.Samples.Says())
		}
		if s.Answers != nil && s.Answers.Alignment != nil {
			a.write("\n%s\n", s.Answers.Alignment)
		}
	} else {
		a.columns([][]string{{"", "ACCURACY (95 %)", "SIZE", "ROWS/S", "MODEL"}, model("teacher", s.Teacher), model("student", s.Student),
			{"baseline", accuracy(s.Baseline), "", "", "linear bag of words on the same labels"},
			{"", accuracy(s.Pairs), "", "", "the same with word pairs"}})
		if s.Ensemble != nil {
			a.write("\n%s\n", s.Ensemble.Says(s.Teacher.Scores))
		}
		if s.Adapted != nil {
			a.write("\nteacher %s\n", s.Adapted.Says())
		}
	}
	if len(s.Gates) > 0 {
		a.write("\n")
		rows := [][]string{{"GATE", "WANT", "GOT", ""}}
		for _, g := range s.Gates {
			verdict := "passed"
			if !g.Passed {
				verdict = "FAILED"
			}
			rows = append(rows, []string{g.Metric, g.Want, fmt.Sprintf("%.4g", g.Got), verdict})
		}
		a.columns(rows)
	}
	a.tests(s.Tests)
	if s.Made != nil {
		a.write("\n%s\n", s.Made.Says())
	}
	if s.Remote != nil {
		a.write("\nremote teacher: %s\n", s.Remote.Says())
	}
	if s.Confidence != nil {
		a.write("\n%s\n", s.Confidence.Says())
	}
	if s.Calibration != nil {
		a.write("\ncalibrated: %s\n", s.Calibration.Says())
	}
	for _, w := range s.Worse() {
		a.write("\nworse on %s %s: %.1f %% of %d rows right, of the others %.1f %% (p %s, corrected for %d parts)\n", w.Column, w.Value, 100*w.Accuracy, w.Rows, 100*w.Rest, w.PValue(), len(s.Slices))
	}
	a.ladder(s)
	a.costs(s)
	if s.Answers == nil && s.Teacher.CI95[1] < s.Baseline.CI95[0] {
		a.write("\nthe teacher knows less of this task than a bag of words: say in task.prompt what the labels mean (freehold plan --probe tries prompts), take a larger one, or let it learn from your labels first (teacher.adapt)\n")
	}
	if times := stageSeconds(s); times != "" {
		a.write("\ntime: %s\n", times)
	}
	a.write("\ngate %s; everything is in %s (open report.html)\n", s.Gate, dir)
}

// scores prints a table of models.
func (a *app) scores(columns []string, rows []distill.ScoreRow) {
	table := [][]string{append([]string{""}, columns...)}
	for i := range table[0] {
		table[0][i] = strings.ToUpper(table[0][i])
	}
	for _, r := range rows {
		table = append(table, append([]string{r.Name}, r.Cells...))
	}
	a.columns(table)
}

// tests prints what paired tests say; nothing else calls a model better.
func (a *app) tests(tests []distill.Comparison) {
	if len(tests) == 0 {
		return
	}
	a.write("\n")
	rows := [][]string{{"PAIRED TEST", "DIFFERENCE (95 %)", "P", ""}}
	for _, t := range tests {
		rows = append(rows, []string{t.Says(), t.Points(), t.PValue(), t.Test})
	}
	a.columns(rows)
}

// costs prints what a million rows cost on this machine.
func (a *app) costs(s *distill.Summary) {
	if s.Cost == nil || !s.Cost.Prices.Given() {
		return
	}
	known := func(v *float64) string {
		if v == nil {
			return "unknown"
		}
		return fmt.Sprintf("%.3g", *v)
	}
	rows := [][]string{{"A MILLION ROWS", "MACHINE HOURS", "COST OF THE MACHINE", "KWH", "COST OF ELECTRICITY"}}
	for _, m := range s.Cost.Models {
		rows = append(rows, []string{m.Model, fmt.Sprintf("%.3g", m.Hours), known(m.Rows.Hour), known(m.KWh), known(m.Rows.Energy)})
	}
	a.write("\n")
	a.columns(rows)
	if s.Energy != nil && s.Energy.Why != "" && s.Cost.Prices.KWh != nil {
		a.write("energy is unknown: %s\n", s.Energy.Why)
	}
}

// ladder prints the forms of a student.
func (a *app) ladder(s *distill.Summary) {
	if len(s.Ladder) == 0 {
		return
	}
	a.write("\n")
	rows := [][]string{{"FORMAT", "SIZE", strings.ToUpper(s.ScoreName()), "MEAN " + strings.ToUpper(s.Apart()), "99.9 % " + strings.ToUpper(s.Apart()), "ROWS/S", "AGAINST F32", "P", "FILE"}}
	for _, r := range s.Ladder {
		row := []string{r.Format, size(r.Bytes), fmt.Sprintf("%.1f %%", 100*r.Score), "", "", fmt.Sprintf("%.1f", r.RowsPerS), "", "", r.File}
		if r.KL != nil {
			row[3], row[4] = fmt.Sprintf("%.2g", r.KL.Mean), fmt.Sprintf("%.2g", r.KL.P999)
		}
		if r.Test != nil {
			row[6], row[7] = r.Test.Points(), r.Test.PValue()
		}
		if r.File == "" {
			row[8] = "the weights as they were trained, not kept"
		}
		rows = append(rows, row)
	}
	a.columns(rows)
}

// stageSeconds lists how long each stage took, in their order.
func stageSeconds(s *distill.Summary) string {
	var parts []string
	sum := 0.0
	for _, name := range distill.StageNames() {
		if secs, ok := s.Seconds[name]; ok {
			parts = append(parts, name+" "+short(time.Duration(secs*float64(time.Second))))
			sum += secs
		}
	}
	if parts == nil {
		return ""
	}
	return strings.Join(parts, ", ") + "; together " + short(time.Duration(sum*float64(time.Second)))
}

func accuracy(s distill.Scores) string {
	return fmt.Sprintf("%.1f %% (%.1f to %.1f)", 100*s.Accuracy, 100*s.CI95[0], 100*s.CI95[1])
}

// eventLine renders an event of the pipeline: stage, step of total, loss, rate, time to go.
func eventLine(e distill.Event) string {
	parts := []string{fmt.Sprintf("%-8s", e.Stage)}
	if e.Total > 0 {
		parts = append(parts, fmt.Sprintf("%d/%d (%d %%)", e.Step, e.Total, 100*e.Step/e.Total))
	}
	if e.Loss != 0 {
		parts = append(parts, fmt.Sprintf("loss %.4f", e.Loss))
	}
	if e.OwnLoss != 0 {
		parts = append(parts, fmt.Sprintf("on-policy %.4f", e.OwnLoss))
	}
	if e.Rate > 0 {
		parts = append(parts, fmt.Sprintf("%.0f %s", e.Rate, e.Unit))
	}
	if e.ETA > 0 {
		parts = append(parts, "ETA "+short(e.ETA))
	}
	if e.Msg != "" {
		parts = append(parts, e.Msg)
	}
	return strings.Join(parts, "  ")
}
