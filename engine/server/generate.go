package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/freehold-slm/freehold/engine"
)

// generation is a prompt to be continued.
type generation struct {
	tokens  []int32
	gen     engine.Gen
	n       int             // continuations
	session *engine.Session // that holds the prompt already; nil = none
	mark    marking         // in place of all that
}

// outcome is how a continuation ended.
type outcome struct {
	reason string // of engine
	tokens int
}

// finish is the outcome as OpenAI's API names it.
func (o outcome) finish() string {
	if o.reason == engine.ReasonLength {
		return "length"
	}
	return "stop"
}

// fits refuses a prompt that leaves no room for an answer.
func (c *call) fits(param string, tokens int) error {
	c.prompt = tokens
	if tokens >= c.model.Context() {
		return contextError(param, tokens, c.model.Context())
	}
	return nil
}

// generate continues the prompt g.n times and hands on each token, those of several continuations from several goroutines.
// The first error ends all of them.
func (c *call) generate(g generation, each func(choice int, t engine.Token) error) ([]outcome, error) {
	if g.mark.answer != nil {
		return c.mark(g, each)
	}
	ctx, cancel := context.WithCancel(c.r.Context())
	defer cancel()
	if p := c.model.prefix; p != nil {
		g.gen.Cache = p.For(c.owner)
	}
	out := make([]outcome, g.n)
	var first sync.Once
	one := func(choice int, st *engine.Stream) error {
		for t, err := range st.All() {
			if err != nil {
				return err
			}
			if t.ID >= 0 {
				out[choice].tokens++
				first.Do(func() {
					if c.firstText.IsZero() { // of several prompts, the first one's
						c.firstText = time.Now()
					}
				})
			}
			if err := each(choice, t); err != nil {
				return err
			}
		}
		out[choice].reason = st.Reason()
		if g.n == 1 && g.session == nil {
			c.cached += st.Reused()
		}
		return ctx.Err()
	}
	var failed error
	if g.n == 1 {
		if g.session != nil {
			failed = one(0, g.session.Generate(ctx, g.tokens, g.gen))
		} else {
			failed = one(0, c.model.Generate(ctx, g.tokens, g.gen))
		}
	} else {
		failed = c.several(ctx, cancel, g, one)
	}
	for _, o := range out {
		c.generated += o.tokens
	}
	return out, c.explain(failed, g.gen)
}

// several runs more than one continuation. What they share, the prompt, is computed once.
func (c *call) several(ctx context.Context, cancel func(), g generation, one func(int, *engine.Stream) error) error {
	base := g.session
	if base == nil {
		base = c.model.NewSession()
		defer base.Close()
	}
	if c.model.prefix != nil {
		c.cached += g.gen.Cache.Reuse(base, g.tokens)
	}
	if _, err := base.Eval(ctx, g.tokens); err != nil {
		return err
	}
	if c.model.prefix != nil {
		g.gen.Cache.Keep(base)
		g.gen.Cache = engine.CacheKey{} // the forks have the prompt
	}
	errs := make([]error, g.n)
	var wg sync.WaitGroup
	for i := range g.n {
		s := base.Fork()
		gen := g.gen
		gen.Sequence = uint32(i)
		wg.Go(func() {
			defer s.Close()
			if errs[i] = one(i, s.Generate(ctx, g.tokens, gen)); errs[i] != nil {
				cancel()
			}
		})
	}
	wg.Wait()
	for _, err := range errs { // the one that ended the others
		if err != nil && !errors.Is(err, context.Canceled) {
			return err
		}
	}
	return errors.Join(errs...)
}

// explain tells a failure that a grammar brought about.
func (c *call) explain(err error, g engine.Gen) error {
	number := (*engine.NumberError)(nil)
	if err == nil || g.Grammar == nil || errors.Is(err, context.Canceled) || errors.Is(err, errGone) || errors.Is(err, engine.ErrClosed) || errors.As(err, &number) {
		return err
	}
	return &apiError{Status: http.StatusBadRequest, Type: typeRequest, Code: codeSchema, Message: fmt.Sprintf("the answer cannot go on within the form that is asked for: %v", err)}
}

// usage is how many tokens a request took.
type usage struct {
	PromptTokens     int `json:"prompt_tokens"`
	CompletionTokens int `json:"completion_tokens"`
	TotalTokens      int `json:"total_tokens"`

	PromptTokensDetails struct {
		CachedTokens int `json:"cached_tokens"` // a beginning that an earlier request with the same key had too
	} `json:"prompt_tokens_details"`
}

func (c *call) usage() *usage {
	u := &usage{PromptTokens: c.prompt, CompletionTokens: c.generated, TotalTokens: c.prompt + c.generated}
	u.PromptTokensDetails.CachedTokens = c.cached
	return u
}
