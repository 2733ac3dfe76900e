package token

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"unicode/utf8"
)

// normaliser rewrites text as SentencePiece does before it tokenizes: by a precompiled character map (NFKC and more), then with
// marks for spaces.
type normaliser struct {
	// The map: a double array (Aoe 1989; Yata's Darts-clone) of the texts to replace, and their replacements, each ended by 0.
	units        []uint32
	replacements []byte

	kept                *lexicon // user-defined tokens stay as they are
	prefix, mergeSpaces bool
}

func newNormaliser(v *Vocab, texts *index) (normaliser, error) {
	m := normaliser{prefix: v.AddSpacePrefix, mergeSpaces: v.MergeSpaces}
	var kept []int32
	for id, text := range v.Tokens {
		if v.TypeOf(id) == UserDefined && text != "" {
			kept = append(kept, int32(id))
		}
	}
	if len(kept) > 0 {
		m.kept = newLexicon(texts, kept)
	}
	if v.Chars == nil {
		return m, nil
	}
	if len(v.Chars) < 4 {
		return m, fmt.Errorf("token: the character map has %d bytes, want 4 at least", len(v.Chars))
	}
	size := binary.LittleEndian.Uint32(v.Chars)
	rest := v.Chars[4:]
	if uint64(size) >= uint64(len(rest)) || size%4 != 0 {
		return m, fmt.Errorf("token: the character map's array has %d bytes, want a multiple of 4 below %d", size, len(rest))
	}
	m.units = make([]uint32, size/4)
	for i := range m.units {
		m.units[i] = binary.LittleEndian.Uint32(rest[4*i:])
	}
	m.replacements = bytes.Clone(rest[size:])
	if m.replacements[len(m.replacements)-1] != 0 {
		return m, fmt.Errorf("token: the character map's last replacement does not end in 0")
	}
	return m, nil
}

// appendNormal appends the normal form of text.
func (m *normaliser) appendNormal(dst []byte, text string) []byte {
	inWord, prefixed := false, false
	put := func(s []byte) {
		for _, c := range s {
			if c == ' ' {
				inWord = false
				if !m.mergeSpaces {
					dst = append(dst, spaceMark...)
				}
				continue
			}
			if !inWord {
				inWord = true
				if m.prefix && !prefixed || m.mergeSpaces {
					dst = append(dst, spaceMark...)
					prefixed = true
				}
			}
			dst = append(dst, c)
		}
	}
	var buf [utf8.UTFMax]byte
	for len(text) > 0 {
		n := m.keptPrefix(text)
		if n > 0 {
			put([]byte(text[:n]))
		} else if with, length := m.replace(text); length > 0 {
			put(with)
			n = length
		} else if _, n = decodeLoose(text); n == 1 && text[0] >= 0x80 {
			put(append(buf[:0], "\ufffd"...))
		} else {
			put(append(buf[:0], text[:n]...))
		}
		text = text[n:]
	}
	return dst
}

// keptPrefix returns how much of text a user-defined token begins with, or is begun by. (llama.cpp counts a part of such
// a token as well.)
func (m *normaliser) keptPrefix(text string) int {
	if m.kept == nil {
		return 0
	}
	return m.kept.common(text)
}

// replace returns what stands for the longest text of the map that text begins with, and its length, or 0.
func (m *normaliser) replace(text string) (with []byte, length int) {
	if len(m.units) == 0 {
		return nil, 0
	}
	offset := func(unit uint32) uint32 { return unit >> 10 << (unit & (1 << 9) >> 6) }
	value, node := uint32(0), offset(m.units[0])
	for i := 0; i < len(text) && text[i] != 0; i++ {
		node ^= uint32(text[i])
		if int(node) >= len(m.units) {
			break
		}
		unit := m.units[node]
		if unit&(1<<31|0xFF) != uint32(text[i]) {
			break
		}
		node ^= offset(unit)
		if unit>>8&1 == 0 {
			continue
		}
		if int(node) >= len(m.units) {
			break
		}
		value, length = m.units[node]&(1<<31-1), i+1
	}
	if length == 0 || int(value) >= len(m.replacements) {
		return nil, 0
	}
	end := bytes.IndexByte(m.replacements[value:], 0)
	return m.replacements[value:][:end], length
}
