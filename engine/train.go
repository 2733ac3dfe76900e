package engine

import "github.com/freehold-slm/freehold/models/token"

// What training shares with inference: the worker pool and the way a text becomes a head's tokens.

// Pool runs parallel regions for training on the same kind of workers that inference uses.
type Pool struct{ p *pool }

// NewPool starts threads-1 workers; the caller of Run is the remaining one.
func NewPool(threads int) *Pool { return &Pool{newPool(threads, func(any) error { return nil }, nil)} }

// Threads is the number of workers, the caller included.
func (p *Pool) Threads() int { return p.p.threads() }

// Run calls fn(worker, i) once for every 0 <= i < n, by any worker in any order, and returns when all have ended.
// One region at a time.
func (p *Pool) Run(n int, fn func(worker, i int)) {
	if err := p.p.run(regionFunc(fn), n); err != nil {
		panic("engine: " + err.Error()) // no mapping is read here, so no fault can become an error
	}
}

// Close stops the workers.
func (p *Pool) Close() { p.p.close() }

type regionFunc func(worker, i int)

func (f regionFunc) run(worker, chunk int) { f(worker, chunk) }

// EncodeText gives the tokens that a classification head reads for a text (Task with the prompt "{text}").
func EncodeText(t *token.Tokenizer, text string) []int32 { return (&Classifier{}).encode(t, text) }
