package server

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"math"
	"strconv"

	"github.com/freehold-slm/freehold/engine"
)

// sampling is what chat and text completions have in common.
type sampling struct {
	Temperature      *float64           `json:"temperature" range:"0,2" doc:"0 = always the most likely token; default 1"`
	TopP             *float64           `json:"top_p" range:"0,1" doc:"sample among the most likely tokens that reach this probability together; default 1"`
	TopK             *int               `json:"top_k" range:"-1,1000000" doc:"sample among this many most likely tokens; 0 or -1 = all"`
	MinP             *float64           `json:"min_p" range:"0,1" doc:"leave out tokens less likely than this part of the most likely one's probability"`
	PresencePenalty  *float64           `json:"presence_penalty" range:"-2,2" doc:"subtracted from the logits of tokens that were generated"`
	FrequencyPenalty *float64           `json:"frequency_penalty" range:"-2,2" doc:"the same, as often as they were"`
	RepeatPenalty    *float64           `json:"repeat_penalty" range:"0.1,10" doc:"divides the logits of tokens among the last 64, prompt included; 1 = none"`
	LogitBias        map[string]float64 `json:"logit_bias" range:"0,1024" doc:"token id -> -100 (never) to 100, added to its logit"`
	Seed             *int64             `json:"seed" doc:"the same seed gives the same answer; without one each request has its own"`
	N                *int               `json:"n" range:"1,64" doc:"how many answers"`
	Stop             *texts             `json:"stop" range:"0,16" doc:"texts that end the answer and are no part of it"`
	Stream           bool               `json:"stream" doc:"send the answer as it is made, as server-sent events"`
	StreamOptions    *streamOptions     `json:"stream_options"`
	Grammar          string             `json:"grammar" range:"1,100000" doc:"the answer is of this grammar (GBNF)"`
	User             string             `json:"user" doc:"no effect"`
}

type streamOptions struct {
	IncludeUsage       bool  `json:"include_usage" doc:"a last chunk with the tokens that were used and no choices"`
	IncludeObfuscation *bool `json:"include_obfuscation" only:"false" doc:"no padding is added"`
}

// texts is a text or a list of texts.
type texts []string

func (t *texts) decode(raw []byte, path string) error {
	if raw[0] == '"' {
		*t = make(texts, 1)
		return decodeInto(raw, &(*t)[0], path)
	}
	if raw[0] != '[' {
		return badType(path, "a string or a list of strings", raw)
	}
	return decodeInto(raw, (*[]string)(t), path)
}

func (t *texts) schema(g *schemas) schema {
	text := schema{"type": "string"}
	return schema{"anyOf": []schema{text, {"type": "array", "items": text}}}
}

// gen makes the engine's parameters of the fields.
func (f *sampling) gen(m *loaded) (engine.Gen, error) {
	g := engine.Gen{Temperature: value(f.Temperature, 1), TopP: value(f.TopP, 1), TopK: max(0, value(f.TopK, 0)), MinP: value(f.MinP, 0),
		Penalties: engine.Penalties{Repeat: value(f.RepeatPenalty, 1), Presence: value(f.PresencePenalty, 0), Frequency: value(f.FrequencyPenalty, 0)}}
	if g.TopP == 0 { // nothing but the most likely
		g.Temperature = 0
	}
	if f.Stop != nil {
		g.Stop = *f.Stop
		for i, s := range g.Stop {
			if s == "" || len(s) > 1000 {
				return g, badField(fmt.Sprintf("stop[%d]", i), codeValue, "has %d bytes, want 1 to 1000", len(s))
			}
		}
	}
	if f.Seed != nil {
		g.Seed = uint64(*f.Seed)
	} else {
		var b [8]byte
		rand.Read(b[:]) //nolint:errcheck // never fails
		g.Seed = binary.LittleEndian.Uint64(b[:])
	}
	for k, bias := range f.LogitBias {
		id, err := strconv.ParseInt(k, 10, 32)
		if err != nil || id < 0 || int(id) >= m.Spec.Vocab {
			return g, badField("logit_bias", codeValue, "%.40q is no token id, want 0 to %d", k, m.Spec.Vocab-1)
		}
		if !(bias >= -100 && bias <= 100) {
			return g, badField("logit_bias."+k, codeValue, "is %v, want -100 to 100", bias)
		}
		if g.Bias == nil {
			g.Bias = map[int32]float32{}
		}
		g.Bias[int32(id)] = float32(bias)
		if bias == -100 {
			g.Bias[int32(id)] = float32(math.Inf(-1))
		}
	}
	if f.StreamOptions != nil && !f.Stream {
		return g, badField("stream_options", codeValue, "is given and stream is not true")
	}
	return g, nil
}

// usage tells whether a stream ends with the tokens used.
func (f *sampling) usage() bool { return f.StreamOptions != nil && f.StreamOptions.IncludeUsage }

// value is *p, or what stands for nil.
func value[T any](p *T, otherwise T) T {
	if p == nil {
		return otherwise
	}
	return *p
}
