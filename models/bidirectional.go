package models

import "fmt"

// Bidirectional takes the causal mask off s, a model that generates: every token sees every other, in windowed layers too, as in an encoder. The output
// head goes with the mask; what states are pooled or tagged for stays. llama.cpp's key <arch>.attention.causal = false says so in files.
// (LLM2Vec, arXiv:2404.05961; Label Supervised LLaMA, arXiv:2310.01208.) It is an error where layers cannot do without the mask.
func (s *Spec) Bidirectional() error {
	switch {
	case s.Encoder:
		return fmt.Errorf("%s is an encoder already", s.Arch)
	case s.Mixer != NoMixer:
		return fmt.Errorf("%s has recurrent layers, which see no token after their own", s.Arch)
	case s.MaxALiBi > 0:
		return fmt.Errorf("%s tells how far a token is by ALiBi, which knows no token after its own", s.Arch)
	}
	s.Encoder = true
	s.Tied, s.HeadBias, s.LogitScale, s.LogitCap = true, false, 0, 0 // there is no output head
	return nil
}

// mask reads whether tokens see later ones, of a model that generates otherwise.
func (r *reader) mask(s *Spec) {
	if r.err != nil || s.Encoder {
		return
	}
	key := r.key("attention.causal")
	causal, err := r.f.BoolOr(key, true)
	if r.note(err); err != nil || causal {
		return
	}
	if s.Pooling == PoolNone {
		r.note(fmt.Errorf("%s: %s is false, and %s is missing or 0: models whose tokens see later ones give embeddings or labels here, of states that are pooled; no text", r.f.Name, key, r.key("pooling_type")))
		return
	}
	if err := s.Bidirectional(); err != nil {
		r.note(fmt.Errorf("%s: %s is false, and %w", r.f.Name, key, err))
	}
}
