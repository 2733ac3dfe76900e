package server

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/freehold-slm/freehold/engine"
	"github.com/freehold-slm/freehold/quant"
)

// ollamaTags is the answer of /api/tags.
type ollamaTags struct {
	Models []ollamaTag `json:"models"`
}

type ollamaTag struct {
	Name       string        `json:"name"`
	Model      string        `json:"model"`
	ModifiedAt string        `json:"modified_at"`
	Size       int64         `json:"size"`
	Digest     string        `json:"digest"` // clients show its first twelve digits
	Details    ollamaDetails `json:"details"`
}

type ollamaDetails struct {
	Parent       string   `json:"parent_model"` // of a model with an adapter
	Format       string   `json:"format"`
	Family       string   `json:"family"`
	Families     []string `json:"families"`
	Parameters   string   `json:"parameter_size"`
	Quantization string   `json:"quantization_level"`
}

// detailsOf is what ollama tells of a model.
func detailsOf(m *engine.Model, parent string) ollamaDetails {
	f, mix := m.File(), "unknown"
	if kind, err := f.Uint("general.file_type"); err == nil {
		for _, x := range quant.Mixes() {
			if uint64(x.FileType) == kind {
				mix = strings.ToUpper(x.Name)
			}
		}
	}
	n := parameters(m)
	size := fmt.Sprintf("%.1fM", float64(n)/1e6)
	if n >= 1e9 {
		size = fmt.Sprintf("%.1fB", float64(n)/1e9)
	}
	return ollamaDetails{parent, "gguf", m.Spec.Arch, []string{m.Spec.Arch}, size, mix}
}

// parameters counts the numbers of all tensors.
func parameters(m *engine.Model) (n int64) {
	for _, t := range m.File().Tensors {
		k := int64(1)
		for _, d := range t.Shape {
			k *= int64(d)
		}
		n += k
	}
	return n
}

// ollamaTags answers /api/tags.
func (c *call) ollamaTags() error {
	out := ollamaTags{Models: []ollamaTag{}}
	for _, m := range c.s.models.all() {
		out.Models = append(out.Models, ollamaTag{m.name, m.name, m.opened.UTC().Format(time.RFC3339Nano), m.bytes, m.digest, m.details})
	}
	writeJSON(c.w, http.StatusOK, out)
	return nil
}

// ollamaPS is the answer of /api/ps: the models that are open.
type ollamaPS struct {
	Models []ollamaRunning `json:"models"`
}

type ollamaRunning struct {
	Name      string        `json:"name"`
	Model     string        `json:"model"`
	Size      int64         `json:"size"`
	Digest    string        `json:"digest"`
	Details   ollamaDetails `json:"details"`
	ExpiresAt string        `json:"expires_at"`
	SizeVRAM  int64         `json:"size_vram"`
	Context   int           `json:"context_length"`
}

// ollamaPS answers /api/ps.
func (c *call) ollamaPS() error {
	out := ollamaPS{Models: []ollamaRunning{}}
	for _, m := range c.s.models.all() {
		if m.state == stateLoaded {
			out.Models = append(out.Models, ollamaRunning{m.name, m.name, m.bytes, m.digest, m.details, m.expires.UTC().Format(time.RFC3339Nano), 0, m.context})
		}
	}
	writeJSON(c.w, http.StatusOK, out)
	return nil
}

// ollamaVersion answers /api/version, by which clients tell that a server is there.
type ollamaVersion struct {
	Version string `json:"version"`
}

func (c *call) ollamaVersion() error {
	writeJSON(c.w, http.StatusOK, ollamaVersion{c.s.cfg.version})
	return nil
}
