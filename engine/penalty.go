package engine

// Penalties lower the chance of tokens that stand in the text already. The zero value changes nothing.
type Penalties struct {
	// Repeat divides the positive logits of tokens among the last Window of the text, prompt included, and multiplies
	// the negative ones (Keskar et al. 2019, "CTRL"); 0 or 1 = no change.
	Repeat float64
	Window int // 0 = 64, negative = the whole text
	// Presence is subtracted from the logit of each token that was generated, Frequency as often as it was, as in
	// OpenAI's API; negative values ask for repetition.
	Presence, Frequency float64
}

// penaltyWindow is what a Window of 0 means.
const penaltyWindow = 64

func (p *Penalties) none() bool {
	return (p.Repeat == 0 || p.Repeat == 1) && p.Presence == 0 && p.Frequency == 0
}

// apply changes logits [vocab] for the token after text, of which the first prompt tokens were given. seen [vocab] is
// false throughout, before and after.
func (p *Penalties) apply(logits []float32, text []int32, prompt int, seen []bool) {
	if p.Repeat != 0 && p.Repeat != 1 {
		recent := text
		if window := p.Window; window >= 0 {
			if window == 0 {
				window = penaltyWindow
			}
			recent = text[max(0, len(text)-window):]
		}
		each(recent, seen, func(id int32) {
			if x := logits[id]; x > 0 {
				logits[id] = float32(float64(x) / p.Repeat)
			} else {
				logits[id] = float32(float64(x) * p.Repeat)
			}
		})
	}
	generated := text[min(prompt, len(text)):]
	if p.Presence != 0 {
		each(generated, seen, func(id int32) { logits[id] = float32(float64(logits[id]) - p.Presence) })
	}
	if p.Frequency != 0 {
		for _, id := range generated {
			if int(id) < len(logits) {
				logits[id] = float32(float64(logits[id]) - p.Frequency)
			}
		}
	}
}

// each calls f once with every token of text that seen has room for.
func each(text []int32, seen []bool, f func(id int32)) {
	for _, id := range text {
		if int(id) < len(seen) && !seen[id] {
			seen[id] = true
			f(id)
		}
	}
	for _, id := range text {
		if int(id) < len(seen) {
			seen[id] = false
		}
	}
}
