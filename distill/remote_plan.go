package distill

import (
	"fmt"
	"math"

	"github.com/freehold-slm/freehold/models/egress"
)

// PlanRemote says what a run would send to a remote teacher.
type PlanRemote struct {
	Endpoint string   `json:"endpoint"`
	Proxy    string   `json:"proxy,omitempty"` // by which it goes there
	Key      string   `json:"key_env,omitempty"`
	Texts    int      `json:"texts"`             // that are sent; those of equal text once
	Answered int      `json:"answered"`          // already, here or in another run of the folder
	In       int      `json:"prompt_tokens"`     // estimate: 4 bytes a token
	Out      int      `json:"completion_tokens"` // most
	Cost     float64  `json:"cost,omitempty"`    // at most, at the recipe's prices
	Masked   []string `json:"masked"`
	Refused  string   `json:"refused,omitempty"` // why nothing would be sent, if anything had to be
	Budget   string   `json:"budget,omitempty"`  // the bound that this would go past
}

// planRemote reckons what would be sent; nil = the teacher is a model of this machine.
func (j *Job) planRemote() (*PlanRemote, float64, error) {
	if j.teacher.remote == nil {
		return nil, 0, nil
	}
	asks, err := j.remoteAsks()
	if err != nil {
		return nil, 0, err
	}
	t, left := &j.recipe.Teacher, asks.left()
	p := &PlanRemote{Endpoint: j.teacher.remote.String(), Key: t.KeyEnv, Texts: len(left), Answered: len(asks.list) - len(left), Masked: append([]string{}, j.recipe.Data.Mask...)}
	if p.Proxy, err = egress.Proxy(j.teacher.remote); err != nil {
		return nil, 0, &DataError{File: j.recipe.file, Msg: "the proxy that the environment names: " + err.Error()}
	}
	for _, q := range left {
		p.In += q.in
		p.Out += q.out
	}
	spent := spentOn(asks.own)
	spent.Add(0, 0, 0, j.prices())
	all := spent
	all.Add(len(left), p.In, p.Out, j.prices())
	p.Cost = all.Cost - spent.Cost
	switch b := t.Budget; {
	case b.MaxRequests > 0 && all.Requests > b.MaxRequests:
		p.Budget = fmt.Sprintf("max_requests %d", b.MaxRequests)
	case b.MaxTokens > 0 && all.In+all.Out > b.MaxTokens:
		p.Budget = fmt.Sprintf("max_tokens %d", b.MaxTokens)
	case b.MaxCost > 0 && all.Cost > b.MaxCost:
		p.Budget = fmt.Sprintf("max_cost %v", b.MaxCost)
	}
	if err := j.maySend(len(left)); err != nil {
		p.Refused = err.Error()
	}
	seconds := float64(len(left)) * answerSeconds / float64(t.Limits.Concurrency)
	for _, l := range []struct{ n, perMinute int }{{len(left), t.Limits.RequestsPerMinute}, {p.In + p.Out, t.Limits.TokensPerMinute}} {
		if l.perMinute > 0 {
			seconds = math.Max(seconds, 60*float64(l.n)/float64(l.perMinute))
		}
	}
	return p, seconds, nil
}

// answerSeconds is how long an answer is taken to be on its way.
const answerSeconds = 1

// Says is the plan for people.
func (p *PlanRemote) Says() string {
	if p.Texts == 0 {
		return fmt.Sprintf("nothing leaves this machine: all %d answers of %s are here", p.Answered, p.Endpoint)
	}
	text := fmt.Sprintf("%d texts are sent to %s", p.Texts, p.Endpoint)
	if p.Proxy != "" {
		text += " by the proxy " + p.Proxy
	}
	text += fmt.Sprintf(" (%d are answered already): about %d tokens, and up to %d of answers", p.Answered, p.In, p.Out)
	if p.Cost > 0 {
		text += fmt.Sprintf("; cost up to %.3g", p.Cost)
	}
	if len(p.Masked) == 0 {
		text += "; nothing in them is masked (data.mask)"
	} else {
		text += fmt.Sprintf("; masked: %v", p.Masked)
	}
	if p.Key != "" {
		text += "; key from " + p.Key
	}
	if p.Budget != "" {
		text += "\n                this may go past teacher.budget." + p.Budget + ": the run stops there, and goes on when it is raised"
	}
	return text
}
