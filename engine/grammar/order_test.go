package grammar

import "testing"

// What Order writes is a text of the schema's grammar, whatever order the keys came in.
func TestOrder(t *testing.T) {
	schema := `{"type": "object", "properties": {"who": {"$ref": "#/$defs/person"}, "n": {"type": "integer"}, "tags": {"type": "array", "items": {"$ref": "#/$defs/person"}}},
		"additionalProperties": false, "$defs": {"person": {"type": "object", "properties": {"last": {"type": "string"}, "first": {"type": "string"}}, "additionalProperties": false}}}`
	g, err := Schema([]byte(schema))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ in, want string }{
		{`{"tags": [{"first": "a", "last": "b"}], "n": 3, "who": {"first": "<x>&", "last": "ü\u0001"}}`, `{"who":{"last":"ü\u0001","first":"<x>&"},"n":3,"tags":[{"last":"b","first":"a"}]}`},
		{` { "n" : -12 } `, `{"n":-12}`},
		{`{}`, `{}`},
	} {
		got, err := Order([]byte(schema), []byte(c.in))
		if err != nil || string(got) != c.want {
			t.Errorf("%s: %s (%v), want %s", c.in, got, err, c.want)
		}
		if m := g.NewMatcher(); !m.Accept(got) || !m.Complete() {
			t.Errorf("%s is none of the grammar", got)
		}
	}
	for in, want := range map[string]string{`{"b": 1, "a": [true, null, "x"]}`: `{"b":1,"a":[true,null,"x"]}`, `7`: `7`} {
		if got, err := Order([]byte(`{"$ref": "#/$ref"}`), []byte(in)); err != nil || string(got) != want {
			t.Errorf("a schema of no use: %s (%v), want %s", got, err, want)
		}
	}
	for _, bad := range []string{"", "{", `{"a":1}{}`, `{"a":1,"a":2}`} {
		if _, err := Order([]byte(schema), []byte(bad)); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}
