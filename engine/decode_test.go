package engine

import (
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/freehold-slm/freehold/engine/grammar"
	"github.com/freehold-slm/freehold/models/chat"
)

type place struct {
	Street string   `json:"street"`
	Number uint8    `json:"number,omitempty"`
	Floor  *float32 `json:"floor"`
}

type embedded struct {
	Ref [2]int16 `json:"ref"`
}

type claim struct {
	embedded
	Kind   string            `json:"kind" enum:"waste,housing,noise \"at night\"" description:"what it is about"`
	Urgent bool              `json:"urgent"`
	Places []place           `json:"places,omitempty"`
	Tags   map[string]string `json:"tags,omitempty" enum:"a,b"`
	When   *time.Time        `json:"when"`
	Amount int64             `description:"in cents"`
	Any    json.RawMessage   `json:"any,omitempty"`
	Hidden func()            `json:"-"`
	secret int               //lint:ignore U1000 not exported
}

type tree struct {
	Name string           `json:"name" enum:"x,y"`
	Kids []tree           `json:"kids,omitempty"`
	Next *tree            `json:"next,omitempty"`
	Map  map[string]*tree `json:"map,omitempty"`
}

// Answers are of the type, whatever the weights want: JSON of the schema of each type is read without an error, and nothing but a cut can
// come between.
func TestFixturesDecode(t *testing.T) {
	m := small(t, "llama256.Q4_K_M")
	whole, cut := 0, 0
	for seed := range uint64(30) {
		g := Gen{Seed: seed, Temperature: 1.5, MaxTokens: 400}
		check := func(err error) {
			t.Helper()
			var c *CutError
			switch {
			case err == nil:
				whole++
			case errors.As(err, &c) && c.Reason == ReasonLength && c.Tokens > 0 && c.Text != "":
				cut++
			case !strings.Contains(err.Error(), "parsing time"): // the 31st of February
				t.Error(err)
			}
		}
		prompt := []int32{1, 20, int32(seed)}
		got, err := Decode[claim](context.Background(), m, prompt, g)
		check(err)
		if err == nil && got.Kind != "waste" && got.Kind != "housing" && got.Kind != `noise "at night"` {
			t.Errorf("kind %q", got.Kind)
		}
		for _, v := range got.Tags {
			if v != "a" && v != "b" {
				t.Errorf("tag %q", v)
			}
		}
		node, err := Decode[tree](context.Background(), m, prompt, g)
		check(err)
		if err == nil && node.Name != "x" && node.Name != "y" {
			t.Errorf("name %q", node.Name)
		}
		_, err = Decode[int8](context.Background(), m, prompt, g)
		check(err)
		_, err = Decode[[3]float64](context.Background(), m, prompt, g)
		check(err)
		_, err = Decode[map[string][]bool](context.Background(), m, prompt, g)
		check(err)
	}
	if whole < 60 || cut == 0 {
		t.Errorf("%d answers were whole and %d cut", whole, cut)
	}
	var c *CutError
	if _, err := Decode[claim](context.Background(), m, []int32{1, 2}, Gen{MaxTokens: 3}); !errors.As(err, &c) || c.Tokens != 3 {
		t.Errorf("an answer of three tokens: %v", err)
	}
	any, err := grammar.AnyJSON()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Decode[claim](context.Background(), m, []int32{1}, Gen{Grammar: any}); err == nil || !strings.Contains(err.Error(), "grammar of its own") {
		t.Errorf("a second grammar: %v", err)
	}
	// A model without a template says so.
	if _, err := Decode[claim](context.Background(), m, "a letter", Gen{}); err == nil || !strings.Contains(err.Error(), "chat_template") {
		t.Errorf("text without a template: %v", err)
	}
	if _, err := Decode[claim](context.Background(), m, []chat.Message{{Role: "user", Content: "x"}}, Gen{}); err == nil || !strings.Contains(err.Error(), "chat_template") {
		t.Errorf("messages without a template: %v", err)
	}
}

// The schema of a type, to the letter.
func TestSchemaFor(t *testing.T) {
	got, err := SchemaFor[claim]()
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"$ref":"#/$defs/claim0","$defs":{` +
		`"place1":{"type":"object","properties":{"street":{"type":"string"},"number":{"type":"integer","minimum":0,"maximum":255},` +
		`"floor":{"anyOf":[{"type":"number","minimum":-1000000000000000,"maximum":1000000000000000},{"type":"null"}]}},"required":["street","floor"],"additionalProperties":false},` +
		`"claim0":{"type":"object","properties":{"ref":{"type":"array","items":{"type":"integer","minimum":-32768,"maximum":32767},"minItems":2,"maxItems":2},` +
		`"kind":{"description":"what it is about","enum":["waste","housing","noise \"at night\""]},"urgent":{"type":"boolean"},` +
		`"places":{"type":"array","items":{"$ref":"#/$defs/place1"}},"tags":{"type":"object","additionalProperties":{"enum":["a","b"]}},` +
		`"when":{"anyOf":[{"type":"string","format":"date-time"},{"type":"null"}]},` +
		`"Amount":{"description":"in cents","type":"integer","minimum":-1000000000000000,"maximum":1000000000000000},"any":true},` +
		`"required":["ref","kind","urgent","when","Amount"],"additionalProperties":false}}}`
	if string(got) != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if _, err := grammar.Schema(got); err != nil {
		t.Error(err)
	}
	if got, err = SchemaFor[tree](); err != nil {
		t.Fatal(err)
	} else if _, err := grammar.Schema(got); err != nil {
		t.Error(err)
	}
	// encoding/json writes what the schema allows.
	if !json.Valid(got) {
		t.Errorf("%s is no JSON", got)
	}
}

type (
	lists   []lists
	pointer *pointer
	custom  struct{ Price customText }
	deep    struct {
		Items map[string][]struct{ Notify func() }
	}
	twice struct {
		A int `json:"x"`
		B int `json:"X"`
	}
	quoted struct {
		N int `json:",string"`
	}
	numbered struct {
		N []int `enum:"1,2"`
	}
	embeds struct{ *embedded }
)

type customText string

func (c *customText) UnmarshalText(b []byte) error { *c = customText(b); return nil }

// What has no schema is refused with its place.
func TestSchemaForRefused(t *testing.T) {
	for _, c := range []struct {
		schema func() ([]byte, error)
		want   string
	}{
		{SchemaFor[func()], "func (func()): has no form in JSON"},
		{SchemaFor[chan int], "chan (chan int): has no form"},
		{SchemaFor[complex128], "complex128 (complex128)"},
		{SchemaFor[deep], "deep.Items{}[].Notify (func())"},
		{SchemaFor[map[int]string], "map (map[int]string): keys of JSON are strings"},
		{SchemaFor[struct{ Data []byte }], "struct.Data ([]uint8): bytes are base64"},
		{SchemaFor[lists], "lists[] (engine.lists): holds itself"},
		{SchemaFor[pointer], "holds itself"},
		{SchemaFor[custom], "custom.Price (engine.customText): reads JSON in a way of its own"},
		{SchemaFor[twice], `twice.B (int): is "X" in JSON, and so is another`},
		{SchemaFor[quoted], "quoted.N (int): has the json option string"},
		{SchemaFor[numbered], "numbered.N ([]int): has an enum, which is for strings"},
		{SchemaFor[embeds], "embeds.embedded (*engine.embedded): is an embedded pointer"},
		{SchemaFor[error], "error (error): has no form"},
	} {
		_, err := c.schema()
		var bad *TypeError
		if !errors.As(err, &bad) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want %q", err, c.want)
		}
	}
	if _, err := Decode[deep](context.Background(), nil, "", Gen{}); err == nil || reflect.TypeOf(err) != reflect.TypeFor[*TypeError]() {
		t.Errorf("Decode of a type without a schema: %v", err)
	}
}
