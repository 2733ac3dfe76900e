package data

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// Appender adds rows to a JSONL file that other processes may add to, move away or edit meanwhile. The file is opened anew each time, and
// nothing of a row is left where it could not be written whole.
type Appender struct {
	Path string
	Most int64 // bytes of the file
}

// AppendRow bounds a row's line, in bytes: below what Read takes.
const AppendRow = maxText / 4

// lockPatience is how long a file may be another process's, which holds it for one write.
const lockPatience = 100 * time.Millisecond

// Append writes lines, each with its end. On an error the file is as it was.
func (a *Appender) Append(lines []byte) error {
	f, size, err := a.open()
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // what close could tell, write has told; the lock goes with it
	if size+int64(len(lines)) > a.Most {
		return fmt.Errorf("%s holds %d bytes and may hold %d; move it away", a.Path, size, a.Most)
	}
	if _, err := f.Write(lines); err != nil {
		return errors.Join(err, f.Truncate(size))
	}
	return nil
}

// open opens the file for this process alone, with whole lines in it.
func (a *Appender) open() (*os.File, int64, error) {
	for until := time.Now().Add(lockPatience); ; time.Sleep(time.Millisecond) {
		f, err := os.OpenFile(a.Path, os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o600)
		if err != nil {
			return nil, 0, err
		}
		if !lockedByOther(f) {
			st, err := f.Stat()
			if here, gone := os.Stat(a.Path); err == nil && gone == nil && os.SameFile(here, st) { // nobody has moved it away
				size, err := mend(f, st.Size())
				if err == nil {
					return f, size, nil
				}
				return nil, 0, errors.Join(fmt.Errorf("%s: %w", a.Path, err), f.Close())
			}
		}
		f.Close() //nolint:errcheck // nothing was written
		if time.Now().After(until) {
			return nil, 0, fmt.Errorf("%s is held by another process", a.Path)
		}
	}
}

// mend ends the last line of a file of rows: an editor left its end out, or a process died within a row, of which the beginning is then cut off.
func mend(f *os.File, size int64) (int64, error) {
	if size == 0 {
		return 0, nil
	}
	var end [1]byte
	if _, err := f.ReadAt(end[:], size-1); err != nil || end[0] == '\n' {
		return size, err
	}
	tail := make([]byte, min(size, AppendRow+1))
	if _, err := f.ReadAt(tail, size-int64(len(tail))); err != nil && !errors.Is(err, io.EOF) {
		return 0, err
	}
	last := tail[bytes.LastIndexByte(tail, '\n')+1:]
	switch {
	case json.Valid(last):
		n, err := f.Write([]byte("\n"))
		return size + int64(n), err
	case last[0] != '{' || len(last) == len(tail) && int64(len(tail)) < size:
		return 0, errors.New("the last line is no row")
	}
	size -= int64(len(last))
	return size, f.Truncate(size)
}
