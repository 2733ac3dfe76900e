package models

import (
	"errors"
	"fmt"
)

// TagsKey lists the tags of a model that marks the tokens of a text. Its head has the tensors of a classification head, or the keys that stand
// for them, and reads the state of each token. Such a model is made of one that generates: its layers lose the causal mask, which llama.cpp's key
// <arch>.attention.causal says, and the output head. (LLM2Vec, arXiv:2404.05961; Label Supervised LLaMA, arXiv:2310.01208.)
const TagsKey = "freehold.tags"

// TagsTokens makes s a model that marks tokens; an error where its layers cannot do without the causal mask.
func (s *Spec) TagsTokens(tags []string) error {
	switch {
	case len(tags) < 2:
		return fmt.Errorf("%d tags, want at least 2", len(tags))
	case s.Encoder:
		return fmt.Errorf("%s is an encoder; tags are marked by layers of a model that generates", s.Arch)
	case s.Mixer != NoMixer:
		return fmt.Errorf("%s has recurrent layers, which see no token after their own", s.Arch)
	case s.MaxALiBi > 0:
		return fmt.Errorf("%s tells how far a token is by ALiBi, which knows no token after its own", s.Arch)
	}
	s.Tags, s.Encoder, s.Pooling = tags, true, PoolNone
	s.Tied, s.HeadBias, s.LogitScale, s.LogitCap = true, false, 0, 0 // there is no output head
	return nil
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
