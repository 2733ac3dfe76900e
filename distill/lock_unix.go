//go:build unix

package distill

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// lockRun takes the file for this process until unlock, or says that another one holds it. A process that dies lets go.
func lockRun(path string) (unlock func(), held bool, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, false, err
	}
	switch err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); {
	case errors.Is(err, unix.EWOULDBLOCK):
		f.Close()
		return nil, true, nil
	case err != nil: // a file system without locks: work without one
		return func() { f.Close() }, false, nil
	}
	return func() { f.Close() }, false, nil
}
