package remote

import (
	"fmt"
	"sync"
)

// Budget bounds what a run may spend; 0 = no bound.
type Budget struct {
	Requests int
	Tokens   int
	Cost     float64
}

// Prices are of a million tokens, in any currency.
type Prices struct{ In, Out float64 }

// Spent is what was used so far.
type Spent struct {
	Requests int     `json:"requests"`
	In       int     `json:"prompt_tokens"`
	Out      int     `json:"completion_tokens"`
	Cost     float64 `json:"cost,omitempty"` // at the recipe's prices
}

// Add adds what a question of so many tokens and its answer came to.
func (s *Spent) Add(requests, in, out int, p Prices) {
	s.Requests += requests
	s.In += in
	s.Out += out
	s.Cost = (float64(float64(s.In)*p.In) + float64(float64(s.Out)*p.Out)) / 1e6
}

// String is the figure for people.
func (s *Spent) String() string {
	text := fmt.Sprintf("%d requests, %d + %d tokens", s.Requests, s.In, s.Out)
	if s.Cost > 0 {
		text += fmt.Sprintf(", cost %.4g", s.Cost)
	}
	return text
}

// BudgetError says that the next question might go past a bound. What was answered is kept, and a run with a larger budget goes on from there.
type BudgetError struct {
	Key   string // of teacher.budget
	Bound string
	Spent Spent
	Done  int // rows that have an answer
	All   int
}

func (e *BudgetError) Error() string {
	return fmt.Sprintf("teacher.budget.%s %s is used up: %s so far. %d of %d rows are answered and kept; raise it and run again, which asks for the others alone", e.Key, e.Bound, &e.Spent, e.Done, e.All)
}

// Purse holds a budget and what was taken out of it. Questions on their way count as what they may come to at most.
type Purse struct {
	Budget Budget
	Prices Prices

	mu      sync.Mutex
	settled sync.Cond
	spent   Spent
	held    Spent
}

// Spend counts what was spent elsewhere: in an earlier try.
func (p *Purse) Spend(requests, in, out int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.spent.Add(requests, in, out, p.Prices)
}

// Spent is what was taken out.
func (p *Purse) Spent() Spent {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.spent
}

// Hold sets apart what a question may come to; settle then takes what it came to. Where it might be too much it waits for those on their way, which
// may come to less. The error is a *BudgetError without its rows.
func (p *Purse) Hold(in, out int) (settle func(requests, in, out int), err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.settled.L = &p.mu
	for {
		err := p.over(in, out)
		if err == nil {
			break
		}
		if p.held.Requests == 0 {
			return nil, err
		}
		p.settled.Wait()
	}
	p.held.Add(1, in, out, p.Prices)
	return func(requests, gotIn, gotOut int) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.held.Add(-1, -in, -out, p.Prices)
		p.spent.Add(requests, gotIn, gotOut, p.Prices)
		p.settled.Broadcast()
	}, nil
}

// over tells which bound another question would go past.
func (p *Purse) over(in, out int) error {
	all := p.spent
	all.Add(p.held.Requests+1, p.held.In+in, p.held.Out+out, p.Prices)
	past := func(key, bound string) error { return &BudgetError{Key: key, Bound: bound, Spent: p.spent} }
	switch b := p.Budget; {
	case b.Requests > 0 && all.Requests > b.Requests:
		return past("max_requests", fmt.Sprint(b.Requests))
	case b.Tokens > 0 && all.In+all.Out > b.Tokens:
		return past("max_tokens", fmt.Sprint(b.Tokens))
	case b.Cost > 0 && all.Cost > b.Cost:
		return past("max_cost", fmt.Sprint(b.Cost))
	}
	return nil
}
