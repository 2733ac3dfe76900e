package token

import "unicode/utf8"

// Streamer turns tokens into text as they come, never splitting a rune. It allocates nothing in steady state.
type Streamer struct {
	t       *Tokenizer
	special bool
	buf     []byte
	held    int // bytes at the end of buf that begin a rune not complete yet
}

// NewStreamer returns a Streamer; special shows control tokens as text.
func (t *Tokenizer) NewStreamer(special bool) *Streamer {
	return &Streamer{t: t, special: special, buf: make([]byte, 0, 256)}
}

// Push returns the text that is complete after this token, perhaps none. The slice is valid until the next call.
// Bytes that can be part of no rune come through as they are.
func (s *Streamer) Push(id int32) []byte {
	s.buf = s.buf[:copy(s.buf, s.buf[len(s.buf)-s.held:])]
	s.buf = append(s.buf, s.t.Piece(id, s.special)...)
	s.held = openRune(s.buf)
	return s.buf[:len(s.buf)-s.held]
}

// Flush returns what is held back, an incomplete rune, and starts anew.
func (s *Streamer) Flush() []byte {
	rest := s.buf[len(s.buf)-s.held:]
	s.buf, s.held = s.buf[:0], 0
	return rest
}

// openRune returns how many bytes at the end of b begin a rune that more bytes could complete.
func openRune(b []byte) int {
	for n := 1; n <= min(len(b), utf8.UTFMax-1); n++ {
		tail := b[len(b)-n:]
		if utf8.RuneStart(tail[0]) {
			if utf8.FullRune(tail) {
				return 0
			}
			return n
		}
	}
	return 0
}
