// Package kernels does arithmetic on slices: dots, matrix products, norms, rotary embedding, softmax, attention,
// activations and the optimiser step, each with a plain Go body that is its specification (see docs/arithmetic.md).
//
// A [Level] is a table of these functions for one kind of CPU. Every function of every level gives the same bits as
// the portable body, so the tests compare for equality. Nothing here knows files, models or goroutines, nothing
// allocates after the constructors, and one call is bounded to about 100 µs by its caller's choice of sizes.
package kernels

//go:generate go run ./gen
