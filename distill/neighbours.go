package distill

import (
	"context"
	"fmt"
	"math"
	"path/filepath"
	"slices"

	"github.com/freehold-slm/freehold/distill/data"
)

// Neighbours finds a run's training rows whose words are likest a text's: the cosine of their TF-IDF values, as the linear baseline has them.
// They show what the student was taught about such words; it is not said that the student thought of them.
type Neighbours struct {
	recipe  *Recipe
	rows    []Row
	index   *Baseline
	vectors [][]feature
	teacher [][]float64 // [row][label], calibrated as they were learnt
}

// Neighbour is a training row that is like a text.
type Neighbour struct {
	ID         string  `json:"id"`
	File       string  `json:"file"`
	Line       int     `json:"line"`           // 0 = the file as a whole
	Similarity float64 `json:"similarity"`     // cosine, from 0 to 1
	Gold       string  `json:"gold,omitempty"` // its own label, where it has one
	Teacher    string  `json:"teacher"`        // what the teacher said of it
	TeacherP   float64 `json:"teacher_p"`
	Text       string  `json:"text"`
}

// NewNeighbours reads the rows of a run folder, with what the teacher said of them. The recipe's paths begin at the folder inputs ("" = the one
// that holds runs/). key is freehold.run of a model's file: a model of another run has no neighbours here.
func NewNeighbours(ctx context.Context, dir, inputs, key string) (*Neighbours, error) {
	dir, err := RunFolder(dir)
	if err != nil {
		return nil, err
	}
	lock, err := readLock(dir)
	if err != nil {
		return nil, &DataError{File: filepath.Join(dir, "lock.json"), Msg: errText(err), Fix: "name the run folder that the model was made in"}
	}
	if lock.Key != key {
		return nil, &DataError{File: dir, Msg: fmt.Sprintf("is run %.12s, and the model was made by run %.12s", lock.Key, key), Fix: "name the run folder that the model was made in"}
	}
	r, err := recipeOfRun(dir, inputs)
	if err != nil {
		return nil, err
	}
	if r.Task.Type != "classify" {
		return nil, &RecipeError{File: r.file, Msg: fmt.Sprintf("task.type is %s, want classify", r.Task.Type)}
	}
	set, err := loadData(ctx, r)
	if err != nil {
		return nil, err
	}
	if set.Hash != lock.Data {
		return nil, &DataError{File: r.path(r.Data.Train + r.Data.Source), Msg: "the data is no longer what the run learnt from", Fix: "put the former files back, or apply the recipe again"}
	}
	j := &Job{recipe: r, opt: Options{RunsDir: filepath.Dir(dir)}, dir: dir, teacher: source{sha256: lock.Teacher}, data: set, own: set}
	if err := j.recallMade(); err != nil {
		return nil, err
	}
	return j.neighbours()
}

// neighbours needs the recipe, the data and the teacher's hash of a job, and no model.
func (j *Job) neighbours() (*Neighbours, error) {
	w := &classifyWork{j: j}
	j.work = w
	if err := w.recall(); err != nil {
		return nil, err
	}
	if err := j.leaveOutUnsure(); err != nil {
		return nil, err
	}
	rows := j.learns().Train
	n := &Neighbours{recipe: j.recipe, rows: rows, index: newBaseline(textsOf(rows), len(j.recipe.Task.Labels), false)}
	for _, row := range n.rows {
		n.vectors = append(n.vectors, n.index.features(row.Text))
		n.teacher = append(n.teacher, expAll(calibrated(w.labels[row.ID], w.cal)))
	}
	return n, nil
}

// Of lists the k likest rows, the likest first; fewer where no more have a word of the text.
func (n *Neighbours) Of(text string, k int) []Neighbour {
	x := n.index.features(text)
	like := make([]float64, len(n.rows))
	var some []int
	for i, v := range n.vectors {
		if like[i] = cosine(x, v); like[i] > 0 {
			some = append(some, i)
		}
	}
	slices.SortStableFunc(some, func(a, b int) int {
		switch {
		case like[a] > like[b]:
			return -1
		case like[a] < like[b]:
			return 1
		}
		return 0
	})
	out := []Neighbour{}
	for _, i := range some[:min(k, len(some))] {
		row, best := n.rows[i], argmax(n.teacher[i])
		one := Neighbour{ID: row.ID, File: n.recipe.originOf(row), Line: row.Line, Similarity: math.Min(1, like[i]), Text: row.Text,
			Teacher: n.recipe.Task.Labels[best], TeacherP: n.teacher[i][best]}
		if row.Gold >= 0 {
			one.Gold = n.recipe.Task.Labels[row.Gold]
		}
		out = append(out, one)
	}
	return out
}

// cosine of two lists of features of length 1, in order of ids.
func cosine(a, b []feature) (sum float64) {
	for i, k := 0, 0; i < len(a) && k < len(b); {
		switch {
		case a[i].id < b[k].id:
			i++
		case a[i].id > b[k].id:
			k++
		default:
			sum += float64(a[i].x * b[k].x)
			i++
			k++
		}
	}
	return sum
}

// originOf is where a row was read, from the recipe's folder on: no path of a machine. A data set of the catalogue is known by its file's name alone, be it in the cache or in a bundle.
func (r *Recipe) originOf(row data.Row) string {
	if row.Made != nil { // from the run folder on
		return row.File
	}
	if d := r.Data; d.Source != "" && (d.Collected == "" || row.File != r.path(d.Collected)) {
		return filepath.Base(row.File)
	}
	file, err := filepath.Rel(r.path("."), row.File)
	if err != nil || !filepath.IsLocal(file) {
		file = filepath.Base(row.File)
	}
	return filepath.ToSlash(file)
}
