package token

import (
	"encoding/binary"
	"slices"
	"strings"
	"testing"
)

// CharMap builds what SentencePiece calls a precompiled character map: a double array of the texts to replace.
// Each unit holds its label, whether its text ends a key (bit 8) and the offset to its children (from bit 10 on);
// the child with label 0 holds, with bit 31, where the replacement begins.
func CharMap(rules map[string]string) []byte {
	type node struct {
		at     uint32
		prefix string
	}
	keys := make([]string, 0, len(rules))
	for key := range rules {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	var replacements []byte
	values := map[string]uint32{}
	for _, key := range keys {
		values[key] = uint32(len(replacements))
		replacements = append(append(replacements, rules[key]...), 0)
	}
	units := make([]uint32, 1<<16)
	used := make([]bool, len(units))
	used[0] = true
	offset := uint32(1)
	for queue := []node{{0, ""}}; len(queue) > 0; queue = queue[1:] {
		n := queue[0]
		var labels []uint32
		for _, key := range keys {
			if key == n.prefix {
				labels = append(labels, 0)
			} else if strings.HasPrefix(key, n.prefix) {
				if c := uint32(key[len(n.prefix)]); !slices.Contains(labels, c) {
					labels = append(labels, c)
				}
			}
		}
		for slices.ContainsFunc(labels, func(c uint32) bool { return used[n.at^offset^c] }) {
			offset++
		}
		units[n.at] |= offset << 10
		for _, c := range labels {
			child := n.at ^ offset ^ c
			used[child] = true
			if c == 0 {
				units[n.at] |= 1 << 8
				units[child] = 1<<31 | values[n.prefix]
				continue
			}
			units[child] |= c
			queue = append(queue, node{child, n.prefix + string([]byte{byte(c)})})
		}
	}
	out := binary.LittleEndian.AppendUint32(nil, uint32(4*len(units)))
	for _, u := range units {
		out = binary.LittleEndian.AppendUint32(out, u)
	}
	return append(out, replacements...)
}

// CharRules are of the kind that SentencePiece's own normalisations hold: NFKC, white space, what is dropped.
var CharRules = map[string]string{
	"Ａ": "A", "ｂ": "b", "①": "1", "½": "1⁄2", "ﬁ": "fi", "…": "...", "\u3000": " ", "\u00a0": " ", "\t": " ", "\n": " ",
	"\u200b": "", "\x01": "", "e\u0301": "é", "a\u0308": "ä", "ｶ": "カ", "ｶﾞ": "ガ", "㍿": "株式会社", "ﾅ": "ナ", "\u00ad": "", "．": ".",
}

func TestCharMap(t *testing.T) {
	m, err := newNormaliser(&Vocab{Chars: CharMap(CharRules)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ text, want string }{
		{"", ""}, {"ａ", "ａ"}, {"Ａｂ①", "Ab1"}, {"ｶﾞｶﾅ", "ガカナ"}, {"e\u0301e", "ée"}, {"x\u200by", "xy"},
		{"a\u3000b", "a▁b"}, {"\xffｶ\xef\xbd", "\ufffdカ\ufffd\ufffd"}, {"a\x00b", "a\x00b"},
	} {
		if got := string(m.appendNormal(nil, c.text)); got != c.want {
			t.Errorf("%q: %q, want %q", c.text, got, c.want)
		}
	}
	for _, c := range []struct {
		text, want     string
		prefix, spaces bool // as they are; merged
	}{
		{" a  b ", "▁a▁▁b▁", false, false}, {" a  b ", "▁▁a▁▁b▁", true, false}, {" a  b ", "▁a▁b", false, true},
		{"", "", true, true}, {"  ", "", true, true},
	} {
		m := normaliser{prefix: c.prefix, mergeSpaces: c.spaces}
		if got := string(m.appendNormal(nil, c.text)); got != c.want {
			t.Errorf("%q, prefix %v, merged %v: %q, want %q", c.text, c.prefix, c.spaces, got, c.want)
		}
	}
	for _, c := range []struct {
		chars []byte
		want  string
	}{
		{[]byte{1, 0}, "has 2 bytes"},
		{[]byte{4, 0, 0, 0, 1, 2, 3, 4}, "array has 4 bytes"},
		{[]byte{3, 0, 0, 0, 1, 2, 3, 4}, "array has 3 bytes"},
		{[]byte{4, 0, 0, 0, 1, 2, 3, 4, 5}, "does not end in 0"},
		{[]byte{255, 255, 255, 255, 1, 2, 3, 4, 5}, "array has 4294967295 bytes"},
	} {
		if _, err := newNormaliser(&Vocab{Chars: c.chars}, nil); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: error %v, want one with %q", c.chars, err, c.want)
		}
	}
}
