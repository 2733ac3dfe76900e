package grammar

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"
)

func TestSchema(t *testing.T) {
	for _, c := range []struct {
		schema  string
		yes, no []string
	}{
		{`true`, []string{`1`, `"a"`, `[1, {"b": null}]`, `-0.5e+3`}, []string{``, `01`, `{a: 1}`, `[1,]`, `"\x"`, `nul`, `'a'`, `"a` + "\n" + `"`}},
		{`{}`, []string{`{}`, `true`}, []string{`tru`}},
		{`{"type": "string"}`, []string{`""`, `"é😀\n\u00e9\ud83d\ude00\/"`}, []string{`"\ud83d"`, `"\ude00\ud83d"`, `"\u12"`, `1`, `"a`}},
		{`{"type": "string", "minLength": 2, "maxLength": 3}`, []string{`"ab"`, `"日本語"`, `"\n\""`, `"\ud83d\ude00a"`}, []string{`"a"`, `"abcd"`, `""`}},
		{`{"type": "string", "pattern": "^[A-Z]{2}\\d+$"}`, []string{`"AB1"`, `"ZZ123"`}, []string{`"A1"`, `"AB"`, `"AB1 "`}},
		{`{"type": "string", "pattern": "b\\s\"?c"}`, []string{`"b c"`, `"xxb\n\"cyy"`, `"b\u000ac"`}, []string{`"bc"`, `"b` + "\n" + `c"`}},
		{`{"type": "string", "format": "date"}`, []string{`"2024-02-29"`}, []string{`"2024-13-01"`, `"24-01-01"`, `""`}},
		{`{"type": "string", "format": "uuid"}`, []string{`"123e4567-e89b-12d3-a456-426614174000"`}, []string{`"123"`}},
		{`{"enum": ["a", 1, null, true, {"b": [1, 2.50]}]}`, []string{`"a"`, `1`, `null`, `true`, `{"b": [1,2.50]}`, `{ "b":[ 1, 2.50 ] }`}, []string{`"b"`, `2`, `false`, `{"b": [1, 2]}`}},
		{`{"type": "string", "const": "x\"y"}`, []string{`"x\"y"`}, []string{`"x"`, `"x"y"`}},
		{`{"type": "integer"}`, []string{`0`, `-1`, `12345`}, []string{`1.0`, `01`, `-`, `+1`, `-01`}},
		{`{"type": ["integer", "null"]}`, []string{`7`, `null`}, []string{`"7"`}},
		{`{"type": "boolean"}`, []string{`true`, `false`}, []string{`0`}},
		{`{"type": "array", "items": {"type": "integer"}}`, []string{`[]`, `[1]`, `[1, 2,3]`, "[\n  1,\n  2\n]"}, []string{`[1,]`, `["a"]`, `[,1]`, "[" + strings.Repeat(" ", 30) + "]"}},
		{`{"type": "array", "items": {"type": "integer"}, "minItems": 2, "maxItems": 3}`, []string{`[1,2]`, `[1,2,3]`}, []string{`[]`, `[1]`, `[1,2,3,4]`}},
		{`{"type": "array", "prefixItems": [{"const": 1}, {"const": 2}], "items": {"const": 3}, "minItems": 1, "maxItems": 4}`,
			[]string{`[1]`, `[1,2]`, `[1,2,3]`, `[1,2,3,3]`}, []string{`[]`, `[2]`, `[1,3]`, `[1,2,3,3,3]`}},
		{`{"type": "array", "prefixItems": [{"const": 1}, {"const": 2}], "items": false}`, []string{`[]`, `[1]`, `[1,2]`}, []string{`[1,2,3]`}},
		{`{"type": "array", "maxItems": 0}`, []string{`[]`, `[ ]`}, []string{`[1]`}},
		{`{"type": "object"}`, []string{`{}`, `{"a": 1, "b": {}}`}, []string{`{"a"}`, `{"a": 1,}`}},
		{`{"type": "object", "properties": {"a": {"const": 1}, "b": {"const": 2}, "c": {"const": 3}}, "required": ["b"]}`,
			[]string{`{"b": 2}`, `{"a": 1, "b": 2}`, `{"b": 2, "c": 3}`, `{"a":1,"b":2,"c":3}`}, []string{`{}`, `{"a": 1}`, `{"b": 2, "a": 1}`, `{"b": 2, "d": 1}`, `{"b": 2,}`, `{,"b": 2}`}},
		{`{"type": "object", "properties": {"a": {"const": 1}, "b": {"const": 2}}}`, []string{`{}`, `{"a": 1}`, `{"b": 2}`, `{"a": 1, "b": 2}`}, []string{`{"a": 1 "b": 2}`}},
		{`{"type": "object", "properties": {"ab": {"const": 1}, "a\"": {"const": 2}}, "additionalProperties": {"type": "boolean"}}`,
			[]string{`{"ab": 1, "a\"": 2, "x": true}`, `{"a": true}`, `{"abc": false, "b": true}`, `{"": true}`}, []string{`{"ab": true}`, `{"ab": 1, "ab": true}`, `{"a\"": true}`, `{"x": 1}`, `{"\u0061b": true}`}},
		{`{"type": "object", "required": ["z"], "properties": {"a": {"const": 1}}}`, []string{`{"z": []}`, `{"a": 1, "z": 0}`}, []string{`{"a": 1}`}},
		{`{"type": "object", "additionalProperties": {"type": "integer"}, "minProperties": 1, "maxProperties": 2}`, []string{`{"a": 1}`, `{"a": 1, "b": 2}`}, []string{`{}`, `{"a": 1, "b": 2, "c": 3}`}},
		{`{"anyOf": [{"type": "integer"}, {"type": "string", "maxLength": 1}]}`, []string{`1`, `"a"`}, []string{`"ab"`, `null`}},
		{`{"oneOf": [{"type": "object", "properties": {"k": {"const": "a"}, "x": {"type": "integer"}}, "required": ["k", "x"]}, {"type": "object", "properties": {"k": {"const": "b"}}, "required": ["k"]}]}`,
			[]string{`{"k": "a", "x": 1}`, `{"k": "b"}`}, []string{`{"k": "a"}`, `{"k": "c"}`}},
		{`{"allOf": [{"$ref": "#/$defs/n"}], "$defs": {"n": {"type": "null"}}}`, []string{`null`}, []string{`1`}},
		{`{"$ref": "#/definitions/a~1b/anyOf/0", "definitions": {"a/b": {"anyOf": [{"type": "integer"}]}}}`, []string{`1`}, []string{`"1"`}},
		{`{"type": "object", "properties": {"next": {"anyOf": [{"$ref": "#"}, {"type": "null"}]}}, "required": ["next"]}`,
			[]string{`{"next": null}`, `{"next": {"next": {"next": null}}}`}, []string{`{"next": {"next": {}}}`}},
		{`{"type": "number", "minimum": 0.5, "exclusiveMaximum": 2.25}`, []string{`0.5`, `0.50`, `0.75`, `1`, `1.0`, `2.24999`, `2`}, []string{`0.49`, `0`, `2.25`, `2.250`, `2.3`, `3`, `-1`, `2.2499999999999999999`}},
		{`{"type": "number", "exclusiveMinimum": -0.1, "maximum": 0}`, []string{`0`, `0.0`, `-0.05`, `-0.099`}, []string{`-0.1`, `-0.10`, `0.1`, `-1`}},
		{`{"type": "number", "exclusiveMaximum": 2}`, []string{`1.99999999999999`, `-5.5`}, []string{`2`, `2.0`, `1.9999999999999999`}}, // which many readers would take for 2
		{`{"type": "integer", "minimum": -9007199254740991, "maximum": 9007199254740991}`, []string{`9007199254740991`, `-9007199254740991`, `0`}, []string{`9007199254740992`, `-9007199254740992`}},
		{`{"type": "integer", "minimum": 1.5e0, "maximum": 18446744073709551615}`, []string{`2`, `999999999999999999`}, []string{`1`, `18446744073709551616`}},
		{`{"type": "array", "prefixItems": [{"const": 1}, {"const": 2}], "items": false, "maxItems": 1}`, []string{`[]`, `[1]`}, []string{`[1,2]`}},
		{`{"type": "object", "required": ["z"], "additionalProperties": {"type": "null"}}`, []string{`{"z": null}`, `{"z": null, "a": null}`}, []string{`{"z": 1}`, `{"a": null}`}},
		{`{"type": ["string", "null"], "enum": ["a", null]}`, []string{`"a"`, `null`}, []string{`"b"`}},
		{`{"oneOf": [{"const": 1}, {"enum": ["1", 2.0]}]}`, []string{`1`, `"1"`, `2.0`}, []string{`3`}},
		{`{"type": "string", "format": "date"}`, []string{`"2024-02-29"`, `"2000-02-29"`, `"2023-12-31"`}, []string{`"2023-02-29"`, `"1900-02-29"`, `"2024-02-30"`, `"2024-04-31"`}},
		{`{"type": "string", "format": "date-time"}`, []string{`"2024-02-29T23:59:59.5+01:00"`, `"2024-06-30T00:00:00Z"`}, []string{`"2023-02-29T00:00:00Z"`, `"2024-06-30 00:00:00Z"`, `"2024-06-30T24:00:00Z"`}},
		{`{"type": "string", "format": "email"}`, []string{`"ann.b+c@mail.example.org"`}, []string{`"a@b"`, `"a..b@c.de"`, `"@c.de"`, `"a@-c.de"`, `"` + strings.Repeat("a", 65) + `@c.de"`}},
		{`{"type": "string", "pattern": "^\\S.$"}`, []string{`"ab"`, `"é "`}, []string{`"\u00a0b"`, "\"\u00a0b\"", "\"\u2028b\"", "\"a\u2028\"", `"a\r"`, `" a"`}}, // \u00a0 is white space in ECMA-262, and \u2028 a line's end
		{`{"type": "string", "pattern": "^[^\\s]\\u00e9\\ud83d\\ude00[\\S]$"}`, []string{`"xé😀y"`}, []string{"\"\ufeffé😀y\"", "\"xé😀\u3000\"", `"xe😀y"`}},
		{`{"type": "string", "pattern": "^(a[^\\s\\S]|b)$"}`, []string{`"b"`}, []string{`"a"`}}, // nothing leads into what has no end
		{`{"title": "t", "description": "d", "default": 1, "type": "integer", "examples": [1]}`, []string{`1`}, []string{`1.5`}},
	} {
		g, err := Schema([]byte(c.schema))
		if err != nil {
			t.Errorf("%s: %v", c.schema, err)
			continue
		}
		valid := validator(t, c.schema)
		for _, text := range c.yes {
			if !matches(g, text) {
				t.Errorf("%s does not match %s", c.schema, text)
			}
			if err := valid([]byte(text)); err != nil && !strings.Contains(c.schema, `\ud83d`) { // the validator's patterns know no pairs of surrogates
				t.Error(err)
			}
		}
		for _, text := range c.no {
			if matches(g, text) {
				t.Errorf("%s matches %s", c.schema, text)
			}
		}
	}
}

// No text begins in a way that cannot be ended.
func TestNoDeadEnd(t *testing.T) {
	for grammar, begins := range map[string]map[string]bool{`"(a[^\x00-\x{10ffff}]|b)"`: {`"a`: false, `"b`: true}, `"(a[^\x00-\x{10ffff}])*c"`: {`"a`: false, `"c`: true}} {
		g := must(t)(Regex(grammar))
		for text, want := range begins {
			if m := g.NewMatcher(); m.Accept([]byte(text)) != want {
				t.Errorf("%s: %s is a beginning: %v", grammar, text, !want)
			}
		}
	}
}

// Bounds hold for every number near them.
func TestSchemaNumbers(t *testing.T) {
	for _, c := range [][2]float64{{0, 9}, {1, 1}, {-5, 5}, {-123, -7}, {7, 1234}, {98, 102}, {-1, 0}, {0, 0}, {-1000, -999}, {math.Inf(-1), 3}, {-12, math.Inf(1)}, {15, math.Inf(1)}, {math.Inf(-1), -20}} {
		for _, open := range []bool{false, true} {
			for _, kind := range []string{"integer", "number"} {
				schema := fmt.Sprintf(`{"type": %q`, kind)
				lo, hi := "minimum", "maximum"
				if open {
					lo, hi = "exclusiveMinimum", "exclusiveMaximum"
				}
				if !math.IsInf(c[0], 0) {
					schema += fmt.Sprintf(`, %q: %v`, lo, c[0])
				}
				if !math.IsInf(c[1], 0) {
					schema += fmt.Sprintf(`, %q: %v`, hi, c[1])
				}
				g, err := Schema([]byte(schema + "}"))
				empty := c[1]-c[0] < 1 && open || open && kind == "integer" && c[1]-c[0] < 2
				if empty {
					if err == nil {
						t.Errorf("%s} has a value", schema)
					}
					continue
				} else if err != nil {
					t.Fatal(err)
				}
				step := 0.25
				if kind == "integer" {
					step = 1
				}
				for v := -1300.0; v <= 1300; v += step {
					want := v >= c[0] && v <= c[1]
					if open {
						want = v > c[0] && v < c[1]
					}
					text := strconv.FormatFloat(v, 'f', -1, 64)
					if got := matches(g, text); got != want {
						t.Fatalf("%s} and %s: %v, want %v", schema, text, got, want)
					}
				}
			}
		}
	}
	g := must(t)(Schema([]byte(`{"type": "number", "minimum": 1, "maximum": 2}`)))
	for text, want := range map[string]bool{"1.0": true, "2.00": true, "2.001": false, "1.": false, "1e0": false, "01": false, "1.999999999999999": true} {
		if matches(g, text) != want {
			t.Errorf("%s: %v", text, !want)
		}
	}
}

// What is not enforced is refused, with its place.
func TestSchemaRefused(t *testing.T) {
	for schema, want := range map[string]string{
		`{"type": "integer", "multipleOf": 3}`:                                                  `"#/multipleOf": the keyword is not enforced`,
		`{"type": "object", "properties": {"a/b": {"type": "string", "contentEncoding": "x"}}}`: `"#/properties/a~1b/contentEncoding"`,
		`{"type": "strin"}`:                                                     `"#/type": is string, want one of: object`,
		`{"properties": {}}`:                                                    `"#": has keywords of the type object and no type`,
		`{"type": "string", "pattern": "("}`:                                    `"#/pattern": pattern "("`,
		`{"type": "string", "pattern": "a", "maxLength": 3}`:                    `"#/pattern": stands beside minLength or maxLength`,
		`{"type": "string", "format": "iri"}`:                                   `"#/format": is "iri", want one of: date`,
		`{"type": "string", "maxLength": -1}`:                                   `"#/maxLength": is -1, want a whole number`,
		`{"type": "string", "minLength": 3, "maxLength": 2}`:                    `"#/maxLength": is 2, less than minLength 3`,
		`{"type": "integer", "minimum": 3, "maximum": 2}`:                       `"#": no integer is at least 3`,
		`{"type": "number", "minimum": 1e-30}`:                                  `"#/minimum": is 1e-30, want at most 18 digits behind the point`,
		`{"type": "integer", "minimum": 1e18}`:                                  `"#/minimum": is 1e18; numbers are written with at most 18 digits`,
		`{"type": "number", "minimum": 2.5, "maximum": 2.25}`:                   `"#": no number lies between its bounds`,
		`{"type": ["string", "null"], "enum": ["a", 1]}`:                        `"#/enum/1": is integer, and the type is string or null`,
		`{"type": "object", "minProperties": 2}`:                                `"#/minProperties": is 2; more than 1 is not enforced`,
		`{"type": "object", "minProperties": 1, "additionalProperties": false}`: `"#/minProperties": is 1, more than the object may have`,
		`{"type": "object", "required": ["a"], "additionalProperties": false}`:  `"#/required/0": is "a", which additionalProperties lets no object have`,
		`{"oneOf": [{"const": 1}, {"const": 1.0}]}`:                             `"#/oneOf": alternatives 0 and 1 are not told apart`,
		`{"$ref": "#/$defs/a", "$defs": {"a": {"$id": "x"}}}`:                   `"#/$defs/a/$id": gives the references below it another base`,
		`{"type": "string", "pattern": "\\Aa"}`:                                 `\A in`,
		`{"type": "string", "pattern": "[]a]"}`:                                 `mean something else elsewhere`,
		`{"anyOf": [{"type": "null"}], "type": "string"}`:                       `"#/type": stands beside anyOf`,
		`{"allOf": [{}, {}]}`:                                                   `"#/allOf": is not enforced with more than one`,
		`{"oneOf": [{"type": "integer"}, {"type": "number"}]}`:                  `"#/oneOf": alternatives 0 and 1 are not told apart`,
		`{"not": {}}`:                            `"#/not"`,
		`{"$ref": "https://example.org/s"}`:      `"#/$ref": is "https://example.org/s", want a place in this document`,
		`{"$ref": "#/$defs/x"}`:                  `"#/$ref": points to "#/$defs/x", which is not there`,
		`{"$ref": "#"}`:                          `can never end`,
		`{"type": "array", "uniqueItems": true}`: `"#/uniqueItems"`,
		`{"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]}`: `can never end`,
		`{"enum": []}`:                           `"#/enum"`,
		`{"type": "string", "const": 1}`:         `"#/const": is integer, and the type is string`,
		`{"type": "object", "required": "a"}`:    `"#/required": is "a", want a list`,
		`false`:                                  `false allows no value`,
		`[]`:                                     `is array, want a schema`,
		`{"a": 1, "a": 2}`:                       `stands twice`,
		`{`:                                      `is no JSON`,
		`{} {}`:                                  `more than one`,
		strings.Repeat(`{"anyOf":[`, 300) + `{}`: `nested more than`,
	} {
		_, err := Schema([]byte(schema))
		var e *SchemaError
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(want, `"#`) && !errors.As(err, &e) {
			t.Errorf("%.100s: %v\nwant %s", schema, err, want)
		}
	}
}

// Schemas side by side in one grammar keep their own references and rules.
func TestCompose(t *testing.T) {
	g, err := Compose(Seq{Literal("<"), Alt{Seq{Literal("a "), Ref("a")}, Seq{Literal("b "), Ref("b")}}, Literal(">")}, map[string][]byte{
		"a": []byte(`{"type": "object", "properties": {"x": {"$ref": "#/$defs/n"}}, "additionalProperties": {"type": "null"}, "$defs": {"n": {"type": "integer"}}}`),
		"b": []byte(`{"type": "object", "properties": {"x": {"$ref": "#/$defs/n"}, "y": {"type": "array", "items": {"type": "boolean"}}}, "$defs": {"n": {"type": "string"}}}`),
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{`<a {"x": 1, "z": null}>`, `<b {"x": "1", "y": [true]}>`, `<a {}>`} {
		if !matches(g, text) {
			t.Errorf("does not match %s", text)
		}
	}
	for _, text := range []string{`<a {"x": "1"}>`, `<b {"x": 1}>`, `<a {"z": 1}>`, `<c {}>`, `{}`} {
		if matches(g, text) {
			t.Errorf("matches %s", text)
		}
	}
	for name, schemas := range map[string]map[string][]byte{
		"unsupported keyword": {"a": []byte(`{"not": {}}`)}, "no JSON": {"a": []byte(`{`)}, "a name that is taken": {"a": []byte(`{}`), "json-value": []byte(`{}`)}, "not given": {},
	} {
		if _, err := Compose(Ref("a"), schemas); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// Without and Unlike match all texts but those that they are named for.
func TestTexts(t *testing.T) {
	without, err := Compile(map[string]Expr{root: Seq{Without("<ab>"), opt(Seq{Literal("<ab>"), Literal("1")})}})
	if err != nil {
		t.Fatal(err)
	}
	unlike, err := Compile(map[string]Expr{root: Unlike(`{"n`)})
	if err != nil {
		t.Fatal(err)
	}
	const letters = `<ab>1{"né`
	var texts []string
	for _, a := range letters {
		for _, b := range letters {
			for _, c := range letters {
				for _, tail := range []string{"", "b>1", "<ab>1", "<ab>", "<<ab", ">"} {
					texts = append(texts, string(a)+string(b)+string(c)+tail)
				}
			}
		}
	}
	for _, text := range append(texts, "", "<", "<<", "<ab", "<ab>1", "<a<ab>1", "<ab<ab", "x<ab>") {
		before, after, found := strings.Cut(text, "<ab>")
		if want := !found || after == "1" && !strings.Contains(before, "<ab>"); matches(without, text) != want {
			t.Errorf("Without: %q matches: %v", text, !want)
		}
		if want := !strings.HasPrefix(text, `{"n`); matches(unlike, text) != want {
			t.Errorf("Unlike: %q matches: %v", text, !want)
		}
	}
}
