package distill

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/freehold-slm/freehold/engine"
	"github.com/freehold-slm/freehold/kernels"
	"github.com/freehold-slm/freehold/models"
	"github.com/freehold-slm/freehold/models/gguf"
)

// Plan says what Apply will do, before it does it.
type Plan struct {
	Schema   string      `json:"schema"`
	Name     string      `json:"name"`
	Run      string      `json:"run"` // run folder
	Key      string      `json:"key"` // hash of recipe and inputs
	Models   []PlanModel `json:"models"`
	Data     string      `json:"data"`
	Licences *Licences   `json:"licences"`
	Policy   *PolicyUsed `json:"policy,omitempty"`
	Tidied   string      `json:"data_tidied"` // what was left out and masked
	Stages   []PlanStage `json:"stages"`
	Egress   []string    `json:"egress"` // what would use the network; empty = nothing
	Remote   *PlanRemote `json:"remote,omitempty"`
	RAMBytes int64       `json:"ram_bytes"`
	Disk     int64       `json:"disk_bytes"`
	Seconds  float64     `json:"seconds"` // estimate
	CPULevel string      `json:"cpu_level"`
	Threads  int         `json:"threads"`
	ToDo     bool        `json:"to_do"`           // apply would do something
	Drift    *Drift      `json:"drift"`           // from the run that there is
	Probe    *Probe      `json:"probe,omitempty"` // where it was asked for

	Rationales *PlanRationales `json:"rationales,omitempty"` // that the teacher writes and the student learns beside the answers
}

// PlanModel is an input model with its licence verdict.
type PlanModel struct {
	Role    string         `json:"role"`
	Name    string         `json:"name"`
	Bytes   int64          `json:"bytes"`
	SHA256  string         `json:"sha256"`
	Remote  string         `json:"remote,omitempty"` // address of a remote teacher, of which there is no file
	Licence models.Licence `json:"licence"`
	Verdict string         `json:"verdict"`
}

// PlanStage is one stage: its state and size.
type PlanStage struct {
	Name    string  `json:"name"`
	State   string  `json:"state"` // "done", "partly done" or "to do"
	What    string  `json:"what"`
	Seconds float64 `json:"seconds"` // estimate of what is left
}

// Rates of the estimates, as shares of the measured peaks: what whole models reach here (bench/LOG.md).
const (
	prefillShare   = 0.50 // of int8 peak
	trainShare     = 0.55 // of f32 peak, what grows with a step's tokens
	bf16Gain       = 3.6  // of bf16 products over f32
	stepBytes      = 30   // of each weight that learns that a step reads and writes, however few its tokens: gradients, moments, the next products' copies
	frozenBytes    = 12   // of each that does not
	answerReads    = 10e9 // bytes a second that a model's file is read with where it writes answers, once for a token of each; a step's too
	templateTokens = 25   // that a chat template stands around a prompt
	f32Rung        = 2    // times what another form's measuring takes
	stageStart     = 1    // seconds until a stage has opened its models, and after its last row
)

// Plan estimates the run from the machine's measured peaks and the sizes of models and data.
func (j *Job) Plan(ctx context.Context) (*Plan, error) {
	p := &Plan{Schema: "freehold/plan/1", Name: j.recipe.Name, Run: j.dir, Key: j.key, CPULevel: j.level.Name, Threads: j.opt.Threads, Egress: []string{}}
	verdict := func(s source) string {
		if s.Accepted != "" {
			return fmt.Sprintf("allowed: %s declared by the recipe", s.Accepted)
		}
		return fmt.Sprintf("allowed: %s %s", s.Licence.ID, strings.ReplaceAll(string(s.Licence.Basis), "_", " "))
	}
	p.Models = []PlanModel{{Role: "teacher", Name: j.teacher.Name, Bytes: j.teacher.Bytes, SHA256: j.teacher.sha256, Licence: j.teacher.Licence, Verdict: verdict(j.teacher)},
		{Role: "student base", Name: j.base.Name, Bytes: j.base.Bytes, SHA256: j.base.sha256, Licence: j.base.Licence, Verdict: verdict(j.base)}}
	for i, s := range j.others {
		p.Models = append(p.Models, PlanModel{Role: fmt.Sprintf("teacher %d", i+2), Name: s.Name, Bytes: s.Bytes, SHA256: s.sha256, Licence: s.Licence, Verdict: verdict(s)})
	}
	if j.teacher.remote != nil {
		p.Models[0].SHA256, p.Models[0].Remote = "", j.teacher.remote.String()
	}
	p.Data = fmt.Sprintf("%s: %d train, %d valid, %d test rows, licence %s", j.datasetName(), len(j.data.Train), len(j.data.Valid), len(j.data.Test), j.data.Licence)
	if err := j.obey("plan"); err != nil {
		return nil, err
	}
	p.Licences, p.Policy = j.licences(), j.policyUsed()
	int8Peak, f32Peak := j.peaks()
	var made *PlanStage
	if j.recipe.augments() {
		stage, done, err := j.planMade(int8Peak)
		if err != nil {
			return nil, err
		}
		defer done()
		made = &stage
	}
	missing, shards := j.work.missing()
	var err error
	if p.Tidied, err = j.planned(missing == 0); err != nil {
		return nil, err
	}
	all := j.labelled()
	chars, train, read, readChars := 0, 0, 0, 0
	for _, r := range all {
		n := len(r.Text) + len(r.Query)
		if chars += n; j.teacherReads(r) {
			read, readChars = read+1, readChars+n
		}
	}
	for _, r := range j.data.Train {
		train += len(r.Text) + len(r.Query)
	}
	learnt, rows := 0, j.learns().Train
	for _, r := range rows {
		learnt += len(r.Text) + len(r.Query)
	}
	tokens := func(chars, rows, extra int) float64 { return float64(chars)/4 + float64(rows*extra) }
	teacherSize, remoteTime := int64(0), 0.0
	if p.Remote, remoteTime, err = j.planRemote(); err != nil {
		return nil, err
	}
	if p.Remote == nil {
		if teacherSize, err = blockWeights(j.teacher.path); err != nil {
			return nil, err
		}
	} else if p.Remote.Texts > 0 {
		p.Egress = j.egress()
	}
	studentSize, err := j.studentBlocks()
	if err != nil {
		return nil, err
	}
	perRow, asked, tested := j.answerTokens()
	labelTime := ((tokens(readChars, read, 6+perRow+j.questionTokens())+j.sampleTokens(float64(perRow)))*2*float64(teacherSize)/(prefillShare*int8Peak) + written(asked, float64(j.teacher.Bytes), float64(teacherSize), int8Peak)) * float64(missing) / float64(max(1, shards))
	var others int64 // bytes of an ensemble's further teachers, which are all open where speeds are measured
	perToken := 0.0
	if j.others != nil {
		if labelTime, perToken, others, err = j.planLabels(tokens(chars, len(all), 6), int8Peak); err != nil {
			return nil, err
		}
	}
	if p.Remote != nil {
		labelTime = remoteTime
	}
	step := 0
	if steps, err := checkpoints(filepath.Join(j.dir, "checkpoints")); err == nil && len(steps) > 0 {
		step = steps[0]
	}
	outer, err := j.planOuter()
	if err != nil {
		return nil, err
	}
	step = max(step, outer.done)
	plainPeak := f32Peak
	if j.unit() != "" {
		f32Peak *= bf16Gain
	}
	epochs := float64(j.steps()*j.recipe.Train.Batch) / float64(max(1, j.learntUnits()))
	left := float64(j.steps()-step) / float64(j.steps())
	trainTime := left * (epochs*tokens(learnt, len(rows), 1+j.learntTokens(perRow))*6*float64(studentSize)/(trainShare*f32Peak) + float64(j.steps())*float64(studentSize)*stepBytes/answerReads)
	judged, timed := len(all)-len(j.own.Train)-len(j.made()), min(len(j.data.Test), speedRows)
	if j.recipe.answers() {
		timed = min(len(j.data.Test), answerRows)
	}
	perTest := tokens(chars-train, judged, 6) / float64(max(1, judged))
	studentTime := (tokens(chars-train, len(j.data.Test), 1) + float64(speedRounds*timed)*perTest) * 2 * float64(studentSize) / (prefillShare * int8Peak) // of one form
	evalTime := studentTime + float64(speedRounds*timed)*perTest*(2*float64(teacherSize)/(prefillShare*int8Peak)+perToken)
	own := j.planOnPolicy(step, tokens(learnt, len(rows), perRow), float64(studentSize), float64(teacherSize), int8Peak, plainPeak)
	trainTime += own.seconds
	if p.Rationales = j.planRationales(1-float64(step)/float64(j.steps()), epochs, float64(studentSize), float64(teacherSize), int8Peak, f32Peak); p.Rationales != nil {
		labelTime, trainTime = labelTime+p.Rationales.LabelSeconds, trainTime+p.Rationales.TrainSeconds
	}
	cross, err := j.planCross()
	if err != nil {
		return nil, err
	}
	again := 1 + float64(speedRounds*timed)/float64(max(1, len(j.data.Test)))
	if j.recipe.writes() { // both read the answers too, for their perplexity
		evalTime += tokens(chars-train, judged, 6+perRow) * 2 * float64(studentSize+teacherSize) / (prefillShare * int8Peak)
		evalTime += written(tested*again, float64(studentSize), float64(studentSize), int8Peak)
	}
	evalTime += written(tested*(again-1), float64(j.teacher.Bytes), float64(teacherSize), int8Peak)
	state := func(done, part bool) string {
		switch {
		case done:
			return "done"
		case part:
			return "partly done"
		}
		return "to do"
	}
	exists := func(name string) bool { _, err := os.Stat(filepath.Join(j.dir, name)); return err == nil }
	quantTime := 0.0
	if n := len(j.recipe.Quantize); n > 0 { // model.gguf and the weights as they were trained are measured too
		quantTime = float64(n+1+f32Rung) * studentTime
		if j.recipe.writes() {
			quantTime = float64(n+2) * evalTime / 2
		}
	}
	most := ""
	if (j.recipe.Train.MinConfidence > 0 || j.recipe.augments()) && j.sure == nil && j.recipe.Train.Steps == 0 {
		most = "up to "
	}
	p.Stages = []PlanStage{
		{"label", state(missing == 0, missing < shards), fmt.Sprintf("%d rows by %s, %d of %d shards missing%s", len(all), j.teacherNames(), missing, shards, after(", ", j.recipe.Teacher.samples())+p.Rationales.asked()), labelTime},
		{"train", state(step == j.steps(), step > 0), fmt.Sprintf(most+"%d steps of %d %s in %s, student of %d layers from %s%s", j.steps(), j.recipe.Train.Batch, j.recipe.batchOf(), j.precision(), len(j.recipe.Student.Layers), j.base.Name, cross+own.what+j.planTags()+p.Rationales.taught(j.recipe.Train.Rationale)+outer.what+j.machines(trainTime)), trainTime},
		{"eval", state(exists("summary.json"), false), fmt.Sprintf("%d test rows, baseline, speeds, %d gates", len(j.data.Test), len(j.recipe.Eval.Gates)), evalTime},
		{"quantize", state(exists("report.html"), false), strings.Join(j.recipe.Quantize, " "), quantTime},
		{"report", state(exists("report.html"), false), "report.html, manifest.json, SHA256SUMS", 1},
	}
	p.RAMBytes = j.teacher.Bytes + studentSize*16 + microTokens*400<<10 + 256<<20 + own.ram + others + outer.ram
	if made != nil {
		p.Stages, p.RAMBytes = append([]PlanStage{*made}, p.Stages...), max(p.RAMBytes, j.maker.Bytes+256<<20)
	}
	if j.recipe.adapts() {
		stage, ram := j.planAdapt(int8Peak, f32Peak, float64(teacherSize))
		stage.State = state(j.adapted != nil, exists("teacher"))
		p.Stages, p.RAMBytes = append([]PlanStage{stage}, p.Stages...), max(p.RAMBytes, ram)
	}
	whole := j.whole() != nil
	for i := range p.Stages {
		s := &p.Stages[i]
		if whole { // also where its checkpoints were removed
			s.State = "done"
		}
		if s.State == "done" {
			s.Seconds = 0
		} else if s.Name != "report" && s.What != "" { // no format to quantize to
			s.Seconds += stageStart
		}
		p.Seconds += s.Seconds
	}
	p.Disk = outer.disk + 2*studentSize*12 + int64(1+len(j.recipe.Quantize))*studentSize*2
	if p.Drift, err = j.drift(); err != nil {
		return nil, err
	}
	p.ToDo = !whole || slices.ContainsFunc(p.Drift.Changes, Change.Counts)
	return p, nil
}

// after puts a text after another, where there is one.
func after(sep, text string) string {
	if text == "" {
		return ""
	}
	return sep + text
}

// teacherReads tells whether the teacher reads a row that is labelled: not where its gold answer alone is learnt.
func (j *Job) teacherReads(r Row) bool {
	w, ok := j.work.(*answerWork)
	return !ok || w.asked[r.ID] || w.needsTop()
}

// answerTokens guesses, for a task that is answered with text, the tokens that prompt and answer add to a row, those that
// the teacher writes, and those that a model writes for the test rows: 4 characters a token (2.5 of JSON), answers as long as the gold
// ones, half of task.max_tokens where there is none. Of another task all are 0.
func (j *Job) answerTokens() (perRow int, asked, tested float64) {
	if !j.recipe.answers() {
		return 0, 0, 0
	}
	perToken := 4.0
	if j.recipe.Task.Type == "extract" { // JSON: names without spaces, digits, quotes
		perToken = 2.5
	}
	long := func(r Row) float64 {
		if r.Gold < 0 {
			return float64(j.recipe.Task.MaxTokens) / 2
		}
		return float64(len(r.Answer))/perToken + 1
	}
	learnt := 0.0
	for _, r := range j.data.Train {
		if learnt += long(r); r.Gold < 0 {
			asked += long(r) * float64(j.recipe.Teacher.Samples)
		}
	}
	for _, r := range j.data.Test {
		tested += long(r)
	}
	prompt := float64(len(j.recipe.Task.Prompt+j.recipe.Task.System)) / 4
	return int(prompt + learnt/float64(max(1, len(j.data.Train)))), asked + tested*float64(j.recipe.Teacher.Samples), tested
}

// written is how long a model of some bytes and weights writes tokens, several answers at a time.
func written(tokens, bytes, weights, int8Peak float64) float64 {
	return tokens * max(bytes/answerReads/engine.BatchStreams, 2*weights/(prefillShare*int8Peak))
}

// learntTokens guesses what prompt, chat template and answer add to a row that the student learns (to one whose tokens it marks nothing); perRow is what they add to one that the teacher is asked about.
func (j *Job) learntTokens(perRow int) int {
	if !j.recipe.writes() {
		return 0
	}
	t := j.recipe.Task
	prompt := len(t.Prompt)
	if j.recipe.Student.Prompt != "" {
		prompt = len(j.recipe.Student.Prompt)
	}
	return perRow - (len(t.Prompt)+len(t.System))/4 + (prompt+len(t.System))/4 + templateTokens
}

// blockWeights counts the weights of the blocks: what a token passes through, embedding and head left out.
func blockWeights(path string) (int64, error) {
	f, err := gguf.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	total := int64(0)
	for i := range f.Tensors {
		if strings.HasPrefix(f.Tensors[i].Name, "blk.") {
			total += int64(elements(f.Tensors[i].Shape))
		}
	}
	return total, nil
}

// studentBlocks is blockWeights of the student.
func (j *Job) studentBlocks() (total int64, err error) {
	spec, err := j.base.spec.Keep(j.recipe.Student.Layers)
	if err != nil {
		return 0, err
	}
	w := j.recipe.Student.Width.fill(spec)
	for _, t := range spec.Narrow(w.Dim, w.FFN, w.Heads, w.KVHeads).Program().Tensors() {
		if strings.HasPrefix(t.Name, "blk.") {
			total += int64(elements(t.Shape))
		}
	}
	return total, nil
}

// peaks measures the int8 and f32 peaks of the threads in operations a second.
func (j *Job) peaks() (int8Peak, f32Peak float64) {
	measure := func(run func(iterations int) int) float64 {
		best := 0.0
		for range 5 {
			start, ops := time.Now(), 0
			for range 50 {
				ops += run(kernels.PeakIterations)
			}
			best = math.Max(best, float64(ops)/time.Since(start).Seconds())
		}
		return best * float64(j.opt.Threads)
	}
	return measure(kernels.PeakInt8), measure(kernels.PeakF32)
}

// Text is the plan for people.
func (p *Plan) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s -> %s   (CPU level %s, %d threads)\n\n", p.Name, p.Run, p.CPULevel, p.Threads)
	for _, m := range p.Models {
		if m.Remote != "" {
			fmt.Fprintf(&b, "  %-13s %s at %s, remote\n  %-13s licence %s\n", m.Role, m.Name, m.Remote, "", m.Verdict)
			continue
		}
		fmt.Fprintf(&b, "  %-13s %s, %.0f MB, sha256 %.12s\n  %-13s licence %s\n", m.Role, m.Name, float64(m.Bytes)/1e6, m.SHA256, "", m.Verdict)
	}
	fmt.Fprintf(&b, "  %-13s %s\n", "data", p.Data)
	if p.Tidied != "" {
		fmt.Fprintf(&b, "  %-13s %s\n", "", p.Tidied)
	}
	b.WriteString(p.Licences.text())
	if p.Policy != nil {
		fmt.Fprintf(&b, "  %-13s %s, sha256 %.12s\n", "policy", p.Policy.Name, p.Policy.SHA256)
	}
	b.WriteByte('\n')
	for _, s := range p.Stages {
		fmt.Fprintf(&b, "  %-9s %-11s %-70s about %s\n", s.Name, s.State, s.What, (time.Duration(s.Seconds) * time.Second).String())
	}
	egress := "nothing leaves this machine"
	if p.Remote != nil {
		egress = p.Remote.Says()
	}
	fmt.Fprintf(&b, "\n  network       %s\n  memory        up to %.1f GB;  disk %.1f GB;  time about %s\n", egress,
		float64(p.RAMBytes)/1e9, float64(p.Disk)/1e9, (time.Duration(p.Seconds) * time.Second).String())
	b.WriteString(p.Drift.text(p.ToDo))
	if p.Probe != nil {
		b.WriteString(p.Probe.Text())
	}
	return b.String()
}
