//go:build unix

package data

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// lockedByOther takes an open file for this process until it is closed, or says that another one holds it. A file system without locks has nobody who does.
func lockedByOther(f *os.File) bool {
	return errors.Is(unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB), unix.EWOULDBLOCK)
}
