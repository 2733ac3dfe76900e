package server

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/freehold-slm/freehold/models/gguf"
)

// ollamaShow is the body of /api/show.
type ollamaShow struct {
	Model    string   `json:"model" doc:"a name of /v1/models; may be left out where there is one model. It is opened if it is not open"`
	Name     string   `json:"name" doc:"the same, as older clients say it"`
	Verbose  bool     `json:"verbose" doc:"with the lists of the file's metadata, such as all tokens; otherwise they are null"`
	System   string   `json:"system" range:"0,0"`
	Template string   `json:"template" range:"0,0"`
	Options  *nothing `json:"options"`
}

type ollamaShown struct {
	License      string         `json:"license,omitempty"`
	Modelfile    string         `json:"modelfile"`
	Parameters   string         `json:"parameters"` // lines of name and value
	Template     string         `json:"template,omitempty"`
	Details      ollamaDetails  `json:"details"`
	Info         map[string]any `json:"model_info"`
	Capabilities []string       `json:"capabilities"`
	ModifiedAt   string         `json:"modified_at"`
}

// ollamaShow answers /api/show: what clients look up before they use a model. What the file does not say is left out.
func (c *call) ollamaShow() error {
	var in ollamaShow
	if err := decodeBody(c.body, &in); err != nil {
		return err
	}
	if in.Model != "" && in.Name != "" && in.Name != in.Model {
		return badField("name", codeValue, "is %.100q, and model is %.100q; one of them is enough", in.Name, in.Model)
	}
	if in.Model == "" {
		in.Model = in.Name
	}
	m, err := c.use(c.ollamaModel(in.Model))
	if err != nil {
		return err
	}
	f := m.File()
	out := ollamaShown{Parameters: fmt.Sprintf("num_ctx                        %d", m.context), Details: m.details, Info: map[string]any{},
		Capabilities: m.capabilities(), ModifiedAt: m.opened.UTC().Format(time.RFC3339Nano)}
	// A file may hold these with other types, of no use here.
	out.License, _ = f.StringOr("general.license", "")
	out.Template, _ = f.StringOr("tokenizer.chat_template", "")
	out.Modelfile = fmt.Sprintf("# The model is a GGUF file that freehold serves; it was not made of a Modelfile.\nPARAMETER num_ctx %d\n", m.context)
	for _, kv := range f.KV {
		if kv.Key != "tokenizer.chat_template" {
			out.Info[kv.Key] = plain(kv.Value, in.Verbose)
		}
	}
	out.Info["general.parameter_count"] = parameters(m.Model)
	writeJSON(c.w, http.StatusOK, out)
	return nil
}

// capabilities are what the model can do here, in ollama's words. Thoughts come as part of the text, so there is no "thinking".
func (l *loaded) capabilities() []string {
	if l.Spec.Tags != nil {
		return []string{"completion"}
	}
	if l.Spec.Encoder {
		return []string{"embedding"}
	}
	all := []string{"completion"}
	if l.toolFormat() != nil {
		all = append(all, "tools")
	}
	return all
}

// plain is a value of a file's metadata as JSON has it; lists are null unless they are asked for.
func plain(v gguf.Value, lists bool) any {
	if x, ok := v.Text(); ok {
		return strings.ToValidUTF8(x, "\uFFFD")
	}
	if x, ok := v.Bool(); ok {
		return x
	}
	if x, ok := v.Int(); ok {
		return x
	}
	if x, ok := v.Uint(); ok {
		return x
	}
	if x, ok := v.Float(); ok {
		return number(x)
	}
	if !lists {
		return nil
	}
	if x, ok := v.Strings(); ok {
		for i, s := range x {
			x[i] = strings.ToValidUTF8(s, "\uFFFD")
		}
		return x
	}
	if x, ok := v.Ints(); ok {
		return x
	}
	if x, ok := v.Bools(); ok {
		return x
	}
	if x, ok := v.Floats(); ok {
		all := make([]any, len(x))
		for i, f := range x {
			all[i] = number(float64(f))
		}
		return all
	}
	return nil // a list of lists
}

// number is null where JSON cannot state it.
func number(x float64) any {
	if finite := x - x; finite != 0 {
		return nil
	}
	return x
}

// ollamaChanges are the paths of ollama's API that change which models there are.
var ollamaChanges = []string{"/api/pull", "/api/push", "/api/create", "/api/copy", "/api/delete", "/api/blobs"}

// refusedChange tells why such a path is not answered; nil for all others.
func refusedChange(path string) error {
	i := slices.IndexFunc(ollamaChanges, func(p string) bool { return path == p || strings.HasPrefix(path, p+"/") })
	if i < 0 {
		return nil
	}
	return &apiError{Status: http.StatusForbidden, Type: typeRequest, Code: "models_are_fixed",
		Message: strings.TrimPrefix(ollamaChanges[i], ollamaPath) + " is not answered: this server serves the models that it was started with, and changes no files. " +
			"freehold pull, quantize, ls and rm do that on the server's machine; freehold serve -m NAME=FILE adds a model"}
}
