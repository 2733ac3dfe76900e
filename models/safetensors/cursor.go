package safetensors

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"unicode/utf8"
)

// cursor reads the few kinds of JSON value that headers and indices hold, without recursion but for skip, which is bounded. A
// general decoder would take ten times the header's bytes and hide keys that are there twice.
type cursor struct {
	file, field string // for errors
	text        []byte
	at          int
}

func (c *cursor) fail(got, want string) error { return &Error{c.file, c.field, got, want} }

// syntax is an error at the next byte.
func (c *cursor) syntax(want string) error {
	got := "the end of the text"
	if c.at < len(c.text) {
		r, _ := utf8.DecodeRune(c.text[c.at:])
		got = strconv.QuoteRune(r)
	}
	return c.fail(fmt.Sprintf("%s at byte %d", got, c.at), want)
}

// peek is the next byte that is no white space, 0 at the end.
func (c *cursor) peek() byte {
	for ; c.at < len(c.text); c.at++ {
		switch b := c.text[c.at]; b {
		case ' ', '\t', '\r', '\n':
		default:
			return b
		}
	}
	return 0
}

// take reads the byte b if it is next.
func (c *cursor) take(b byte) bool {
	if c.peek() != b || c.at == len(c.text) {
		return false
	}
	c.at++
	return true
}

// end checks that nothing follows.
func (c *cursor) end() error {
	if c.peek(); c.at != len(c.text) {
		return c.syntax("nothing after the object")
	}
	return nil
}

// object reads an object and calls value, which reads the value, for each key.
func (c *cursor) object(value func(key string) error) error {
	if !c.take('{') {
		return c.syntax("an object")
	}
	if c.take('}') {
		return nil
	}
	for {
		key, err := c.str()
		if err != nil {
			return err
		}
		if !c.take(':') {
			return c.syntax("':'")
		}
		if err := value(key); err != nil {
			return err
		}
		if c.take('}') {
			return nil
		}
		if !c.take(',') {
			return c.syntax("',' or '}'")
		}
	}
}

// words are the strings that a header holds once a tensor.
var words = func() map[string]string {
	m := map[string]string{"dtype": "dtype", "shape": "shape", "data_offsets": "data_offsets"}
	for _, d := range dtypes {
		m[string(d.name)] = string(d.name)
	}
	return m
}()

// str reads a string.
func (c *cursor) str() (string, error) {
	if c.peek() != '"' {
		return "", c.syntax("a string")
	}
	plain := true
	for i := c.at + 1; i < len(c.text); i++ {
		switch b := c.text[i]; {
		case b == '"':
			raw := c.text[c.at : i+1]
			c.at = i + 1
			if known, ok := words[string(raw[1:len(raw)-1])]; ok { // without an allocation
				return known, nil
			}
			if plain {
				return string(raw[1 : len(raw)-1]), nil
			}
			var s string
			if json.Unmarshal(raw, &s) != nil {
				return "", c.fail("the string "+quote(string(raw)), "JSON's escapes")
			}
			return s, nil
		case b == '\\':
			plain = false
			i++
		case b < ' ':
			c.at = i
			return "", c.syntax("no control characters in a string")
		}
	}
	return "", c.fail("a string without end", "a closing quote")
}

// sizes reads an array of at most limit integers that are not negative.
func (c *cursor) sizes(limit int) ([]int, error) {
	if !c.take('[') {
		return nil, c.syntax("an array of integers")
	}
	var list []int
	if c.take(']') {
		return list, nil
	}
	for {
		if len(list) == limit {
			return nil, c.fail(fmt.Sprintf("more than %d numbers", limit), fmt.Sprintf("at most %d", limit))
		}
		n, err := c.size()
		if err != nil {
			return nil, err
		}
		list = append(list, n)
		if c.take(']') {
			return list, nil
		}
		if !c.take(',') {
			return nil, c.syntax("',' or ']'")
		}
	}
}

// size reads an integer that is not negative and fits an int.
func (c *cursor) size() (int, error) {
	c.peek()
	start, n := c.at, 0
	for ; c.at < len(c.text) && '0' <= c.text[c.at] && c.text[c.at] <= '9'; c.at++ {
		d := int(c.text[c.at] - '0')
		if n > (math.MaxInt-d)/10 {
			return 0, c.fail(fmt.Sprintf("a number above %d", math.MaxInt), "one that can be addressed")
		}
		n = 10*n + d
	}
	if c.at == start || c.at > start+1 && c.text[start] == '0' {
		return 0, c.syntax("a whole number, not negative")
	}
	return n, nil
}

// skip reads a value of any kind.
func (c *cursor) skip(depth int) error {
	if depth == 0 {
		return c.fail("values in values without end", "a depth of 32 at most")
	}
	switch c.peek() {
	case '{':
		return c.object(func(string) error { return c.skip(depth - 1) })
	case '"':
		_, err := c.str()
		return err
	case '[':
		c.at++
		if c.take(']') {
			return nil
		}
		for {
			if err := c.skip(depth - 1); err != nil {
				return err
			}
			if c.take(']') {
				return nil
			}
			if !c.take(',') {
				return c.syntax("',' or ']'")
			}
		}
	}
	start := c.at
	for c.at < len(c.text) && (c.text[c.at] >= 'a' && c.text[c.at] <= 'z' || c.text[c.at] >= '0' && c.text[c.at] <= '9' || c.text[c.at] == '-' ||
		c.text[c.at] == '+' || c.text[c.at] == '.' || c.text[c.at] == 'E') {
		c.at++
	}
	if !json.Valid(c.text[start:c.at]) {
		return c.syntax("a value")
	}
	return nil
}
