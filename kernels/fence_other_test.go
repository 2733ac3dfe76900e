//go:build !unix

package kernels

import "testing"

// fenced returns n bytes; reads past them are caught on Unix only.
func fenced(t testing.TB, n int) []byte { return make([]byte, n) }
