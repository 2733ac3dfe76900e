package papers

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/freehold-slm/freehold/models/licence"
)

// The part of CycloneDX 1.6 that is written here.
type (
	BOM struct {
		Format       string       `json:"bomFormat"`
		Spec         string       `json:"specVersion"`
		Serial       string       `json:"serialNumber"`
		Version      int          `json:"version"`
		Metadata     Metadata     `json:"metadata"`
		Components   []Component  `json:"components"`
		Dependencies []Dependency `json:"dependencies"`
	}
	Metadata struct {
		Component Component `json:"component"`
	}
	Component struct {
		Type       string     `json:"type"` // machine-learning-model, data, application, library
		Ref        string     `json:"bom-ref"`
		Name       string     `json:"name"`
		Version    string     `json:"version,omitempty"`
		PURL       string     `json:"purl,omitempty"`
		Hashes     []Hash     `json:"hashes,omitempty"`
		Licenses   []License  `json:"licenses,omitempty"`
		ModelCard  *ModelCard `json:"modelCard,omitempty"`
		Data       []DataSet  `json:"data,omitempty"`
		Properties []Property `json:"properties,omitempty"`
	}
	Hash struct {
		Alg     string `json:"alg"`
		Content string `json:"content"`
	}
	License struct {
		License    *LicenseName `json:"license,omitempty"`
		Expression string       `json:"expression,omitempty"`
	}
	LicenseName struct {
		ID   string `json:"id,omitempty"`
		Name string `json:"name,omitempty"`
		URL  string `json:"url,omitempty"`
	}
	ModelCard struct {
		Parameters     ModelParameters `json:"modelParameters"`
		Analysis       Analysis        `json:"quantitativeAnalysis"`
		Considerations Considerations  `json:"considerations"`
	}
	ModelParameters struct {
		Approach     Approach `json:"approach"`
		Task         string   `json:"task"`
		Family       string   `json:"architectureFamily"`
		Architecture string   `json:"modelArchitecture"`
		Datasets     []Ref    `json:"datasets"`
		Inputs       []Format `json:"inputs"`
		Outputs      []Format `json:"outputs"`
	}
	Approach struct {
		Type string `json:"type"`
	}
	Ref struct {
		Ref string `json:"ref"`
	}
	Format struct {
		Format string `json:"format"`
	}
	Analysis struct {
		Metrics []Metric `json:"performanceMetrics"`
	}
	Metric struct {
		Type  string `json:"type"`
		Value string `json:"value"`
		Slice string `json:"slice,omitempty"`
	}
	Considerations struct {
		Limitations []string `json:"technicalLimitations,omitempty"`
	}
	DataSet struct {
		Type string `json:"type"`
		Name string `json:"name"`
	}
	Property struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	}
	Dependency struct {
		Ref       string   `json:"ref"`
		DependsOn []string `json:"dependsOn,omitempty"`
	}
)

// NewBOM is a bill of materials whose serial number follows from key, so that the same run has the same one.
func NewBOM(key string, main Component) *BOM {
	sum := sha256.Sum256([]byte("freehold/bom/1 " + key))
	sum[6], sum[8] = sum[6]&0x0f|0x80, sum[8]&0x3f|0x80 // an RFC 9562 UUID of version 8
	id := fmt.Sprintf("urn:uuid:%x-%x-%x-%x-%x", sum[:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16])
	return &BOM{Format: "CycloneDX", Spec: "1.6", Serial: id, Version: 1, Metadata: Metadata{main}, Components: []Component{}, Dependencies: []Dependency{{Ref: main.Ref}}}
}

// Add puts in a component that the main one is made from.
func (b *BOM) Add(c Component) {
	b.Components = append(b.Components, c)
	b.Dependencies[0].DependsOn = append(b.Dependencies[0].DependsOn, c.Ref)
	b.Dependencies = append(b.Dependencies, Dependency{Ref: c.Ref})
}

// JSON renders it.
func (b *BOM) JSON() ([]byte, error) {
	text, err := json.MarshalIndent(b, "", "  ")
	return append(text, '\n'), err
}

// SHA256 is a component's hash.
func SHA256(sum string) []Hash { return []Hash{{"SHA-256", sum}} }

// Licensed names a licence, or an expression of several, as CycloneDX wants it; nil where none is known.
func Licensed(id string) []License {
	if strings.Contains(id, " AND ") && !strings.Contains(id, "unknown") {
		return []License{{Expression: id}}
	}
	f, ok := licence.Named(id)
	switch {
	case id == "" || id == "unknown":
		return nil
	case !ok:
		return []License{{License: &LicenseName{Name: id}}}
	case strings.HasPrefix(f.ID, "LicenseRef-"):
		return []License{{License: &LicenseName{Name: f.Name, URL: f.Source.URL}}}
	}
	return []License{{License: &LicenseName{ID: f.ID, URL: f.Source.URL}}}
}
