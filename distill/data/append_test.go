package data

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// Rows of several who append at a time are all there, each whole, and the file is moved away under them.
func TestAppendTogether(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("NOT TESTED: two processes are kept apart on Unix alone")
	}
	path := filepath.Join(t.TempDir(), "rows.jsonl")
	const writers, each = 4, 50
	var wg sync.WaitGroup
	var moved []string
	for w := range writers {
		wg.Go(func() {
			a := Appender{Path: path, Most: 1 << 20} // opens the file for itself, as another process does
			for i := range each {
				var err error
				for range 50 { // on a busy machine who holds the file may not run for long
					if err = a.Append([]byte(fmt.Sprintf("{\"id\": \"%d-%d\", \"text\": %q}\n", w, i, strings.Repeat("x", 300)))); err == nil || !strings.Contains(err.Error(), "held by another") {
						break
					}
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for i := range 10 {
		time.Sleep(5 * time.Millisecond)
		to := fmt.Sprintf("%s.%d.jsonl", path, i)
		if os.Rename(path, to) == nil {
			moved = append(moved, to)
		}
	}
	wg.Wait()
	seen := map[string]bool{}
	for _, p := range append(moved, path) {
		if _, err := os.Stat(p); err != nil {
			continue
		}
		rows, err := Read(p, ReadOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range rows {
			seen[r.ID] = true
		}
	}
	if len(seen) != writers*each {
		t.Errorf("%d rows of %d are there", len(seen), writers*each)
	}
}

// A file that another holds, that is full, or that an editor or a dead process left without an end.
func TestAppend(t *testing.T) {
	path := filepath.Join(t.TempDir(), "rows.jsonl")
	a := Appender{Path: path, Most: 60}
	holds := func(want string) {
		t.Helper()
		if b, err := os.ReadFile(path); err != nil || string(b) != want {
			t.Errorf("the file holds %q (%v), want %q", b, err, want)
		}
	}
	const row = `{"text": "a"}` + "\n"
	for _, c := range []struct{ before, after string }{
		{"", row},
		{row, row + row},
		{strings.TrimSuffix(row, "\n"), row + row},
		{row + `{"text": "b`, row + row},
		{`{"te`, row},
	} {
		if err := os.WriteFile(path, []byte(c.before), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := a.Append([]byte(row)); err != nil {
			t.Error(err)
		}
		holds(c.after)
	}
	for before, says := range map[string]string{strings.Repeat(row, 4): "holds 56 bytes and may hold 60; move it away", "[\n" + row + "]": "no row"} {
		if err := os.WriteFile(path, []byte(before), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := a.Append([]byte(row)); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v, want %q", before, err, says)
		}
		holds(before)
	}
	if runtime.GOOS != "windows" {
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		if lockedByOther(f) {
			t.Fatal("the file is held by nobody")
		}
		if err := a.Append([]byte(row)); err == nil || !strings.Contains(err.Error(), "held by another") {
			t.Errorf("a file that another holds: %v", err)
		}
		f.Close()
	}
	if err := (&Appender{Path: filepath.Join(path, "in", "a", "file"), Most: 1}).Append(nil); err == nil {
		t.Error("a folder that is not there")
	}
}

// Mask takes out what data.mask does, all kinds or some.
func TestMaskOf(t *testing.T) {
	const text = "me@example.org, http://example.org/x"
	for want, kinds := range map[string][]string{"[EMAIL], [URL]": nil, "[EMAIL], http://example.org/x": {"email"}} {
		m, err := Mask(kinds...)
		if err != nil || m(text) != want {
			t.Errorf("%v: %q (%v), want %q", kinds, m(text), err, want)
		}
	}
	if _, err := Mask("emial"); err == nil || !strings.Contains(err.Error(), `did you mean "email"`) {
		t.Errorf("an unknown kind: %v", err)
	}
}

// What keeping a row costs a request.
func BenchmarkAppend(b *testing.B) {
	path := filepath.Join(b.TempDir(), "rows.jsonl")
	a := Appender{Path: path, Most: 1 << 40}
	row := []byte(fmt.Sprintf("{\"text\": %q}\n", strings.Repeat("x", 350)))
	for b.Loop() {
		if err := a.Append(row); err != nil {
			b.Fatal(err)
		}
	}
}
