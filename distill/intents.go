package distill

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/freehold-slm/freehold/distill/data"
	"github.com/freehold-slm/freehold/kernels"
)

// intentTexts is how many texts readIntents draws from a template; those that come twice count once.
const intentTexts = 10

// intentPrefix stands before the names of intents in the file, and not before the labels of a recipe.
const intentPrefix = "Hass"

// intentWords fill slots whose values a home gives, or its people: the file has none for them.
var intentWords = map[string][]string{
	"area":               {"kitchen", "bedroom", "living room", "office", "garage", "bathroom", "hallway", "garden", "attic", "dining room", "nursery", "basement"},
	"floor":              {"ground floor", "first floor", "second floor", "upstairs", "downstairs", "top floor"},
	"name":               {"desk lamp", "coffee machine", "ceiling light", "front door", "porch light", "fan heater", "television", "bookshelf lamp", "garden pump", "alarm", "radio", "kettle", "back door", "curtain"},
	"zone":               {"work", "school", "the gym", "grandma's"},
	"timer_name":         {"pizza", "laundry", "tea", "homework", "egg", "bread", "workout"},
	"timer_command":      {"turn off the lights", "open the garage door", "play some music", "lock the front door"},
	"search_query":       {"jazz", "the beatles", "morning mix", "a podcast about history", "bach", "summer hits"},
	"message":            {"dinner is ready", "we are leaving"},
	"shopping_list_item": {"milk", "bananas", "bread"},
	"todo_list_item":     {"water the plants", "call the plumber"},
}

// intentFile is a language's file of Home Assistant's intents, as far as it is read here.
type intentFile struct {
	Intents map[string]struct {
		Data []struct {
			Sentences []string `json:"sentences"`
		} `json:"data"`
	} `json:"intents"`
	Lists map[string]struct {
		Values []json.RawMessage `json:"values"`
		Range  *struct{ From, To int }
	} `json:"lists"`
	Rules map[string]string `json:"expansion_rules"`
}

// readIntents draws texts from the templates of the intents that are labels of the recipe, or of all where it has none: their slots are then the answer, or of an
// embedding their intents what belongs together. What is drawn rests on a template's own words alone; the texts of one template are a group, so that none is
// learnt from where another is tested on.
func readIntents(path string, form data.Form, labels []string, report *data.Report) (rows []Row, err error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, &DataError{File: path, Msg: errText(err)}
	}
	x := &expander{}
	if err := json.Unmarshal(b, &x.file); err != nil {
		return nil, &DataError{File: path, Msg: err.Error()}
	}
	if form != data.OneLabel {
		for _, name := range sortedKeys(x.file.Intents) {
			labels = append(labels, strings.TrimPrefix(name, intentPrefix))
		}
	}
	for i, l := range labels {
		if _, ok := x.file.Intents[intentPrefix+l]; !ok {
			return nil, &DataError{File: path, Msg: fmt.Sprintf("has no intent %s%s, label %d of the recipe", intentPrefix, l, i+1), Fix: "its intents are " + strings.Join(sortedKeys(x.file.Intents), ", ")}
		}
	}
	for _, name := range sortedKeys(x.file.Intents) {
		label, n := slices.Index(labels, strings.TrimPrefix(name, intentPrefix)), 0
		for _, d := range x.file.Intents[name].Data {
			for _, template := range d.Sentences {
				n++
				if label < 0 {
					report.LeaveOut("source", "template of an intent that is no label", 1)
					continue
				}
				texts, err := x.texts(template)
				if err != nil {
					return nil, &DataError{File: path, Msg: fmt.Sprintf("intent %s: template %q: %v", name, template, err)}
				}
				for i, text := range texts {
					group := fmt.Sprintf("%s-%d", name, n)
					plain, slots, once := slotsOf(text)
					row := Row{ID: fmt.Sprintf("%s-%d", group, i), Text: plain, Gold: label, Group: group, File: path}
					switch {
					case form == data.OneTopic:
						row.Gold, row.Answer = 0, labels[label]
					case form == data.OneAnswer && !once:
						report.LeaveOut("source", "one slot with two values", 1)
						continue
					case form == data.OneAnswer:
						row.Gold, row.Answer = 0, slots
					}
					rows = append(rows, row)
				}
			}
		}
	}
	return rows, nil
}

// expander draws texts from templates: (a|b) is one of them, (a;b) both in any order, [a] a or nothing, <rule> a template of the
// file's expansion rules, {list:slot} a value.
type expander struct {
	file intentFile
	seed uint64 // of the template
	n    uint32 // numbers drawn
	s    string // what is left of the template
	deep int
	slot int // slots that this stands in
}

// What a slot's value stands between in a text that was drawn, after its name.
const slotBegin, slotValue, slotEnd = "\x01", "\x02", "\x03"

// slotsOf takes the marks out of a text that was drawn. slots are JSON, in the order they come in; once = none has two values.
func slotsOf(text string) (plain, slots string, once bool) {
	var b, out strings.Builder
	values := map[string]string{}
	for once = true; ; {
		before, rest, ok := strings.Cut(text, slotBegin)
		if b.WriteString(before); !ok {
			return strings.Join(strings.Fields(b.String()), " "), "{" + strings.TrimPrefix(out.String(), ",") + "}", once
		}
		name, rest, _ := strings.Cut(rest, slotValue)
		value, rest, _ := strings.Cut(rest, slotEnd)
		b.WriteString(value)
		if text, value = rest, strings.Join(strings.Fields(value), " "); value == "" {
			continue
		}
		if was, ok := values[name]; ok {
			once = once && was == value
			continue
		}
		values[name] = value
		key, _ := json.Marshal(name)
		said, _ := json.Marshal(value)
		fmt.Fprintf(&out, ",%s:%s", key, said)
	}
}

// texts are different texts of a template, in the order they were drawn, with their slots marked.
func (x *expander) texts(template string) (all []string, err error) {
	x.seed, x.n = seedOf(template), 0
	for range intentTexts {
		text, err := x.expand(template)
		if err != nil {
			return nil, err
		}
		if plain, _, _ := slotsOf(text); plain != "" && !slices.ContainsFunc(all, func(was string) bool { p, _, _ := slotsOf(was); return p == plain }) {
			all = append(all, text)
		}
	}
	return all, nil
}

func seedOf(s string) uint64 {
	n, _ := strconv.ParseUint(hashOf(s)[:16], 16, 64)
	return n
}

// draw is a number from 0 to n-1.
func (x *expander) draw(n int) int {
	x.n++
	return int(uint64(kernels.Philox(x.seed, [4]uint32{kernels.PurposeShuffle, x.n})[0]) * uint64(n) >> 32)
}

// expand draws a text from a whole template.
func (x *expander) expand(template string) (string, error) {
	if x.deep++; x.deep > 20 {
		return "", fmt.Errorf("rules are nested more than 20 deep")
	}
	was := x.s
	x.s = template
	text, err := x.group(0)
	x.s, x.deep = was, x.deep-1
	return text, err
}

// group draws from what stands before the closing bracket (0 = the end): one of its alternatives, or its parts in any order.
func (x *expander) group(end byte) (string, error) {
	var parts []string
	var text strings.Builder
	permuted := false
	for {
		if x.s == "" {
			if end != 0 {
				return "", fmt.Errorf("%q is missing", end)
			}
			break
		}
		c := x.s[0]
		x.s = x.s[1:]
		if c == end {
			break
		}
		var more string
		var err error
		switch c {
		case '|', ';':
			parts, permuted = append(parts, text.String()), permuted || c == ';'
			text.Reset()
			continue
		case '(':
			more, err = x.group(')')
		case '[':
			if more, err = x.group(']'); x.draw(2) == 0 {
				more = ""
			}
		case '<', '{':
			name, rest, ok := strings.Cut(x.s, map[byte]string{'<': ">", '{': "}"}[c])
			if !ok {
				return "", fmt.Errorf("%q is not closed", c)
			}
			if x.s = rest; c == '<' {
				more, err = x.rule(name)
			} else {
				list, slot, named := strings.Cut(name, ":")
				if !named {
					slot = list
				}
				x.slot++
				more, err = x.value(list)
				if x.slot--; x.slot == 0 { // a slot within a value is the outer one's
					more = slotBegin + slot + slotValue + more + slotEnd
				}
			}
		case ')', ']', '>', '}':
			return "", fmt.Errorf("%q closes nothing", c)
		default:
			more = string(c)
		}
		if err != nil {
			return "", err
		}
		text.WriteString(more)
	}
	parts = append(parts, text.String())
	if permuted {
		for i := len(parts) - 1; i > 0; i-- {
			k := x.draw(i + 1)
			parts[i], parts[k] = parts[k], parts[i]
		}
		return strings.Join(parts, " "), nil
	}
	return parts[x.draw(len(parts))], nil
}

func (x *expander) rule(name string) (string, error) {
	t, ok := x.file.Rules[name]
	if !ok {
		return "", fmt.Errorf("there is no rule <%s>", name)
	}
	return x.expand(t)
}

// value draws a value of a list.
func (x *expander) value(name string) (string, error) {
	l := x.file.Lists[name]
	switch words := intentWords[name]; {
	case words != nil:
		return words[x.draw(len(words))], nil
	case l.Range != nil && l.Range.To >= l.Range.From:
		return strconv.Itoa(l.Range.From + x.draw(l.Range.To-l.Range.From+1)), nil
	case len(l.Values) == 0:
		return "", fmt.Errorf("there are no values for {%s}", name)
	}
	var text string
	raw := l.Values[x.draw(len(l.Values))]
	if json.Unmarshal(raw, &text) != nil {
		var in struct {
			In string `json:"in"`
		}
		if err := json.Unmarshal(raw, &in); err != nil {
			return "", fmt.Errorf("{%s}: %v", name, err)
		}
		text = in.In
	}
	return x.expand(text)
}
