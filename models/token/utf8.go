package token

import "unicode/utf8"

// decode returns the first rune of s and its length. s has gone through repair, so its structure is sound;
// overlong forms are gone and surrogates are kept, as llama.cpp keeps them.
func decode(s string) (rune, int) {
	switch c := s[0]; {
	case c < 0x80:
		return rune(c), 1
	case c < 0xE0 && len(s) >= 2:
		return rune(c&0x1F)<<6 | rune(s[1]&0x3F), 2
	case c < 0xF0 && len(s) >= 3:
		return rune(c&0x0F)<<12 | rune(s[1]&0x3F)<<6 | rune(s[2]&0x3F), 3
	case len(s) >= 4:
		return rune(c&0x07)<<18 | rune(s[1]&0x3F)<<12 | rune(s[2]&0x3F)<<6 | rune(s[3]&0x3F), 4
	}
	panic("token: decode of text that was not repaired")
}

// repair returns s as llama.cpp's BPE sees it: each byte that starts no well-formed sequence becomes U+FFFD and
// overlong sequences become their shortest form. Valid UTF-8 comes back as it is, without a copy.
// (Where llama.cpp throws, for sequences beyond U+10FFFF, each byte becomes U+FFFD.)
func repair(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	out := make([]byte, 0, len(s)+16)
	for i := 0; i < len(s); {
		r, n := decodeLoose(s[i:])
		i += n
		out = appendRune(out, r)
	}
	return string(out)
}

// appendRune is utf8.AppendRune that keeps surrogates.
func appendRune(out []byte, r rune) []byte {
	if 0xD800 <= r && r <= 0xDFFF {
		return append(out, 0xE0|byte(r>>12), 0x80|byte(r>>6)&0x3F, 0x80|byte(r)&0x3F)
	}
	return utf8.AppendRune(out, r)
}

// decodeLoose decodes one rune by its lead byte and continuation bytes alone, or gives U+FFFD and 1.
func decodeLoose(s string) (rune, int) {
	tail := func(n int) bool {
		if len(s) <= n {
			return false
		}
		for _, c := range []byte(s[1 : n+1]) {
			if c&0xC0 != 0x80 {
				return false
			}
		}
		return true
	}
	switch c := s[0]; {
	case c < 0x80:
		return rune(c), 1
	case c < 0xC0:
	case c < 0xE0 && tail(1), c >= 0xE0 && c < 0xF0 && tail(2):
		return decode(s)
	case c >= 0xF0 && c < 0xF8 && tail(3):
		if r, n := decode(s); r <= utf8.MaxRune {
			return r, n
		}
	}
	return utf8.RuneError, 1
}
