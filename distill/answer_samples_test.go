package distill

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/freehold-slm/freehold/engine"
)

// votedKind is an extract job whose teacher votes.
const votedKind = "extract, samples by vote"

// tinyVotedJob has a teacher of random weights answer often and hotly, so that its answers differ.
func tinyVotedJob(t testing.TB, train, test int) string {
	recipe := tinyAnswerJob(t, "extract", train, test)
	edit(t, recipe, "licence: Apache-2.0", "licence: Apache-2.0, samples: 5, temperature: 0.8, choose: vote")
	edit(t, recipe, "max_tokens: 40", "max_tokens: 21") // some samples are cut
	return recipe
}

// Which sample is kept, and how many agree.
func TestChosen(t *testing.T) {
	read := func(s string) (all []sample) {
		for _, f := range strings.Fields(s) {
			var one sample
			if _, err := fmt.Sscanf(f, "%1s%g", &one.text, &one.score); err != nil {
				t.Fatal(err)
			}
			one.value, one.cut = strings.ToLower(one.text), one.text == "Z" // A and a are the same answer
			all = append(all, one)
		}
		return all
	}
	for _, c := range []struct {
		samples            string
		likeliest, agree   int
		vote, most         int
		whatLikeliest, why string
	}{
		{"a-2 b-1 b-1 a-2 a-2", 1, 2, 0, 3, "b is likelier", "a is said most often"},
		{"a-2 b-1 b-1 a-2", 1, 2, 1, 2, "b is likelier", "of two that are as frequent the likelier"},
		{"a-2 b-3 A-1 c0", 3, 1, 2, 2, "c", "a and A are one answer, of which the likelier text"},
		{"Z0 Z0 Z0 a-9", 3, 1, 3, 1, "an answer that ended", "three that were cut are no majority"},
		{"Z-2 Z-1", 1, 0, 1, 0, "all were cut", "nothing to agree on"},
		{"a-1 b-1 c-1", 0, 1, 0, 1, "the first of equals", "the first of equals"},
	} {
		all := read(c.samples)
		if got := chosen(all, false); got != c.likeliest || agreeing(all, all[got]) != c.agree {
			t.Errorf("%s: likeliest is %d with %d, want %d with %d: %s", c.samples, got, agreeing(all, all[got]), c.likeliest, c.agree, c.whatLikeliest)
		}
		if got := chosen(all, true); got != c.vote || agreeing(all, all[got]) != c.most {
			t.Errorf("%s: the vote is %d with %d, want %d with %d: %s", c.samples, got, agreeing(all, all[got]), c.vote, c.most, c.why)
		}
	}
	r := Recipe{}
	w := answerWork{j: &Job{recipe: &r}}
	if w.value(" a b\n") != w.value("a b") || w.value("a b") == w.value("A b") {
		t.Error("texts are the same without the white space around them")
	}
	r.Teacher.VoteOn = []string{"way", "n"}
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{`{"why": "so", "way": "up"}`, `{"why": "or so", "way": "up"}`, true}, {`{"n": 1, "way": "up"}`, `{"way":"up","why":"","n":1}`, true},
		{`{"way": "up"}`, `{"way": "down"}`, false}, {`{"way": "up"}`, `{"way": "up", "n": 1}`, false}, {`{}`, `no JSON`, false},
	} {
		if got := w.value(c.a) == w.value(c.b); got != c.same {
			t.Errorf("voting on way and n, %s and %s are the same: %v", c.a, c.b, got)
		}
	}
}

// The kept answer and its votes are what asking each row alone, sample by sample, gives: with both ways to choose, in any order of rows.
func TestSampledLabels(t *testing.T) {
	for _, choose := range choices {
		recipe := tinyVotedJob(t, 40, 10)
		edit(t, recipe, "choose: vote", "choose: "+choose)
		_, dir := mustApply(t, recipe, Options{Threads: 2}, Stages{Only: "label"})
		j, err := newTinyJob(t, recipe)
		if err != nil {
			t.Fatal(err)
		}
		m, a, err := j.work.(*answerWork).openTeacher()
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		text := map[string]Row{} // by id
		for _, r := range j.labelled() {
			text[r.ID] = r
		}
		agreed, cut, differ := map[int]int{}, 0, 0
		for _, l := range shardLines[answerLine](t, dir) {
			if l.Gold {
				continue
			}
			var texts []string
			count, cuts := map[string]int{}, map[string]bool{}
			for k := range 5 {
				g := engine.Gen{Temperature: 0.8, Seed: sampleSeed(3, l.ID), Sequence: uint32(k)}
				err := a.Answers(context.Background(), []string{text[l.ID].Text}, g, func(_ int, got engine.Answer) error {
					texts = append(texts, got.Text)
					if cuts[got.Text] = got.Reason == engine.ReasonLength; cuts[got.Text] {
						cut++
					} else {
						v, err := canonicalJSON(got.Text)
						count[v]++
						return err
					}
					return nil
				})
				if err != nil {
					t.Fatal(err)
				}
			}
			most := 0
			for _, n := range count {
				most = max(most, n)
			}
			v, _ := canonicalJSON(l.Answer)
			if cuts[l.Answer] {
				v = ""
			}
			if n := count[v]; l.Cut != (len(count) == 0) || l.Agree != n || choose == "vote" && n != most {
				t.Errorf("%s: row %s has %q, said %d times, most %d; the line is %+v", choose, l.ID, l.Answer, n, most, l)
			}
			if agreed[l.Agree]++; len(count) > 1 {
				differ++
			}
			if choose != "likeliest" {
				continue
			}
			of := func(answer string) float64 {
				sum, n, err := a.LogProbs(context.Background(), []string{text[l.ID].Text}, []string{answer})
				if err != nil {
					t.Fatal(err)
				}
				return sum[0] / float64(n[0])
			}
			for _, other := range texts {
				if (!cuts[other] || l.Cut) && of(other) > of(l.Answer) {
					t.Errorf("row %s: %q is likelier than %q, which was kept", l.ID, other, l.Answer)
				}
			}
		}
		if len(agreed) < 3 || cut == 0 || differ < 3 {
			t.Errorf("%s: rows by agreement %v, %d samples cut, %d rows with several answers: this shows little", choose, agreed, cut, differ)
		}
	}
	if a, b := sampleSeed(3, "a"), sampleSeed(3, "b"); a == b || a == sampleSeed(4, "a") {
		t.Error("rows or seeds share their draws")
	}
}

// With a vote the share that agreed is the confidence of a row; no answer is read for it. Summary, report, plan and lineage say how often samples agreed;
// the whole run is the same again on another number of threads.
func TestVotedJob(t *testing.T) {
	recipe := tinyVotedJob(t, 48, 12)
	plan := planOf(t, recipe)
	if s := plan.Stages[0]; !strings.HasSuffix(s.What, ", 5 samples at temperature 0.8, vote") {
		t.Errorf("the plan says %q", s.What)
	}
	edit(t, recipe, "train: {", "train: {min_confidence: 0.5, ")
	sum, dir := mustApply(t, recipe, Options{Threads: 2}, Stages{})
	lines := shardLines[answerLine](t, dir)
	left, of, all := 0, map[int]AgreedRows{}, 0
	for _, l := range lines {
		if l.P != nil {
			t.Fatalf("row %s was read for a confidence that the vote gives", l.ID)
		}
		rows := of[l.Agree]
		switch {
		case strings.HasPrefix(l.ID, "test"):
			rows.Test++
		case l.Gold:
			continue
		default:
			if rows.Train++; l.Agree > 0 && l.Agree < 3 {
				left++
			}
		}
		of[l.Agree], all = rows, all+1
	}
	if left == 0 || sum.Rows["train"] != 48-left || sum.Confidence.LeftOut != left {
		t.Errorf("%d rows have less than half of the votes; left out %+v, rows %v", left, sum.Confidence, sum.Rows)
	}
	s, right := sum.Answers.Samples, 0
	if s == nil || s.Samples != 5 || s.Choose != "vote" || len(s.Agreed) != len(of) || s.Agreed[0].Agree < s.Agreed[len(s.Agreed)-1].Agree {
		t.Fatalf("summary has %+v, the labels %v", s, of)
	}
	for _, a := range s.Agreed {
		if got := of[a.Agree]; a.Train != got.Train || a.Test != got.Test {
			t.Errorf("%+v, the labels have %+v", a, got)
		}
		right += a.Exact
	}
	if want := int(sum.Answers.Teacher.Exact.Mean*12 + 0.5); right != want {
		t.Errorf("%d test rows are exact, want %d", right, want)
	}
	checkPage(t, filepath.Join(dir, "report.html"), "samples agree", s.Says(), fmt.Sprintf("<td>%d of 5</td>", s.Agreed[0].Agree))
	if chain := mustRead(t, filepath.Join(dir, "lineage.jsonl")); !strings.Contains(chain, `"samples":"5 samples at temperature 0.8, vote"`) {
		t.Errorf("the lineage does not say it: %s", chain)
	}
	if again, err := Reproduce(context.Background(), dir, "", Options{Threads: 1}); err != nil || len(again.Different()) > 0 {
		t.Errorf("repeated: %v %+v", err, again.Different())
	}
	// Another way to choose is another question; a row's samples do not depend on the rows beside it.
	if err := os.WriteFile(filepath.Join(filepath.Dir(recipe), "train.jsonl"), []byte(strings.SplitN(mustRead(t, filepath.Join(filepath.Dir(recipe), "train.jsonl")), "\n", 3)[2]), 0o644); err != nil {
		t.Fatal(err)
	}
	_, fewer := mustApply(t, recipe, Options{Threads: 2}, Stages{Only: "label"})
	was := map[string]answerLine{}
	for _, l := range lines {
		was[l.ID] = l
	}
	for _, l := range shardLines[answerLine](t, fewer) {
		if l != was[l.ID] {
			t.Errorf("with other rows beside it row %s is %+v, was %+v", l.ID, l, was[l.ID])
		}
	}
	edit(t, recipe, "choose: vote", "choose: vote, vote_on: [way]")
	_, byWay := mustApply(t, recipe, Options{Threads: 2}, Stages{Only: "label"})
	more := 0
	for _, l := range shardLines[answerLine](t, byWay) {
		if old := was[l.ID]; l.Agree < old.Agree {
			t.Errorf("on one field %d agree on row %s, on all %d", l.Agree, l.ID, old.Agree)
		} else if l.Agree > old.Agree {
			more++
		}
	}
	if more == 0 {
		t.Error("a vote on one field alone finds no more that agree")
	}
	edit(t, recipe, ", vote_on: [way]", "")
	asked, o := 0, Options{Threads: 2}
	o.Progress = func(Event) { asked++ }
	edit(t, recipe, "choose: vote", "choose: likeliest")
	if _, dir := mustApply(t, recipe, o, Stages{Only: "label"}); asked == 0 || dir == fewer {
		t.Error("the likeliest sample was not asked for")
	}
}

func TestSamplesRefused(t *testing.T) {
	for _, c := range [][2]string{
		{"samples: 0", "teacher.samples is 0, want 1 to 64"},
		{"samples: 65", "teacher.samples is 65, want 1 to 64"},
		{"samples: 3, temperature: 0", "teacher.temperature is 0, want above 0 to 100"},
		{"temperature: 0.5", "teacher.temperature is for several samples"},
		{"choose: vote", "teacher.choose is for several samples; give teacher.samples"},
		{"samples: 3, vote_on: [way]", "teacher.vote_on names the fields that teacher.choose: vote compares"},
		{"samples: 3, choose: vote, vote_on: []", "teacher.vote_on names the fields that teacher.choose: vote compares"},
		{"samples: 3, choose: vote, vote_on: [why]", `unknown field "why" in teacher.vote_on`},
		{"samples: 3, choose: votes", `unknown value "votes" in teacher.choose`},
	} {
		recipe := tinyAnswerJob(t, "extract", 8, 4)
		edit(t, recipe, "licence: Apache-2.0", "licence: Apache-2.0, "+c[0])
		if _, _, err := apply(context.Background(), recipe, Options{Threads: 1}, Stages{}); err == nil || !strings.Contains(err.Error(), c[1]) || !strings.Contains(err.Error(), "freehold.yaml:4:") && !strings.Contains(c[1], "why") {
			t.Errorf("%s: %v\nwant %s", c[0], err, c[1])
		}
	}
	recipe := tinyJob(t)
	edit(t, recipe, "licence: Apache-2.0", "licence: Apache-2.0, samples: 3")
	if _, err := LoadRecipe(recipe); err == nil || !strings.Contains(err.Error(), "teacher.samples is for task type extract and generate") {
		t.Errorf("of a classifier: %v", err)
	}
}
