package engine

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// seal writes the checksum of a saved session anew.
func seal(b []byte) []byte {
	sum := sha256.Sum256(b[:len(b)-sha256.Size])
	return append(slices.Clone(b[:len(b)-sha256.Size]), sum[:]...)
}

// A session that was saved and restored in another model of the same file goes on with the same bits, for each type of cache and
// recurrent layers too; what is left of other texts in its memory is not in the file.
func TestSaved(t *testing.T) {
	for _, c := range []struct {
		name string
		kv   KV
	}{{"llama256", KVF16}, {"llama256", KVF32}, {"llama256", KVQ8_0}, {"mamba2", KVF16}} {
		t.Run(c.name+" "+c.kv.String(), func(t *testing.T) {
			fixture := filepath.Join("..", "testdata", "models", c.name+".Q8_0.gguf")
			open := func() *Model {
				t.Helper()
				m, err := Open(fixture, WithThreads(1), WithKV(c.kv))
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { m.Close() })
				return m
			}
			m := open()
			long := tinyPrompt(300, m.Spec.Vocab)
			dirty := m.NewSession() // what it leaves in its pages is another's
			if _, err := dirty.Eval(t.Context(), long); err != nil {
				t.Fatal(err)
			}
			dirty.Close()
			for _, n := range []int{0, 1, 21, 256, 277} {
				s := m.NewSession()
				if n > 0 {
					if _, err := s.Eval(t.Context(), long[:n]); err != nil {
						t.Fatal(err)
					}
				}
				if n == 277 { // a state that does not know all tokens
					s.Truncate(270)
				}
				var file bytes.Buffer
				if err := s.Save(&file); err != nil {
					t.Fatal(err)
				}
				fresh, other := open(), bytes.Buffer{}
				r := fresh.NewSession()
				if n > 0 {
					if _, err := r.Eval(t.Context(), long[:n]); err != nil {
						t.Fatal(err)
					}
				}
				r.Truncate(s.Len())
				if err := r.Save(&other); err != nil || !bytes.Equal(file.Bytes(), other.Bytes()) {
					t.Errorf("%d tokens: a session in new memory is another file (%v): something was in it that is not the session's", n, err)
				}
				r.Truncate(0)
				if err := r.Restore(bytes.NewReader(file.Bytes())); err != nil {
					t.Fatal(err)
				}
				kept := slices.Clone(s.Tokens())
				if !slices.Equal(r.Tokens(), kept) {
					t.Fatalf("%d tokens are restored as %d", s.Len(), r.Len())
				}
				want, err := s.Eval(t.Context(), long)
				if err != nil {
					t.Fatal(err)
				}
				passes := fresh.Load().Rows
				got, err := r.Eval(t.Context(), long)
				if err != nil || !slices.Equal(got, want) {
					t.Errorf("after %d tokens that were restored: other logits (%v)", n, err)
				}
				if rows := int(fresh.Load().Rows - passes); m.plan.state == 0 && rows != 300-len(kept) {
					t.Errorf("%d of 300 tokens were computed, with %d restored", rows, n)
				}
				r.Close()
				s.Close()
				if held := fresh.Load().KVBytes; held != 0 {
					t.Errorf("%d bytes are held by nobody", held)
				}
			}
		})
	}
}

// A file that was changed in any place is refused, and the session holds what it held; so is one of another model, of other options, and one
// that asks for more than it has.
func TestSavedHostile(t *testing.T) {
	path := filepath.Join("..", "testdata", "models", "qwen2.Q8_0.gguf")
	open := func(opts ...Option) *Model {
		t.Helper()
		m, err := Open(path, append(opts, WithThreads(1))...)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { m.Close() })
		return m
	}
	m := open()
	prompt := tinyPrompt(20, m.Spec.Vocab)
	s := m.NewSession()
	if _, err := s.Eval(t.Context(), prompt); err != nil {
		t.Fatal(err)
	}
	var file bytes.Buffer
	if err := s.Save(&file); err != nil {
		t.Fatal(err)
	}
	good := file.Bytes()
	r := m.NewSession()
	if _, err := r.Eval(t.Context(), prompt[:3]); err != nil {
		t.Fatal(err)
	}
	held := m.Load().KVBytes
	refused := func(what string, b []byte) {
		t.Helper()
		err := r.Restore(bytes.NewReader(b))
		if saved := (*SavedError)(nil); !errors.As(err, &saved) {
			t.Errorf("%s: %v, want a SavedError", what, err)
		}
		if r.Len() != 3 || m.Load().KVBytes != held {
			t.Fatalf("%s: the session holds %d tokens, and %d bytes are held, want %d", what, r.Len(), m.Load().KVBytes, held)
		}
	}
	header := int(binary.LittleEndian.Uint32(good[8:]))
	for at := 0; at < len(good); at += 1 + at/40 { // all of the header, some of the rest
		b := slices.Clone(good)
		b[at] ^= 0x10
		refused("a bit", b)
	}
	for n := 0; n < len(good); n += 1 + n/10 {
		refused("cut", good[:n])
	}
	refused("longer", append(slices.Clone(good), 0))
	edit := func(change func(h *savedHeader)) []byte {
		var h savedHeader
		if err := json.Unmarshal(good[12:12+header], &h); err != nil {
			t.Fatal(err)
		}
		change(&h)
		text, _ := json.Marshal(h)
		b := binary.LittleEndian.AppendUint32([]byte(savedMagic), uint32(len(text)))
		return seal(append(append(b, text...), good[12+header:]...))
	}
	refused("too many tokens", edit(func(h *savedHeader) { h.Tokens = 1 << 40 }))
	refused("more tokens than there are", edit(func(h *savedHeader) { h.Tokens = 500 }))
	refused("fewer than none", edit(func(h *savedHeader) { h.Tokens = -1 }))
	refused("a lag", edit(func(h *savedHeader) { h.Lag = 5 }))
	refused("another model", edit(func(h *savedHeader) { h.Model = strings.Repeat("0", 64) }))
	b := slices.Clone(good)
	binary.LittleEndian.PutUint32(b[12+header:], 1<<30)
	refused("a token that is none", seal(b))
	b = slices.Clone(good)
	for i := 12 + header + 4*len(prompt); i < len(b)-sha256.Size; i++ {
		b[i] = 0xff
	}
	refused("NaN", seal(b))
	for what, other := range map[string]*Model{"KV": open(WithKV(KVF32)), "context": open(WithContext(100)), "mode": open(WithNumeric(Reference))} {
		saved := (*SavedError)(nil)
		if err := other.NewSession().Restore(bytes.NewReader(good)); !errors.As(err, &saved) || !saved.Other {
			t.Errorf("another %s: %v", what, err)
		}
	}
	if err := r.Restore(bytes.NewReader(good)); err != nil || r.Len() != 20 {
		t.Errorf("and the file itself: %v", err)
	}
	full := open(WithKVMemory(m.pageBytes()))
	taken := full.NewSession()
	if _, err := taken.Eval(t.Context(), prompt); err != nil {
		t.Fatal(err)
	}
	var room *MemoryError
	if err := full.NewSession().Restore(bytes.NewReader(good)); !errors.As(err, &room) {
		t.Errorf("without memory: %v", err)
	}
}

// A prefix cache comes back from a folder, each text under its own key; another model's and damaged files stay where they are.
func TestPrefixCacheSaved(t *testing.T) {
	path, dir := filepath.Join("..", "testdata", "models", "llama256.Q8_0.gguf"), t.TempDir()
	open := func(opts ...Option) (*Model, *PrefixCache) {
		t.Helper()
		m, err := Open(path, append(opts, WithThreads(1))...)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { m.Close() })
		return m, m.NewPrefixCache(64 << 20)
	}
	m, c := open()
	long := tinyPrompt(300, m.Spec.Vocab)
	keep := func(key string, tokens []int32) {
		s := m.NewSession()
		defer s.Close()
		if _, err := s.Eval(context.Background(), tokens); err != nil {
			t.Fatal(err)
		}
		c.For(key).Keep(s)
	}
	keep("a", long)
	keep("b", append(slices.Clone(long[:299]), 1))
	keep("b", long[5:50]) // too short for a file
	for range 2 {
		if err := c.Save(dir); err != nil {
			t.Fatal(err)
		}
	}
	files, _ := filepath.Glob(filepath.Join(dir, "*"))
	if len(files) != 2 {
		t.Fatalf("files: %v", files)
	}
	for _, f := range files {
		if st, err := os.Stat(f); err != nil || st.Mode().Perm() != 0o600 {
			t.Errorf("%v, %v", st.Mode(), err)
		}
	}
	again, d := open()
	if n, err := d.Load(dir); n != 2 || err != nil {
		t.Fatalf("%d texts: %v", n, err)
	}
	for key, want := range map[string]int{"a": 299, "b": 299, "c": 0, "": 0} {
		s := again.NewSession()
		if got := d.For(key).Reuse(s, long); max(0, got) != want && !(key == "b" && got == 298) {
			t.Errorf("key %q: %d tokens are known, want %d", key, got, want)
		}
		s.Close()
	}
	if _, e := open(WithContext(301)); second(e.Load(dir)) != nil || e.Stats().Prefixes != 0 {
		t.Error("another model takes the texts")
	}
	b, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/2] ^= 1
	if err := os.WriteFile(files[0], b, 0o600); err != nil {
		t.Fatal(err)
	}
	_, e := open()
	if n, err := e.Load(dir); n != 1 || err == nil || !strings.Contains(err.Error(), filepath.Base(files[0])) {
		t.Errorf("with a damaged file: %d texts, %v", n, err)
	}
	d.Clear()
	if err := d.Save(dir); err != nil {
		t.Fatal(err)
	}
	if files, _ = filepath.Glob(filepath.Join(dir, "*")); len(files) != 0 {
		t.Errorf("an empty cache leaves %v", files)
	}
}

func second[A, B any](_ A, b B) B { return b }
