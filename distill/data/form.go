package data

import (
	"errors"
	"fmt"
	"slices"

	"github.com/freehold-slm/freehold/models/spell"
)

// Form is what rows are, by the type of task that they are for.
type Form int

const (
	OneLabel      Form = iota // a text with one label of those that are known, or none
	OneAnswer                 // a text and its answer: any text, or JSON
	SeveralLabels             // a text and any number of labels
	OnePair                   // a query and a document, whose label is how relevant that is
	OneTopic                  // a text and any label: texts of one belong together, or where there is none those of one group
)

// needsGold tells whether a row without a label is a mistake.
func (o *ReadOptions) needsGold() bool {
	return o.NeedGold && o.Form != OnePair && o.Form != OneTopic
}

// gold reads what a file says of a row beside its texts.
func (o *ReadOptions) gold(r raw, row *Row) error {
	missing := "a test row needs a gold label"
	switch o.Form {
	case OnePair:
		return o.pair(r, row)
	case OneTopic:
		if row.Answer = r.group; r.label != nil {
			row.Answer = *r.label
		}
		if row.Answer != "" {
			row.Gold = 0
		}
		return bounded("label", row.Answer)
	case OneAnswer:
		missing = "a test row needs a gold answer (\"completion\")"
		if r.label != nil {
			row.Gold, row.Answer = 0, *r.label
			if err := bounded("answer", row.Answer); err != nil {
				return err
			}
		}
	case SeveralLabels:
		missing = "a test row needs its gold labels; " + sayNone
		if r.label != nil {
			var err error
			if row.Labels, err = ParseLabels(*r.label, o.Labels); err != nil {
				return err
			}
			row.Gold = 0
		}
	default:
		if r.label != nil && o.Labels != nil {
			if row.Gold = slices.Index(o.Labels, *r.label); row.Gold < 0 {
				return errors.New(spell.Unknown("label", *r.label, "the row", o.Labels))
			}
		}
	}
	if row.Gold < 0 && o.needsGold() {
		return errors.New(missing)
	}
	return nil
}

func bounded(what, text string) error {
	if len(text) > maxText {
		return fmt.Errorf("the %s is longer than %d bytes", what, maxText)
	}
	return nil
}
