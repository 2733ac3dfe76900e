package server

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"

	"github.com/freehold-slm/freehold/engine"
	"github.com/freehold-slm/freehold/models"
	"github.com/freehold-slm/freehold/models/token"
)

// embeddingRequest is the body of /v1/embeddings.
type embeddingRequest struct {
	Model          string  `json:"model" doc:"a name of /v1/models; may be left out where there is one model"`
	Input          *prompt `json:"input" need:"true" doc:"a text, a list of texts, the tokens of a text, or a list of such"`
	EncodingFormat string  `json:"encoding_format" only:"float,base64" doc:"base64: 32-bit floats, lowest byte first; default float"`
	Dimensions     *int    `json:"dimensions" doc:"the model's own number, or none: vectors are not cut"`
	Pooling        string  `json:"pooling" only:"mean,cls,last" doc:"how the states of a text's tokens become one; default: as the model's file states"`
	User           string  `json:"user" doc:"no effect"`
}

type embeddingList struct {
	Object string         `json:"object" only:"list"`
	Data   []embedding    `json:"data"`
	Model  string         `json:"model"`
	Usage  embeddingUsage `json:"usage"`
}

type embedding struct {
	Object    string `json:"object" only:"embedding"`
	Index     int    `json:"index"`
	Embedding vector `json:"embedding"`
}

type embeddingUsage struct {
	PromptTokens int `json:"prompt_tokens"`
	TotalTokens  int `json:"total_tokens"`
}

// vector is written as a list of numbers, or as the base64 of its bytes.
type vector struct {
	x      []float32
	base64 bool
}

// MarshalJSON writes the shortest decimals that give the numbers back, or base64.
func (v vector) MarshalJSON() ([]byte, error) {
	if !v.base64 {
		return json.Marshal(v.x)
	}
	b := make([]byte, 0, 4*len(v.x))
	for _, f := range v.x {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(f))
	}
	return json.Marshal(base64.StdEncoding.EncodeToString(b))
}

func (*vector) decode([]byte, string) error { panic("server: a vector is in answers alone") }

func (*vector) schema(*schemas) schema {
	return schema{"anyOf": []schema{{"type": "array", "items": schema{"type": "number"}}, {"type": "string"}}}
}

// embeddings answers /v1/embeddings.
func (c *call) embeddings() error {
	var r embeddingRequest
	if err := decodeBody(c.body, &r); err != nil {
		return err
	}
	m, err := c.use(r.Model)
	if err != nil {
		return err
	}
	if r.Dimensions != nil && *r.Dimensions != m.Spec.Embedding() {
		return badField("dimensions", codeUnsupported, "is %d, and the vectors of %q have %d numbers", *r.Dimensions, m.name, m.Spec.Embedding())
	}
	o, err := m.pooling(r.Pooling)
	if err != nil {
		return err
	}
	tokens, err := c.embeddable(m, r.Input, "input")
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
	out := embeddingList{Object: "list", Data: make([]embedding, len(vectors)), Model: m.name, Usage: embeddingUsage{c.prompt, c.prompt}}
	for i, v := range vectors {
		out.Data[i] = embedding{"embedding", i, vector{v, r.EncodingFormat == "base64"}}
	}
	writeJSON(c.w, 200, out)
	return nil
}

// pooling is how the model's states are pooled, as it states or as the request says.
func (l *loaded) pooling(how string) (o engine.EmbedOptions, err error) {
	if l.Spec.Tags != nil {
		return o, badField("model", codeUnsupported, "%q %s and gives no embeddings", l.name, l.gives())
	}
	if how != "" {
		o.Pooling, err = models.ParsePooling(how)
		return o, err
	}
	if l.Spec.Pooling == models.PoolNone {
		return o, badField("pooling", codeMissing, "is missing, and the file of %q states none: it is no model for embeddings; mean, cls or last would make vectors of it all the same", l.name)
	}
	return o, nil
}

// embeddable are texts as tokens, with those that the model wants around them.
func (c *call) embeddable(m *loaded, p *prompt, param string) ([][]int32, error) {
	if p.tokens != nil {
		tokens, err := p.encoded(m, param)
		if err != nil {
			return nil, err
		}
		return tokens, c.allFit(tokens, param)
	}
	return c.encodeTexts(m, p.texts, param, false)
}

// encodeTexts makes tokens of texts; cut = what is too long for the context loses its end.
func (c *call) encodeTexts(m *loaded, all []string, param string, cut bool) ([][]int32, error) {
	t, err := m.LoadTokenizer()
	if err != nil {
		return nil, badField("model", codeUnsupported, "%v", err)
	}
	tokens := make([][]int32, len(all))
	for i, text := range all {
		if tokens[i] = t.Encode(nil, text, token.EncodeOptions{AddSpecial: true}); text == "" || len(tokens[i]) == 0 {
			return nil, badField(fmt.Sprintf("%s[%d]", param, i), codeValue, "is empty")
		}
		if cut {
			tokens[i] = beginning(t, text, tokens[i], m.Context())
		}
	}
	return tokens, c.allFit(tokens, param)
}

// allFit refuses texts that are longer than the context, and counts the tokens.
func (c *call) allFit(all [][]int32, param string) error {
	for i, tokens := range all {
		if len(tokens) > c.model.Context() {
			e := contextError(fmt.Sprintf("%s[%d]", param, i), len(tokens), c.model.Context())
			e.Message = fmt.Sprintf("this model's maximum context length is %d tokens, and %s[%d] has %d; shorten it", c.model.Context(), param, i, len(tokens))
			return e
		}
		c.prompt += len(tokens)
	}
	return nil
}
