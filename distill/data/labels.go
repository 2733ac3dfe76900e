package data

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/freehold-slm/freehold/models/spell"
)

// Several labels of a row are one text where a file has a column for them, and for people: the labels with LabelSeparator between them, or NoLabels.
const (
	LabelSeparator = ";"
	NoLabels       = "(none)"
)

// sayNone tells how a row is labelled that has none of the labels.
const sayNone = "where it has none of them, write \"labels\": [], or " + NoLabels + " in a column"

// ParseLabels reads labels as FormatLabels writes them, as rising numbers of those that are known; spaces around a label do not count.
func ParseLabels(text string, known []string) ([]int, error) {
	found := []int{}
	if strings.TrimSpace(text) == NoLabels {
		return found, nil
	}
	for _, l := range strings.Split(text, LabelSeparator) {
		at := slices.Index(known, strings.TrimSpace(l))
		switch {
		case strings.TrimSpace(text) == "":
			return nil, errors.New("the row's labels are empty; " + sayNone)
		case at < 0:
			return nil, errors.New(spell.Unknown("label", strings.TrimSpace(l), "the row", known))
		case slices.Contains(found, at):
			return nil, fmt.Errorf("label %q is given twice", known[at])
		}
		found = append(found, at)
	}
	slices.Sort(found)
	return found, nil
}

// FormatLabels writes labels by their numbers.
func FormatLabels(labels []int, known []string) string {
	if len(labels) == 0 {
		return NoLabels
	}
	names := make([]string, len(labels))
	for i, l := range labels {
		names[i] = known[l]
	}
	return strings.Join(names, LabelSeparator)
}

// goldOf are the names under which a row's gold labels are counted.
func (r *Row) goldOf(known []string) []string {
	switch {
	case r.Gold < 0 || r.Gold >= len(known):
		return []string{""}
	case r.Labels == nil:
		return []string{known[r.Gold]}
	case len(r.Labels) == 0:
		return []string{NoLabels}
	}
	var names []string
	for _, l := range r.Labels {
		names = append(names, known[l])
	}
	return names
}

// otherLabel is what files may call the column of labels too, where the recipe does not say.
func (o *ReadOptions) otherLabel() string {
	if o.Form == SeveralLabels {
		return "labels"
	}
	return "completion"
}

// listed makes one text of a line's list of labels, under "labels" or where the label stands.
func listed(b []byte) ([]byte, error) {
	var all map[string]json.RawMessage
	if err := json.Unmarshal(b, &all); err != nil || all == nil {
		return nil, fmt.Errorf("not a JSON object: %.40s", b)
	}
	for _, name := range []string{"labels", "label"} {
		v := all[name]
		if len(v) == 0 || string(v) == "null" {
			continue
		}
		if name == "labels" && len(all["label"]) > 0 {
			return nil, errors.New("the row has \"label\" and \"labels\", want one")
		}
		if v[0] == '[' {
			var list []string
			if err := json.Unmarshal(v, &list); err != nil {
				return nil, fmt.Errorf("%q is %.40s, want a list of strings", name, v)
			}
			text := NoLabels
			if len(list) > 0 {
				text = strings.Join(list, LabelSeparator)
			}
			v, _ = json.Marshal(text)
		}
		delete(all, "labels")
		all["label"] = v
		return json.Marshal(all)
	}
	return b, nil
}
