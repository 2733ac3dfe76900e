package remote

import (
	"context"
	"sync"
	"time"
)

// pace spaces requests out: evenly, for a burst within the minute's allowance is what servers turn away. All askers share it.
type pace struct {
	mu             sync.Mutex
	request, token time.Duration // between two; 0 = no limit
	nextR, nextT   time.Time     // when the next may go
	until          time.Time     // the server wants to be left alone
	now            func() time.Time
	sleep          func(context.Context, time.Duration) error
}

func newPace(requestsPerMinute, tokensPerMinute int) *pace {
	p := &pace{now: time.Now, sleep: sleep}
	if requestsPerMinute > 0 {
		p.request = time.Minute / time.Duration(requestsPerMinute)
	}
	if tokensPerMinute > 0 {
		p.token = time.Minute / time.Duration(tokensPerMinute)
	}
	return p
}

// wait returns when a request of so many tokens may go.
func (p *pace) wait(ctx context.Context, tokens int) error {
	p.mu.Lock()
	at := p.now()
	for _, next := range []time.Time{p.nextR, p.nextT} {
		if next.After(at) {
			at = next
		}
	}
	p.nextR, p.nextT = at.Add(p.request), at.Add(p.token*time.Duration(tokens))
	p.mu.Unlock()
	for {
		p.mu.Lock()
		if p.until.After(at) {
			at = p.until
		}
		left := at.Sub(p.now())
		p.mu.Unlock()
		if left <= 0 {
			return ctx.Err()
		}
		if err := p.sleep(ctx, left); err != nil {
			return err
		}
	}
}

// pause keeps everybody back for a while.
func (p *pace) pause(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if until := p.now().Add(d); until.After(p.until) {
		p.until = until
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
