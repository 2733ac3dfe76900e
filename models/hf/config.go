package hf

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"

	"github.com/freehold-slm/freehold/models"
)

// config reads config.json and keeps the first error. A null counts as absent.
type config struct {
	file   string
	prefix string // of fields in errors
	fields map[string]any
	pools  models.Pooling    // how the folder's states are pooled, which another file says
	own    map[string]string // the family's names of fields that others have under another one
	err    error
}

// name is what a field is called in this file: the family's own name, or the usual one where the file has that alone.
func (c *config) name(field string) string {
	if own := c.own[field]; own != "" && (c.fields[own] != nil || c.fields[field] == nil) {
		return own
	}
	return field
}

// assume gives an absent field the value that transformers, or the family's first code, takes for it.
func (c *config) assume(field string, value any) {
	if !c.has(field) {
		c.fields[c.name(field)] = value
	}
}

// must refuses a switch that is not as the architecture has it; an absent one is.
func (c *config) must(want bool, fields ...string) {
	for _, f := range fields {
		if c.flag(f, want) != want {
			c.fail(f, fmt.Sprint(!want), fmt.Sprint(want))
		}
	}
}

func (c *config) value(field string) any { return c.fields[c.name(field)] }

func (c *config) fail(field, got, want string) {
	if c.err == nil {
		c.err = &Error{c.file, c.prefix + c.name(field), got, want}
	}
}

func (c *config) has(field string) bool { return c.value(field) != nil }

// size reads a count from 1 to max.
func (c *config) size(field string, max int64) int {
	n, ok := c.value(field).(json.Number)
	v, err := n.Int64()
	if !ok || err != nil || v < 1 || v > max {
		c.fail(field, shown(c.value(field)), fmt.Sprintf("a whole number from 1 to %d", max))
		return 1
	}
	return int(v)
}

// count reads a number that may be 0, and is where the file does not give it.
func (c *config) count(field string, max int64) int {
	if n, ok := c.value(field).(json.Number); !c.has(field) || ok && n == "0" {
		return 0
	}
	return c.size(field, max)
}

// layerTypes refuses other kinds of layers than the architecture has.
func (c *config) layerTypes(want func(layer int) string) {
	list, _ := c.value("layer_types").([]any)
	for i, kind := range list {
		if w := want(i); kind != w {
			c.fail(fmt.Sprintf("layer_types[%d]", i), shown(kind), w)
		}
	}
}

func (c *config) sizeOr(field string, def int, max int64) int {
	if !c.has(field) {
		return def
	}
	return c.size(field, max)
}

// positive reads a positive number that an f32 can hold.
func (c *config) positive(field string) float32 {
	n, ok := c.value(field).(json.Number)
	v, err := n.Float64()
	f := float32(v)
	if !ok || err != nil || !(f > 0) || math.IsInf(float64(f), 0) {
		c.fail(field, shown(c.value(field)), "a positive number")
		return 1
	}
	return f
}

// number reads a positive number as it stands there, for what is computed of it.
func (c *config) number(field string) float64 {
	c.positive(field)
	n, _ := c.value(field).(json.Number)
	v, _ := n.Float64() //nolint:errcheck // positive told
	return v
}

func (c *config) positiveOr(field string, def float32) float32 {
	if !c.has(field) {
		return def
	}
	return c.positive(field)
}

// numbers reads a list of n positive numbers; nil where it is none.
func (c *config) numbers(field string, n int) []float32 {
	list, _ := c.value(field).([]any)
	if len(list) != n {
		c.fail(field, shown(c.value(field)), fmt.Sprintf("%d positive numbers", n))
		return nil
	}
	values := make([]float32, n)
	for i := range list {
		one := &config{file: c.file, prefix: c.prefix, fields: map[string]any{field: list[i]}}
		if values[i] = one.positive(field); one.err != nil {
			c.fail(field, shown(list[i]), fmt.Sprintf("%d positive numbers", n))
			return nil
		}
	}
	return values
}

func (c *config) flag(field string, def bool) bool {
	if !c.has(field) {
		return def
	}
	b, ok := c.value(field).(bool)
	if !ok {
		c.fail(field, shown(c.value(field)), "true or false")
	}
	return b
}

func (c *config) text(field, def string) string {
	if !c.has(field) {
		return def
	}
	s, ok := c.value(field).(string)
	if !ok {
		c.fail(field, shown(c.value(field)), "a string")
	}
	return s
}

// object reads an object; false where there is none.
func (c *config) object(field string) (*config, bool) {
	if !c.has(field) {
		return nil, false
	}
	m, ok := c.value(field).(map[string]any)
	if !ok {
		c.fail(field, shown(c.value(field)), "an object")
		return nil, false
	}
	return &config{file: c.file, prefix: c.prefix + c.name(field) + ".", fields: m}, true
}

// oneOf refuses a text that is none of the given, the first being the default of an absent field.
func (c *config) oneOf(field string, allowed ...string) {
	got := c.text(field, allowed[0])
	for _, a := range allowed {
		if got == a {
			return
		}
	}
	c.fail(field, quote(got), "one of: "+strings.Join(allowed, ", "))
}

// absent refuses fields that change what the model computes in a way that is not known here.
func (c *config) absent(fields ...string) {
	for _, f := range fields {
		if v := c.value(f); v != nil && v != false {
			c.fail(f, shown(v), "none; models that have it cannot be converted")
		}
	}
}

// shown is a value for an error.
func shown(v any) string {
	if v == nil {
		return "nothing"
	}
	if b, err := json.Marshal(v); err == nil {
		return quote(string(b))
	}
	return fmt.Sprintf("%T", v)
}
