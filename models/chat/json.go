package chat

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"strconv"
	"strings"
)

// decodeJSON reads one JSON value; objects keep the order of their keys.
func decodeJSON(data []byte) (value, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	v, err := decodeValue(d, 0)
	if err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, fmt.Errorf("more than one JSON value")
	}
	return v, nil
}

func decodeValue(d *json.Decoder, depth int) (value, error) {
	if depth > maxData {
		return nil, fmt.Errorf("JSON nested deeper than %d", maxData)
	}
	t, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch t := t.(type) {
	case json.Number:
		return decodeNumber(t.String())
	case json.Delim:
		if t == '[' {
			l := &list{}
			for d.More() {
				v, err := decodeValue(d, depth+1)
				if err != nil {
					return nil, err
				}
				l.items = append(l.items, v)
			}
			_, err := d.Token()
			return l, err
		}
		obj := newDict()
		for d.More() {
			k, err := d.Token()
			if err != nil {
				return nil, err
			}
			v, err := decodeValue(d, depth+1)
			if err != nil {
				return nil, err
			}
			if err := obj.set(k, v); err != nil {
				return nil, err
			}
		}
		_, err := d.Token()
		return obj, err
	}
	return t, nil // nil, bool, string
}

func decodeNumber(s string) (value, error) {
	if strings.ContainsAny(s, ".eE") {
		f, err := strconv.ParseFloat(s, 64)
		if err != nil {
			return nil, fmt.Errorf("number %s is out of range", s)
		}
		return f, nil
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return n, nil
	}
	if len(s) > 100 {
		return nil, fmt.Errorf("integer of %d digits", len(s))
	}
	n, _ := new(big.Int).SetString(s, 10)
	return n, nil
}

// filterToJSON is Python's json.dumps, as transformers gives it to templates.
func filterToJSON(r *run, v value, a *args) (value, error) {
	w := jsonWriter{r: r, item: ", ", key: ": ", indent: -1}
	order := []string{"ensure_ascii", "indent", "separators", "sort_keys"}
	for _, name := range order {
		x, ok := a.arg(name)
		if !ok || x == nil {
			continue
		}
		switch name {
		case "ensure_ascii":
			w.ascii = truth(x)
		case "sort_keys":
			w.sorted = truth(x)
		case "indent":
			n, _, isInt, ok := number(x)
			if !ok || !isInt || n > 64 {
				return nil, fmt.Errorf("tojson: indent must be an integer up to 64")
			}
			w.indent, w.item = int(max(n, 0)), ","
		case "separators":
			pair, ok := x.(*list)
			if !ok || len(pair.items) != 2 {
				return nil, fmt.Errorf("tojson: separators must be two strings")
			}
			item, ok1 := pair.items[0].(string)
			key, ok2 := pair.items[1].(string)
			if !ok1 || !ok2 {
				return nil, fmt.Errorf("tojson: separators must be two strings")
			}
			w.item, w.key = item, key
		}
	}
	err := w.value(v, 0)
	return w.b.String(), err
}

type jsonWriter struct {
	r             *run
	b             strings.Builder
	item, key     string
	indent        int // -1: on one line
	ascii, sorted bool
}

func (w *jsonWriter) put(s string) error {
	w.b.WriteString(s)
	return w.r.make(len(s))
}

// line breaks the line and indents, where indentation is on.
func (w *jsonWriter) line(level int) error {
	if w.indent < 0 {
		return nil
	}
	return w.put("\n" + strings.Repeat(" ", w.indent*level))
}

func (w *jsonWriter) value(v value, level int) error {
	if err := w.r.enter(); err != nil {
		return err
	}
	defer w.r.leave()
	switch v := v.(type) {
	case nil:
		return w.put("null")
	case bool:
		return w.put(strconv.FormatBool(v))
	case int64:
		return w.put(strconv.FormatInt(v, 10))
	case *big.Int:
		return w.put(v.String())
	case float64:
		return w.put(jsonFloat(v))
	case string:
		return w.put(quoteJSON(v, w.ascii))
	case *list:
		return w.all("[", "]", len(v.items), level, func(i int) error { return w.value(v.items[i], level+1) })
	case *dict:
		order, err := w.order(v)
		if err != nil {
			return err
		}
		return w.all("{", "}", len(order), level, func(i int) error {
			k, err := jsonKey(v.keys[order[i]])
			if err != nil {
				return err
			}
			if err := w.put(quoteJSON(k, w.ascii) + w.key); err != nil {
				return err
			}
			return w.value(v.vals[order[i]], level+1)
		})
	}
	return fmt.Errorf("a %s cannot be written as JSON", typeName(v))
}

func (w *jsonWriter) all(open, end string, n, level int, each func(int) error) error {
	if n == 0 {
		return w.put(open + end)
	}
	if err := w.put(open); err != nil {
		return err
	}
	for i := range n {
		if i > 0 {
			if err := w.put(w.item); err != nil {
				return err
			}
		}
		if err := w.line(level + 1); err != nil {
			return err
		}
		if err := each(i); err != nil {
			return err
		}
	}
	if err := w.line(level); err != nil {
		return err
	}
	return w.put(end)
}

// order lists the places of d's keys in the order they are written.
func (w *jsonWriter) order(d *dict) ([]int, error) {
	places := make([]value, len(d.keys))
	for i := range places {
		places[i] = int64(i)
	}
	if w.sorted {
		err := w.r.sort(places, false, true, func(i value) (value, error) { return d.keys[i.(int64)], nil })
		if err != nil {
			return nil, err
		}
	}
	out := make([]int, len(places))
	for i, p := range places {
		out[i] = int(p.(int64))
	}
	return out, nil
}

func jsonKey(k value) (string, error) {
	switch k := k.(type) {
	case string:
		return k, nil
	case nil:
		return "null", nil
	case bool:
		return strconv.FormatBool(k), nil
	case int64:
		return strconv.FormatInt(k, 10), nil
	case float64:
		return jsonFloat(k), nil
	}
	return "", fmt.Errorf("a %s cannot be a JSON key", typeName(k))
}

func jsonFloat(f float64) string {
	switch s := floatText(f); s {
	case "inf":
		return "Infinity"
	case "-inf":
		return "-Infinity"
	case "nan":
		return "NaN"
	default:
		return s
	}
}

// quoteJSON quotes a string as Python's json module does: only what must be
// escaped is, unless ascii asks for more.
func quoteJSON(s string, ascii bool) string {
	const hex = "0123456789abcdef"
	b := make([]byte, 0, len(s)+2)
	b = append(b, '"')
	for i := 0; i < len(s); {
		c := s[i]
		if c >= 0x80 && ascii {
			n := 0
			for j, r := range s[i:] {
				if j > 0 {
					break
				}
				n = len(string(r))
				if r == '\ufffd' && !strings.HasPrefix(s[i:], "\ufffd") {
					n = 1
				}
				if r >= 0x10000 {
					r -= 0x10000
					b = fmt.Appendf(b, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
				} else {
					b = fmt.Appendf(b, `\u%04x`, r)
				}
			}
			i += n
			continue
		}
		i++
		switch {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c == '\n':
			b = append(b, '\\', 'n')
		case c == '\r':
			b = append(b, '\\', 'r')
		case c == '\t':
			b = append(b, '\\', 't')
		case c == '\b':
			b = append(b, '\\', 'b')
		case c == '\f':
			b = append(b, '\\', 'f')
		case c < ' ':
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		default:
			b = append(b, c)
		}
	}
	return string(append(b, '"'))
}
