package token

import (
	"bytes"
	"fmt"
	"math/bits"
	"strings"
	"unicode/utf8"
)

// bpe merges by ranked pairs (Sennrich et al., arXiv:1508.07909): bytes, in GPT-2's spelling, or with pre.raw characters, where
// <0x00> to <0xFF> spell what is no token.
type bpe struct {
	pre    *pre
	texts  *index
	tokens int32      // symbols from here on are no tokens
	byteID [256]int32 // symbol of each byte; with pre.raw of the tokens <0x00> to <0xFF>, or -1
	seams  seams      // with pre.raw: where text falls into pieces that no merge joins
	merged []int32    // [merges] symbol that a merge of this rank makes
	pairs  []uint64   // open addressing: left+1, right, rank; 0 = free
	shift  uint       // 64 - log2(len(pairs))
}

// Bits of a pair table entry.
const (
	symbolBits = 21
	rankBits   = 64 - 2*symbolBits
)

func newBPE(v *Vocab, texts *index) (*bpe, error) {
	p, err := preTokenizer(v.Pre)
	if err != nil {
		return nil, err
	}
	if len(v.Merges) >= 1<<rankBits {
		return nil, fmt.Errorf("token: %d merges, want fewer than %d", len(v.Merges), 1<<rankBits)
	}
	b := &bpe{pre: p, texts: texts, tokens: int32(len(v.Tokens)), merged: make([]int32, len(v.Merges))}
	keys := make([]uint64, len(v.Merges)) // of the pair table
	if err := ranges(len(keys), func(from, to int) error { return b.resolve(keys, v.Merges, from, to) }); err != nil {
		return nil, err
	}
	for c := range b.byteID {
		if p.raw {
			b.byteID[c] = texts.find(byteName(byte(c)))
		} else {
			b.byteID[c] = texts.add(string(byteRune[c]))
		}
	}
	for rank, m := range v.Merges {
		if keys[rank] != 0 {
			continue
		}
		cut := cutMerge(m)
		left, right := texts.add(m[:cut]), texts.add(m[cut+1:])
		b.merged[rank] = texts.add(m[:cut] + m[cut+1:])
		if texts.len() > maxSymbols-1 {
			return nil, fmt.Errorf("token: tokens and merges make more than %d symbols", maxSymbols-1)
		}
		if len(texts.blob) > maxText {
			return nil, fmt.Errorf("token: tokens and merges hold more than %d bytes of text", maxText)
		}
		keys[rank] = pairKey(left, right)
	}
	if p.raw {
		for _, id := range b.merged {
			b.seams.join(string(texts.text(id)))
		}
	}
	b.pairs = make([]uint64, slotsFor(len(keys)))
	b.shift = 64 - uint(bits.TrailingZeros(uint(len(b.pairs))))
	for rank, key := range keys {
		b.addPair(key, rank)
	}
	return b, nil
}

// cutMerge returns where the space of "left right" stands, or 0 where there are no two parts. The first byte belongs to
// the left part even where it is a space.
func cutMerge(m string) int {
	if len(m) < 3 {
		return 0
	}
	if cut := strings.IndexByte(m[1:], ' ') + 1; cut < len(m)-1 {
		return cut
	}
	return 0
}

// resolve finds the symbols of the merges of ranks from to to-1, where all three are tokens: what they make goes to
// b.merged, their pair to keys. The index is only read, so several goroutines may do it.
func (b *bpe) resolve(keys []uint64, merges []string, from, to int) error {
	joined := make([]byte, 0, 256)
	guess := int32(0)
	for rank := from; rank < to; rank++ {
		m := merges[rank]
		cut := cutMerge(m)
		if cut == 0 {
			return fmt.Errorf("token: merge %d is %.40q, want two parts with a space between", rank, m)
		}
		left, right := b.texts.find(m[:cut]), b.texts.find(m[cut+1:])
		if left < 0 || right < 0 {
			continue
		}
		joined = append(append(joined[:0], m[:cut]...), m[cut+1:]...)
		// Most vocabularies number what merges make in the order of the merges: try that before the index.
		id := guess
		if id >= b.tokens || !bytes.Equal(b.texts.text(id), joined) {
			if id = b.texts.find(string(joined)); id < 0 {
				continue
			}
		}
		b.merged[rank], keys[rank] = id, pairKey(left, right)
		guess = id + 1
	}
	return nil
}

func pairKey(left, right int32) uint64 { return uint64(left+1)<<symbolBits | uint64(right) }

// addPair enters a merge; of two equal ones the first stays.
func (b *bpe) addPair(key uint64, rank int) {
	for i := b.slot(key); ; i = (i + 1) & (len(b.pairs) - 1) {
		switch e := b.pairs[i]; {
		case e == 0:
			b.pairs[i] = key<<rankBits | uint64(rank)
			return
		case e>>rankBits == key:
			return
		}
	}
}

func (b *bpe) slot(key uint64) int { return int(key * 0x9E3779B97F4A7C15 >> b.shift) }

const noRank = ^uint32(0)

// rank returns the rank of the merge of two symbols, or noRank.
func (b *bpe) rank(left, right int32) uint32 {
	key := pairKey(left, right)
	for i := b.slot(key); ; i = (i + 1) & (len(b.pairs) - 1) {
		e := b.pairs[i]
		if e>>rankBits == key {
			return uint32(e & (1<<rankBits - 1))
		}
		if e == 0 {
			return noRank
		}
	}
}

// pair makes bpe a pairer.
func (b *bpe) pair(left, right *link) (uint32, int32, bool) {
	if left.id < 0 || right.id < 0 { // characters that no merge knows
		return 0, 0, false
	}
	rank := b.rank(left.id, right.id)
	if rank == noRank {
		return 0, 0, false
	}
	return rank, b.merged[rank], true
}

// encode appends the tokens of text.
func (b *bpe) encode(dst []int32, text string, _ bool, s *scratch) []int32 {
	text = repair(text)
	if b.pre.marks {
		text = strings.ReplaceAll(text, " ", spaceMark)
	}
	return b.cut(dst, text, b.pre.stages, s)
}

func (b *bpe) cut(dst []int32, text string, stages []stage, s *scratch) []int32 {
	cut, deeper := stages[0], stages[1:]
	for len(text) > 0 {
		n := cut(text)
		switch {
		case len(deeper) > 0:
			dst = b.cut(dst, text[:n], deeper, s)
		case b.pre.raw:
			dst = b.line(dst, text[:n], s)
		default:
			dst = b.piece(dst, text[:n], s)
		}
		text = text[n:]
	}
	return dst
}

// line appends the tokens of a piece of raw text.
func (b *bpe) line(dst []int32, text string, s *scratch) []int32 {
	if text[0] == '\n' {
		if b.pre.newlines {
			if id := b.texts.find(text); id >= 0 && id < b.tokens {
				return append(dst, id)
			}
		}
	} else if b.pre.metaspace && !strings.HasPrefix(text, spaceMark) {
		text = spaceMark + text
	}
	for len(text) > 0 {
		n := b.seams.first(text)
		if b.pre.metaspace && n > len(spaceMark) {
			if next := strings.Index(text[1:n], spaceMark); next >= 0 {
				n = next + 1
			}
		}
		dst = b.piece(dst, text[:n], s)
		text = text[n:]
	}
	return dst
}

// piece appends the tokens of one piece.
func (b *bpe) piece(dst []int32, piece string, s *scratch) []int32 {
	if len(piece) > maxCached {
		return b.pieceUncached(dst, piece, s)
	}
	e := s.words.find(piece)
	if e.n > 0 {
		return append(dst, e.ids[:e.n]...)
	}
	from := len(dst)
	dst = b.pieceUncached(dst, piece, s)
	e.fill(dst[from:])
	return dst
}

// shortPiece is the length in bytes up to which a scan for the best pair beats the heap.
const shortPiece = 32

func (b *bpe) pieceUncached(dst []int32, piece string, s *scratch) []int32 {
	if b.pre.ignoreMerges {
		s.spelled = appendSpelled(s.spelled[:0], piece)
		if id := b.texts.find(string(s.spelled)); id >= 0 && id < b.tokens {
			return append(dst, id)
		}
	}
	c := &s.chain
	c.reset()
	switch {
	case b.pre.raw:
		for i := 0; i < len(piece); {
			n := charLen(piece[i:])
			c.push(n, b.texts.find(piece[i:i+n]))
			i += n
		}
	case len(piece) == 1:
		return b.emit(dst, piece, b.byteID[piece[0]])
	case len(piece) <= shortPiece:
		return b.short(dst, piece)
	default:
		for i := range len(piece) {
			c.push(1, b.byteID[piece[i]])
		}
	}
	c.merge(b)
	for i := int32(0); i >= 0; i = c.syms[i].next {
		l := &c.syms[i]
		dst = b.emit(dst, piece[l.pos:l.pos+l.n], l.id)
	}
	return dst
}

// short merges a short piece: the best pair is found by looking at all.
func (b *bpe) short(dst []int32, piece string) []int32 {
	var ids [shortPiece]int32
	var ranks [shortPiece]uint32 // of the pair that starts here
	var ends [shortPiece]uint8
	n := len(piece)
	for i := range n {
		ids[i], ends[i] = b.byteID[piece[i]], uint8(i+1)
	}
	for i := range n - 1 {
		ranks[i] = b.rank(ids[i], ids[i+1])
	}
	for n > 1 {
		best, at := noRank, 0
		for i, r := range ranks[:n-1] {
			if r < best {
				best, at = r, i
			}
		}
		if best == noRank {
			break
		}
		ids[at], ends[at] = b.merged[best], ends[at+1]
		copy(ids[at+1:n-1], ids[at+2:n])
		copy(ends[at+1:n-1], ends[at+2:n])
		copy(ranks[at:n-2], ranks[at+1:n-1])
		n--
		if at > 0 {
			ranks[at-1] = b.rank(ids[at-1], ids[at])
		}
		if at < n-1 {
			ranks[at] = b.rank(ids[at], ids[at+1])
		}
	}
	start := uint8(0)
	for i := range n {
		dst = b.emit(dst, piece[start:ends[i]], ids[i])
		start = ends[i]
	}
	return dst
}

// blankless drops white space and tokenizes what lies between, in lower case if asked to.
type blankless struct {
	*bpe
	lower bool
}

func newBlankless(v *Vocab, texts *index) (encoder, error) {
	b, err := newBPE(v, texts)
	return &blankless{b, v.Lowercase}, err
}

func (b *blankless) encode(dst []int32, text string, start bool, s *scratch) []int32 {
	text = repair(text)
	if b.lower {
		text = lowerText(text)
	}
	for len(text) > 0 {
		text = text[runIn(text, 0, space):]
		end := runOut(text, 0, space)
		if end > 0 {
			dst = b.bpe.encode(dst, text[:end], start, s)
		}
		text = text[end:]
	}
	return dst
}

// emit appends a symbol, or its bytes where it is no token. A byte that is no token is dropped, as in llama.cpp.
func (b *bpe) emit(dst []int32, part string, id int32) []int32 {
	if 0 <= id && id < b.tokens {
		return append(dst, id)
	}
	for i := range len(part) {
		if id := b.byteID[part[i]]; 0 <= id && id < b.tokens {
			dst = append(dst, id)
		}
	}
	return dst
}

// byteRune spells each byte as a printable character: itself where it is one in Latin-1, else U+0100 and up in order.
var byteRune = func() (t [256]rune) {
	next := rune(0x100)
	for c := range t {
		if '!' <= c && c <= '~' || 0xA1 <= c && c <= 0xAC || 0xAE <= c {
			t[c] = rune(c)
		} else {
			t[c] = next
			next++
		}
	}
	return t
}()

// runeByte is the inverse of byteRune; -1 for runes that spell no byte.
var runeByte = func() (t [0x144]int16) {
	for i := range t {
		t[i] = -1
	}
	for c, r := range byteRune {
		t[r] = int16(c)
	}
	return t
}()

func appendSpelled(dst []byte, s string) []byte {
	for i := range len(s) {
		dst = utf8.AppendRune(dst, byteRune[s[i]])
	}
	return dst
}
