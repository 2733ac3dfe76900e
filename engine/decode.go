package engine

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/freehold-slm/freehold/engine/grammar"
	"github.com/freehold-slm/freehold/models/chat"
)

// CutError says that a constrained text was cut before it was whole.
type CutError struct {
	Text   string // what there is of it
	Reason string // ReasonLength or ReasonStop
	Tokens int    // generated
}

func (e *CutError) Error() string {
	return fmt.Sprintf("engine: the answer was cut after %d tokens (%s), within its JSON; allow more tokens", e.Tokens, e.Reason)
}

// Decode generates a T: the model's answer is held to the JSON Schema of the type (SchemaFor) and read with encoding/json.
//
// A prompt that is a string is a text to be read into T: it goes into a user turn, after a sentence that asks for that and the schema. Messages
// and tokens are taken as they are; the schema is then the caller's to mention. g.Grammar must be nil. An answer that is cut is a CutError, a type without
// a schema a TypeError.
func Decode[T any, P string | []chat.Message | []int32](ctx context.Context, m *Model, prompt P, g Gen) (T, error) {
	var out, none T
	schema, err := SchemaFor[T]()
	if err != nil {
		return none, err
	}
	if g.Grammar != nil {
		return none, fmt.Errorf("engine: Decode has a grammar of its own; Gen.Grammar must be nil")
	}
	if g.Grammar, err = grammar.Schema(schema); err != nil {
		return none, fmt.Errorf("engine: %T: %w", out, err)
	}
	var st *Stream
	switch p := any(prompt).(type) {
	case string:
		ask := fmt.Sprintf("Read the text and answer with JSON of this schema, nothing else.\n\nSchema: %s\n\nText: %s", schema, p)
		st = m.Chat(ctx, []chat.Message{{Role: "user", Content: ask}}, g)
	case []chat.Message:
		st = m.Chat(ctx, p, g)
	case []int32:
		st = m.Generate(ctx, p, g)
	}
	text, err := st.Text()
	if err != nil {
		return none, err
	}
	if st.Reason() != ReasonEnd {
		_, ids := st.Tokens()
		return none, &CutError{text, st.Reason(), len(ids)}
	}
	if err := json.Unmarshal([]byte(text), &out); err != nil {
		return none, fmt.Errorf("engine: the answer %.200q is no %T: %w", text, out, err)
	}
	return out, nil
}
