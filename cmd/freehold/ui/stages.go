package ui

import (
	"slices"
	"time"

	"github.com/freehold-slm/freehold/distill"
)

// stage is how far a stage of a run is, by its events.
type stage struct {
	Name        string
	Began, Last time.Time
	Step, Total int
	Loss, Rate  float64
	Unit        string
	ETA         time.Duration
	Msg         string
	State       string // waits, running, done, stopped
}

const mostStages = 32 // a hostile file may name any number

// follow takes an event in.
func (l *logs) follow(e distill.RunEvent) {
	at := slices.IndexFunc(l.stages, func(s stage) bool { return s.Name == e.Stage })
	if e.Stage != "" && at < 0 && len(l.stages) < mostStages && (e.Kind == "stage" || e.Kind == "progress") {
		l.stages, at = append(l.stages, stage{Name: e.Stage, Began: e.Time}), len(l.stages)
	}
	close := func(state string) {
		for i := range l.stages {
			if s := &l.stages[i]; s.State == running {
				s.State, s.ETA, s.Last = state, 0, e.Time
			}
		}
	}
	switch {
	case e.Kind == "begin": // again, after it was killed
		close("stopped")
	case e.Kind == "stage" && at >= 0:
		close("done")
		l.stages[at] = stage{Name: e.Stage, Began: e.Time, Last: e.Time, State: running}
	case e.Kind == "progress" && at >= 0:
		s := &l.stages[at]
		s.Last, s.State = e.Time, running
		if e.Total > 0 && e.Total < 1<<40 && e.Step >= 0 && e.Step <= e.Total {
			s.Step, s.Total = e.Step, e.Total
		}
		if e.Rate > 0 {
			s.Rate, s.Unit = e.Rate, e.Unit
		}
		if e.Loss != 0 {
			s.Loss = e.Loss
		}
		if s.ETA = 0; e.ETA > 0 && e.ETA < 1e8 {
			s.ETA = time.Duration(e.ETA * float64(time.Second))
		}
		if e.Msg != "" {
			s.Msg = e.Msg
		}
	case e.Kind == "alive" && at >= 0 && l.stages[at].State == running: // time has passed since it said how long it would take
		s := &l.stages[at]
		s.ETA, s.Last = max(0, s.ETA-max(0, e.Time.Sub(s.Last))), e.Time
	case e.Kind == "end" && (e.State == "done" || e.State == gateFailed):
		close("done")
	case e.Kind == "end":
		close("stopped")
	}
}

// stagesOf are the stages of a run in their order, those to come too; nil = it has no events.
func (r *run) stagesOf() []stage {
	if r.Last == nil {
		return nil
	}
	r.logs.events.mu.Lock()
	seen := slices.Clone(r.logs.stages)
	r.logs.events.mu.Unlock()
	var all []stage
	for _, name := range distill.StageNames() {
		i := slices.IndexFunc(seen, func(s stage) bool { return s.Name == name })
		switch {
		case i >= 0:
			all = append(all, seen[i])
		case name == "adapt" && (r.Recipe == nil || r.Recipe.Teacher.Adapt.Rows == 0), name == "quantize" && (r.Recipe == nil || len(r.Recipe.Quantize) == 0), r.State != running:
		default:
			all = append(all, stage{Name: name, State: "waits"})
		}
	}
	if r.State == silent {
		for i := range all {
			if all[i].State == running {
				all[i].State, all[i].ETA = "stopped", 0
			}
		}
	}
	return all
}

// Took is how long a stage ran, as far as it is known.
func (s stage) Took() time.Duration { return s.Last.Sub(s.Began).Round(time.Second) }

// Percent is how much of the stage is done; -1 = it does not say.
func (s stage) Percent() int {
	switch {
	case s.State == "done":
		return 100
	case s.Total > 0:
		return 100 * s.Step / s.Total
	}
	return -1
}
