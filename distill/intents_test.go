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
	rows, err := readIntents(path, labels, &report)
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
	if again, err := readIntents(path, labels, &report); err != nil || fmt.Sprint(again) != fmt.Sprint(rows) {
		t.Errorf("read again, the rows are others: %v", err)
	}
	for from, to := range map[string]string{"<turn> on": "(turn on", "[the]": "the]", "{area}": "{place}", "<switch>": "<none>", `"switch": "switch"`: `"switch": "<turn>"`, "{n}": "{n"} {
		write(t, path, strings.Replace(tinyIntents, from, to, 1))
		if _, err := readIntents(path, labels, &report); err == nil || !strings.Contains(err.Error(), "template") {
			t.Errorf("%s: %v", to, err)
		}
	}
	write(t, path, tinyIntents)
	if _, err := readIntents(path, []string{"TurnOff"}, &report); err == nil || !strings.Contains(err.Error(), "no intent HassTurnOff") {
		t.Errorf("an unknown label: %v", err)
	}
}
