//go:build !unix

package bench

import "errors"

// mapScratch does not exist here; limits are read from the process's own memory.
func mapScratch(int) (data []byte, unmap func(), err error) {
	return nil, nil, errors.New("bench: no mapping on this system")
}
