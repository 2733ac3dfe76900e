package distill

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/freehold-slm/freehold/distill/data"
)

const tinyIntents = `{"language": "en", "intents": {
 "HassTurnOn": {"data": [{"sentences": ["<turn> on [the] {area} light[s]", "(light;(up|on)) {level:brightness} %"]}]},
 "HassBroadcast": {"data": [{"sentences": ["tell all {message}"]}]},
 "HassStartTimer": {"data": [{"sentences": ["{n} minute[s]"]}]}},
 "lists": {"level": {"range": {"from": 3, "to": 4}}, "n": {"values": ["one", {"in": "(two|2)", "out": 2}]}},
 "expansion_rules": {"turn": "(turn|<switch>)", "switch": "switch"}}`

// Texts are drawn from templates: each is one that its template allows, and its template is its group; another reading gives the same.
func TestIntents(t *testing.T) {
	path := filepath.Join(t.TempDir(), "en.json")
	write(t, path, tinyIntents)
	labels := []string{"StartTimer", "TurnOn"}
	var report data.Report
	rows, err := readIntents(path, data.OneLabel, labels, &report)
	if err != nil {
		t.Fatal(err)
	}
	allowed := map[string]*regexp.Regexp{
		"HassTurnOn-1":     regexp.MustCompile(`^(turn|switch) on (the )?(` + strings.Join(intentWords["area"], "|") + `) lights?$`),
		"HassTurnOn-2":     regexp.MustCompile(`^(light (up|on)|(up|on) light) [34] %$`),
		"HassStartTimer-1": regexp.MustCompile(`^(one|two|2) minutes?$`),
	}
	count := map[string]int{}
	for _, r := range rows {
		if re := allowed[r.Group]; re == nil || !re.MatchString(r.Text) || labels[r.Gold] != strings.TrimPrefix(strings.Split(r.Group, "-")[0], "Hass") {
			t.Errorf("%+v", r)
		}
		count[r.Group]++
	}
	for group := range allowed {
		if count[group] < 3 {
			t.Errorf("%d texts of %s", count[group], group)
		}
	}
	for _, form := range []string{" minute", " minutes", " light", " lights"} {
		if !slices.ContainsFunc(rows, func(r Row) bool { return strings.HasSuffix(r.Text, form) }) {
			t.Errorf("no text ends in %q: what is optional is always or never there", form)
		}
	}
	if got := report.String(); got != "1 source rows left out (template of an intent that is no label)" {
		t.Errorf("report: %s", got)
	}
	if again, err := readIntents(path, data.OneLabel, labels, &report); err != nil || fmt.Sprint(again) != fmt.Sprint(rows) {
		t.Errorf("read again, the rows are others: %v", err)
	}
	for from, to := range map[string]string{"<turn> on": "(turn on", "[the]": "the]", "{area}": "{place}", "<switch>": "<none>", `"switch": "switch"`: `"switch": "<turn>"`, "{n}": "{n"} {
		write(t, path, strings.Replace(tinyIntents, from, to, 1))
		if _, err := readIntents(path, data.OneLabel, labels, &report); err == nil || !strings.Contains(err.Error(), "template") {
			t.Errorf("%s: %v", to, err)
		}
	}
	write(t, path, tinyIntents)
	if _, err := readIntents(path, data.OneLabel, []string{"TurnOff"}, &report); err == nil || !strings.Contains(err.Error(), "no intent HassTurnOff") {
		t.Errorf("an unknown label: %v", err)
	}
}

// Slots are what a template's values were drawn for, by the name after the colon where it has one; the text is the one without slots.
func TestIntentSlots(t *testing.T) {
	path := filepath.Join(t.TempDir(), "en.json")
	write(t, path, strings.Replace(tinyIntents, "tell all {message}", "[<turn>] from {n:first} to {n:second} [in {area}]", 1))
	var report data.Report
	rows, err := readIntents(path, data.OneAnswer, nil, &report)
	if err != nil {
		t.Fatal(err)
	}
	topics, err := readIntents(path, data.OneTopic, nil, &report)
	if err != nil || len(topics) != len(rows) {
		t.Fatalf("%d rows with slots, %d of topics: %v", len(rows), len(topics), err)
	}
	areas := strings.Join(intentWords["area"], "|")
	forms := map[string]*regexp.Regexp{
		"HassTurnOn-1":     regexp.MustCompile(`^\w+ on (?:the )?(?P<area>` + areas + `) lights?$`),
		"HassTurnOn-2":     regexp.MustCompile(`^(?:light (?:up|on)|(?:up|on) light) (?P<brightness>[34]) %$`),
		"HassBroadcast-1":  regexp.MustCompile(`^(?:\w+ )?from (?P<first>one|two|2) to (?P<second>one|two|2)(?: in (?P<area>` + areas + `))?$`),
		"HassStartTimer-1": regexp.MustCompile(`^(?P<n>one|two|2) minutes?$`),
	}
	for i, r := range rows {
		re := forms[r.Group]
		m := re.FindStringSubmatch(r.Text)
		if m == nil || r.Text != topics[i].Text {
			t.Fatalf("%+v, %q", r, topics[i].Text)
		}
		want := ""
		for k, name := range re.SubexpNames() {
			if name != "" && m[k] != "" {
				want += fmt.Sprintf(",%q:%q", name, m[k])
			}
		}
		if want = "{" + strings.TrimPrefix(want, ",") + "}"; r.Answer != want || r.Gold != 0 {
			t.Errorf("%q: %s, want %s", r.Text, r.Answer, want)
		}
	}
	write(t, path, strings.Replace(tinyIntents, "tell all {message}", "{n} and {n}", 1))
	if rows, err = readIntents(path, data.OneAnswer, nil, &report); err != nil || !strings.Contains(report.String(), "one slot with two values") {
		t.Errorf("%v; %s", err, report.String())
	}
	for _, r := range rows {
		if n := strings.Split(r.Text, " and "); len(n) == 2 && n[0] != n[1] {
			t.Errorf("%+v", r)
		}
	}
}
