//go:build !linux || !(amd64 || arm64)

package lock

import "runtime"

// Process locks the process: not on this system.
func Process(Folders) (State, error) {
	return Off("not available on " + runtime.GOOS + "/" + runtime.GOARCH), nil
}
