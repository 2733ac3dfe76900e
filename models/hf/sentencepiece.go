package hf

import (
	"fmt"
	"math"
	"path/filepath"
	"strconv"

	"github.com/freehold-slm/freehold/models/gguf"
	"github.com/freehold-slm/freehold/models/token"
)

// sentencePiece is what of tokenizer.model, a protobuf message ModelProto of the library SentencePiece, a GGUF file needs.
type sentencePiece struct {
	pieces []spmPiece // by id
	prefix bool       // a space goes in front of a text
}

type spmPiece struct {
	text  string
	score float32
	kind  int32 // as in GGUF, which has SentencePiece's numbers
}

// maxPiece bounds a piece's text, in bytes.
const maxPiece = 1 << 16

// parseSentencePiece reads and checks the bytes of tokenizer.model, which path names: pieces with finite scores, each text once, joined by
// score (BPE), of text that is not changed but for its spaces.
func parseSentencePiece(path string, data []byte) (*sentencePiece, error) {
	s := &sentencePiece{prefix: true}
	trainer, normalizer := proto{path, "trainer_spec", nil}, proto{path, "normalizer_spec", nil} // a file may lack either
	for m := (proto{path, "", data}); len(m.data) > 0; {
		f, err := m.next()
		if err != nil {
			return nil, err
		}
		switch f.number {
		case 1:
			piece, err := readPiece(f, len(s.pieces))
			if err != nil {
				return nil, err
			}
			if len(s.pieces) >= maxTokens {
				return nil, &Error{path, "pieces", "more", fmt.Sprintf("at most %d", maxTokens)}
			}
			s.pieces = append(s.pieces, piece)
		case 2:
			trainer, err = f.message("trainer_spec")
		case 3:
			normalizer, err = f.message("normalizer_spec")
		}
		if err != nil {
			return nil, err
		}
	}
	ids := make(map[string]int, len(s.pieces))
	for id, p := range s.pieces {
		if other, twice := ids[p.text]; twice {
			return nil, &Error{path, fmt.Sprintf("pieces[%d]", id), quote(p.text) + fmt.Sprintf(", which pieces[%d] is too", other), "each piece once"}
		}
		ids[p.text] = id
	}
	if len(s.pieces) == 0 {
		return nil, &Error{path, "pieces", "none", "SentencePiece's vocabulary"}
	}
	model, err := trainer.number(3, 1)
	if err == nil && model != 2 {
		err = &Error{path, "trainer_spec.model_type", strconv.FormatUint(model, 10), "2 (BPE); other kinds have no place in these architectures"}
	}
	if err == nil {
		err = trainer.want(24, 0, 0, "treat_whitespace_as_suffix")
	}
	if err == nil {
		err = normalizer.want(4, 1, 0, "remove_extra_whitespaces")
	}
	if err == nil {
		err = normalizer.want(5, 1, 1, "escape_whitespaces")
	}
	if err != nil {
		return nil, err
	}
	prefix, err := normalizer.number(3, 1)
	if err != nil {
		return nil, err
	}
	s.prefix = prefix != 0
	for rest := normalizer; len(rest.data) > 0; {
		f, err := rest.next()
		if err != nil {
			return nil, err
		}
		if f.number == 2 && len(f.bytes) > 0 {
			return nil, &Error{path, "normalizer_spec.precompiled_charsmap", fmt.Sprintf("%d bytes", len(f.bytes)), "none: text that is read as it is"}
		}
	}
	return s, nil
}

// readPiece reads a message SentencePiece.
func readPiece(f protoField, id int) (p spmPiece, err error) {
	m, err := f.message(fmt.Sprintf("pieces[%d]", id))
	if err != nil {
		return p, err
	}
	bad := func(field, got, want string) error { return &Error{m.path, m.name + "." + field, got, want} }
	for p.kind = token.Normal; len(m.data) > 0; {
		f, err := m.next()
		if err != nil {
			return p, err
		}
		switch {
		case f.number == 1 && f.wire == wireBytes:
			p.text = string(f.bytes)
		case f.number == 2 && f.wire == wire32:
			p.score = math.Float32frombits(uint32(f.value))
		case f.number == 3 && f.wire == wireVarint:
			if f.value < uint64(token.Normal) || f.value > uint64(token.Byte) {
				return p, bad("type", strconv.FormatUint(f.value, 10), "1 to 6")
			}
			p.kind = int32(f.value)
		case f.number <= 3:
			return p, bad(fmt.Sprint("field ", f.number), fmt.Sprint("wire type ", f.wire), "a text, a score and a type")
		}
	}
	switch {
	case p.text == "" || len(p.text) > maxPiece || !validText(p.text):
		return p, bad("piece", fmt.Sprintf("%d bytes %s", len(p.text), quote(p.text[:min(len(p.text), 40)])), fmt.Sprintf("UTF-8 of 1 to %d bytes", maxPiece))
	case p.score-p.score != 0:
		return p, bad("score", fmt.Sprint(p.score), "a finite number")
	case p.kind == token.Byte && !isByteName(p.text):
		return p, bad("piece", quote(p.text), "<0x00> to <0xFF> for a byte")
	}
	return p, nil
}

// tokenizer is s with the added tokens of added_tokens.json and of tokenizer_config.json, as llama.cpp's converter takes them.
func (s *sentencePiece) tokenizer(dir string, tc *config) (*tokenizer, error) {
	t := &tokenizer{tokens: make(map[int]string, len(s.pieces)), sentence: true, pieces: s, bos: true}
	for id, p := range s.pieces {
		t.tokens[id] = p.text
	}
	add := func(file, field string, a addedToken) error {
		if a.Content == "" || a.ID < 0 || a.ID >= maxTokens {
			return &Error{file, field, fmt.Sprintf("%s with id %d", quote(a.Content), a.ID), fmt.Sprintf("text with an id from 0 to %d", maxTokens-1)}
		}
		t.tokens[a.ID] = a.Content
		t.added = append(t.added, a)
		return nil
	}
	more := map[string]int{}
	path := filepath.Join(dir, "added_tokens.json")
	if exists(path) {
		if err := readJSON(path, &more); err != nil {
			return nil, err
		}
	}
	for text, id := range more {
		if id < len(s.pieces) && id >= 0 && s.pieces[id].text == text {
			continue // a piece of its own
		}
		if err := add(path, quote(text), addedToken{ID: id, Content: text}); err != nil {
			return nil, err
		}
	}
	decoder, _ := tc.object("added_tokens_decoder")
	if tc.err != nil || decoder == nil {
		return t, tc.err
	}
	for key, v := range decoder.fields {
		m, _ := v.(map[string]any)
		text, ok := tokenOf(v)
		id, err := strconv.Atoi(key)
		if err != nil || !ok {
			return nil, &Error{tc.file, "added_tokens_decoder." + quote(key), shown(v), `an id: {"content": text, "special": true or false}`}
		}
		if err := add(tc.file, "added_tokens_decoder."+key, addedToken{ID: id, Content: text, Special: m["special"] == true}); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// addedScore and unusedScore are what llama.cpp's converter gives to tokens that are no pieces.
const addedScore, unusedScore = -1000, -10000

// write writes SentencePiece's own scores; types are those of the tokens to be written.
func (s *sentencePiece) write(types []int32, tc *config, w *gguf.Writer) error {
	scores := make([]float32, len(types))
	for id := range scores {
		switch {
		case id < len(s.pieces):
			scores[id] = s.pieces[id].score
		case types[id] == token.Unused:
			scores[id] = unusedScore
		default:
			scores[id] = addedScore
		}
	}
	w.Set(ns+"model", "llama")
	w.Set(ns+"pre", "default")
	w.Set(ns+"scores", scores)
	w.Set(ns+"add_space_prefix", tc.flag("add_prefix_space", s.prefix))
	return tc.err
}
