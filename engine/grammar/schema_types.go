package grammar

import (
	"encoding/json"
	"fmt"
	"slices"
)

// number compiles an integer or number with its bounds.
func (s *schema) number(t string, o *object, at string) (Expr, error) {
	var lo, hi *decimal
	for _, k := range kinds["number"] {
		v, ok := o.values[k]
		if !ok {
			continue
		}
		n, ok := v.(json.Number)
		if !ok {
			return nil, bad(at+"/"+k, "is %s, want a number", jsonText60(v))
		}
		d, small, err := newDecimal(n, k == "exclusiveMinimum" || k == "exclusiveMaximum")
		lower := k == "minimum" || k == "exclusiveMinimum"
		switch {
		case err != nil:
			return nil, bad(at+"/"+k, "is %s, %v", jsonText60(v), err)
		case !small && d.neg != lower:
			return nil, bad(at+"/"+k, "is %s; numbers are written with at most %d digits", jsonText60(v), mostDigits)
		case !small: // no number is beyond it
		case lower && (lo == nil || d.inside(*lo, true)):
			lo = &d
		case !lower && (hi == nil || d.inside(*hi, false)):
			hi = &d
		}
	}
	if t == "number" && lo == nil && hi == nil {
		return Ref(ruleNumber), nil
	}
	var e Expr
	var err error
	if t == "integer" {
		var from, to *int64
		if lo != nil {
			v := lo.whole(true)
			from = &v
		}
		if hi != nil {
			v := hi.whole(false)
			to = &v
		}
		e, err = intRange(from, to)
	} else {
		e, err = numberRange(lo, hi)
	}
	if err != nil {
		return nil, bad(at, "%v", err)
	}
	return e, nil
}

// Parts of formats. Dates are those of the calendar; names of hosts and mailboxes are as long as RFC 5321 lets them be, or shorter.
const (
	leapYear   = `([0-9]{2}(0[48]|[2468][048]|[13579][26])|([02468][048]|[13579][26])00)`
	formatDate = `([0-9]{4}-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|1[0-9]|2[0-8]))|` + leapYear + `-02-29)`
	formatTime = `([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])`
	mailbox    = `[A-Za-z0-9_%+-]`
	hostLabel  = `[A-Za-z0-9]([A-Za-z0-9-]{0,44}[A-Za-z0-9])?`
)

// formats are the formats of strings that are enforced, as patterns.
var formats = map[string]string{
	"date":      `^` + formatDate + `$`,
	"time":      `^` + formatTime + `$`,
	"date-time": `^` + formatDate + `T` + formatTime + `$`,
	"uuid":      `^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$`,
	"ipv4":      `^((25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])\.){3}(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])$`,
	"email":     `^(` + mailbox + `{1,64}|` + mailbox + `{1,20}(\.` + mailbox + `{1,20}){1,2})@` + hostLabel + `(\.` + hostLabel + `){1,3}$`,
}

// text compiles a string.
func (s *schema) text(o *object, at string) (Expr, error) {
	pattern, key := "", "pattern"
	if v, ok := o.values["pattern"]; ok {
		if pattern, ok = v.(string); !ok {
			return nil, bad(at+"/pattern", "is %s, want a string", jsonText60(v))
		}
	}
	if v, ok := o.values["format"]; ok {
		name, _ := v.(string)
		if pattern != "" {
			return nil, bad(at+"/format", "stands beside pattern; only one of them is enforced")
		}
		if pattern, key = formats[name], "format"; pattern == "" {
			return nil, bad(at+"/format", "is %s, want one of: date, time, date-time, uuid, ipv4, email", jsonText60(v))
		}
	}
	least, err := count(o, "minLength", at, 0)
	if err != nil {
		return nil, err
	}
	most, err := count(o, "maxLength", at, -1)
	if err != nil {
		return nil, err
	}
	if most >= 0 && most < least {
		return nil, bad(at+"/maxLength", "is %d, less than minLength %d", most, least)
	}
	quote := Literal(`"`)
	if pattern == "" {
		return Seq{quote, Repeat{Ref(ruleChar), least, most}, quote}, nil
	}
	if least > 0 || most >= 0 {
		return nil, bad(at+"/"+key, "stands beside minLength or maxLength; say the length in the pattern, as in ^[a-z]{2,5}$")
	}
	e, err := regex(pattern, jsonChar, true)
	if err != nil {
		return nil, bad(at+"/"+key, "%v", err)
	}
	return Seq{quote, e, quote}, nil
}

// array compiles an array: the items of prefixItems, then those of items.
func (s *schema) array(o *object, at string) (Expr, error) {
	least, err := count(o, "minItems", at, 0)
	if err != nil {
		return nil, err
	}
	most, err := count(o, "maxItems", at, -1)
	if err != nil {
		return nil, err
	}
	if most >= 0 && most < least {
		return nil, bad(at+"/maxItems", "is %d, less than minItems %d", most, least)
	}
	var first []Expr
	if v, ok := o.values["prefixItems"]; ok {
		list, ok := v.([]any)
		if !ok {
			return nil, bad(at+"/prefixItems", "is %s, want a list of schemas", jsonText60(v))
		}
		for i, x := range list {
			e, err := s.value(x, fmt.Sprintf("%s/prefixItems/%d", at, i))
			if err != nil {
				return nil, err
			}
			first = append(first, e)
		}
	}
	var item Expr = Ref(ruleValue)
	if v, ok := o.values["items"]; ok {
		if b, is := v.(bool); is && !b {
			if most < 0 || most > len(first) {
				most = len(first)
			}
			if least > most {
				return nil, bad(at+"/minItems", "is %d, and there are %d items", least, most)
			}
		} else if item, err = s.value(v, at+"/items"); err != nil {
			return nil, err
		}
	}
	if _, ok := item.(Ref); !ok { // once, for the first item and the others: what is alike has one mask
		name := Ref(fmt.Sprintf("item-%d", len(s.rules)))
		s.rules[string(name)], item = item, name
	}
	sp := Ref(ruleSpace)
	comma := Seq{sp, Literal(","), sp}
	// From the end: what may follow n items.
	n := len(first)
	if most >= 0 && most < n {
		n = most
		first = first[:n]
	}
	left := -1
	if most >= 0 {
		left = most - n
	}
	var rest Expr = Repeat{Seq{comma, item}, max(0, least-n), left}
	if n == 0 {
		if left == 0 {
			return Seq{Literal("["), sp, Literal("]")}, nil
		}
		more := -1
		if left > 0 {
			more = left - 1
		}
		some := Expr(Seq{item, Repeat{Seq{comma, item}, max(0, least-1), more}, sp})
		if least == 0 {
			some = opt(some)
		}
		return Seq{Literal("["), sp, some, Literal("]")}, nil
	}
	for i := n - 1; i >= 0; i-- {
		e := Seq{first[i], rest}
		if i > 0 {
			e = Seq{comma, first[i], rest}
		}
		if rest = e; i >= least {
			rest = opt(e)
		}
	}
	return Seq{Literal("["), sp, rest, sp, Literal("]")}, nil
}

// members compiles an object: its properties in their order, then others where they are allowed.
func (s *schema) members(o *object, at string) (Expr, error) {
	props := &object{values: map[string]any{}}
	if v, ok := o.values["properties"]; ok {
		if props, ok = v.(*object); !ok {
			return nil, bad(at+"/properties", "is %s, want an object", jsonText60(v))
		}
	}
	must := map[string]bool{}
	if v, ok := o.values["required"]; ok {
		list, ok := v.([]any)
		if !ok {
			return nil, bad(at+"/required", "is %s, want a list of names", jsonText60(v))
		}
		for i, k := range list {
			name, ok := k.(string)
			if !ok {
				return nil, bad(fmt.Sprintf("%s/required/%d", at, i), "is %s, want a name", jsonText60(k))
			}
			must[name] = true
			if _, ok := props.values[name]; !ok { // required and not described: one of the further ones
				further, ok := o.values["additionalProperties"]
				if further == false {
					return nil, bad(fmt.Sprintf("%s/required/%d", at, i), "is %q, which additionalProperties lets no object have", name)
				} else if !ok {
					further = true
				}
				props = &object{append(slices.Clone(props.keys), name), mapWith(props.values, name, further)}
			}
		}
	}
	sp := Ref(ruleSpace)
	pair := func(key, value Expr) Expr { return Seq{key, sp, Literal(":"), sp, value} }
	var other Expr
	switch v := o.values["additionalProperties"].(type) {
	case nil:
		if len(props.keys) == 0 {
			other = Ref(ruleValue)
		} // what a schema with properties does not name is not asked for, so it is not written either
	case bool:
		if v {
			other = Ref(ruleValue)
		}
	default:
		e, err := s.value(v, at+"/additionalProperties")
		if err != nil {
			return nil, err
		}
		other = e
	}
	least, err := count(o, "minProperties", at, 0)
	if err != nil {
		return nil, err
	}
	most, err := count(o, "maxProperties", at, -1)
	if err != nil {
		return nil, err
	}
	if len(props.keys) == 0 && least > 1 {
		return nil, bad(at+"/minProperties", "is %d; more than 1 is not enforced, for a name that is not given could come twice; name them in required", least)
	}
	if len(props.keys) > 0 && (least > len(must) || most >= 0 && (most < len(props.keys) || other != nil)) {
		return nil, bad(at, "minProperties and maxProperties are enforced where no properties are named, or all of them satisfy both")
	}
	if most >= 0 && most < least || len(props.keys) == 0 && other == nil && least > 0 {
		return nil, bad(at+"/minProperties", "is %d, more than the object may have", least)
	}
	comma := Seq{sp, Literal(","), sp}
	if len(props.keys) == 0 {
		if other == nil || most == 0 {
			return Seq{Literal("{"), sp, Literal("}")}, nil
		}
		p := pair(Ref(ruleString), other)
		more := -1
		if most > 0 {
			more = most - 1
		}
		some := Expr(Seq{p, Repeat{Seq{comma, p}, max(0, least-1), more}, sp})
		if least == 0 {
			some = opt(some)
		}
		return Seq{Literal("{"), sp, some, Literal("}")}, nil
	}
	pairs := make([]Expr, len(props.keys))
	for i, k := range props.keys {
		e, err := s.value(props.values[k], at+"/properties/"+escape(k))
		if err != nil {
			return nil, err
		}
		pairs[i] = pair(jsonText(k), e)
	}
	var further Expr = Seq{}
	if other != nil {
		p := pair(otherKey(props.keys), other)
		further = many(Seq{comma, p})
	}
	// behind[i] is what may follow when some property before i was written, begin[i] when none was.
	name := fmt.Sprintf("members-%d", len(s.rules))
	behind := func(i int) Expr { return Ref(fmt.Sprintf("%s-behind-%d", name, i)) }
	begin := func(i int) Expr { return Ref(fmt.Sprintf("%s-begin-%d", name, i)) }
	n := len(pairs)
	s.rules[string(behind(n).(Ref))] = further
	last := Expr(Seq{})
	if other != nil {
		p := pair(otherKey(props.keys), other)
		last = opt(Seq{p, further})
	}
	s.rules[string(begin(n).(Ref))] = last
	for i := n - 1; i >= 0; i-- {
		with, first := Seq{comma, pairs[i], behind(i + 1)}, Seq{pairs[i], behind(i + 1)}
		b, f := Expr(with), Expr(first)
		if !must[props.keys[i]] {
			b, f = Alt{with, behind(i + 1)}, Alt{first, begin(i + 1)}
		}
		s.rules[string(behind(i).(Ref))], s.rules[string(begin(i).(Ref))] = b, f
	}
	return Seq{Literal("{"), sp, begin(0), sp, Literal("}")}, nil
}

// mapWith is a copy of m with one more entry.
func mapWith(m map[string]any, key string, value any) map[string]any {
	out := map[string]any{key: value}
	for k, v := range m {
		out[k] = v
	}
	return out
}

// otherKey matches a key that is none of keys: as JSON strings, they part at some character or at their end.
func otherKey(keys []string) Expr {
	quote := Literal(`"`)
	var from func(keys [][]rune) Expr
	from = func(keys [][]rune) Expr {
		next, ends := map[rune][][]rune{}, false
		var order []rune
		for _, k := range keys {
			if len(k) == 0 {
				ends = true
				continue
			}
			if next[k[0]] == nil {
				order = append(order, k[0])
			}
			next[k[0]] = append(next[k[0]], k[1:])
		}
		slices.Sort(order)
		var taken []runeRange
		var out Alt
		for _, r := range order {
			taken = append(taken, runeRange{r, r})
			out = append(out, Seq{jsonChar([]runeRange{{r, r}}), from(next[r])})
		}
		out = append(out, Seq{jsonChar(not(taken)), many(Ref(ruleChar)), quote})
		if !ends {
			out = append(out, quote)
		}
		return out
	}
	var all [][]rune
	for _, k := range keys {
		all = append(all, []rune(k))
	}
	return Seq{quote, from(all)}
}
