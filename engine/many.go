package engine

import (
	"context"
	"fmt"
	"iter"
	"sync"
	"sync/atomic"

	"github.com/freehold-slm/freehold/models/chat"
)

// Request is one generation of a Batch: of messages, or of tokens.
type Request struct {
	Messages []chat.Message // rendered with the file's chat template
	Tokens   []int32        // where Messages is nil: the full prefix
	Gen      Gen
}

// Result is what a Request gave.
type Result struct {
	Index     int // of the request
	Text      string
	Prompt    []int32
	Generated []int32
	Reason    string
}

// BatchStreams is how many requests of a Batch are under way at a time.
const BatchStreams = 16

// Batch runs requests side by side and yields their results in the order of requests, each as soon as it and those before are
// ready. A request that fails yields its error, with the result so far, and the others go on. Each result is that of the request alone.
// Leaving the loop or cancelling the context ends them all.
func (m *Model) Batch(ctx context.Context, requests []Request) iter.Seq2[Result, error] {
	return func(yield func(Result, error) bool) {
		i := 0
		for r, err := range inOrder(ctx, len(requests), BatchStreams, func(ctx context.Context, i int) (Result, error) { return m.request(ctx, i, &requests[i]) }) {
			r.Index = i
			if !yield(r, err) {
				return
			}
			i++
		}
	}
}

// inOrder runs work(ctx, i) for 0 <= i < n, streams of them side by side, and yields what they give in order. Once the loop is left or ctx
// ends no more begin, and it returns when those under way have ended.
func inOrder[T any](ctx context.Context, n, streams int, work func(ctx context.Context, i int) (T, error)) iter.Seq2[T, error] {
	type outcome struct {
		got T
		err error
	}
	return func(yield func(T, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		ready := make([]chan outcome, n)
		for i := range ready {
			ready[i] = make(chan outcome, 1)
		}
		var next atomic.Int64
		var all sync.WaitGroup
		defer all.Wait()
		defer cancel()
		for range min(streams, n) {
			all.Go(func() {
				for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
					var o outcome
					if o.err = ctx.Err(); o.err == nil {
						o.got, o.err = work(ctx, i)
					}
					ready[i] <- o
				}
			})
		}
		for i := range ready {
			if o := <-ready[i]; !yield(o.got, o.err) {
				return
			}
		}
	}
}

// request runs one request.
func (m *Model) request(ctx context.Context, i int, r *Request) (Result, error) {
	var out Result
	if r.Messages != nil && r.Tokens != nil {
		return out, fmt.Errorf("engine: request %d has messages and tokens; give one of them", i)
	}
	var st *Stream
	if r.Messages != nil {
		st = m.Chat(ctx, r.Messages, r.Gen)
	} else {
		st = m.Generate(ctx, r.Tokens, r.Gen)
	}
	var err error
	if out.Text, err = st.Text(); err != nil {
		err = fmt.Errorf("request %d: %w", i, err)
	}
	out.Prompt, out.Generated = st.Tokens()
	out.Reason = st.Reason()
	return out, err
}
