package grammar

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
)

// maker makes random schemas of what is enforced.
type maker struct {
	r    *rand.Rand
	used map[string]bool
	defs int
}

// say notes keywords that are used.
func (m *maker) say(keys ...string) {
	for _, k := range keys {
		m.used[k] = true
	}
}

func (m *maker) one(of ...string) string { return of[m.r.IntN(len(of))] }
func (m *maker) sometimes() bool         { return m.r.IntN(3) == 0 }

// fields are an object's, as JSON texts.
type fields []string

func (f *fields) add(key, value string) { *f = append(*f, quoted(key)+": "+value) }
func (f fields) String() string         { return "{" + strings.Join(f, ", ") + "}" }

func quoted(text string) string {
	b, err := json.Marshal(text)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// document is a schema with definitions that may call each other, and itself.
func (m *maker) document() string {
	m.used, m.defs = map[string]bool{}, m.r.IntN(3)
	var f fields
	if m.sometimes() {
		f.add("title", `"a title"`)
	}
	top := m.schema(3)
	defs := fields{}
	for i := range m.defs {
		defs.add(fmt.Sprint([]string{"d", "a/b~", "%"}[i%3], i), m.schema(2))
	}
	if top == "true" {
		return top
	}
	f = append(f, strings.TrimSuffix(strings.TrimPrefix(top, "{"), "}"))
	if len(defs) > 0 {
		f.add("$defs", defs.String())
	}
	return "{" + strings.Trim(strings.Join(f, ", "), ", ") + "}"
}

// ref points to a definition, or to the whole.
func (m *maker) ref() string {
	m.say("$ref")
	if m.defs == 0 || m.r.IntN(5) == 0 {
		return `{"$ref": "#"}`
	}
	i := m.r.IntN(m.defs)
	return fmt.Sprintf(`{"$ref": "#/$defs/%s%d"}`, []string{"d", "a~1b~0", "%25"}[i%3], i)
}

func (m *maker) schema(deep int) string {
	if deep <= 0 {
		return m.scalar()
	}
	switch m.r.IntN(16) {
	case 0:
		m.say("enum")
		var all []string
		for range 1 + m.r.IntN(4) {
			all = append(all, m.value(2))
		}
		return fmt.Sprintf(`{"enum": [%s]}`, strings.Join(all, ", "))
	case 1:
		m.say("const")
		return fmt.Sprintf(`{"const": %s, "description": "just this"}`, m.value(2))
	case 2:
		m.say("anyOf")
		return fmt.Sprintf(`{"anyOf": [%s, %s]}`, m.schema(deep-1), m.maybe(deep))
	case 3:
		return m.oneOf(deep)
	case 4:
		m.say("allOf")
		return fmt.Sprintf(`{"allOf": [%s], "default": 1}`, m.schema(deep-1))
	case 5, 6, 7:
		return m.array(deep)
	case 8, 9, 10, 11, 12:
		return m.object(deep)
	case 13:
		if m.sometimes() {
			return "true"
		}
		return m.several(deep)
	}
	return m.scalar()
}

// maybe is a schema that may be the beginning of a recursion, with a way out.
func (m *maker) maybe(deep int) string {
	if m.r.IntN(2) == 0 {
		m.say("anyOf")
		return fmt.Sprintf(`{"anyOf": [{"type": "null"}, %s]}`, m.ref())
	}
	return m.schema(deep - 1)
}

func (m *maker) oneOf(deep int) string {
	m.say("oneOf")
	if m.r.IntN(2) == 0 {
		return fmt.Sprintf(`{"oneOf": [%s, {"type": "null"}, %s]}`, m.array(deep-1), m.text())
	}
	kind := func(name string) string {
		return fmt.Sprintf(`{"type": "object", "properties": {"kind": {"const": %s}, "v": %s}, "required": ["kind"]}`, name, m.schema(deep-1))
	}
	return fmt.Sprintf(`{"oneOf": [%s, %s]}`, kind(`"a"`), kind("1.0"))
}

// several has several types, and keywords of some.
func (m *maker) several(int) string {
	m.say("type", "maxLength", "maximum")
	if m.sometimes() {
		m.say("enum")
		return fmt.Sprintf(`{"type": ["string", "null"], "enum": [%s, null]}`, quoted(m.word()))
	}
	return fmt.Sprintf(`{"type": ["string", "integer", "null"], "maxLength": %d, "maximum": %d}`, m.r.IntN(5), m.r.IntN(100)-50)
}

func (m *maker) scalar() string {
	switch m.r.IntN(8) {
	case 0:
		m.say("type")
		return m.one(`{"type": "boolean"}`, `{"type": "null"}`)
	case 1, 2:
		return m.number("integer")
	case 3, 4:
		return m.number("number")
	}
	return m.text()
}

// bound is a number as bounds are: small, large, with a fraction, with an exponent.
func (m *maker) bound(kind string) string {
	switch m.r.IntN(8) {
	case 0:
		return m.one("9007199254740991", "-9007199254740991", "9223372036854775807", "18446744073709551615", "-9223372036854775808", "1e15", "-1e3", "1.5e2", "0", "-0", "1e300")
	case 1, 2:
		return fmt.Sprintf("%d.%d", m.r.IntN(21)-10, m.r.IntN(1000))
	}
	return fmt.Sprint(m.r.IntN(401) - 200)
}

func (m *maker) number(kind string) string {
	m.say("type")
	f := fields{}
	f.add("type", quoted(kind))
	for _, k := range []string{"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"} {
		if m.sometimes() {
			m.say(k)
			f.add(k, m.bound(kind))
		}
	}
	return f.String()
}

func (m *maker) text() string {
	m.say("type")
	f := fields{}
	f.add("type", `"string"`)
	switch m.r.IntN(6) {
	case 0:
		m.say("pattern")
		f.add("pattern", quoted(m.pattern()))
	case 1, 4:
		format := m.one("date", "time", "date-time", "uuid", "ipv4", "email")
		m.say("format", "format "+format)
		f.add("format", quoted(format))
	case 2:
		m.say("minLength", "maxLength")
		least := m.r.IntN(6)
		f.add("minLength", fmt.Sprint(least))
		f.add("maxLength", fmt.Sprint(least+m.r.IntN(4)))
	case 3:
		m.say("minLength", "maxLength")
		f.add("minLength", m.one("0", "3", "300"))
		f.add("maxLength", m.one("300", "5000", "16777216", "3e2"))
	}
	return f.String()
}

// pattern is a regular expression in the syntax that ECMA-262 and RE2 share.
func (m *maker) pattern() string {
	p := m.one("", "^") + m.part(2)
	for range m.r.IntN(3) {
		p += m.part(2)
	}
	return p + m.one("", "$")
}

func (m *maker) part(deep int) string {
	var p string
	switch n := m.r.IntN(6); {
	case n == 0 && deep > 0:
		p = "(" + m.part(deep-1) + "|" + m.part(deep-1) + m.part(deep-1) + ")"
	case n == 1 && deep > 0:
		p = "(?:" + m.part(deep-1) + m.part(deep-1) + ")"
	case n == 2:
		p = m.one("a", "é", "😀", `"`, `\\`, `\/`, "-", `\.`, " ", "日", `\n`, `\u00e9`, "/")
	default:
		p = m.one(`\d`, `\w`, `\s`, `\D`, `\W`, `\S`, ".", "[a-z]", `[^a-z"]`, `[\d\s]`, `[^\s]`, `[^\S]`, `[\S]`, `[α-ω-]`, `[\]\\"]`, `[^\W_]`, "[[:]", `[A-Z\u00c0-\u00d6]`)
	}
	return p + m.one("", "", "", "?", "*", "+", "{2}", "{1,3}", "{0,2}", "{2,}", "+?")
}

func (m *maker) array(deep int) string {
	m.say("type")
	f := fields{}
	f.add("type", `"array"`)
	if m.r.IntN(2) == 0 {
		m.say("prefixItems")
		var all []string
		for range 1 + m.r.IntN(3) {
			all = append(all, m.schema(deep-1))
		}
		f.add("prefixItems", "["+strings.Join(all, ", ")+"]")
	}
	switch m.r.IntN(4) {
	case 0:
		m.say("items")
		f.add("items", "false")
	case 1, 2:
		m.say("items")
		f.add("items", m.maybe(deep))
	}
	least := m.r.IntN(4)
	if m.sometimes() {
		m.say("minItems")
		f.add("minItems", fmt.Sprint(least))
	} else {
		least = 0
	}
	if m.sometimes() {
		m.say("maxItems")
		f.add("maxItems", fmt.Sprint(least+m.r.IntN(4)))
	}
	return f.String()
}

// word is a name or text, with what JSON has to escape.
func (m *maker) word() string {
	return m.one("a", "ab", "abc", "b", "", `"`, `\`, "a\"b", "ü", "日本", "😀", "\n", "\u0001", "kind", "a/b", "~", " ", "\u007f", "\u2028")
}

func (m *maker) object(deep int) string {
	m.say("type")
	f := fields{}
	f.add("type", `"object"`)
	props, names := fields{}, []string{}
	for range m.r.IntN(4) {
		name := m.word()
		if !strings.Contains(props.String(), quoted(name)+": ") {
			names = append(names, name)
			props.add(name, m.maybe(deep))
		}
	}
	if len(names) > 0 {
		m.say("properties")
		f.add("properties", props.String())
	}
	var must []string
	for _, name := range names {
		if m.r.IntN(2) == 0 {
			must = append(must, quoted(name))
		}
	}
	if m.r.IntN(6) == 0 {
		must = append(must, `"not described"`)
	}
	if len(must) > 0 {
		m.say("required")
		f.add("required", "["+strings.Join(must, ", ")+"]")
	}
	switch m.r.IntN(5) {
	case 0:
		m.say("additionalProperties")
		f.add("additionalProperties", m.one("true", "false"))
	case 1, 2:
		m.say("additionalProperties")
		f.add("additionalProperties", m.maybe(deep))
	}
	if len(names) == 0 && len(must) == 0 {
		if m.sometimes() {
			m.say("minProperties")
			f.add("minProperties", fmt.Sprint(m.r.IntN(2)))
		}
		if m.sometimes() {
			m.say("maxProperties")
			f.add("maxProperties", fmt.Sprint(1+m.r.IntN(3)))
		}
	} else if len(must) > 1 && m.sometimes() {
		m.say("minProperties")
		f.add("minProperties", fmt.Sprint(len(must)))
	}
	return f.String()
}

// value is any JSON.
func (m *maker) value(deep int) string {
	if deep > 0 {
		switch m.r.IntN(6) {
		case 0:
			return fmt.Sprintf("[%s, %s]", m.value(deep-1), m.value(deep-1))
		case 1:
			return fmt.Sprintf(`{%s: %s, "z": %s}`, quoted(m.word()), m.value(deep-1), m.value(deep-1))
		}
	}
	return m.one("null", "true", "false", "0", "-1", "1.50", "1e3", "-0.0", "123456789012345678901234567890", "[]", "{}", quoted(m.word()), quoted(m.word()+m.word()), `"\u00e9\/\ud83d\ude00"`)
}
