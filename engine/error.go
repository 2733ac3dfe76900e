package engine

import (
	"errors"
	"fmt"
)

// ErrClosed is what a closed model answers.
var ErrClosed = errors.New("engine: the model is closed")

// ContextError says that a sequence is longer than the context allows. Nothing was evaluated.
type ContextError struct {
	Tokens, Context int
}

func (e *ContextError) Error() string {
	return fmt.Sprintf("engine: %d tokens do not fit the context of %d", e.Tokens, e.Context)
}

// NumberError says that a number came out NaN, infinite or too large for the KV cache: the weights are damaged or
// the cache type is too narrow.
type NumberError struct {
	File, Where, What string
}

func (e *NumberError) Error() string { return fmt.Sprintf("%s: %s: %s", e.File, e.Where, e.What) }
