package data

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"unicode/utf8"
)

// jsonl has one JSON object a line, in the shapes that other tools write: text and label, prompt and completion, or
// messages.
var jsonl = format{"JSONL", []string{".jsonl", ".ndjson", ".json"}, readJSONL}

// jsonRow is a line in the usual shapes.
type jsonRow struct {
	ID         json.RawMessage `json:"id"`
	Text       string          `json:"text"`
	Label      *string         `json:"label"`
	Group      json.RawMessage `json:"group"`
	Prompt     string          `json:"prompt"`
	Completion *string         `json:"completion"`
	Messages   []struct {
		Role    string `json:"role"`
		Content string `json:"content"`
	} `json:"messages"`
}

func readJSONL(path string, o *ReadOptions, add func(line int, r raw) error) error {
	return eachLine(path, func(line int, b []byte) error {
		if o.Form == OnePair {
			rows, err := pairsOfLine(b, o.Columns)
			if err != nil {
				return &Error{File: path, Line: line, Msg: err.Error()}
			}
			for _, r := range rows {
				if err := add(line, r); err != nil {
					return err
				}
			}
			return nil
		}
		r, err := jsonRowOf(b, o)
		if err == nil && o.Slices != nil {
			r.slices, err = slicesOf(b, o.Slices)
		}
		if err != nil {
			return &Error{File: path, Line: line, Msg: err.Error()}
		}
		return add(line, r)
	})
}

// slicesOf are a line's values of some columns, as text.
func slicesOf(b []byte, names []string) ([]string, error) {
	var all map[string]json.RawMessage
	if err := json.Unmarshal(b, &all); err != nil {
		return nil, fmt.Errorf("not a JSON object: %v", err)
	}
	values := make([]string, len(names))
	for i, name := range names {
		switch v := all[name]; {
		case len(v) == 0 || string(v) == "null":
		case v[0] == '{' || v[0] == '[':
			return nil, fmt.Errorf("%q is %.40s, want a string, a number, true or false, for eval.slices names it", name, v)
		case v[0] != '"':
			values[i] = string(v)
		default:
			if err := json.Unmarshal(v, &values[i]); err != nil {
				return nil, err
			}
		}
	}
	return values, nil
}

// eachLine calls f with every line of a file that is not blank, and its number.
func eachLine(path string, f func(line int, b []byte) error) error {
	file, err := os.Open(path)
	if err != nil {
		return &Error{File: path, Msg: "cannot be read: " + errText(err)}
	}
	defer file.Close()
	line := 0
	sc := bufio.NewScanner(file)
	sc.Buffer(make([]byte, 64<<10), maxText)
	for sc.Scan() {
		line++
		b := sc.Bytes()
		if line == 1 {
			b = bytes.TrimPrefix(b, []byte("\ufeff"))
		}
		if len(bytes.TrimSpace(b)) == 0 {
			continue
		}
		if !utf8.Valid(b) {
			return &Error{File: path, Line: line, Msg: "the line is not valid UTF-8", Fix: toUTF8("WINDOWS-1252", path)}
		}
		if err := f(line, b); err != nil {
			return err
		}
	}
	if err := sc.Err(); errors.Is(err, bufio.ErrTooLong) {
		return &Error{File: path, Line: line + 1, Msg: fmt.Sprintf("the line is longer than %d bytes", maxText)}
	} else if err != nil {
		return &Error{File: path, Msg: "cannot be read: " + errText(err)}
	}
	return nil
}

// jsonRowOf reads one line.
func jsonRowOf(b []byte, o *ReadOptions) (raw, error) {
	var r raw
	c := o.Columns
	b, err := renamed(b, c)
	if err == nil && o.Form == OneAnswer {
		b, err = answered(b)
	} else if err == nil && o.Form == SeveralLabels {
		b, err = listed(b)
	}
	if err != nil {
		return r, err
	}
	var j jsonRow
	var kind *json.UnmarshalTypeError
	if err := json.Unmarshal(b, &j); errors.As(err, &kind) && kind.Field != "" {
		a := "a"
		if kind.Value == "array" || kind.Value == "object" {
			a = "an"
		}
		want := map[string]string{"string": "a string", "slice": "a list of messages"}[kind.Type.Kind().String()]
		return r, fmt.Errorf("%q is %s %s, want %s", kind.Field, a, kind.Value, want)
	} else if err != nil {
		return r, fmt.Errorf("not a JSON object: %v", err)
	}
	r.label = j.Label
	switch {
	case j.Text != "" && j.Label != nil && j.Completion != nil:
		return r, errors.New("the row has a label and a completion, want one")
	case j.Text != "":
		r.text = j.Text
		if r.label == nil {
			r.label = j.Completion
		}
	case j.Prompt != "":
		r.text, r.label = j.Prompt, j.Completion
	default:
		for _, m := range j.Messages {
			switch m.Role {
			case "user":
				if r.text != "" {
					return r, errors.New("messages hold several user turns, want one")
				}
				r.text = m.Content
			case "assistant":
				r.label = &m.Content
			case "system":
			default:
				return r, fmt.Errorf("messages hold the role %.40q, want system, user or assistant", m.Role)
			}
		}
	}
	if r.text == "" {
		return r, fmt.Errorf("the row has no text; want %q, \"prompt\" or \"messages\"", c.usual().Text)
	}
	for _, f := range []struct {
		name string
		from json.RawMessage
		to   *string
	}{{"id", j.ID, &r.id}, {"group", j.Group, &r.group}} {
		switch {
		case len(f.from) == 0 || string(f.from) == "null":
		case f.from[0] == '"':
			if err := json.Unmarshal(f.from, f.to); err != nil || *f.to == "" {
				return r, fmt.Errorf("%q is empty; leave it out or give every row its own", f.name)
			}
		case f.from[0] == '-' || f.from[0] >= '0' && f.from[0] <= '9':
			*f.to = string(f.from)
		default:
			return r, fmt.Errorf("%q is %.40s, want a string or a number", f.name, f.from)
		}
	}
	return r, nil
}

// renamed gives a line's columns their usual names; numbers and booleans as labels become text, for in a file with
// names of its own 0 and 1 are labels.
func renamed(b []byte, c Columns) ([]byte, error) {
	if c == (Columns{}) {
		return b, nil
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(b, &all); err != nil || all == nil {
		return nil, fmt.Errorf("not a JSON object: %.40s", b)
	}
	out := map[string]json.RawMessage{}
	c = c.usual()
	for _, f := range []struct{ from, to string }{{c.Text, "text"}, {c.Label, "label"}, {c.ID, "id"}, {c.Group, "group"}} {
		v, ok := all[f.from]
		switch {
		case !ok:
			continue
		case f.to == "label" && len(v) > 0 && v[0] != '"' && v[0] != '{' && v[0] != '[' && string(v) != "null":
			v, _ = json.Marshal(string(v))
		}
		out[f.to] = v
	}
	return json.Marshal(out)
}

// answered makes text of answers that are JSON, as they stand.
func answered(b []byte) ([]byte, error) {
	var all map[string]json.RawMessage
	if err := json.Unmarshal(b, &all); err != nil || all == nil {
		return nil, fmt.Errorf("not a JSON object: %.40s", b)
	}
	changed := false
	for _, name := range []string{"label", "completion"} {
		if v := all[name]; len(v) > 0 && (v[0] == '{' || v[0] == '[') {
			all[name], _ = json.Marshal(string(v))
			changed = true
		}
	}
	if !changed {
		return b, nil
	}
	return json.Marshal(all)
}
