package server

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/freehold-slm/freehold/models"
)

// rerankRequest is the body of /v1/rerank.
type rerankRequest struct {
	Model           string             `json:"model" doc:"a model for embeddings; may be left out where there is one model"`
	Query           string             `json:"query" need:"true" range:"1,1000000"`
	Documents       []rerankedDocument `json:"documents" need:"true" range:"1,256" doc:"texts, or objects with a text"`
	TopN            *int               `json:"top_n" range:"1,256" doc:"how many to give back; default all"`
	ReturnDocuments bool               `json:"return_documents" doc:"with their texts"`
	User            string             `json:"user" doc:"no effect"`
}

// rerankedDocument is a text, in requests also as a string.
type rerankedDocument struct {
	Text string `json:"text" need:"true"`
}

type plainDocument rerankedDocument // without decode

func (d *rerankedDocument) decode(raw []byte, path string) error {
	if raw[0] == '"' {
		return decodeInto(raw, &d.Text, path)
	}
	return decodeInto(raw, (*plainDocument)(d), path)
}

func (*rerankedDocument) schema(g *schemas) schema {
	return schema{"anyOf": []schema{{"type": "string"}, g.request(typeOf[plainDocument]())}}
}

type rerankList struct {
	ID      string         `json:"id"`
	Model   string         `json:"model"`
	Results []ranked       `json:"results"` // best first
	Usage   embeddingUsage `json:"usage"`
}

type ranked struct {
	Index          int            `json:"index"`
	RelevanceScore float64        `json:"relevance_score"` // cosine of query and document
	Document       *plainDocument `json:"document,omitempty"`
}

// rerank answers /v1/rerank by the angle between embeddings of query and documents.
func (c *call) rerank() error {
	var r rerankRequest
	if err := decodeBody(c.body, &r); err != nil {
		return err
	}
	m, err := c.use(r.Model)
	if err != nil {
		return err
	}
	if m.Spec.Pooling == models.PoolNone || len(m.Spec.Labels) > 0 {
		return badField("model", codeUnsupported, "%q is no model for embeddings, by which documents are ranked here; models with a head for ranking are not known", m.name)
	}
	all := []string{r.Query}
	for i, d := range r.Documents {
		if d.Text == "" {
			return badField(fmt.Sprintf("documents[%d]", i), codeValue, "is empty")
		}
		all = append(all, d.Text)
	}
	o, err := m.pooling("")
	if err != nil {
		return err
	}
	tokens, err := c.encodeTexts(m, all, "documents", false)
	if err != nil {
		return err
	}
	leave, err := c.slot(1)
	if err != nil {
		return err
	}
	defer leave()
	vectors, err := m.EmbedTokens(c.r.Context(), tokens, o)
	if err != nil {
		return err
	}
	out := rerankList{ID: newID("rerank"), Model: m.name, Usage: embeddingUsage{c.prompt, c.prompt}}
	for i, v := range vectors[1:] {
		dot := 0.0
		for j, x := range v {
			dot += float64(float64(x) * float64(vectors[0][j]))
		}
		one := ranked{Index: i, RelevanceScore: dot}
		if r.ReturnDocuments {
			one.Document = &plainDocument{r.Documents[i].Text}
		}
		out.Results = append(out.Results, one)
	}
	slices.SortStableFunc(out.Results, func(a, b ranked) int { return cmp.Compare(b.RelevanceScore, a.RelevanceScore) })
	if n := value(r.TopN, len(out.Results)); n < len(out.Results) {
		out.Results = out.Results[:n]
	}
	writeJSON(c.w, 200, out)
	return nil
}
