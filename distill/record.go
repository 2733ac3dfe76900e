package distill

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/freehold-slm/freehold/distill/lineage"
	"github.com/freehold-slm/freehold/models"
)

// inputsStage is the name of the chain's first entry, which no stage makes.
const inputsStage = "inputs"

// rowsName is the file that says where each row came from.
const rowsName = "rows.jsonl"

// record appends what a stage did to the run's chain; a stage that did nothing new leaves it as it is.
func (j *Job) record(stage string) error {
	e, err := j.entry(stage)
	if err != nil {
		return err
	}
	if e.By, err = j.program(); err != nil {
		return err
	}
	if stage == "label" {
		e.Workers = j.helpers
	}
	if stage == "train" {
		e.Workers = j.trainers
	}
	at := filepath.Join(j.dir, lineage.Name)
	text, err := lineage.Append(at, e)
	if err != nil {
		return &DataError{File: at, Msg: strings.TrimPrefix(err.Error(), at+": "), Fix: "a chain is not mended: begin a new run in another folder (--run NAME)"}
	}
	if text == nil {
		return nil
	}
	return writeFile(j.opt.FS, at, text)
}

// maker is this program, as this job runs it.
func (j *Job) program() (lineage.Maker, error) {
	by, err := lineage.Program()
	by.Level, by.Threads, by.Enforced = j.level.Name, j.opt.Threads, j.opt.Enforced
	return by, err
}

// entry is what a stage took, was told and made.
func (j *Job) entry(stage string) (e lineage.Entry, err error) {
	e.Stage = stage
	r := j.recipe
	files := func(kind string, patterns ...string) []lineage.Item {
		var items []lineage.Item
		for _, p := range patterns {
			var made []lineage.Item
			if made, err = j.items(kind, p); err != nil {
				return nil
			}
			items = append(items, made...)
		}
		return items
	}
	teacher, base := weightsItem("teacher", j.teacher), weightsItem("student base", j.base)
	var others []lineage.Item // of an ensemble
	for _, s := range j.teachers()[1:] {
		others = append(others, weightsItem("teacher", s))
	}
	switch stage {
	case inputsStage:
		both := []lineage.Item{teacher, base}
		if teacher.SHA256 == base.SHA256 {
			teacher.Role = "teacher and student base"
			both = []lineage.Item{teacher}
		}
		e.In = append(files("recipe", "recipe.yaml"), both...)
		for _, it := range others {
			if it.SHA256 != base.SHA256 {
				e.In = append(e.In, it)
			}
		}
		var origins []lineage.Item
		if origins, err = j.origins(); err == nil {
			e.In = append(e.In, origins...)
			e.Out = files("rows", rowsName)
		}
		e.Facts = map[string]string{"run": j.key, "name": r.Name, "task": r.Task.Type, "numeric": r.Numeric}
	case "adapt":
		e.In = append([]lineage.Item{teacher}, files("rows", rowsName)...)
		e.Out = append(append(files("adapter", adapterName), files("metrics", "teacher/metrics.jsonl")...), files("results", adaptedName)...)
		a := r.Teacher.Adapt
		e.Facts = map[string]string{"prompt": r.Task.Prompt, "system": r.Task.System, "gold_rows": strconv.Itoa(a.Rows), "rank": strconv.Itoa(a.Rank), "steps": strconv.Itoa(j.adaptSteps()), "precision": j.precision(), "seed": seed(r)}
	case "augment":
		e.In, e.Facts = append([]lineage.Item{weightsItem("maker of rows", j.maker)}, files("rows", rowsName)...), j.augmentFacts()
		e.Out = files("rows", madeFolder)
		for i := range e.Out {
			e.Out[i].Rows, e.Out[i].Licence, e.Out[i].Basis = len(j.made()), j.madeLicence(), "strictest of model and data"
		}
	case "label":
		e.In = append(append(append([]lineage.Item{teacher}, others...), files("rows", rowsName, madeFolder)...), files("adapter", adapterName)...)
		e.Out = files("labels", "labels/")
		e.Facts = map[string]string{"prompt": r.Task.Prompt, "system": r.Task.System, "calibration": r.Teacher.Calibration, "numeric": r.Numeric, "seed": seed(r), "samples": r.Teacher.samples(), "ensemble": r.ensemble(), "rationale_prompt": r.Train.Rationale.Prompt}
		e.Out = append(e.Out, files("answers", remoteName)...)
		var used *RemoteUsed
		if used, err = j.remoteUsed(); used != nil && err == nil {
			maps.Copy(e.Facts, used.facts())
		}
	case "train":
		e.In = append(append([]lineage.Item{base}, files("rows", rowsName, madeFolder)...), files("labels", "labels/")...)
		if w, ok := j.work.(*answerWork); r.Train.OnPolicy.Share > 0 || ok && w.aligned != nil { // it is asked about the student's own answers, or its vocabulary is read
			e.In = append(e.In, teacher)
		}
		e.Out = append(append(files("weights", "model.gguf"), files("adapter", "adapter/")...), files("metrics", "metrics.jsonl", calibrationName, thresholdsName)...)
		e.Facts = map[string]string{"loss": r.Train.Loss, "seed": seed(r), "steps": strconv.Itoa(j.steps()), "precision": j.precision(), "format": r.Student.Format, "student_prompt": r.Student.Prompt, "on_policy": r.Train.OnPolicy.String(), "rationales": r.Train.Rationale.String(), "rationale_student_prompt": r.Train.Rationale.StudentPrompt, "outer": r.Train.Outer.String()}
	case "eval":
		e.In = append(append(append(append(j.evalTeacher(teacher), others...), files("weights", "model.gguf")...), files("rows", rowsName)...), files("adapter", adapterName)...)
		e.Out = files("results", "eval/predictions.jsonl", "eval/answers.jsonl", "eval/neighbours.jsonl")
		e.Facts = map[string]string{"numeric": r.Numeric, "seed": seed(r)}
	case "quantize":
		e.In = append(files("weights", "model.gguf"), files("rows", rowsName)...)
		for _, f := range r.Quantize {
			e.Out = append(e.Out, append(files("weights", "model."+f+".gguf"), files("results", "eval/predictions."+f+".jsonl", "eval/answers."+f+".jsonl", "eval/neighbours."+f+".jsonl")...)...)
		}
		e.Facts = map[string]string{"formats": strings.Join(r.Quantize, " ")}
	case "report":
		e.In = append(files("weights", "model.gguf"), files("results", "eval/predictions.jsonl", "eval/answers.jsonl", "eval/neighbours.jsonl")...)
		e.Out = files("results", "data.json")
	default:
		return e, fmt.Errorf("internal: no lineage of stage %q", stage)
	}
	maps.DeleteFunc(e.Facts, func(_, v string) bool { return v == "" })
	return e, err
}

// evalTeacher is the teacher as one that eval asks again; a remote one it does not ask.
func (j *Job) evalTeacher(teacher lineage.Item) []lineage.Item {
	if j.teacher.remote != nil {
		return nil
	}
	return []lineage.Item{teacher}
}

func seed(r *Recipe) string { return strconv.FormatUint(r.Train.Seed, 10) }

func weightsItem(role string, s source) lineage.Item {
	if s.remote != nil { // weights that nobody here has seen; what they said is in remote.jsonl
		return lineage.Item{Kind: "remote model", Name: s.Name, Role: role, Licence: s.Licence.ID, Basis: string(s.Licence.Basis), From: s.remote.String()}
	}
	it := lineage.Item{Kind: "weights", Name: nameOnly(s.Name), Role: role, SHA256: s.sha256, Licence: s.Licence.ID, Basis: string(s.Licence.Basis)}
	if e, err := models.Lookup(s.Name); err == nil {
		it.From = e.From()
	}
	return it
}

// nameOnly is a name of the catalogue or the last part of a path: where a file lies on this machine is nobody's business.
func nameOnly(name string) string {
	if filepath.IsAbs(name) {
		return filepath.Base(name)
	}
	return name
}

// items are the run's files of a name, of which there is one or none, or of a folder (with a slash at its end) as one item.
func (j *Job) items(kind, name string) ([]lineage.Item, error) {
	if !strings.HasSuffix(name, "/") {
		h, err := hashed(filepath.Join(j.dir, filepath.FromSlash(name)))
		if os.IsNotExist(err) {
			return nil, nil
		}
		return []lineage.Item{{Kind: kind, Name: name, SHA256: h.SHA256}}, err
	}
	all, err := runFiles(filepath.Join(j.dir, filepath.FromSlash(name)))
	if os.IsNotExist(err) || err == nil && len(all) == 0 {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	sums := map[string]FileHash{}
	for _, f := range all {
		if sums[path.Join(name, f)], err = hashed(filepath.Join(j.dir, filepath.FromSlash(name), filepath.FromSlash(f))); err != nil {
			return nil, err
		}
	}
	return []lineage.Item{{Kind: kind, Name: name, SHA256: treeOf(sums, name), Files: len(all)}}, nil
}

// treeOf is the hash of a folder of a run.
func treeOf(files map[string]FileHash, folder string) string {
	var names []string
	for _, n := range slices.Sorted(maps.Keys(files)) {
		if strings.HasPrefix(n, folder) {
			names = append(names, n)
		}
	}
	return lineage.TreeHash(names, func(n string) string { return files[n].SHA256 })
}

// origins are the files that the recipe names as data, with the rows that are used of each.
func (j *Job) origins() (items []lineage.Item, err error) {
	d, kept := j.recipe.Data, 0
	for _, r := range j.own.Train {
		if d.Collected != "" && r.File == j.recipe.path(d.Collected) {
			kept++
		}
	}
	train, valid, test := len(j.own.Train)-kept, len(j.own.Valid), len(j.own.Test)
	add := func(role, file string, rows int, licence string) {
		if file == "" || err != nil {
			return
		}
		it := lineage.Item{Kind: "data", Name: nameOnly(filepath.ToSlash(file)), Role: role, Rows: rows, Licence: licence, Basis: string(models.Declared)}
		if it.SHA256, it.Files, err = treeSum(j.recipe.path(file)); err == nil {
			items = append(items, it)
		}
	}
	switch {
	case d.Source != "":
		e, err := models.LookupData(d.Source)
		if err != nil {
			return nil, err
		}
		items = append(items, lineage.Item{Kind: "data", Name: d.Source, SHA256: e.SHA256, Rows: train + valid + test, Licence: j.data.Licence, Basis: string(e.Licence.Basis), From: e.From()})
		add("collected", d.Collected, kept, "declared by the recipe's owner")
	case d.Test == "": // one file, which is split
		add("", d.Train, train+valid+test, j.data.Licence)
		add("collected", d.Collected, kept, j.data.Licence)
	default:
		add("train", d.Train, train, j.data.Licence)
		add("valid", d.Valid, valid, j.data.Licence)
		add("test", d.Test, test, j.data.Licence)
		add("collected", d.Collected, kept, j.data.Licence)
	}
	return items, err
}

// treeSum is the hash of a file (files = 0), or of a folder with so many.
func treeSum(at string) (sum string, files int, err error) {
	sums := map[string]FileHash{}
	err = filepath.WalkDir(at, func(p string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		rel, err := filepath.Rel(at, p)
		if err == nil {
			sums[filepath.ToSlash(rel)], err = hashed(p)
		}
		return err
	})
	if only, ok := sums["."]; ok {
		return only.SHA256, 0, err
	}
	return treeOf(sums, ""), len(sums), err
}

// rowOrigin is a line of rows.jsonl: where a row was read, and what it is.
type rowOrigin struct {
	ID     string `json:"id"`
	Split  string `json:"split"`
	File   string `json:"file"`
	Line   int    `json:"line"` // 0 = the file as a whole
	SHA256 string `json:"sha256"`
}

// rowHash is of a row's text and its gold answer or labels' numbers, as they are used: after masking.
func rowHash(r Row) string {
	parts := []string{r.Text, r.Answer, strconv.Itoa(r.Gold)}
	if r.Labels != nil {
		parts = append(parts, fmt.Sprint(r.Labels))
	}
	return hashOf(parts...)
}

// writeRows writes rows.jsonl.
func (j *Job) writeRows() error {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	for _, part := range []struct {
		name string
		rows []Row
	}{{"train", j.own.Train}, {"valid", j.data.Valid}, {"test", j.data.Test}} {
		for _, r := range part.rows {
			if err := enc.Encode(rowOrigin{r.ID, part.name, j.recipe.originOf(r), r.Line, rowHash(r)}); err != nil {
				return err
			}
		}
	}
	return writeFile(j.opt.FS, filepath.Join(j.dir, rowsName), []byte(b.String()))
}
