package chat

import (
	"fmt"
	"strings"
	"time"
)

// globals are the functions every template can call.
var globals = map[string]*callable{
	"range": {"range", makeRange},
	"dict": {"dict", func(_ *run, a args) (value, error) {
		d := newDict()
		if len(a.pos) > 0 {
			return nil, fmt.Errorf("dict takes named arguments only")
		}
		for _, n := range a.named {
			if err := d.set(n.name, n.v); err != nil {
				return nil, err
			}
		}
		return d, nil
	}},
	"namespace": {"namespace", func(_ *run, a args) (value, error) {
		ns := &namespace{*newDict()}
		for _, v := range a.pos {
			d, ok := v.(*dict)
			if !ok {
				return nil, fmt.Errorf("namespace takes a dict or named arguments, got %s", typeName(v))
			}
			for i, k := range d.keys {
				if err := ns.set(k, d.vals[i]); err != nil {
					return nil, err
				}
			}
		}
		for _, n := range a.named {
			if err := ns.set(n.name, n.v); err != nil {
				return nil, err
			}
		}
		return ns, nil
	}},
	"raise_exception": {"raise_exception", func(r *run, a args) (value, error) {
		v, err := a.need("message")
		if err != nil {
			return nil, err
		}
		text, err := r.text(v)
		if err != nil {
			return nil, err
		}
		return nil, &RaisedError{text}
	}},
	"strftime_now": {"strftime_now", func(r *run, a args) (value, error) {
		format, err := a.str("format", "")
		if err != nil {
			return nil, err
		}
		if r.now.IsZero() {
			return nil, fmt.Errorf("the template asks for the date, and none was given (Input.Now; engine.WithDate; --date)")
		}
		text, err := strftime(r.now, format)
		if err != nil {
			return nil, err
		}
		return text, r.make(len(text))
	}},
}

func makeRange(r *run, a args) (value, error) {
	var n [3]int64
	if len(a.pos) < 1 || len(a.pos) > 3 || len(a.named) > 0 {
		return nil, fmt.Errorf("range takes 1 to 3 integers")
	}
	for i, v := range a.pos {
		x, _, isInt, ok := number(v)
		if !ok || !isInt {
			return nil, fmt.Errorf("range takes integers, got %s", typeName(v))
		}
		n[i] = x
	}
	lo, hi, step := n[0], n[1], n[2]
	switch len(a.pos) {
	case 1:
		lo, hi, step = 0, n[0], 1
	case 2:
		step = 1
	}
	if step == 0 {
		return nil, fmt.Errorf("range with step 0")
	}
	out := &list{}
	for x := lo; step > 0 && x < hi || step < 0 && x > hi; {
		if len(out.items) == maxRange {
			return nil, &LimitError{fmt.Sprintf("range over more than %d values", maxRange)}
		}
		out.items = append(out.items, x)
		next := x + step
		if (next > x) != (step > 0) { // past 64 bits
			break
		}
		x = next
	}
	return out, r.make(32 * len(out.items))
}

// strftime is C's function in the C locale, for the verbs it lists.
func strftime(t time.Time, format string) (string, error) {
	var b strings.Builder
	for i := 0; i < len(format); i++ {
		if format[i] != '%' {
			b.WriteByte(format[i])
			continue
		}
		i++
		plain := i < len(format) && format[i] == '-' // %-d: no leading zero
		if plain {
			i++
		}
		if i == len(format) {
			return "", fmt.Errorf("date format %q ends in %%", format)
		}
		layout, ok := dateVerbs[format[i]]
		if !ok {
			return "", fmt.Errorf("date format %q: unknown %%%c", format, format[i])
		}
		s := layout
		switch format[i] {
		case '%', 'n', 't':
		case 'j':
			s = fmt.Sprintf("%03d", t.YearDay())
		case 'f':
			s = fmt.Sprintf("%06d", t.Nanosecond()/1000)
		default:
			s = t.Format(layout)
		}
		if plain {
			if s = strings.TrimLeft(s, "0 "); s == "" {
				s = "0"
			}
		}
		b.WriteString(s)
	}
	return b.String(), nil
}

// dateVerbs maps a strftime verb to Go's layout.
var dateVerbs = map[byte]string{
	'a': "Mon", 'A': "Monday", 'b': "Jan", 'B': "January", 'h': "Jan",
	'd': "02", 'e': "_2", 'm': "01", 'y': "06", 'Y': "2006", 'j': "", 'f': "",
	'H': "15", 'I': "03", 'M': "04", 'S': "05", 'p': "PM",
	'D': "01/02/06", 'F': "2006-01-02", 'T': "15:04:05", 'R': "15:04",
	'c': "Mon Jan _2 15:04:05 2006", 'x': "01/02/06", 'X': "15:04:05",
	'z': "-0700", 'Z': "MST", '%': "%", 'n': "\n", 't': "\t",
}
