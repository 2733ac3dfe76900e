package distill

import (
	"fmt"
	"slices"
	"strings"

	"github.com/freehold-slm/freehold/models"
	"github.com/freehold-slm/freehold/models/gguf"
)

// MatchRecipe pulls what the student's layers compute towards what those of the model that it is cut from do.
type MatchRecipe struct {
	States    float64 `yaml:"states" json:"states,omitempty"`       // weight of the loss of what layers leave; 0 = none
	Attention float64 `yaml:"attention" json:"attention,omitempty"` // of that of what they attend to
}

// Matching adds the losses of states and of attention to a student's own. Layer i of its n goes with layer (i+1)·N/n - 1 of
// the teacher's N (TinyBERT, arXiv:1909.10351, its even map); a loss is the mean over the pairs, times its weight.
type Matching struct {
	teacher  *Student
	run      *Graph // of the teacher, once training has one of the student
	states   []*StateMatch
	values   []models.Value // of the teacher, that states go to
	heads    []*AttentionMatch
	layers   []int // of the teacher, that heads go to
	weighted MatchRecipe
}

// NewMatching adds the projections to the student's tensors, until Release. The teacher must know the student's tokens; it
// does not learn.
func NewMatching(s, teacher *Student, weights MatchRecipe, seed uint64) (*Matching, error) {
	m := &Matching{teacher: teacher, weighted: weights}
	if err := teacher.Freeze("*"); err != nil {
		return nil, err
	}
	mse, err := NewLoss("mse", LossParams{})
	if err != nil {
		return nil, err
	}
	maps, err := NewLoss("forward_kl", LossParams{})
	if err != nil {
		return nil, err
	}
	for i := range s.Spec.Layers {
		of := (i+1)*teacher.Spec.Layers/s.Spec.Layers - 1
		if of < 0 {
			return nil, fmt.Errorf("the student has %d layers, more than the %d it is matched with", s.Spec.Layers, teacher.Spec.Layers)
		}
		if weights.States > 0 {
			to := teacher.leaves(of)
			m.states = append(m.states, NewStateMatch(s, s.leaves(i), teacher.Program.Width[to], mse, 0, seed))
			m.values = append(m.values, to)
		}
		if weights.Attention > 0 && s.attends(i) && teacher.attends(of) {
			m.heads = append(m.heads, NewAttentionMatch(s, i, teacher.Spec.Heads, maps, 0, seed))
			m.layers = append(m.layers, of)
		}
	}
	if weights.Attention > 0 && m.heads == nil {
		return nil, fmt.Errorf("no layer of the student and the one it goes with both have attention")
	}
	return m, nil
}

// leaves is what a layer leaves in the residual stream.
func (s *Student) leaves(layer int) (v models.Value) {
	for _, o := range s.Program.Ops {
		if o.Layer == layer {
			v = o.Out
		}
	}
	return v
}

func (s *Student) attends(layer int) bool {
	return slices.ContainsFunc(s.Program.Ops, func(o models.Op) bool { return o.Kind == models.Attend && o.Layer == layer })
}

// Loss returns the losses of g's batch, times share, after Forward and adds to the gradients before Backward.
func (m *Matching) Loss(g *Graph, share float64) (total float64) {
	if m.run == nil {
		m.run = NewGraph(m.teacher, g.level, len(g.scratch), g.par)
		m.run.bf16 = g.bf16
	}
	m.run.Forward(g.batch)
	for i, s := range m.states {
		s.Weight = share * m.weighted.States / float64(len(m.states))
		total += s.Match(g, m.run.Value(m.values[i]), true)
	}
	for i, h := range m.heads {
		h.Weight = share * m.weighted.Attention / float64(len(m.heads))
		total += h.Match(g, m.run, m.layers[i], true)
	}
	return total
}

// Release takes the projections from the student.
func (m *Matching) Release(s *Student) {
	for _, x := range m.states {
		x.Release(s)
	}
	for _, x := range m.heads {
		x.Release(s)
	}
}

// projected says that a tensor is a projection of a Matching, which no file of the student holds.
func projected(name string) bool { return strings.HasPrefix(name, "match.") }

// newMatching gives what the recipe asks for, nil = nothing: the student's base as it was, whole, with the student's vocabulary.
func (j *Job) newMatching(b *Base) (*Matching, error) {
	weights := j.recipe.Train.Match
	if weights == (MatchRecipe{}) {
		return nil, nil
	}
	f, err := gguf.Open(j.base.path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	read, err := j.newReading(f)
	if err != nil {
		return nil, err
	}
	spec, err := models.NewSpec(f)
	if err != nil {
		return nil, err
	}
	all := Prune{Vocab: read.keep}
	for l := range spec.Layers {
		all.Layers = append(all.Layers, l)
	}
	whole, err := NewBase(f, all)
	if err != nil {
		return nil, err
	}
	m, err := NewMatching(b.Student, whole.Student, weights, j.recipe.Train.Seed)
	if err != nil {
		return nil, &RecipeError{File: j.recipe.file, Msg: "train.match: " + err.Error()}
	}
	return m, nil
}
