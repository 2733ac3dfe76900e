package engine

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/freehold-slm/freehold/kernels"
	"github.com/freehold-slm/freehold/models/gguf"
)

const savedSuffix = ".state"

// Save writes the texts of the cache that fill a page (256 tokens) or more into the folder, a file each that only its owner may read, and removes
// those that an earlier Save of the same model left and that are not held any more. A file is whole or not there. What Load brings back
// belongs to the key that it was kept under.
func (c *PrefixCache) Save(dir string) error {
	id, err := c.m.identity()
	if err != nil {
		return err
	}
	keep := map[string]bool{}
	for _, p := range c.hold() {
		if err == nil && len(p.tokens) >= kernels.PageKeys {
			h := sha256.New()
			fmt.Fprintf(h, "%d %s", len(p.key), p.key)
			binary.Write(h, binary.LittleEndian, p.tokens) //nolint:errcheck // a hash takes everything
			name := savedStem(id) + hex.EncodeToString(h.Sum(nil)[:16]) + savedSuffix
			keep[name] = true
			if _, statErr := os.Stat(filepath.Join(dir, name)); statErr != nil {
				err = gguf.Publish(private{}, filepath.Join(dir, name), func(w io.Writer) error {
					b := bufio.NewWriterSize(w, 1<<20)
					return errors.Join(c.m.save(b, p.key, p), b.Flush())
				})
			}
		}
		p.drop(c.m)
	}
	if err != nil {
		return err
	}
	names, err := savedNames(dir, id)
	for _, name := range names {
		if !keep[name] {
			err = errors.Join(err, os.Remove(filepath.Join(dir, name)))
		}
	}
	return err
}

// Load takes in what Save wrote for the same model and options, as far as it fits, and tells how many texts that are. A file that is damaged is
// left out; the error names it.
func (c *PrefixCache) Load(dir string) (texts int, err error) {
	id, err := c.m.identity()
	if err != nil {
		return 0, err
	}
	names, err := savedNames(dir, id)
	var failed []error
	for _, name := range names {
		if err := c.load(filepath.Join(dir, name)); err != nil {
			failed = append(failed, err)
			continue
		}
		texts++
	}
	return texts, errors.Join(append(failed, err)...)
}

func (c *PrefixCache) load(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // read-only
	if st, err := f.Stat(); err != nil || !st.Mode().IsRegular() {
		return errors.Join(err, fmt.Errorf("%s is no file", path))
	}
	p, err := c.m.restore(bufio.NewReaderSize(f, 1<<20))
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	defer p.drop(c.m)
	s := c.m.NewSession()
	defer s.Close()
	s.assignTo(p.tokens, p.pages, &p.rec)
	c.For(p.key).Keep(s)
	return nil
}

// hold gives the texts of the cache, least recently used first, with references that the caller drops.
func (c *PrefixCache) hold() []*prefix {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []*prefix
	for e := c.order.Front(); e != nil; e = e.Next() {
		p := e.Value.(*prefix)
		held := &prefix{key: p.key, tokens: p.tokens, pages: append([]*page(nil), p.pages...), rec: recurrence{state: p.rec.state, lag: p.rec.lag}}
		for _, x := range held.pages {
			x.refs.Add(1)
		}
		held.rec.eachState(func(x *state) { x.refs.Add(1) })
		all = append(all, held)
	}
	return all
}

// savedStem is what the names of a model's files begin with.
func savedStem(id string) string { return id[:16] + "-" }

func savedNames(dir, id string) (names []string, err error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), savedStem(id)) && strings.HasSuffix(e.Name(), savedSuffix) {
			names = append(names, e.Name())
		}
	}
	return names, err
}

// private makes files that only their owner reads: they hold the texts.
type private struct{ gguf.OS }

func (private) Create(name string) (gguf.FSFile, error) {
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
}
