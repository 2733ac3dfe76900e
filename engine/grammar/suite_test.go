package grammar

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// suiteModule holds the public JSON-Schema-Test-Suite; nothing of it is linked or kept here.
const suiteModule = "github.com/google/jsonschema-go@v0.4.3"

// suiteFiles are those for what is enforced; the others' keywords are refused.
var suiteFiles = []string{"additionalProperties", "allOf", "anyOf", "boolean_schema", "const", "default", "enum", "exclusiveMaximum", "exclusiveMinimum", "infinite-loop-detection", "items", "maximum", "maxItems",
	"maxLength", "maxProperties", "minimum", "minItems", "minLength", "minProperties", "oneOf", "pattern", "prefixItems", "properties", "ref", "required", "type", "defs"}

// In the public test suite a schema is refused, or no invalid instance is of its grammar, and valid ones are, but for those that the
// grammar leaves out on purpose. Instances are written as Order does it; a schema says what we ask it to say (see explicit).
func TestPublicSuite(t *testing.T) {
	if os.Getenv("FREEHOLD_LONG") != "1" {
		t.Skip("fetches the public test suite as a Go module: make test-long")
	}
	cmd := exec.Command("go", "mod", "download", "-json", suiteModule)
	cmd.Dir, cmd.Env = t.TempDir(), append(os.Environ(), "GOFLAGS=-mod=mod")
	out, err := cmd.Output()
	var module struct{ Dir string }
	if err != nil || json.Unmarshal(out, &module) != nil || module.Dir == "" {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s: %v\n%s", suiteModule, err, out)
		}
		t.Skipf("NOT TESTED: %s cannot be fetched: %v", suiteModule, err)
	}
	var refused, kept, narrow, invalid int
	for _, name := range suiteFiles {
		text, err := os.ReadFile(filepath.Join(module.Dir, "jsonschema", "testdata", "draft2020-12", name+".json"))
		if err != nil {
			t.Errorf("%v", err)
			continue
		}
		var groups []struct {
			Description string
			Schema      json.RawMessage
			Tests       []struct {
				Description string
				Data        json.RawMessage
				Valid       bool
			}
		}
		if err := json.Unmarshal(text, &groups); err != nil {
			t.Fatal(err)
		}
		for _, c := range groups {
			schema := explicit(t, c.Schema)
			g, err := Schema(schema)
			if err != nil {
				var e *SchemaError
				if !errors.As(err, &e) && !strings.Contains(err.Error(), "can never end") {
					t.Errorf("%s, %s: %v", name, c.Description, err)
				}
				t.Logf("refused: %s, %s: %v", name, c.Description, err)
				refused++
				continue
			}
			valid := validator(t, string(schema))
			for _, x := range c.Tests {
				data, err := Order(schema, x.Data)
				if err != nil {
					t.Fatal(err)
				}
				want := valid(data) == nil
				if want && !x.Valid {
					t.Errorf("%s, %s, %s: %s is invalid, and valid once the schema is explicit", name, c.Description, x.Description, data)
				}
				switch got := matches(g, string(data)); {
				case got && !want:
					t.Errorf("%s, %s, %s: %s is invalid, and of the grammar", name, c.Description, x.Description, data)
				case !want:
					invalid++
				case got:
					kept++
				case narrower[x.Description] != "":
					narrow++
				default:
					t.Errorf("%s, %s, %s: %s is valid, and not of the grammar", name, c.Description, x.Description, data)
				}
			}
		}
	}
	t.Logf("%d schemas are refused; of the others' instances %d valid ones are of the grammar, %d are left out on purpose, %d invalid ones are not of it", refused, kept, narrow, invalid)
	if kept < 100 || invalid < 100 {
		t.Error("the suite is read wrongly")
	}
}

// narrower are valid instances that are never written, and why.
var narrower = map[string]string{
	"same object with different property order is valid": constant,
	"float zero is valid":                                constant,
	"float one is valid":                                 constant,
	"integer -2 is valid":                                constant,
	"float is valid":                                     constant,
	"[0.0] is valid":                                     constant,
	"[1.0] is valid":                                     constant,
	"a float with zero fractional part is an integer":    "integers are written without a point",
}

const constant = "a constant is written as it stands in the schema"

// explicit is a schema that says the type that its keywords are for, as Schema asks for it, and that an object may have further properties.
func explicit(t *testing.T, schema []byte) []byte {
	t.Helper()
	doc, err := parse(schema)
	if err != nil {
		t.Fatal(err)
	}
	set := func(o *object, key string, value any) {
		if _, ok := o.values[key]; !ok {
			o.keys, o.values[key] = append(o.keys, key), value
		}
	}
	var visit func(v any)
	visit = func(v any) {
		o, ok := v.(*object)
		if !ok {
			return
		}
		for _, kind := range []string{"object", "array", "string", "number"} {
			if slices.ContainsFunc(o.keys, func(k string) bool { return slices.Contains(kinds[kind], k) }) {
				set(o, "type", kind)
				if kind == "object" && o.values["type"] == "object" {
					set(o, "additionalProperties", true)
				}
			}
		}
		for _, k := range o.keys {
			switch sub := o.values[k].(type) {
			case *object:
				if k == "properties" || k == "$defs" || k == "definitions" {
					for _, name := range sub.keys {
						visit(sub.values[name])
					}
				} else if k != "const" && k != "default" {
					visit(sub)
				}
			case []any:
				if k == "anyOf" || k == "oneOf" || k == "allOf" || k == "prefixItems" {
					for _, x := range sub {
						visit(x)
					}
				}
			}
		}
	}
	visit(doc)
	var out bytes.Buffer
	if err := writeOrdered(&out, nil, nil, doc); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
