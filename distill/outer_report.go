package distill

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"github.com/freehold-slm/freehold/distill/claims"
	"github.com/freehold-slm/freehold/distill/lineage"
)

// done counts the steps, of all replicas, that were there when a replica begins its round.
func (o *outerTraining) done(round int) int {
	steps := (round - 1) * o.recipe.InnerSteps * o.recipe.Replicas
	for r := 1; r <= o.recipe.Replicas; r++ {
		if m, err := o.files.manifest(round, r); err == nil {
			steps += len(m.Steps)
		}
	}
	if o.beganWith < 0 {
		o.began, o.beganWith = time.Now(), steps
	}
	return steps
}

// report tells of a step. How long it will take is by what all who are at the run did since this job began.
func (o *outerTraining) report(done int, line metric, took time.Duration) {
	all := o.t.Steps * o.recipe.Replicas
	perStep := time.Since(o.began) / time.Duration(max(1, done-o.beganWith))
	o.j.event(Event{Stage: "train", Step: min(done, all), Total: all, Loss: line.Loss, Rate: float64(line.Tokens) / took.Seconds(), Unit: "tok/s", ETA: (time.Duration(max(0, all-done)) * perStep).Round(time.Second)})
}

// writeMetrics writes metrics.jsonl, of all rounds that are over.
func (o *outerTraining) writeMetrics() error {
	var text strings.Builder
	for n := 1; n <= o.state.round; n++ {
		m, err := o.files.manifest(n, 0)
		if err != nil {
			var broken *damage
			if errors.As(err, &broken) || errors.Is(err, fs.ErrNotExist) {
				return &DataError{File: o.files.base(n, 0) + ".json", Msg: "what happened in an earlier round cannot be read: " + strings.TrimPrefix(errText(err), o.files.base(n, 0)+".json: "), Fix: "take the folder " + o.files.dir + " away: training begins anew"}
			}
			return err
		}
		for _, line := range m.Steps {
			b, err := json.Marshal(line)
			if err != nil {
				return err
			}
			text.Write(append(b, '\n'))
		}
		if n == o.state.round {
			end := m.Steps[len(m.Steps)-1]
			said := fmt.Sprintf("round %d of %d: loss %.4g", n, o.rounds, end.Loss)
			if end.Valid != 0 {
				said += fmt.Sprintf(", of the validation rows %.4g", end.Valid)
			}
			done := min(n*o.recipe.InnerSteps, o.t.Steps) * o.recipe.Replicas
			o.j.event(Event{Stage: "train", Step: done, Total: o.t.Steps * o.recipe.Replicas, Loss: end.Loss, Msg: said})
		}
	}
	return writeFile(o.j.opt.FS, filepath.Join(o.j.dir, "metrics.jsonl"), []byte(text.String()))
}

// notice takes note of what workers said that they did, for the lineage.
func (o *outerTraining) notice() {
	o.j.trainers = nil
	for _, r := range claims.Records(filepath.Join(o.files.dir, claimsDir)) {
		w := lineage.Worker{Units: r.Units}
		if json.Unmarshal([]byte(r.Head), &w.Maker) == nil {
			o.j.trainers = append(o.j.trainers, w)
		}
	}
}
