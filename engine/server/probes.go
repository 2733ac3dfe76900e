package server

import (
	"encoding/json"
	"strings"

	"github.com/freehold-slm/freehold/engine/server/lock"
)

// modelList is the answer of /v1/models.
type modelList struct {
	Object string      `json:"object" only:"list"`
	Data   []modelInfo `json:"data"`
}

type modelInfo struct {
	ID          string   `json:"id"`
	Object      string   `json:"object" only:"model"`
	Created     int64    `json:"created"` // when it was opened last
	OwnedBy     string   `json:"owned_by"`
	Parent      string   `json:"parent,omitempty"` // the model that it is with an adapter
	State       string   `json:"state" only:"loaded,loading,not-loaded"`
	MaxModelLen int      `json:"max_model_len"`
	Labels      []string `json:"labels,omitempty"` // its own: of a classification head, or of the task that its file holds
}

func (s *status) info() modelInfo {
	return modelInfo{s.name, "model", s.opened.Unix(), "freehold", s.parent, s.state, s.context, s.labels}
}

// listModels answers /v1/models.
func (c *call) listModels() error {
	out := modelList{"list", []modelInfo{}}
	for _, m := range c.s.models.all() {
		out.Data = append(out.Data, m.info())
	}
	writeJSON(c.w, 200, out)
	return nil
}

// oneModel answers /v1/models/{id}.
func (c *call) oneModel() error {
	m, err := c.s.models.status(strings.TrimPrefix(c.r.URL.Path, modelsPath+"/"))
	if err != nil {
		return err
	}
	writeJSON(c.w, 200, m.info())
	return nil
}

// health is the answer of the probes.
type health struct {
	Status string      `json:"status" only:"ok,loading,draining"`
	Lock   *lock.State `json:"lock,omitempty"` // of a process that locks itself, or was told not to
}

func (c *call) live() error {
	writeJSON(c.w, 200, health{Status: "ok"})
	return nil
}

// ready is 503 until the models are open, or can be opened on demand, and again once the server goes down.
func (c *call) ready() error {
	h, status := health{"ok", c.s.lock.Load()}, 503
	switch {
	case c.s.draining.Load():
		h.Status = "draining"
	case !c.s.models.ready():
		h.Status = "loading"
	default:
		status = 200
	}
	writeJSON(c.w, status, h)
	return nil
}

func (c *call) describe() error {
	writeJSON(c.w, 200, json.RawMessage(c.s.openAPI))
	return nil
}
