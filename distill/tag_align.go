package distill

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/freehold-slm/freehold/engine"
)

// TagAlignment counts what became of the values of answers that were looked for in their texts.
type TagAlignment struct {
	Values  int            `json:"values"`
	Exact   int            `json:"exact"`            // stand in the text as they are, white space aside
	Loose   int            `json:"loose"`            // but for upper and lower case
	Missing map[string]int `json:"missing"`          // by field: not found, and not learnt
	Rows    int            `json:"rows"`             // with an answer
	Partly  int            `json:"partly,omitempty"` // rows of which some values are not learnt, nor what may be theirs
	LeftOut int            `json:"left_out,omitempty"`
}

func (t *TagAlignment) missing() (n int) {
	for _, k := range t.Missing {
		n += k
	}
	return n
}

// String is the figure for people.
func (t *TagAlignment) String() string {
	if t.missing() == 0 && t.Loose == 0 {
		return fmt.Sprintf("all %d values of %d answers stand in their texts", t.Values, t.Rows)
	}
	text := fmt.Sprintf("%d values of %d answers: %d stand in their texts", t.Values, t.Rows, t.Exact)
	if t.Loose > 0 {
		text += fmt.Sprintf(", %d in other case", t.Loose)
	}
	if n := t.missing(); n > 0 {
		var fields []string
		for _, name := range sortedKeys(t.Missing) {
			fields = append(fields, fmt.Sprintf("%s %d", name, t.Missing[name]))
		}
		text += fmt.Sprintf(", %d do not and are not learnt (%s)", n, strings.Join(fields, ", "))
	}
	return text
}

// valuesOf are an answer's values by field; white space within them as single blanks, and no empty ones.
func valuesOf(t *engine.Tagging, answer string) ([][]string, error) {
	v, err := decodeJSON(answer)
	if err != nil {
		return nil, err
	}
	object, ok := v.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("is no JSON object")
	}
	values := make([][]string, len(t.Fields))
	for i, f := range t.Fields {
		list, ok := object[f.Name].([]any)
		if !ok {
			list = []any{object[f.Name]}
		}
		for _, one := range list {
			if s, ok := one.(string); ok {
				if s = strings.Join(strings.Fields(s), " "); s != "" {
					values[i] = append(values[i], s)
				}
			}
		}
	}
	return values, nil
}

// place finds where the values of an answer stand in a text, no two in the same place: first those for which there is one place alone, then in the order
// of the fields the leftmost free one. A value that stands nowhere whole may stand in several parts, word by word, where it is no list's. missing tells the
// fields of which a value was not found.
func place(t *engine.Tagging, text string, values [][]string) (spans [][]engine.TextSpan, missing []int) {
	spans = make([][]engine.TextSpan, len(values))
	folded := fold(text)
	type item struct {
		field, nth int
		at         []spot
	}
	var left []item
	for f, list := range values {
		spans[f] = make([]engine.TextSpan, len(list))
		for n, v := range list {
			left = append(left, item{f, n, folded.find(v)})
		}
	}
	var taken []engine.TextSpan
	take := func(s engine.TextSpan) { taken = append(taken, s) }
	for {
		best, alone := -1, false
		var where engine.TextSpan
		for i, it := range left {
			places := free(it.at, taken)
			if len(places) == 0 {
				continue
			}
			one := len(places) == 1
			longer := best < 0 || places[0].End-places[0].Start > where.End-where.Start
			if best < 0 || one && (!alone || longer) {
				best, alone, where = i, one, places[0].TextSpan
			}
		}
		if best < 0 {
			break
		}
		take(where)
		spans[left[best].field][left[best].nth] = where
		left = slices.Delete(left, best, best+1)
	}
	for _, it := range left {
		var parts []engine.TextSpan
		words := strings.Fields(values[it.field][it.nth])
		after := 0
		for _, w := range words {
			places := slices.DeleteFunc(free(folded.find(w), append(slices.Clone(taken), parts...)), func(c spot) bool { return c.Start < after })
			if len(places) == 0 {
				break
			}
			parts, after = append(parts, places[0].TextSpan), places[0].End
		}
		if t.Fields[it.field].List || len(parts) < len(words) {
			missing = append(missing, it.field)
			continue
		}
		for _, p := range parts {
			take(p)
		}
		spans[it.field] = append(spans[it.field], parts...)
	}
	for f := range spans {
		spans[f] = slices.DeleteFunc(spans[f], func(s engine.TextSpan) bool { return s == engine.TextSpan{} })
		slices.SortFunc(spans[f], func(a, b engine.TextSpan) int { return a.Start - b.Start })
	}
	slices.Sort(missing)
	return spans, missing
}

// spot is a place where a value may stand.
type spot struct {
	engine.TextSpan
	exact bool
}

// free are the spots that touch nothing taken, the exact ones where there are some.
func free(all []spot, taken []engine.TextSpan) (out []spot) {
	for _, exact := range [...]bool{true, false} {
		for _, c := range all {
			if c.exact == exact && !slices.ContainsFunc(taken, func(t engine.TextSpan) bool { return c.Start < t.End && t.Start < c.End }) {
				out = append(out, c)
			}
		}
		if out != nil {
			return out
		}
	}
	return nil
}

// foldedText is a text in lower case with single blanks for white space, and where each of its bytes comes from.
type foldedText struct {
	text, plain string
	from, to    []int
}

func fold(text string) *foldedText {
	f := &foldedText{text: text}
	var b strings.Builder
	blank := false // before
	for at, size := 0, 0; at < len(text); at += size {
		var r rune
		r, size = utf8.DecodeRuneInString(text[at:])
		if unicode.IsSpace(r) {
			if blank {
				f.to[len(f.to)-1] = at + size
				continue
			}
			r = ' '
		}
		blank = r == ' '
		n, _ := b.WriteRune(unicode.ToLower(r))
		for range n {
			f.from, f.to = append(f.from, at), append(f.to, at+size)
		}
	}
	f.plain = b.String()
	return f
}

// find lists the places of a value that begin and end where words, numbers or other characters do, from left to right.
func (f *foldedText) find(value string) (at []spot) {
	want := strings.TrimSpace(fold(value).plain)
	if want == "" {
		return nil
	}
	for i := 0; i+len(want) <= len(f.plain); i++ {
		if f.plain[i:i+len(want)] != want {
			continue
		}
		s := engine.TextSpan{Start: f.from[i], End: f.to[i+len(want)-1]}
		if !edge(f.text, s.Start) || !edge(f.text, s.End) {
			continue
		}
		same := strings.Join(strings.Fields(f.text[s.Start:s.End]), " ") == strings.Join(strings.Fields(value), " ")
		at = append(at, spot{s, same})
	}
	return at
}

// edge tells whether a value may begin or end at a byte: not within a word or a number. Scripts that put no blanks between words have words anywhere.
func edge(text string, at int) bool {
	before, n := utf8.DecodeLastRuneInString(text[:at])
	after, m := utf8.DecodeRuneInString(text[at:])
	if n == 0 || m == 0 {
		return true
	}
	if unicode.IsMark(after) {
		return false
	}
	digits := unicode.IsDigit(before) && unicode.IsDigit(after)
	letters := (unicode.IsLetter(before) || unicode.IsMark(before)) && unicode.IsLetter(after)
	return !digits && (!letters || unicode.In(after, unspacedScripts...) || unicode.In(before, unspacedScripts...))
}

var unspacedScripts = []*unicode.RangeTable{unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar}

// tagsOf are the tags of a text's tokens for an answer, -1 where nothing is to be learnt: where a value was not found, any token that no other value has may be
// its. It counts in sum. learnt is false where nothing is left.
func tagsOf(t *engine.Tagging, text string, at []engine.TextSpan, answer string, sum *TagAlignment) (tags []int32, learnt bool, err error) {
	values, err := valuesOf(t, answer)
	if err != nil {
		return nil, false, err
	}
	spans, missing := place(t, text, values)
	read := t.Values(text, at, t.Mark(text, at, spans))
	for f := range values { // a place that begins or ends within a token is none
		if slices.Contains(missing, f) {
			continue
		}
		if !sameFolded(joined(t, f, values[f]), joined(t, f, read[f])) {
			for range values[f] {
				missing = append(missing, f)
			}
			spans[f] = nil
		}
	}
	sum.Rows++
	for f := range values {
		n := len(values[f])
		sum.Values += n
		lost := 0
		for _, m := range missing {
			if m == f {
				lost++
			}
		}
		if lost > 0 {
			if sum.Missing == nil {
				sum.Missing = map[string]int{}
			}
			sum.Missing[t.Fields[f].Name] += lost
		}
		if found := n - lost; lost == 0 && !slices.Equal(joined(t, f, values[f]), joined(t, f, read[f])) {
			sum.Loose += found
		} else {
			sum.Exact += found
		}
	}
	marked := t.Mark(text, at, spans)
	for i, tag := range marked {
		if tag == engine.TagOutside && (len(missing) > 0 || at[i].Start == at[i].End) {
			tag = -1
		}
		tags = append(tags, int32(tag))
		learnt = learnt || tag >= 0
	}
	switch {
	case !learnt:
		sum.LeftOut++
	case len(missing) > 0:
		sum.Partly++
	}
	return tags, learnt, nil
}

// joined are the values of a field as an answer has them: one, of the parts of a text that is no list; a list's in no order.
func joined(t *engine.Tagging, field int, values []string) []string {
	if t.Fields[field].List {
		return slices.Sorted(slices.Values(values))
	}
	if len(values) < 2 {
		return values
	}
	return []string{strings.Join(values, " ")}
}

func sameFolded(a, b []string) bool {
	return slices.EqualFunc(a, b, func(x, y string) bool { return strings.TrimSpace(fold(x).plain) == strings.TrimSpace(fold(y).plain) })
}
