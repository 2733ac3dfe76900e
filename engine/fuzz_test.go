package engine

import (
	"bytes"
	"path/filepath"
	"testing"
)

// What is read as a saved session is refused and changes nothing, or can be saved again; the checksum is made to fit, so that the parts
// behind it are reached.
func FuzzRestore(f *testing.F) {
	m, err := Open(filepath.Join("..", "testdata", "models", "qwen2.Q8_0.gguf"), WithThreads(1), WithContext(300))
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { m.Close() })
	s := m.NewSession()
	if _, err := s.Eval(f.Context(), tinyPrompt(3, m.Spec.Vocab)); err != nil {
		f.Fatal(err)
	}
	var file bytes.Buffer
	if err := s.Save(&file); err != nil {
		f.Fatal(err)
	}
	s.Close()
	f.Add(file.Bytes())
	f.Add(file.Bytes()[:200])
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 1<<20 {
			return
		}
		if len(b) > 32 {
			b = seal(b)
		}
		s := m.NewSession()
		err := s.Restore(bytes.NewReader(b))
		if err != nil && (s.Len() != 0 || len(s.pages) != 0) {
			t.Errorf("%v, and the session holds %d tokens", err, s.Len())
		}
		if err == nil {
			if err := s.Save(&bytes.Buffer{}); err != nil {
				t.Error(err)
			}
		}
		s.Close()
		if held := m.Load().KVBytes; held != 0 {
			t.Errorf("%d bytes are held by nobody", held)
		}
	})
}
