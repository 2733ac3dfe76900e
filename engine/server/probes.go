package server

import (
	"encoding/json"
	"strings"
)

// modelList is the answer of /v1/models.
type modelList struct {
	Object string      `json:"object" only:"list"`
	Data   []modelInfo `json:"data"`
}

type modelInfo struct {
	ID          string   `json:"id"`
	Object      string   `json:"object" only:"model"`
	Created     int64    `json:"created"` // when it was opened
	OwnedBy     string   `json:"owned_by"`
	MaxModelLen int      `json:"max_model_len"`
	Labels      []string `json:"labels,omitempty"` // of its classification head
}

func (l *loaded) info() modelInfo {
	return modelInfo{l.name, "model", l.opened.Unix(), "freehold", l.Context(), l.Spec.Labels}
}

// listModels answers /v1/models.
func (c *call) listModels() error {
	open, _ := c.s.models.list()
	out := modelList{"list", []modelInfo{}}
	for _, l := range open {
		out.Data = append(out.Data, l.info())
	}
	writeJSON(c.w, 200, out)
	return nil
}

// oneModel answers /v1/models/{id}.
func (c *call) oneModel() error {
	m, err := c.use(strings.TrimPrefix(c.r.URL.Path, modelsPath+"/"))
	if err != nil {
		return err
	}
	writeJSON(c.w, 200, m.info())
	return nil
}

// health is the answer of the probes.
type health struct {
	Status string `json:"status" only:"ok,loading,draining"`
}

func (c *call) live() error {
	writeJSON(c.w, 200, health{"ok"})
	return nil
}

// ready is 503 until all models are open, and again once the server goes down.
func (c *call) ready() error {
	_, all := c.s.models.list()
	switch {
	case c.s.draining.Load():
		writeJSON(c.w, 503, health{"draining"})
	case !all:
		writeJSON(c.w, 503, health{"loading"})
	default:
		writeJSON(c.w, 200, health{"ok"})
	}
	return nil
}

func (c *call) describe() error {
	writeJSON(c.w, 200, json.RawMessage(c.s.openAPI))
	return nil
}
