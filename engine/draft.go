package engine

import (
	"context"
	"fmt"
)

// Draft guesses how a text goes on, so that one evaluation can check several tokens (Leviathan et al. 2023, "Fast
// Inference from Transformers via Speculative Decoding"). A guess never changes what is generated, only how fast.
// A Draft serves one generation at a time.
type Draft interface {
	// Propose writes guesses for the tokens that follow tokens, all of the text so far, to out and returns their
	// number, 0 to len(out). g says how the text is sampled.
	Propose(ctx context.Context, tokens []int32, g *Gen, out []int32) (int, error)
}

// ModelDraft drafts with another, smaller model of the same vocabulary, in a session of its own.
type ModelDraft struct {
	s     *Session
	pick  sampler
	known int     // ids that both models know
	text  []int32 // the text so far and the draft
}

// NewDraft makes a draft of m for target. The models must name their tokens alike; one vocabulary may be longer than
// the other, as models of a family are padded to different sizes.
func (m *Model) NewDraft(target *Model) (*ModelDraft, error) {
	t, err := target.LoadTokenizer()
	if err != nil {
		return nil, err
	}
	d, err := m.LoadTokenizer()
	if err != nil {
		return nil, err
	}
	for id := range int32(min(t.Size(), d.Size())) {
		if got, want := d.Text(id), t.Text(id); got != want {
			return nil, fmt.Errorf("%s cannot draft for %s: token %d is %q, want %q; a draft model needs the vocabulary of its target (a student has it with student.vocab: full)",
				m.file.Name, target.file.Name, id, got, want)
		}
	}
	return &ModelDraft{s: m.NewSession(), pick: sampler{l: m.level}, known: min(m.Spec.Vocab, target.Spec.Vocab)}, nil
}

// Propose continues the text with the draft model. It draws as its target will, with the same number for the same
// position, so that models which agree on the probabilities mostly agree on the token.
func (d *ModelDraft) Propose(ctx context.Context, tokens []int32, g *Gen, out []int32) (int, error) {
	m := d.s.m
	for _, id := range tokens {
		if int(id) >= m.Spec.Vocab {
			return 0, nil
		}
	}
	d.text = append(d.text[:0], tokens...)
	for n := range out {
		if len(d.text) > m.cfg.context {
			return n, nil
		}
		logits, err := d.s.Eval(ctx, d.text)
		if err != nil {
			return 0, fmt.Errorf("draft model: %w", err)
		}
		if out[n], err = d.pick.pick(logits[:d.known], g, d.text, len(tokens)); err != nil {
			return 0, err
		}
		d.text = append(d.text, out[n])
	}
	return len(out), nil
}

// Close gives the session's memory back; the model stays open.
func (d *ModelDraft) Close() { d.s.Close() }

// LookupDraft drafts without a model (Saxena 2023, "Prompt Lookup Decoding"): where the end of the text occurs earlier
// in it, what followed there is the guess. It pays where answers repeat their prompt: code, extracts, corrections.
type LookupDraft struct{}

// Tokens of the end of the text that a place has in common with it: fewer than lookupMin are chance, and more than
// lookupMax make a place no better.
const lookupMin, lookupMax = 2, 8

// Propose takes the place that has most tokens in common with the end of the text, the latest of several.
func (LookupDraft) Propose(_ context.Context, tokens []int32, _ *Gen, out []int32) (int, error) {
	n := len(tokens)
	best, from := lookupMin-1, 0
	for i := n - 1; i >= lookupMin && best < lookupMax; i-- { // what follows the place begins at i
		if tokens[i-1] != tokens[n-1] {
			continue
		}
		same := 1
		for same < min(i, lookupMax) && tokens[i-1-same] == tokens[n-1-same] {
			same++
		}
		if same > best {
			best, from = same, i
		}
	}
	if from == 0 {
		return 0, nil
	}
	for i := range out { // beyond the end of the text goes on with the draft itself
		if from+i < n {
			out[i] = tokens[from+i]
		} else {
			out[i] = out[from+i-n]
		}
	}
	return len(out), nil
}
