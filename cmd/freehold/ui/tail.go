package ui

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
)

// Bounds on what is read of a file that grows: whatever stands in a run folder, a page takes bounded time and memory.
const (
	longestLine = 1 << 20
	mostPoints  = 2048 // kept of a curve; of a longer one every second, fourth ... is
	readAtOnce  = 64 << 20
	glanced     = 64 << 10
	lookBack    = 64 // bytes before the place where reading stopped that must still be the same
)

// tail reads a file of JSON lines that another process appends to, each line once. A last line without its end is read once it is whole, lines that are no such JSON are
// counted and passed over. A file that became shorter or another one is read anew.
type tail[T any] struct {
	mu     sync.Mutex
	mark   string // of the file when it was read to its end
	offset int64  // bytes read
	before []byte // the last of them
	skip   bool   // within a line that is too long
	bad    int
	kept   thinned[T]
	last   *T

	seen   func(T) // is handed each line; nil = nobody is
	anew   func()  // is told that the file is read from its beginning; nil = nobody is
	glance bool    // only the end of a long file is read, and no lines are kept
}

// read takes in what was appended. more tells that there is more to read than one call takes.
func (t *tail[T]) read(root *os.Root, name string) (more bool, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	mark := markOf(root, name)
	if mark == t.mark && mark != noFile {
		return false, nil
	}
	f, err := openRegular(root, name)
	if err != nil {
		if os.IsNotExist(err) {
			t.reset()
		}
		return false, err
	}
	defer f.Close() //nolint:errcheck // read-only
	if !t.continues(f) {
		t.reset()
	}
	if st, err := f.Stat(); err == nil && t.glance && t.offset == 0 && st.Size() > glanced {
		t.offset, t.skip = st.Size()-glanced, true // within a line
	}
	buf := make([]byte, 256<<10)
	var rest []byte // of a line whose end is not read yet
	for taken := 0; taken < readAtOnce; {
		n, err := f.ReadAt(buf, t.offset+int64(len(rest)))
		taken += n
		rest = append(rest, buf[:n]...)
		for {
			end := bytes.IndexByte(rest, '\n')
			if end < 0 {
				break
			}
			if !t.skip {
				t.line(rest[:end])
			}
			t.skip = false
			t.pass(rest[:end+1])
			rest = rest[end+1:]
		}
		if len(rest) > longestLine {
			if !t.skip {
				t.skip = true
				t.bad++
			}
			t.pass(rest)
			rest = nil
		}
		if err == io.EOF {
			t.mark = mark
			return false, nil
		} else if err != nil {
			return false, err
		}
	}
	return true, nil
}

// pass counts bytes as read.
func (t *tail[T]) pass(b []byte) {
	t.offset += int64(len(b))
	t.before = append(t.before, b[max(0, len(b)-lookBack):]...)
	t.before = append([]byte(nil), t.before[max(0, len(t.before)-lookBack):]...)
}

func (t *tail[T]) line(b []byte) {
	if len(bytes.TrimSpace(b)) == 0 {
		return
	}
	v := new(T)
	if err := json.Unmarshal(b, v); err != nil {
		t.bad++
		return
	}
	if !t.glance {
		t.kept.add(*v)
	}
	t.last = v
	if t.seen != nil {
		t.seen(*v)
	}
}

// continues tells whether the file still begins with what was read of it.
func (t *tail[T]) continues(f *os.File) bool {
	st, err := f.Stat()
	if err != nil || st.Size() < t.offset {
		return false
	}
	have := make([]byte, len(t.before))
	_, err = f.ReadAt(have, t.offset-int64(len(have)))
	return (err == nil || err == io.EOF) && bytes.Equal(have, t.before)
}

func (t *tail[T]) reset() {
	t.mark, t.offset, t.before, t.skip, t.bad, t.kept, t.last = "", 0, nil, false, 0, thinned[T]{}, nil
	if t.anew != nil {
		t.anew()
	}
}

// points gives what is kept, every how manieth line that is, and how many lines could not be read.
func (t *tail[T]) points() (all []T, every, bad int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]T(nil), t.kept.all...), t.kept.every(), t.bad
}

// latest is the last line that could be read; nil = none.
func (t *tail[T]) latest() *T {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.last
}

// thinned keeps every n-th of what is added, with n growing so that it stays bounded.
type thinned[T any] struct {
	all  []T
	n    int // added
	step int // 0 = 1
}

func (k *thinned[T]) every() int { return max(1, k.step) }

func (k *thinned[T]) add(v T) {
	if k.n%k.every() == 0 {
		k.all = append(k.all, v)
	}
	k.n++
	if len(k.all) <= mostPoints {
		return
	}
	half := k.all[:0]
	for i := 0; i < len(k.all); i += 2 {
		half = append(half, k.all[i])
	}
	k.all, k.step = half, 2*k.every()
}

// openRegular opens a file below the root, where it is one: a pipe would hold the page for ever.
func openRegular(root *os.Root, name string) (*os.File, error) {
	st, err := root.Stat(name)
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrInvalid}
	}
	return root.Open(name)
}

// noFile is the mark of what is no regular file.
const noFile = "-"

// markOf tells one state of a file from another.
func markOf(root *os.Root, name string) string {
	st, err := root.Stat(name)
	if err != nil || !st.Mode().IsRegular() {
		return noFile
	}
	return fmt.Sprint(st.Size(), " ", st.ModTime().UnixNano())
}

// readWhole reads a file of bounded size.
func readWhole(root *os.Root, name string, most int64) ([]byte, error) {
	f, err := openRegular(root, name)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // read-only
	b, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(b)) > most {
		err = &tooLargeError{name, most}
	}
	return b, err
}
