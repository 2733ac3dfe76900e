package engine

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"

	"github.com/freehold-slm/freehold/kernels"
)

// A saved session is one file:
//
//	| "FHSTATE1" | n uint32 | header, n bytes of JSON | tokens int32 ... | pages | recurrent state | sha256 of all before |
//
// in little-endian. Pages are those of memory (see page), with zeros where no token is; the state is float32. Sizes follow from the header
// and the model, so a file can ask for no more memory than a session of its tokens.
const savedMagic = "FHSTATE1"

// savedArithmetic is raised when what a release computes for the same tokens changes: files of older ones are then another model's.
const savedArithmetic = 2 // 1: attention over q8_0 in f32, other places of its codes

// savedHeader says what a file holds. All that keys, values and states depend on is in Model.
type savedHeader struct {
	Model  string `json:"model"` // see Model.identity
	KV     string `json:"kv"`
	Key    string `json:"key"` // of the prefix cache; "" = of a session
	Tokens int    `json:"tokens"`
	Lag    int    `json:"lag"` // tokens at the end that no page and no state knows
}

const maxSavedHeader = 64 << 10

// SavedError says that a saved session cannot be restored. It is checked whole before a session changes.
type SavedError struct {
	Other bool   // it is whole, as far as was read, and another model's
	What  string // what is wrong
}

func (e *SavedError) Error() string { return "engine: saved session: " + e.What }

// identity is the hash of what results depend on: the file, its adapters, numeric mode, context (factors of positions may depend on it).
// It reads the file once.
func (m *Model) identity() (string, error) {
	if m.Spec.Encoder {
		return "", fmt.Errorf("%s: an encoder's sessions hold nothing that could be saved", m.file.Name)
	}
	m.idOnce.Do(func() {
		var sum [32]byte
		if sum, m.idErr = m.file.SHA256(); m.idErr != nil {
			return
		}
		h := sha256.New()
		fmt.Fprintf(h, "%d %x %v %v %d", savedArithmetic, sum, m.cfg.numeric, m.cfg.kv, m.cfg.context)
		if m.cfg.numeric == Fast {
			fmt.Fprintf(h, " %s", m.level.Name)
		}
		for _, a := range m.loraSums {
			fmt.Fprintf(h, " %x", a)
		}
		m.id = hex.EncodeToString(h.Sum(nil))
	})
	return m.id, m.idErr
}

// Save writes what the session holds: tokens, keys and values, recurrent state. The first Save or Restore of a model reads its file for its
// hash.
func (s *Session) Save(w io.Writer) error {
	if !s.busy.CompareAndSwap(false, true) {
		return errors.New("engine: Save of a session that is in use")
	}
	defer s.busy.Store(false)
	return s.m.save(w, "", &prefix{tokens: s.tokens, pages: s.pages, rec: s.rec})
}

// Restore makes the session hold what was saved, by a session of the same file, adapters, numeric mode, KV type and context. It checks all of
// it first; on an error, a SavedError where the file is at fault, the session holds what it held. The evaluation of the tokens after is the
// same as if these had been computed, bit for bit.
func (s *Session) Restore(r io.Reader) error {
	if !s.busy.CompareAndSwap(false, true) {
		return errors.New("engine: Restore of a session that is in use")
	}
	defer s.busy.Store(false)
	p, err := s.m.restore(r)
	if err != nil {
		return err
	}
	s.assignTo(p.tokens, p.pages, &p.rec)
	p.drop(s.m)
	return nil
}

// drop lets go of what a prefix holds.
func (p *prefix) drop(m *Model) {
	for _, x := range p.pages {
		m.dropPage(x)
	}
	p.rec.eachState(m.dropState)
}

// save writes a text with what was computed for it, under a key of the prefix cache.
func (m *Model) save(w io.Writer, key string, p *prefix) error {
	id, err := m.identity()
	if err != nil {
		return err
	}
	header, err := json.Marshal(savedHeader{id, m.cfg.kv.String(), key, len(p.tokens), p.rec.lag})
	if err != nil {
		return err
	}
	sum := sha256.New()
	out := io.MultiWriter(w, sum)
	put := func(v any) {
		if err == nil {
			err = binary.Write(out, binary.LittleEndian, v)
		}
	}
	put([]byte(savedMagic))
	put(uint32(len(header)))
	put(header)
	put(p.tokens)
	known := len(p.tokens) - p.rec.lag
	clean := m.blankPage()
	for i := range pagesFor(known) {
		page := p.pages[i]
		if n := known - i*kernels.PageKeys; n < kernels.PageKeys { // what others left behind it stays here
			m.copyPage(clean, page, n)
			m.wipe(clean, n)
			page = clean
		}
		put(page.f32)
		put(page.f16)
		put(page.q8)
	}
	if m.plan.state > 0 && known > 0 {
		put(p.rec.state.x)
	}
	if err == nil {
		_, err = w.Write(sum.Sum(nil))
	}
	return err
}

// restore reads a text with what was computed for it; the caller lets go of it.
func (m *Model) restore(r io.Reader) (p *prefix, err error) {
	id, err := m.identity()
	if err != nil {
		return nil, err
	}
	in := &savedReader{r: r, sum: sha256.New()}
	bad := func(format string, args ...any) (*prefix, error) {
		if in.err != nil {
			return nil, in.err
		}
		return nil, &SavedError{What: fmt.Sprintf(format, args...)}
	}
	if magic := in.bytes(len(savedMagic)); string(magic) != savedMagic {
		return bad("begins with %.8q, want %q", magic, savedMagic)
	}
	size := in.bytes(4)
	if in.err != nil {
		return nil, in.err
	}
	n := binary.LittleEndian.Uint32(size)
	if n > maxSavedHeader {
		return bad("has a header of %d bytes, want at most %d", n, maxSavedHeader)
	}
	var h savedHeader
	dec := json.NewDecoder(bytes.NewReader(in.bytes(int(n))))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&h); err != nil || in.err != nil {
		return bad("has a header that is none: %v", err)
	}
	switch {
	case h.Model != id || h.KV != m.cfg.kv.String():
		return nil, &SavedError{Other: true, What: "is another model's, or of other options: file, adapters, numeric mode, KV type and context must be the same"}
	case h.Tokens < 0 || h.Tokens > m.cfg.context:
		return bad("has %d tokens, want at most the context, %d", h.Tokens, m.cfg.context)
	case h.Lag < 0 || h.Lag > h.Tokens || h.Lag > 0 && m.plan.state == 0:
		return bad("has a lag of %d of %d tokens", h.Lag, h.Tokens)
	}
	p = &prefix{key: h.Key, tokens: make([]int32, h.Tokens), rec: recurrence{lag: h.Lag}}
	defer func() {
		if err != nil {
			p.drop(m)
			p = nil
		}
	}()
	in.read(p.tokens)
	for i, t := range p.tokens {
		if in.err == nil && (t < 0 || int(t) >= m.Spec.Vocab) {
			_, err = bad("token %d is %d, want 0 to %d", i, t, m.Spec.Vocab-1)
			return p, err
		}
	}
	room := func(bytes int64) bool {
		if !m.reserve(bytes) {
			err = &MemoryError{bytes, m.memory.held(), m.memory.most}
		}
		return err == nil
	}
	for range pagesFor(h.Tokens - h.Lag) {
		if in.err != nil || !room(m.pageBytes()) {
			break
		}
		x := m.newPage()
		p.pages = append(p.pages, x)
		in.read(x.f32)
		in.read(x.f16)
		in.read(x.q8)
		if in.err == nil && !m.finite(x) {
			_, err = bad("holds a number that is none")
			break
		}
	}
	if m.plan.state > 0 && h.Tokens > h.Lag && in.err == nil && err == nil && room(m.stateBytes()) {
		p.rec.state = m.newState()
		in.read(p.rec.state.x)
		if in.err == nil && !m.level.AllFinite(p.rec.state.x) {
			_, err = bad("holds a state with a number that is none")
		}
	}
	if err != nil {
		return p, err
	}
	want := in.sum.Sum(nil)
	if got := in.bytes(sha256.Size); in.err != nil || !bytes.Equal(got, want) {
		_, err = bad("does not have the checksum that it states")
		return p, err
	}
	if rest, _ := io.ReadFull(r, make([]byte, 1)); rest != 0 {
		_, err = bad("goes on after its end")
	}
	return p, err
}

// savedReader reads and hashes; its first error stays.
type savedReader struct {
	r   io.Reader
	sum hash.Hash
	err error
}

func (in *savedReader) bytes(n int) []byte {
	b := make([]byte, n)
	in.fill(b)
	return b
}

func (in *savedReader) fill(b []byte) {
	if in.err != nil {
		return
	}
	if _, err := io.ReadFull(in.r, b); errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		in.err = &SavedError{What: "is cut short"}
	} else if err != nil {
		in.err = err
	}
	in.sum.Write(b)
}

// savedPiece is how many bytes are read at once.
const savedPiece = 1 << 16

// read fills a slice of numbers; what cannot be read stays as it is.
func (in *savedReader) read(into any) {
	for n := binary.Size(into); n > 0 && in.err == nil; {
		b := in.bytes(min(n, savedPiece))
		if in.err != nil {
			return
		}
		n -= len(b)
		switch v := into.(type) {
		case []int32:
			k := len(b) / 4
			_, _ = binary.Decode(b, binary.LittleEndian, v[:k])
			into = v[k:]
		case []float32:
			k := len(b) / 4
			_, _ = binary.Decode(b, binary.LittleEndian, v[:k])
			into = v[k:]
		case []uint16:
			k := len(b) / 2
			_, _ = binary.Decode(b, binary.LittleEndian, v[:k])
			into = v[k:]
		}
	}
}

// blankPage is a page that nobody counts.
func (m *Model) blankPage() *page {
	n := m.offset(m.Spec.Layers, 0)
	switch m.cfg.kv {
	case KVF32:
		return &page{f32: make([]float32, n)}
	case KVQ8_0:
		return &page{q8: make([]uint16, n)}
	}
	return &page{f16: make([]uint16, n)}
}

// wipe makes zeros of all keys and values of a page from position n on.
func (m *Model) wipe(p *page, n int) {
	hd, bs := m.Spec.HeadDim, m.blockSize()
	for b := range m.cached[m.Spec.Layers] * m.Spec.KVHeads {
		at := m.offset(0, b)
		switch {
		case p.f32 != nil:
			wipeHead(p.f32[at:at+bs], p.f32[at+bs:at+2*bs], hd, n)
		case p.q8 != nil:
			kd, vd, k8, v8 := kernels.Q8Head(p.q8[at:], hd)
			for j := n; j < kernels.PageKeys; j++ {
				for d := range hd {
					k8[kernels.Q8Key(hd, j, d)], v8[kernels.Q8Value(hd, j, d)] = 0, 0
				}
			}
			for i := range len(kd) / kernels.PageKeys { // scales of one part of the heads, by position
				clear(kd[i*kernels.PageKeys+n : (i+1)*kernels.PageKeys])
				clear(vd[i*kernels.PageKeys+n : (i+1)*kernels.PageKeys])
			}
		default:
			wipeHead(p.f16[at:at+bs], p.f16[at+bs:at+2*bs], hd, n)
		}
	}
}

// wipeHead is wipe of a head's K [PageKeys/16, headDim, 16] and V [PageKeys, headDim].
func wipeHead[T float32 | uint16](k, v []T, headDim, n int) {
	clear(v[n*headDim:])
	for j := n; j < kernels.PageKeys; j++ {
		for d := range headDim {
			k[j/16*headDim*16+d*16+j%16] = 0
		}
	}
}

// finite tells whether a page holds numbers alone.
func (m *Model) finite(p *page) bool {
	infinite := func(x uint16) bool { return x&0x7c00 == 0x7c00 }
	if p.q8 == nil {
		return m.level.AllFinite(p.f32) && !slices.ContainsFunc(p.f16, infinite)
	}
	for b := range m.cached[m.Spec.Layers] * m.Spec.KVHeads {
		kd, vd, _, _ := kernels.Q8Head(p.q8[m.offset(0, b):], m.Spec.HeadDim)
		if slices.ContainsFunc(kd, infinite) || slices.ContainsFunc(vd, infinite) {
			return false
		}
	}
	return true
}
