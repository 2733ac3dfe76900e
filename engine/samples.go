package engine

import (
	"context"
	"fmt"
	"sync"
)

// Samples asks the model n times about each text and calls each with the n answers to text i, in order, as soon as they are known. Sample k of it is
// drawn as draw(i, k) says, of which MaxTokens and Grammar are the task's. Up to BatchStreams generations run side by side; what all prompts begin with is
// computed once, and so is each text's prompt. Every answer is the one that Answers gives with the same Gen.
func (a *Answerer) Samples(ctx context.Context, texts []string, n int, draw func(i, k int) Gen, each func(i int, got []Answer) error) error {
	if n < 1 {
		return fmt.Errorf("engine: Samples of %d answers a text, want 1 or more", n)
	}
	if a.tags != nil {
		return fmt.Errorf("%s: marks the tokens of a text and draws no samples", a.m.file.Name)
	}
	if len(texts) == 0 {
		return nil
	}
	base, err := a.prefix(ctx)
	if err != nil {
		return err
	}
	defer base.Close()
	prompts := make([]sampledPrompt, len(texts))
	defer func() {
		for i := range prompts {
			prompts[i].close()
		}
	}()
	var one sync.Mutex // of base: a session serves one goroutine at a time
	at, got := 0, make([]Answer, 0, n)
	for answer, err := range inOrder(ctx, n*len(texts), BatchStreams, func(ctx context.Context, at int) (Answer, error) {
		i, k := at/n, at%n
		p := &prompts[i]
		s, err := p.fork(ctx, a, texts[i], n, base, &one)
		if err != nil {
			return Answer{}, err
		}
		defer s.Close()
		g := draw(i, k)
		g.MaxTokens, g.Grammar = a.task.MaxTokens, a.rule
		return a.one(ctx, s, texts[i], g)
	}) {
		if err != nil {
			return err
		}
		if got = append(got, answer); len(got) == n {
			if err := each(at, got); err != nil {
				return err
			}
			at, got = at+1, make([]Answer, 0, n)
		}
	}
	return nil
}

// sampledPrompt is a text's prompt, computed once for its samples.
type sampledPrompt struct {
	mu    sync.Mutex
	s     *Session
	taken int // samples that have begun
}

// fork gives the next of n samples a session with the prompt in it; a single one computes its prompt itself.
func (p *sampledPrompt) fork(ctx context.Context, a *Answerer, text string, n int, base *Session, one *sync.Mutex) (*Session, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.s == nil {
		one.Lock()
		s := base.Fork()
		one.Unlock()
		if n == 1 {
			return s, nil
		}
		prompt := a.Tokens(nil, text)
		if n := len(prompt) + a.task.MaxTokens; n > a.m.Context() {
			s.Close()
			return nil, &ContextError{n, a.m.Context()}
		}
		if _, err := s.Eval(ctx, prompt); err != nil {
			s.Close()
			return nil, err
		}
		p.s = s
	}
	f := p.s.Fork()
	if p.taken++; p.taken == n {
		p.s.Close()
	}
	return f, nil
}

// close lets go of a prompt whose samples did not all begin.
func (p *sampledPrompt) close() {
	if p.s != nil {
		p.s.Close() // a second time does nothing
	}
}
