package server

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
)

// schema is a JSON Schema.
type schema map[string]any

// schemas gathers the schemas of types, by their names.
type schemas map[string]schema

// request describes a type of requests, which has no fields but these and may have null for the optional ones.
func (g *schemas) request(t reflect.Type) schema { return g.of(t, true) }

func (g *schemas) of(t reflect.Type, request bool) schema {
	if reflect.PointerTo(t).Implements(unionType) {
		return reflect.New(t).Interface().(union).schema(g)
	}
	switch {
	case t == typeOf[anything]():
		return schema{"type": "object"}
	case t == rawType:
		return schema{}
	case t.Kind() == reflect.Pointer:
		return g.of(t.Elem(), request)
	}
	switch t.Kind() {
	case reflect.Struct:
		if t.Name() == "" {
			return g.object(t, request)
		}
		if _, ok := (*g)[t.Name()]; !ok {
			(*g)[t.Name()] = nil // it may refer to itself
			(*g)[t.Name()] = g.object(t, request)
		}
		return schema{"$ref": "#/components/schemas/" + t.Name()}
	case reflect.Slice:
		return schema{"type": "array", "items": g.of(t.Elem(), request)}
	case reflect.Map:
		return schema{"type": "object", "additionalProperties": g.of(t.Elem(), request)}
	case reflect.String:
		return schema{"type": "string"}
	case reflect.Bool:
		return schema{"type": "boolean"}
	case reflect.Int, reflect.Int64:
		return schema{"type": "integer"}
	case reflect.Int32:
		return schema{"type": "integer", "minimum": -1 << 31, "maximum": 1<<31 - 1}
	case reflect.Float32, reflect.Float64:
		return schema{"type": "number"}
	case reflect.Interface: // of answers: any value
		return schema{}
	}
	panic(fmt.Sprintf("server: no schema for %v", t))
}

func (g *schemas) object(t reflect.Type, request bool) schema {
	properties := schema{}
	required := []string{}
	for _, f := range fieldsOf(t) {
		s := g.of(f.of, request)
		f.restrict(s)
		if (request && !f.need || f.null) && f.of != rawType {
			s = schema{"anyOf": []schema{s, {"type": "null"}}}
		}
		if f.doc != "" {
			s["description"] = f.doc
		}
		properties[f.name] = s
		if f.need || !request && !f.omits {
			required = append(required, f.name)
		}
	}
	out := schema{"type": "object", "properties": properties, "required": required}
	if request {
		out["additionalProperties"] = false
	}
	return out
}

// restrict adds what a field's tags say.
func (f *field) restrict(s schema) {
	if f.bounded {
		of := f.of
		for of.Kind() == reflect.Pointer {
			of = of.Elem()
		}
		low, high := "minimum", "maximum"
		switch of.Kind() {
		case reflect.String:
			low, high = "minLength", "maxLength"
		case reflect.Slice:
			low, high = "minItems", "maxItems"
		case reflect.Map:
			low, high = "minProperties", "maxProperties"
		}
		s[low], s[high] = f.low, f.high
	}
	if f.only != nil {
		var values []any
		for _, v := range f.only {
			switch s["type"] {
			case "boolean":
				values = append(values, v == "true")
			case "integer":
				values = append(values, json.Number(v))
			default:
				values = append(values, v)
			}
		}
		s["enum"] = values
	}
}

// openAPI describes the endpoints (OpenAPI 3.1) of a server with some models.
func openAPI(version string, models []string) []byte {
	g := schemas{}
	failure := schema{"description": "what is wrong", "content": schema{"application/json": schema{"schema": g.of(typeOf[errorBody](), false)}}}
	g["apiError"] = schema{"type": "object", "required": []string{"message", "type", "param", "code"}, "properties": schema{"message": schema{"type": "string"},
		"type": schema{"type": "string"}, "param": schema{"type": []string{"string", "null"}}, "code": schema{"type": []string{"string", "null"}}}}
	paths := map[string]schema{}
	for _, e := range endpoints {
		good := schema{"description": e.what}
		content := schema{}
		if e.answer != nil {
			content["application/json"] = schema{"schema": g.of(e.answer, false)}
		} else {
			content["text/plain"] = schema{"schema": schema{"type": "string"}}
		}
		if e.stream && strings.HasPrefix(e.path, ollamaPath) {
			content["application/x-ndjson"] = schema{"schema": schema{"type": "string"}}
		} else if e.stream {
			content["text/event-stream"] = schema{"schema": schema{"type": "string"}}
		}
		good["content"] = content
		answers := schema{"200": good}
		codes := []string{"403", "405"}
		if e.request != nil {
			codes = append(codes, "400", "404", "413", "415", "429", "500", "503")
		}
		if strings.Contains(e.path, "{") {
			codes = append(codes, "404", "503")
		}
		if e.request == nil && !e.open {
			codes = append(codes, "400", "503")
		}
		if !e.open {
			codes = append(codes, "401")
		}
		for _, code := range codes {
			answers[code] = failure
			if strings.HasPrefix(e.path, ollamaPath) {
				answers[code] = schema{"description": "what is wrong", "content": schema{"application/json": schema{"schema": g.of(typeOf[ollamaError](), false)}}}
			}
		}
		if e.answer == typeOf[health]() && e.path != "/livez" {
			answers["503"] = good
		}
		op := schema{"summary": e.what, "operationId": strings.ToLower(e.method) + strings.NewReplacer("/", "_", "{", "", "}", "").Replace(e.path), "responses": answers}
		if e.request != nil {
			op["requestBody"] = schema{"required": true, "content": schema{"application/json": schema{"schema": g.request(e.request)}}}
		}
		if strings.Contains(e.path, "{id}") {
			op["parameters"] = []schema{{"name": "id", "in": "path", "required": true, "schema": schema{"type": "string"}}}
		}
		if !e.open {
			op["security"] = []schema{{"key": []string{}}, {}}
		}
		if paths[e.path] == nil {
			paths[e.path] = schema{}
		}
		paths[e.path][strings.ToLower(e.method)] = op
	}
	for _, s := range g {
		properties, _ := s["properties"].(schema)
		model, _ := properties["model"].(schema)
		if either, ok := model["anyOf"].([]schema); ok { // of a request
			either[0]["enum"] = models
		}
	}
	doc := schema{"openapi": "3.1.0", "info": schema{"title": "freehold", "version": version, "description": "Open models on your own machine. Unknown fields are refused."},
		"paths": paths, "components": schema{"schemas": g, "securitySchemes": schema{"key": schema{"type": "http", "scheme": "bearer"}}}}
	b, err := json.Marshal(doc)
	if err != nil {
		panic(err)
	}
	return b
}
