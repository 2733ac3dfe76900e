package distill

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/freehold-slm/freehold/distill/claims"
)

// outerTraining is training with replicas as this job does it, alone or with others that see the run's folder. A unit of work is a replica's round, or the step of the outer optimiser
// after it: what it makes is a function of files that are there, so that anyone may do it, and twice does no harm (see share).
type outerTraining struct {
	j      *Job
	t      *Trainer
	g      *Graph
	recipe OuterRecipe
	rounds int
	rows   [][]Example // [replica - 1]
	learnt []*Param
	files  *outerFiles
	state  *outerState
	kept   bool // state has its momentum, and the best weights, too
	last   int  // the replica that this job did last
	broken int  // files that were found damaged

	began     time.Time // and how many steps there were then
	beganWith int
}

// errBroken says that something was found damaged and taken away: what is whole has to be looked for again.
var errBroken = errors.New("a file of a round was damaged")

// errNoRound says that rounds were there and are not: apply has ended the run, or all are damaged.
var errNoRound = errors.New("no round is whole any more")

// brokenMost is after how many damaged files a job gives up: they would be made anew without an end.
const brokenMost = 20

// trainOuter trains t's student by replicas. A worker ends when the last round is over; apply goes on to the trained student's checkpoint.
func (j *Job) trainOuter(ctx context.Context, t *Trainer) error {
	r := j.recipe.Train.Outer
	o := &outerTraining{j: j, t: t, recipe: r, rounds: r.rounds(j.steps()), files: &outerFiles{filepath.Join(j.dir, outerDir), t.Run, ownNames{j.opt.FS, j.id}}, began: time.Now(), beganWith: -1}
	for i := range r.Replicas {
		var own []Example
		for _, row := range r.slice(t.Seed, i+1, len(t.Data)) {
			own = append(own, t.Data[row])
		}
		if len(own) == 0 {
			return &DataError{File: j.recipe.file, Msg: fmt.Sprintf("%d training rows are not enough for %d replicas", len(t.Data), r.Replicas), Fix: "give more rows, or lower train.outer.replicas"}
		}
		o.rows = append(o.rows, own)
	}
	t.Steps = r.steps(j.steps())
	t.Opt.Schedule.Steps, t.QuantizeFrom = t.Steps, int(math.Ceil(j.recipe.Train.After*float64(t.Steps)))
	if done, err := o.finished(); done || err != nil {
		return err
	}
	var err error
	if err = t.Opt.Prepare(t.Student); err != nil {
		return err
	}
	if t.Valid != nil {
		t.Student.keepBest()
	}
	if o.g, err = t.begin(); err != nil {
		return err
	}
	o.learnt = t.Student.learning()
	o.state, o.kept = newOuterState(o.learnt), true
	if err := os.MkdirAll(o.files.dir, 0o777); err != nil {
		return err
	}
	var gone []string
	if j.kind == applyKind {
		gone = []string{applyKind}
	}
	c := claims.Join(filepath.Join(o.files.dir, claimsDir), j.kind, j.opt.Patience, gone...)
	defer func() { // a folder that apply took away meanwhile is not left behind anew, for claims alone
		c.Leave()
		_ = os.Remove(filepath.Join(o.files.dir, claimsDir))
		_ = os.Remove(o.files.dir)
	}()
	for {
		newest, err := o.files.newest()
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err != nil || newest == 0 { // nobody has begun, apply has ended the run, or somebody took the rounds away
			if done, err := o.finished(); done || err != nil {
				return err
			}
			if err := os.MkdirAll(o.files.dir, 0o777); err != nil {
				return err
			}
		}
		err = o.find()
		if errors.Is(err, errNoRound) {
			if done, err := o.finished(); done || err != nil {
				return err
			}
			return &DataError{File: o.files.dir, Msg: "no round is whole any more", Fix: "run it again: it begins with the student as it was made"}
		}
		if err == nil && j.kind == applyKind {
			err = o.writeMetrics()
		}
		if err == nil && o.state.round == o.rounds {
			break
		}
		if err == nil {
			err = o.shareRound(ctx, c)
		}
		if err != nil && !errors.Is(err, errBroken) && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if j.kind == workerKind {
		return nil
	}
	return o.finish()
}

// finished loads the trained student where there is one.
func (o *outerTraining) finished() (bool, error) {
	j, t := o.j, o.t
	if t.Valid != nil {
		t.Student.keepBest()
	}
	moments := make([][]Moment, len(t.Student.Params)) // a trained student's checkpoint has none
	for i, p := range t.Student.Params {
		moments[i], p.Moments = p.Moments, nil
	}
	m, found, err := loadCheckpoint(filepath.Join(j.dir, "checkpoints"), t.Run, t.Student, j.warn)
	if err != nil || !found || m.Step < j.steps() {
		for i, p := range t.Student.Params {
			p.Moments = moments[i]
		}
		return false, err
	}
	if t.Best, t.BestStep = m.Best, m.BestStep; t.BestStep > 0 {
		t.Student.useBest()
	}
	o.notice()
	return true, nil
}

// finish makes a checkpoint of what the last round came to.
func (o *outerTraining) finish() error {
	j, t := o.j, o.t
	m := o.state.manifest
	if err := o.remember(); err != nil {
		return err
	}
	for i, p := range o.learnt {
		copy(p.W, o.state.weights[i])
		p.Moments = nil
	}
	dir := filepath.Join(j.dir, "checkpoints")
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	err := saveCheckpoint(j.opt.FS, dir, t.Student, checkpointManifest{Step: j.steps(), Run: t.Run, Skipped: m.Skipped, Loss: m.Steps[len(m.Steps)-1].Loss, BestStep: m.BestStep, Best: m.Best}, 0)
	if err != nil {
		return err
	}
	if t.Best, t.BestStep = m.Best, m.BestStep; t.BestStep > 0 {
		t.Student.useBest()
	}
	o.notice()
	return nil
}

// endRounds takes the rounds away, all at once: a worker that looks for the newest just then finds either all or none, never a half.
func (j *Job) endRounds() error {
	dir, away := filepath.Join(j.dir, outerDir), filepath.Join(j.dir, "checkpoints", outerDir+".tmp")
	if err := os.RemoveAll(away); err != nil { // of a job that was killed here
		return err
	}
	if err := os.Rename(dir, away); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.RemoveAll(away)
}

// find makes state that of the newest round whose files are whole; errNoRound where there is none, and this job knows of one.
func (o *outerTraining) find() error {
	newest, err := o.files.newest()
	if err != nil {
		return err
	}
	for n := newest; n > 0; n-- {
		if n == o.state.round {
			return nil
		}
		err := o.load(n)
		var wrong *DataError
		switch {
		case err == nil || errors.As(err, &wrong):
			return err
		case errors.Is(err, fs.ErrNotExist): // the others have gone on since, or it was taken away
			if now, err := o.files.newest(); err != nil || now > n {
				return errors.Join(err, errBroken)
			}
		}
		if err := o.breaks(n, 0, err); !errors.Is(err, errBroken) {
			return err
		}
	}
	if o.state.round == 0 {
		return nil
	}
	return errNoRound
}

// load reads what a round left.
func (o *outerTraining) load(round int) error {
	m, err := o.files.whole(round, 0)
	if err != nil {
		return err
	}
	for r := 1; r <= o.recipe.Replicas && round < o.rounds; r++ { // without what the replicas' optimisers keep there is no next round
		if _, err := o.files.whole(round, r); err != nil {
			return err
		}
	}
	o.state.round, o.kept = -1, false // until all of it is read
	if err := o.read(weightsPath(o.files.base(round, 0)), m.Weights, o.tensors("w", o.state.weights)); err != nil {
		return err
	}
	o.state.round, o.state.manifest = round, m
	return nil
}

// read is readTensors, whose errors are damage but for a file that is not there.
func (o *outerTraining) read(path string, want FileHash, all []tensor) error {
	err := readTensors(path, want.SHA256, all)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return &damage{path, strings.TrimPrefix(err.Error(), path+": ")}
	}
	return err
}

// remember reads what the outer optimiser keeps beside the weights, where this job did not compute it.
func (o *outerTraining) remember() error {
	if o.kept {
		return nil
	}
	if o.state.round == 0 {
		panic("distill: the first round's momentum is not known")
	}
	if err := o.read(keptPath(o.files.base(o.state.round, 0), 0), o.state.manifest.Kept, o.keptTensors()); err != nil {
		return err
	}
	o.kept = true
	return nil
}

// tensors are values of all weights that learn, by a letter.
func (o *outerTraining) tensors(letter string, values [][]float32) (all []tensor) {
	for i, p := range o.learnt {
		all = append(all, tensor{letter + "." + p.Name, p.Shape, values[i]})
	}
	return all
}

// keptTensors are the outer momentum and, with validation rows, the best weights.
func (o *outerTraining) keptTensors() []tensor {
	all := o.tensors("o", o.state.momentum)
	for _, p := range o.learnt {
		if p.Best != nil {
			all = append(all, tensor{"b." + p.Name, p.Shape, p.Best})
		}
	}
	return all
}

// breaks takes note of a damaged file of a replica (0 = of the outer optimiser) and has it made anew; errBroken, unless that has been tried too often.
func (o *outerTraining) breaks(round, replica int, why error) error {
	if o.broken++; o.broken > brokenMost {
		return why
	}
	o.j.warn(fmt.Sprintf("round %d is taken again: %v", round, why))
	return errors.Join(o.files.forget(round, replica), errBroken)
}

// shareRound does the next round together with all who are at the run.
func (o *outerTraining) shareRound(ctx context.Context, c *claims.Claims) error {
	round := o.state.round + 1
	from := o.state.manifest.Weights.SHA256
	over := func() bool { return o.files.gone() || o.files.ended(round) }
	u := units{claims: c, stage: "train", what: fmt.Sprintf("replicas of round %d of %d", round, o.rounds), folder: o.files.dir}
	u.key = func(replica int) string { return hashOf(o.t.Run, fmt.Sprint(round, replica)) }
	u.have = func(replica int) error {
		if over() {
			return nil
		}
		if replica == 0 {
			return fs.ErrNotExist
		}
		m, err := o.files.whole(round, replica)
		if err == nil && !slices.Equal(m.From, []string{from}) {
			err = &damage{o.files.base(round, replica) + ".json", "was made from other weights"}
		}
		return err
	}
	u.do = func(replica int) error {
		if replica == 0 {
			return o.meet(round, over)
		}
		return o.inner(ctx, round, replica, over)
	}
	u.name = func(replica int) string {
		if replica == 0 {
			return ""
		}
		return fmt.Sprintf("%d/%d", round, replica)
	}
	var todo []int
	for i := range o.recipe.Replicas { // first the one that was done last: what its optimiser keeps is still in memory, or in the cache
		todo = append(todo, (max(o.last, 1)-1+i)%o.recipe.Replicas+1)
	}
	if err := o.j.shareUnits(ctx, todo, u); err != nil {
		return err
	}
	u.what = fmt.Sprintf("the end of round %d", round)
	return o.j.shareUnits(ctx, []int{0}, u)
}

// inner takes a replica through the steps of a round, and writes what it came to.
func (o *outerTraining) inner(ctx context.Context, round, replica int, over func() bool) error {
	t := o.t
	state := checkpointManifest{Step: (round - 1) * o.recipe.InnerSteps}
	moments := t.Student.tensors(func(p *Param) []Moment { return p.Moments })
	for _, m := range moments {
		clear(m.data)
	}
	if round > 1 {
		was, err := o.files.whole(round-1, replica)
		if err == nil && len(moments) > 0 {
			err = o.read(keptPath(o.files.base(round-1, replica), replica), was.Kept, moments)
		}
		if err != nil {
			return o.failed(round-1, replica, over, err)
		}
		state.Skipped, state.InRow, state.Loss = was.Skipped, was.InRow, was.Steps[len(was.Steps)-1].Loss
	}
	for i, p := range o.learnt {
		copy(p.W, o.state.weights[i])
	}
	m := outerManifest{Round: round, Replica: replica, From: []string{o.state.manifest.Weights.SHA256}}
	t.Data, t.order = o.rows[replica-1], nil
	done := o.done(round)
	for state.Step < min(t.Steps, round*o.recipe.InnerSteps) {
		if ctx.Err() != nil {
			return ErrInterrupted
		}
		start := time.Now()
		line, err := t.advance(ctx, o.g, &state)
		if err != nil {
			return fmt.Errorf("replica %d: %w", replica, err)
		}
		m.Steps = append(m.Steps, line)
		o.report(done+len(m.Steps), line, time.Since(start))
	}
	m.Skipped, m.InRow = state.Skipped, state.InRow
	_, err := o.files.write(m, t.Student.tensors(func(p *Param) []Moment { return []Moment{{"w", p.W}} }), moments)
	if err == nil {
		o.last = replica
	}
	return err
}

// failed tells damage of a file from one that went because others have gone on.
func (o *outerTraining) failed(round, replica int, over func() bool, err error) error {
	if over() {
		return fs.ErrNotExist
	}
	return o.breaks(round, replica, err)
}

// meet takes the outer optimiser's step after a round, looks at the validation rows, and writes what comes of it.
func (o *outerTraining) meet(round int, over func() bool) error {
	t, s := o.t, o.state
	if err := o.remember(); err != nil {
		return o.failed(s.round, 0, over, err)
	}
	next := outerManifest{Round: round, BestStep: s.manifest.BestStep, Best: s.manifest.Best}
	sum := make([][]float64, len(o.learnt))
	for i, p := range o.learnt {
		sum[i] = make([]float64, len(p.W))
	}
	var steps [][]metric
	for r := 1; r <= o.recipe.Replicas; r++ { // in their order: sums of rounded numbers depend on it
		m, err := o.files.whole(round, r)
		if err == nil {
			err = o.read(weightsPath(o.files.base(round, r)), m.Weights, t.Student.tensors(func(p *Param) []Moment { return []Moment{{"w", p.W}} }))
		}
		if err != nil {
			return o.failed(round, r, over, err)
		}
		for i, p := range o.learnt {
			for k, w := range p.W {
				sum[i][k] += float64(w)
			}
		}
		next.From, next.Skipped, steps = append(next.From, m.Weights.SHA256), next.Skipped+m.Skipped, append(steps, m.Steps)
	}
	s.round, o.kept = -1, false // until all of it is written
	for i, p := range o.learnt {
		o.recipe.step(s.weights[i], s.momentum[i], sum[i], t.Par)
		copy(p.W, s.weights[i])
	}
	next.Steps = meanMetrics(steps)
	end := &next.Steps[len(next.Steps)-1]
	end.Round = round
	if t.Valid != nil && end.Step >= t.QuantizeFrom {
		state := checkpointManifest{Step: end.Step + 1, BestStep: next.BestStep, Best: next.Best}
		end.Valid = t.judge(o.g, &state)
		next.BestStep, next.Best = state.BestStep, state.Best
	}
	var err error
	if next, err = o.files.write(next, o.tensors("w", s.weights), o.keptTensors()); err != nil {
		return err
	}
	s.round, s.manifest, o.kept = round, next, true
	return o.files.prune(round)
}
