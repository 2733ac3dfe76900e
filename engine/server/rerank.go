package server

import (
	"fmt"
	"strings"

	"github.com/freehold-slm/freehold/engine"
)

// rerankRequest is the body of /v1/rerank.
type rerankRequest struct {
	Model           string             `json:"model" doc:"a reranker or a model for embeddings; may be left out where there is one model"`
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
	RelevanceScore float64        `json:"relevance_score"` // a reranker's probability that the document answers the query, or the cosine of embeddings
	Document       *plainDocument `json:"document,omitempty"`
}

// rerank answers /v1/rerank: by a reranker's head, or by the angle between embeddings of query and documents.
func (c *call) rerank() error {
	var r rerankRequest
	if err := decodeBody(c.body, &r); err != nil {
		return err
	}
	m, err := c.use(r.Model)
	if err != nil {
		return err
	}
	by, err := m.NewRanker(engine.RankTask{})
	if err != nil {
		return badField("model", codeUnsupported, "%q is neither a reranker nor a model for embeddings, by which documents are ranked: %s", m.name, strings.TrimPrefix(err.Error(), "engine: "))
	}
	documents := make([]string, len(r.Documents))
	for i, d := range r.Documents {
		if documents[i] = d.Text; d.Text == "" {
			return badField(fmt.Sprintf("documents[%d]", i), codeValue, "is empty")
		}
	}
	tokens, err := by.Tokens(r.Query, documents)
	if err != nil {
		return badField("model", codeUnsupported, "%v", err)
	}
	each := tokens
	if by.By() == engine.ByCosine {
		if err := c.allFit(tokens[:1], "query"); err != nil {
			return err
		}
		each = tokens[1:]
	}
	if err := c.allFit(each, "documents"); err != nil {
		return err
	}
	leave, err := c.slot(1)
	if err != nil {
		return err
	}
	defer leave()
	all, err := by.RankTokens(c.r.Context(), tokens)
	if err != nil {
		return err
	}
	out := rerankList{ID: newID("rerank"), Model: m.name, Usage: embeddingUsage{c.prompt, c.prompt}}
	for _, d := range all[:min(len(all), value(r.TopN, len(all)))] {
		one := ranked{Index: d.Index, RelevanceScore: d.Score}
		if r.ReturnDocuments {
			one.Document = &plainDocument{documents[d.Index]}
		}
		out.Results = append(out.Results, one)
	}
	writeJSON(c.w, 200, out)
	return nil
}
