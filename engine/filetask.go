package engine

import (
	"encoding/json"
	"fmt"

	"github.com/freehold-slm/freehold/models/token"
)

// Metadata keys under which a student that answers with label words keeps its task.
const (
	KeyTaskLabels = "freehold.task.labels"
	KeyTaskPrompt = "freehold.task.prompt"
	KeyTaskSystem = "freehold.task.system"
	KeyTaskWords  = "freehold.task.words" // JSON object: label -> spellings
)

// fromFile fills a task that names no labels from the model's own metadata, when it holds a task.
func (t *Task) fromFile(m *Model) error {
	if t.Labels != nil || !m.file.Has(KeyTaskLabels) {
		return nil
	}
	var err error
	if t.Labels, err = m.file.Strings(KeyTaskLabels); err != nil {
		return err
	}
	if t.Prompt == "" {
		if t.Prompt, err = m.file.StringOr(KeyTaskPrompt, ""); err != nil {
			return err
		}
		if t.System, err = m.file.StringOr(KeyTaskSystem, ""); err != nil {
			return err
		}
	}
	words, err := m.file.StringOr(KeyTaskWords, "")
	if err != nil || words == "" || t.Words != nil {
		return err
	}
	if err := json.Unmarshal([]byte(words), &t.Words); err != nil {
		return fmt.Errorf("%s: key %s: %v", m.file.Name, KeyTaskWords, err)
	}
	return nil
}

// FirstTokens returns the tokens that stand for each label [labels]; an error when two labels begin alike, or when the
// model answers with a head.
func (c *Classifier) FirstTokens() ([][]int32, error) {
	if c.head {
		return nil, fmt.Errorf("engine: %s answers with a classification head, not with words", c.m.file.Name)
	}
	if c.first == nil {
		return nil, fmt.Errorf("engine: two of the labels %q begin with the same token; give them other words", c.task.Labels)
	}
	return c.first, nil
}

// TokensWith is Tokens with another tokenizer, such as a student's trimmed one.
func (c *Classifier) TokensWith(t *token.Tokenizer, text string) []int32 { return c.encode(t, text) }
