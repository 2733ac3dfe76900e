package distill

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// trainKey is the hash of what the trained weights depend on: the recipe without what only other stages read, the rows
// that are learnt from, teacher and base. Runs with the same one share their weights.
func (j *Job) trainKey() string {
	r := *j.recipe
	r.Name, r.Eval, r.Quantize, r.Data, r.Student.Format = "", EvalRecipe{}, nil, DataRecipe{}, ""
	r.Teacher = r.Teacher.asked()
	r.Task.AbstainBelow, r.Task.Prompts, r.Student.Calibration = 0, nil, ""
	canonical, err := json.Marshal(&r)
	if err != nil {
		panic(fmt.Sprintf("distill: a recipe that is no JSON: %v", err)) // NewJob has written it once
	}
	parts := []string{"freehold/train/1", string(canonical), j.teacher.sha256, j.base.sha256, j.unit() + j.svd() + j.work.key()}
	parts = append(parts, j.ensembleHashes()...)
	if j.teacher.remote != nil { // which may answer otherwise the next time, so its answers are what counts
		sum, _, err := treeSum(filepath.Join(j.dir, labelsDir))
		if err != nil {
			sum = "no labels yet"
		}
		parts = append(parts, sum)
	}
	for _, row := range j.data.Train {
		parts = append(parts, row.ID, row.Text)
		if row.Corrected || r.answers() || r.Train.Gold > 0 || r.adapts() { // other labels of a classifier's rows are not learnt
			parts = append(parts, fmt.Sprintf("%d %v", row.Gold, row.Corrected), row.Answer)
			if row.Labels != nil {
				parts = append(parts, fmt.Sprint(row.Labels))
			}
		}
	}
	if j.recipe.augments() { // which made rows are learnt from rests on the labels that were meant
		a := j.recipe.Data.Augment
		parts = append(parts, fmt.Sprintf("%s %v", a.Keep, a.MinConfidence))
		for _, row := range j.made() {
			parts = append(parts, row.Made.Label)
		}
	}
	if r.keepsBest() { // by the validation rows
		for _, row := range j.data.Valid {
			parts = append(parts, "valid", row.ID, row.Text, fmt.Sprintf("%d %v", row.Gold, row.Corrected))
		}
	}
	return hashOf(parts...)
}

// adopt takes the last checkpoint over from another run of the folder that trained the same, where this run has none.
func (j *Job) adopt() error {
	own := filepath.Join(j.dir, "checkpoints")
	if steps, err := checkpoints(own); err != nil || len(steps) > 0 {
		return err
	}
	runs, err := os.ReadDir(j.opt.RunsDir)
	if err != nil {
		return err
	}
	name := checkpointName(j.steps())
	for _, run := range runs {
		from := filepath.Join(j.opt.RunsDir, run.Name())
		m, err := readManifest(filepath.Join(from, "checkpoints", name+".json"), j.steps())
		if err != nil || m.Run != j.trainKey() || run.Name() == filepath.Base(j.dir) {
			continue
		}
		weights, err := os.ReadFile(filepath.Join(from, "checkpoints", name+".gguf"))
		if err != nil || int64(len(weights)) != m.Bytes {
			continue
		}
		metrics, err := os.ReadFile(filepath.Join(from, "metrics.jsonl"))
		if err != nil {
			continue
		}
		j.event(Event{Stage: "train", Step: j.steps(), Total: j.steps(), Msg: "trained already, in run " + run.Name()})
		if err := os.MkdirAll(own, 0o777); err != nil {
			return err
		}
		if err := writeFile(j.opt.FS, filepath.Join(j.dir, "metrics.jsonl"), metrics); err != nil {
			return err
		}
		if err := writeFile(j.opt.FS, filepath.Join(own, name+".gguf"), weights); err != nil {
			return err
		}
		return writeJSON(j.opt.FS, filepath.Join(own, name+".json"), m) // last: without it there is no checkpoint
	}
	return nil
}
