package engine

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/freehold-slm/freehold/engine/grammar"
	"github.com/freehold-slm/freehold/models/token"
)

// Tagging says how the fields of a flat object are marked in a text, token by token: O is no field's, B-field begins a value of a field, I-field
// goes on with it (Ramshaw and Marcus, arXiv:cmp-lg/9505040).
type Tagging struct {
	Fields []grammar.Field
	schema []byte
}

// NewTagging reads the fields of a schema; see grammar.Fields for those that it can have.
func NewTagging(schema []byte) (*Tagging, error) {
	fields, err := grammar.Fields(schema)
	return &Tagging{fields, schema}, err
}

// TagOutside is the tag of tokens that are no field's.
const TagOutside = 0

// TagBegin and TagInside are the tags of a field, by its number.
func TagBegin(field int) int  { return 1 + 2*field }
func TagInside(field int) int { return 2 + 2*field }

// fieldOf is the field of a tag that is not TagOutside.
func fieldOf(tag int) int { return (tag - 1) / 2 }

func inside(tag int) bool { return tag > 0 && tag%2 == 0 }

// Names are the names of the tags, by their numbers.
func (t *Tagging) Names() []string {
	names := []string{"O"}
	for _, f := range t.Fields {
		names = append(names, "B-"+f.Name, "I-"+f.Name)
	}
	return names
}

// TextSpan is a part of a text, in bytes.
type TextSpan struct{ Start, End int }

// Tokens encodes a text, with BOS before it where the vocabulary asks, and tells where each token stands. Words, numbers and single other characters
// are encoded apart, with the white space before them, so that no token reaches beyond a word: in "St.,", the comma is one of its own. A token
// that stands for nothing of the text has an empty span; where a vocabulary writes text otherwise, tokens of a word have the whole word's.
func (*Tagging) Tokens(tok *token.Tokenizer, text string) (ids []int32, at []TextSpan) {
	if tok.AddsBOS() && tok.BOS() >= 0 {
		ids, at = append(ids, int32(tok.BOS())), append(at, TextSpan{})
	}
	for from := 0; from < len(text); {
		to := from + wordEnd(text[from:])
		first := len(ids)
		ids = tok.Encode(ids, text[from:to], token.EncodeOptions{})
		at = append(at, wordSpans(tok, ids[first:], text[from:to], from)...)
		from = to
	}
	return ids, at
}

// wordEnd is the length of the white space and the word, number or single character that a text begins with.
func wordEnd(text string) int {
	end, kind := 0, 0
	for end < len(text) {
		r, n := utf8.DecodeRuneInString(text[end:])
		switch k := runeKind(r); {
		case kind == 0 && k == blanks:
		case kind == 0:
			if kind = k; k == others {
				return end + n
			}
		case k != kind && k != marks:
			return end
		}
		end += n
	}
	return end
}

const (
	blanks = 1 + iota
	letters
	digits
	marks // goes with what is before it
	others
)

func runeKind(r rune) int {
	switch {
	case unicode.IsSpace(r):
		return blanks
	case unicode.IsLetter(r):
		return letters
	case unicode.IsDigit(r):
		return digits
	case unicode.IsMark(r):
		return marks
	}
	return others
}

// wordSpans tells where the tokens of a word stand, which begins at byte from of the text.
func wordSpans(tok *token.Tokenizer, ids []int32, word string, from int) []TextSpan {
	at, pos := make([]TextSpan, len(ids)), from
	var whole []byte
	for i, id := range ids {
		piece := tok.Piece(id, false)
		whole = append(whole, piece...)
		at[i] = TextSpan{pos, pos + len(piece)}
		pos = at[i].End
	}
	if string(whole) == word {
		return at
	}
	before := string(whole) == " "+word // SentencePiece puts a blank before what is encoded alone
	for i := range at {
		if before {
			at[i] = TextSpan{max(from, at[i].Start-1), at[i].End - 1}
		} else {
			at[i] = TextSpan{from, from + len(word)}
		}
	}
	return at
}

// trim leaves out the white space around a part of a text.
func (s TextSpan) trim(text string) TextSpan {
	part := text[s.Start:s.End]
	s.Start += len(part) - len(strings.TrimLeftFunc(part, unicode.IsSpace))
	if s.Start > s.End {
		s.Start = s.End
	}
	s.End = s.Start + len(strings.TrimRightFunc(text[s.Start:s.End], unicode.IsSpace))
	return s
}

// Mark gives the tags of tokens for the values of the fields [fields, values]: each a list of parts of the text.
func (t *Tagging) Mark(text string, at []TextSpan, values [][]TextSpan) []int {
	tags := make([]int, len(at))
	for field, spans := range values {
		for _, v := range spans {
			next := TagBegin(field)
			for i, a := range at {
				if a.End == a.Start {
					continue
				}
				word := a.trim(text)
				if word.Start == word.End { // white space alone: within a value it is the value's
					word = a
				}
				if word.Start < v.End && word.End > v.Start {
					tags[i], next = next, TagInside(field)
				}
			}
		}
	}
	return tags
}

// Best gives the tags of the largest sum of logits [tokens, tags] among those in which a value goes on only where it has begun (Viterbi; of equals,
// the first tag). A token that stands for nothing of the text is TagOutside.
func (t *Tagging) Best(logits []float32, at []TextSpan) []int {
	n, k := len(at), 1+2*len(t.Fields)
	if n == 0 {
		return nil
	}
	from := make([]int32, n*k)
	sum, next := make([]float64, k), make([]float64, k)
	best := func(sum []float64) int {
		b := 0
		for j := range sum {
			if sum[j] > sum[b] {
				b = j
			}
		}
		return b
	}
	for i := range n {
		any := best(sum) // of the token before; before the first all are 0, and none has begun
		for tag := range k {
			prev := any
			if inside(tag) {
				if prev = tag - 1; i > 0 && sum[tag] > sum[tag-1] {
					prev = tag
				}
			}
			switch {
			case i == 0 && inside(tag), at[i].Start == at[i].End && tag != TagOutside:
				next[tag] = barred
			default:
				next[tag] = sum[prev] + float64(logits[i*k+tag])
			}
			from[i*k+tag] = int32(prev)
		}
		sum, next = next, sum
	}
	tags := make([]int, n)
	tags[n-1] = best(sum)
	for i := n - 1; i > 0; i-- {
		tags[i-1] = int(from[i*k+tags[i]])
	}
	return tags
}

// barred is a sum that no other is below.
const barred = -1e300

// Values are the values that tags mark [fields, values], white space within them as single blanks.
func (t *Tagging) Values(text string, at []TextSpan, tags []int) [][]string {
	values := make([][]string, len(t.Fields))
	for i := 0; i < len(tags); i++ {
		if tags[i] == TagOutside {
			continue
		}
		field, v := fieldOf(tags[i]), at[i]
		for i+1 < len(tags) && tags[i+1] == TagInside(field) {
			i++
			v.End = at[i].End
		}
		if value := strings.Join(strings.Fields(text[v.Start:v.End]), " "); value != "" {
			values[field] = append(values[field], value)
		}
	}
	return values
}

// JSON writes values as the schema has them. A text that is marked in several places is joined by blanks; a field without a value is left
// out or, where it must be there, null, an empty list or an empty text. What is longer than the schema allows is cut.
func (t *Tagging) JSON(values [][]string) (string, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, f := range t.Fields {
		v := values[i]
		var out any
		switch {
		case len(v) == 0 && !f.Required:
			continue
		case len(v) == 0 && f.Nullable:
		case f.List:
			list := make([]string, 0, len(v))
			for _, one := range v {
				if f.MaxItems == 0 || len(list) < f.MaxItems {
					list = append(list, cutAt(one, f.MaxLength))
				}
			}
			out = list
		default:
			out = cutAt(strings.Join(v, " "), f.MaxLength)
		}
		if b.Len() > 1 {
			b.WriteByte(',')
		}
		for j, x := range [...]any{f.Name, out} {
			if j > 0 {
				b.WriteByte(':')
			}
			text, err := json.Marshal(x)
			if err != nil {
				return "", fmt.Errorf("engine: field %q: %w", f.Name, err)
			}
			b.Write(text)
		}
	}
	b.WriteByte('}')
	text, err := grammar.Order(t.schema, b.Bytes()) // written as the other answers are
	return string(text), err
}

// cutAt leaves the first n characters; 0 = all.
func cutAt(text string, n int) string {
	if n == 0 {
		return text
	}
	for i := range text {
		if n == 0 {
			return text[:i]
		}
		n--
	}
	return text
}
