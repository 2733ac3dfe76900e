package server

import (
	"net/http"
	"slices"
	"time"

	"github.com/freehold-slm/freehold/models/token"
)

// ollamaEmbedCommon is what both forms of embeddings have in common.
type ollamaEmbedCommon struct {
	Model     string              `json:"model" need:"true"`
	Options   *ollamaEmbedOptions `json:"options"`
	KeepAlive *keepAlive          `json:"keep_alive" doc:"how long the model stays open after the request"`
}

// ollamaEmbedOptions are the options that mean something without an answer to choose.
type ollamaEmbedOptions struct {
	NumCtx *int `json:"num_ctx" range:"1,1000000000" doc:"at most the context that the server was started with; no effect"`
}

// ollamaEmbed is the body of /api/embed.
type ollamaEmbed struct {
	ollamaEmbedCommon
	Input      *texts `json:"input" need:"true" range:"0,256" doc:"a text or a list of texts"`
	Truncate   bool   `json:"truncate" doc:"true: of a text that is longer than the context its beginning counts; otherwise it is an error"`
	Dimensions *int   `json:"dimensions" doc:"the model's own number, or none: vectors are not cut"`
}

type ollamaEmbedded struct {
	Model      string      `json:"model"`
	Embeddings [][]float32 `json:"embeddings"`
	Total      int64       `json:"total_duration"` // nanoseconds
	Load       int64       `json:"load_duration"`
	Count      int         `json:"prompt_eval_count"`
}

// ollamaEmbeddings is the body of /api/embeddings, the form that came before.
type ollamaEmbeddings struct {
	ollamaEmbedCommon
	Prompt string `json:"prompt" doc:"a text; empty: the model is opened"`
}

type ollamaEmbedding struct {
	Embedding []float32 `json:"embedding"`
}

// ollamaEmbed answers /api/embed.
func (c *call) ollamaEmbed() error {
	var in ollamaEmbed
	if err := decodeBody(c.body, &in); err != nil {
		return err
	}
	vectors, err := c.ollamaVectors(&in.ollamaEmbedCommon, *in.Input, "input", in.Truncate, in.Dimensions)
	if err != nil {
		return err
	}
	writeJSON(c.w, http.StatusOK, ollamaEmbedded{Model: c.model.name, Embeddings: vectors, Total: time.Since(c.began).Nanoseconds(), Count: c.prompt})
	return nil
}

// ollamaEmbeddings answers /api/embeddings.
func (c *call) ollamaEmbeddings() error {
	var in ollamaEmbeddings
	if err := decodeBody(c.body, &in); err != nil {
		return err
	}
	var all []string
	if in.Prompt != "" {
		all = []string{in.Prompt}
	}
	vectors, err := c.ollamaVectors(&in.ollamaEmbedCommon, all, "prompt", false, nil)
	if err != nil {
		return err
	}
	out := ollamaEmbedding{[]float32{}}
	if len(vectors) > 0 {
		out.Embedding = vectors[0]
	}
	writeJSON(c.w, http.StatusOK, out)
	return nil
}

// ollamaVectors embeds texts, of length 1 as ollama has them. No texts: the model is opened.
func (c *call) ollamaVectors(in *ollamaEmbedCommon, all []string, param string, cut bool, dimensions *int) ([][]float32, error) {
	m, err := c.use(c.ollamaModel(in.Model))
	if err != nil {
		return nil, err
	}
	if err := in.stay(c); err != nil {
		return nil, err
	}
	if in.Options != nil && value(in.Options.NumCtx, 1) > m.Context() {
		return nil, badField("options.num_ctx", codeContext, "is %d, and the server holds %d tokens for %q; start it with a larger --context", *in.Options.NumCtx, m.Context(), m.name)
	}
	if dimensions != nil && *dimensions != m.Spec.Embedding() {
		return nil, badField("dimensions", codeUnsupported, "is %d, and the vectors of %q have %d numbers", *dimensions, m.name, m.Spec.Embedding())
	}
	o, err := m.pooling("")
	if err != nil {
		return nil, badField("model", codeUnsupported, "the file of %q states no pooling: it is no model for embeddings; /v1/embeddings takes a pooling and makes vectors of it all the same", m.name)
	}
	if len(all) == 0 {
		return [][]float32{}, nil
	}
	tokens, err := c.encodeTexts(m, all, param, cut)
	if err != nil {
		return nil, err
	}
	leave, err := c.slot(1)
	if err != nil {
		return nil, err
	}
	defer leave()
	return m.EmbedTokens(c.r.Context(), tokens, o)
}

func (in *ollamaEmbedCommon) stay(c *call) error {
	return (&ollamaCommon{KeepAlive: in.KeepAlive}).stay(c)
}

// beginning is as much of an encoded text as the context holds, with the tokens that the model wants around it.
func beginning(t *token.Tokenizer, text string, whole []int32, context int) []int32 {
	over := len(whole) - context
	if over <= 0 {
		return whole
	}
	bare := t.Encode(nil, text, token.EncodeOptions{})
	before := 0
	for before+len(bare) < len(whole) && !slices.Equal(whole[before:before+len(bare)], bare) {
		before++
	}
	end := before + len(bare)
	return slices.Concat(whole[:max(before, end-over)], whole[end:])
}
