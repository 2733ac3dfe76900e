package engine

import (
	"context"
	"fmt"
	"iter"

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
	type outcome struct {
		Result
		err error
	}
	return func(yield func(Result, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		ready := make([]chan outcome, len(requests))
		for i := range ready {
			ready[i] = make(chan outcome, 1)
		}
		next := make(chan int)
		left := make(chan bool)
		streams := min(BatchStreams, len(requests))
		for range streams {
			go func() {
				for i := range next {
					r, err := m.request(ctx, i, &requests[i])
					ready[i] <- outcome{r, err}
				}
				left <- true
			}()
		}
		go func() {
			defer close(next)
			for i := range requests {
				select {
				case next <- i:
				case <-ctx.Done():
					for ; i < len(requests); i++ { // those that nobody took
						ready[i] <- outcome{Result{Index: i}, ctx.Err()}
					}
					return
				}
			}
		}()
		defer func() {
			cancel()
			for range streams {
				<-left
			}
		}()
		for i := range ready {
			if o := <-ready[i]; !yield(o.Result, o.err) {
				return
			}
		}
	}
}

// request runs one request.
func (m *Model) request(ctx context.Context, i int, r *Request) (Result, error) {
	out := Result{Index: i}
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
