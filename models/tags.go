package models

import (
	"errors"
	"fmt"
)

// TagsKey lists the tags of a model that marks the tokens of a text. Its head has the tensors of a classification head, or the keys that stand
// for them, and reads the state of each token. Such a model is made of one that generates, without its causal mask and its output head (Spec.Bidirectional).
const TagsKey = "freehold.tags"

// TagsTokens makes s a model that marks tokens; an error where Bidirectional has one.
func (s *Spec) TagsTokens(tags []string) error {
	switch {
	case len(tags) < 2:
		return fmt.Errorf("%d tags, want at least 2", len(tags))
	case s.Encoder:
		return fmt.Errorf("%s is an encoder; tags are marked by layers of a model that generates", s.Arch)
	}
	s.Tags, s.Pooling = tags, PoolNone
	return s.Bidirectional()
}

// tags reads the tags of a model that has some.
func (r *reader) tags(s *Spec) {
	if r.err != nil {
		return
	}
	tags, err := r.f.Strings(TagsKey)
	r.note(err)
	causal, err := r.f.Bool(r.key("attention.causal"))
	if err == nil && causal {
		err = errors.New("is true, want false: every token sees every other")
	}
	if err != nil {
		r.note(fmt.Errorf("%s: key %s is set; %s: %w", r.f.Name, TagsKey, r.key("attention.causal"), err))
	}
	if r.err != nil {
		return
	}
	if err := s.TagsTokens(tags); err != nil {
		r.note(fmt.Errorf("%s: key %s: %w", r.f.Name, TagsKey, err))
	}
}
