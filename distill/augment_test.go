package distill

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/freehold-slm/freehold/distill/data"
)

// theMaker is the file that tinyMaker makes, once.
var theMaker struct {
	sync.Mutex
	file []byte
}

// tinyMaker is a tiny model that has learnt to answer with a few words, so that what it makes is text: the teacher of random weights says bytes.
func tinyMaker(t testing.TB) string {
	t.Helper()
	theMaker.Lock()
	defer theMaker.Unlock()
	if theMaker.file == nil {
		theMaker.file = []byte(mustRead(t, trainMaker(t)))
	}
	path := filepath.Join(t.TempDir(), "maker.gguf")
	write(t, path, string(theMaker.file))
	return path
}

func trainMaker(t testing.TB) string {
	t.Helper()
	recipe := tinyAnswerJob(t, "generate", 4, 4)
	edit(t, recipe, "loss: topk_rest_kl, top_logits: 8, steps: 9, batch: 8, lr: 0.003, warmup: 2, save_every: 2", "loss: ce, steps: 150, batch: 16, lr: 0.02, warmup: 5, save_every: 150")
	edit(t, recipe, "layers: 1, format: f32", "layers: 1, vocab: full, format: f32")
	edit(t, recipe, "max_tokens: 12", "max_tokens: 60")
	words := strings.Fields("rise climb grow soar lift gain peak fall sink drop dive lose low dip")
	r := rand.New(rand.NewPCG(81, 82))
	some := func() string {
		var text []string
		for range 1 + r.IntN(4) {
			text = append(text, words[r.IntN(len(words))])
		}
		return strings.Join(text, " ")
	}
	var b strings.Builder
	for range 300 {
		row, err := json.Marshal(map[string]string{"text": some(), "completion": some()})
		if err != nil {
			t.Fatal(err)
		}
		b.Write(append(row, '\n'))
	}
	write(t, filepath.Join(filepath.Dir(recipe), "train.jsonl"), b.String())
	_, _ = mustApply(t, recipe, Options{Threads: 2}, Stages{Only: "label"})
	_, dir := mustApply(t, recipe, Options{Threads: 2}, Stages{Only: "train"})
	return filepath.Join(dir, "model.gguf")
}

// tinyAugmentJob is a tiny job of a task type with rows that a model makes.
func tinyAugmentJob(t testing.TB, kind string) string {
	t.Helper()
	maker, recipe := tinyMaker(t), ""
	augment := fmt.Sprintf("duplicates: keep, augment: {model: %q, licence: MIT, paraphrases: 2, max_tokens: 24, paraphrase_prompt: \"{text}\"", maker)
	if kind == "classify" {
		recipe = tinyJobOf(t, 40, 12)
		augment += `, per_label: 20, examples: 2, prompt: "{examples}{label}"`
	} else {
		recipe = tinyAnswerJob(t, kind, 24, 8)
	}
	edit(t, recipe, "duplicates: keep", augment+"}")
	return recipe
}

// madeLines reads augment/rows.jsonl.
func madeLines(t testing.TB, dir string) (rows []madeRow) {
	t.Helper()
	for line := range strings.Lines(mustRead(t, filepath.Join(dir, madeRows))) {
		var m madeRow
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatal(err)
		}
		rows = append(rows, m)
	}
	return rows
}

// jobOf is a recipe's job, and its run folder where there is one.
func newJobOf(t testing.TB, recipe string) *Job {
	t.Helper()
	r, err := LoadRecipe(recipe)
	if err != nil {
		t.Fatal(err)
	}
	j, err := NewJob(context.Background(), r, Options{Threads: 2, Warn: func(s string) { t.Logf("warning: %s", s) }})
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// A whole job: what is made is learnt from and nothing else, each row says what it was made of, the counts add up, plan and papers know of it, and a run that
// is repeated gives the same bytes.
func TestAugmentJob(t *testing.T) {
	recipe := tinyAugmentJob(t, "classify")
	plan := planOf(t, recipe)
	if s := plan.Stages[0]; s.Name != "augment" || s.State != "to do" || !(s.Seconds > 0) || !strings.HasPrefix(s.What, "120 texts by ") || !strings.Contains(s.What, "4 of 4 shards missing; it reads about ") {
		t.Errorf("plan: %+v", s)
	}
	if !strings.Contains(plan.Tidied, "up to 120 training rows are made by") || !strings.Contains(plan.Data, ": 40 train, 0 valid, 12 test rows") || !strings.HasPrefix(plan.Stages[1].What, "172 rows by") {
		t.Errorf("plan: %q %q %q", plan.Tidied, plan.Data, plan.Stages[1].What)
	}
	if _, _, err := apply(context.Background(), recipe, Options{Threads: 1}, Stages{Only: "label"}); err == nil || !strings.Contains(err.Error(), "4 shards of made rows are missing; run the augment stage first") {
		t.Errorf("labelling without the rows: %v", err)
	}
	sum, dir := mustApply(t, recipe, Options{Threads: 2}, Stages{})
	rows := madeLines(t, dir)
	own := map[string]Row{}
	j := newJobOf(t, recipe)
	for _, r := range j.own.Train {
		own[r.ID] = r
	}
	if len(rows) < 60 {
		t.Fatalf("%d rows were made", len(rows))
	}
	kinds, shards := map[string]int{}, map[string][]string{}
	for _, m := range rows {
		kinds[m.Made.Kind+" "+m.Made.Label]++
		if shards[m.File] == nil {
			shards[m.File] = strings.Split(mustRead(t, filepath.Join(dir, m.File)), "\n")
		}
		if line := shards[m.File][m.Line-1]; !strings.Contains(line, `"id":"`+m.ID+`","text":"`) || !strings.Contains(line, m.Text) {
			t.Errorf("line %d of %s is %s, not %s", m.Line, m.File, line, m.Text)
		}
		if m.Split != "train" || m.Made.SHA256 != j.maker.sha256 || m.Made.Model != "maker.gguf" || m.Made.Licence != "Apache-2.0" || m.Made.Seed != 3 || len(m.Made.Prompt) != 64 || m.Text == "" {
			t.Errorf("row %+v", m)
		}
		from := []string{m.Made.Of}
		if m.Made.Kind != data.Paraphrase {
			from = m.Made.Examples
		}
		if m.Made.Kind != data.Paraphrase && (len(from) != 2 || from[0] == from[1]) {
			t.Errorf("row %s was shown %v", m.ID, from)
		}
		for _, id := range from {
			if r, ok := own[id]; !ok || j.recipe.Task.Labels[r.Gold] != m.Made.Label {
				t.Errorf("row %s is made of %q for %s, which is no training row of that label", m.ID, id, m.Made.Label)
			}
		}
	}
	if len(kinds) != 4 {
		t.Errorf("made %v", kinds)
	}
	learnt := sum.Made.Kept
	if sum.Made.Asked != 120 || learnt == 0 || learnt >= len(rows) || sum.Rows["train"] != 40+learnt || sum.Rows["test"] != 12 {
		t.Errorf("%+v, rows %v", sum.Made, sum.Rows)
	}
	var report data.Report
	if err := json.Unmarshal([]byte(mustRead(t, filepath.Join(dir, "data.json"))), &report); err != nil {
		t.Fatal(err)
	}
	out, disagree := 0, 0
	for _, o := range report.Out {
		if o.Split == data.MadeSplit {
			out += o.Rows
		}
		if strings.HasPrefix(o.Reason, "the teacher gives another label") {
			disagree = o.Rows
		}
	}
	if out+learnt != 120 || disagree != len(rows)-learnt {
		t.Errorf("of 120 texts %d are learnt from and %d left out, %d of them after labelling: %s", learnt, out, disagree, &report)
	}
	checkSums(t, dir, madeRows, "augment/shard-00003.jsonl")
	checkPage(t, filepath.Join(dir, "report.html"), "Rows that a model made", "are training rows; none is a validation or test row", "maker of rows ")
	if chain := mustRead(t, filepath.Join(dir, "lineage.jsonl")); !strings.Contains(chain, `"stage":"augment"`) || !strings.Contains(chain, `"role":"maker of rows"`) || !strings.Contains(chain, `"asked":"120"`) {
		t.Error("the lineage does not say it")
	}
	if v, err := Verify(dir); err != nil || len(v.Bad()) > 0 {
		t.Errorf("verify: %v %+v", err, v)
	}
	if r, err := Reproduce(context.Background(), dir, "", Options{Threads: 1}); err != nil || len(r.Different()) > 0 {
		t.Errorf("again: %v, %+v", err, r)
	}
	b, err := WriteBundle(context.Background(), io.Discard, dir, BundleOptions{Program: recipe, Teacher: true, Data: true})
	if err != nil || !slices.ContainsFunc(b.Inputs, func(in BundleInput) bool {
		return in.Role == "maker of rows" && in.SHA256 == j.maker.sha256 && in.Path != ""
	}) {
		t.Errorf("the bundle lacks what made the rows: %v, %+v", err, b)
	}
	lock, err := readLock(dir)
	if err != nil {
		t.Fatal(err)
	}
	n, err := NewNeighbours(context.Background(), dir, "", lock.Key)
	if err != nil || len(n.rows) != 40+learnt {
		t.Fatalf("neighbours: %v", err)
	}
	if near := n.Of(rows[0].Text, 50); !slices.ContainsFunc(near, func(x Neighbour) bool { return strings.HasPrefix(x.File, madeFolder) }) {
		t.Errorf("no made row is near %q: %+v", rows[0].Text, near)
	}
	plan = planOf(t, recipe)
	if plan.ToDo || plan.Stages[0].State != "done" || !strings.Contains(plan.Tidied, fmt.Sprintf("%d training rows were made by maker.gguf, of 120 texts asked for", learnt)) {
		t.Errorf("plan of a finished run: %+v %q", plan.Stages[0], plan.Tidied)
	}

	// Another rate of learning, or threshold, asks the model nothing; another temperature does.
	made, of := sha(t, filepath.Join(dir, madeRows)), 0
	o := Options{Threads: 1, Progress: func(e Event) {
		if e.Stage == "augment" && e.Rate > 0 {
			of++
		}
	}}
	for _, change := range [][2]string{{"lr: 0.003", "lr: 0.002"}, {"augment: {", "augment: {min_confidence: 0.51, "}, {"augment: {", "augment: {keep: all, "}} {
		text := mustRead(t, recipe)
		edit(t, recipe, change[0], change[1])
		if strings.HasPrefix(change[1], "augment: {keep") {
			edit(t, recipe, "min_confidence: 0.51, ", "")
		}
		_, other := mustApply(t, recipe, o, Stages{Only: "augment"})
		if other == dir || of > 0 || sha(t, filepath.Join(other, madeRows)) != made {
			t.Errorf("%s made rows again in %s", change[1], other)
		}
		if !strings.HasPrefix(change[0], "lr") {
			continue
		}
		write(t, recipe, text)
	}
	edit(t, recipe, "max_tokens: 24", "max_tokens: 24, temperature: 0.5")
	if _, other := mustApply(t, recipe, o, Stages{Only: "augment"}); of == 0 || sha(t, filepath.Join(other, madeRows)) == made {
		t.Error("another temperature makes the same rows")
	}
}

// Answers: paraphrases of the texts, which the teacher answers, also where the student answers itself in some steps; a classifier's keys are refused.
func TestAugmentAnswers(t *testing.T) {
	for _, kind := range []string{"generate", "extract"} {
		recipe := tinyAugmentJob(t, kind)
		if kind == "generate" {
			edit(t, recipe, "save_every: 2, seed: 3}", "save_every: 2, seed: 3, on_policy: {share: 0.5}}")
		} else { // what a teacher of random weights answers to made rows is worth nothing
			edit(t, recipe, `valid: ">= 1"`, `size_ratio: ">= 1"`)
		}
		sum, dir := mustApply(t, recipe, Options{Threads: 2}, Stages{})
		rows := madeLines(t, dir)
		if len(rows) < 20 || sum.Rows["train"] != 24+len(rows) || sum.Made.Kept != len(rows) {
			t.Fatalf("%s: %d rows were made, %v %+v", kind, len(rows), sum.Rows, sum.Made)
		}
		labels := ""
		shards, err := filepath.Glob(filepath.Join(dir, "labels", "*.jsonl"))
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range shards {
			labels += mustRead(t, s)
		}
		for _, m := range rows {
			if _, line, _ := strings.Cut(labels, `{"id":"`+m.ID+`",`); !strings.HasPrefix(line, `"answer":`) || strings.Contains(strings.SplitN(line, "\n", 2)[0], `"gold":true`) {
				t.Errorf("%s: the teacher did not answer %s", kind, m.ID)
			}
		}
		edit(t, recipe, "paraphrases: 2", "paraphrases: 2, per_label: 3")
		if _, err := LoadRecipe(recipe); err == nil || !strings.Contains(err.Error(), "data.augment.per_label is for task type classify") {
			t.Errorf("%s: per_label: %v", kind, err)
		}
	}
}

// An adapted teacher labels the made rows; what makes them is not adapted.
func TestAugmentAdapted(t *testing.T) {
	recipe := tinyAdaptedJob(t, 80, 40)
	edit(t, recipe, "duplicates: keep", fmt.Sprintf("duplicates: keep, augment: {model: %q, licence: MIT, per_label: 20, examples: 2, max_tokens: 24, prompt: \"{examples}{label}\"}", tinyMaker(t)))
	if p := planOf(t, recipe); p.Stages[0].Name != "adapt" || p.Stages[1].Name != "augment" || p.Stages[2].Name != "label" {
		t.Errorf("plan: %+v", p.Stages)
	}
	sum, dir := mustApply(t, recipe, Options{Threads: 2}, Stages{})
	if sum.Adapted == nil || sum.Made == nil || sum.Made.Kept == 0 || sum.Rows["train"] != 80+sum.Made.Kept {
		t.Errorf("adapted %+v, made %+v, rows %v", sum.Adapted, sum.Made, sum.Rows)
	}
	if r, err := Reproduce(context.Background(), dir, "", Options{Threads: 1}); err != nil || len(r.Different()) > 0 {
		t.Errorf("again: %v, %+v", err, r)
	}
}

// sayMade puts texts into the run's shards as if the model had made them; the rest is cut.
func sayMade(t testing.TB, recipe string, lines ...makingLine) *Job {
	t.Helper()
	j := newJobOf(t, recipe)
	if err := j.open(); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(j.dir, madeFolder), 0o777); err != nil {
		t.Fatal(err)
	}
	n := 0
	f, _ := j.makingShards()
	for s, part := range f.parts {
		said := make([]makingLine, len(part))
		for i := range part {
			said[i] = makingLine{Fault: faultCut}
			if n < len(lines) {
				said[i] = lines[n]
			}
			said[i].ID = part[i].id()
			n++
		}
		if err := f.put(s, said); err != nil {
			t.Fatal(err)
		}
	}
	if n < len(lines) {
		t.Fatalf("%d texts are asked for, %d said", n, len(lines))
	}
	return j
}

// Whatever a model says, a run goes on: what is no text, would not fit, or repeats a row of any split is thrown out for a reason that is counted, and
// what stays is masked like other rows and escaped in the report.
func TestAugmentHostile(t *testing.T) {
	recipe := tinyAugmentJob(t, "classify")
	edit(t, recipe, "duplicates: keep, ", "duplicates: keep, max_chars: 200, mask: [email], language: [en], ")
	edit(t, recipe, "augment: {", "augment: {keep: all, ")
	test := filepath.Join(filepath.Dir(recipe), "test.jsonl")
	const secret = "the quick brown fox jumps over the lazy dog near the old river bank every single morning"
	write(t, test, mustRead(t, test)+`{"id": "test-secret", "text": "`+secret+`", "label": "up"}`+"\n")
	j := newJobOf(t, recipe)
	for _, m := range j.makings() {
		for _, r := range j.own.Test {
			if !slices.ContainsFunc(j.own.Train, func(own Row) bool { return strings.Contains(own.Text, r.Text) }) && strings.Contains(m.prompt, r.Text) {
				t.Errorf("the test row %q is shown: %q", r.Text, m.prompt)
			}
		}
	}
	first := j.own.Train[0].Text
	cases := []struct{ text, fault, kept, reason string }{
		{"<script>alert(1)</script> <b>up</b>", "", "<script>alert(1)</script> <b>up</b>", ""},
		{"{{.Recipe}} {text} {label} %s", "", "{{.Recipe}} {text} {label} %s", ""},
		{"soar high above", "", "soar high above", ""},
		{"", "", "", "empty"},
		{" \n\t ", "", "", "empty"},
		{"Here is a new text:\n\n- \"climb the wall\"", "", "climb the wall", ""},
		{"Here is a new text:", "", "Here is a new text:", ""},
		{"rise\x00fall", "", "", "control characters"},
		{"rise\x1b[31mfall", "", "", "control characters"},
		{"rise \uFFFD fall", "", "", "control characters"},
		{"... !!! ---", "", "", "without letters"},
		{"half of a text that goes", faultCut, "", faultCut},
		{"<|im_end|>rise", faultSpecial, "", faultSpecial},
		{"", faultLong, "", faultLong},
		{strings.Repeat("huge ", 1000), "", "", "over 200 characters"},
		{strings.Repeat("up we go and ", 11), "", "", "no room for it within train.max_tokens or the student's context"},
		{"mail me at eve@example.com now", "", "mail me at [EMAIL] now", ""},
		{"Ceci est une phrase française qui parle de la météo et des nuages", "", "", "in another language than en"},
		{strings.ToUpper(secret) + "!", "", "", "repeats or nearly repeats a test text"},
		{strings.Replace(secret, "every single morning", "every single", 1), "", "", "repeats or nearly repeats a test text"},
		{first, "", "", "repeats or nearly repeats a train text"},
		{"Soar, high above.", "", "", "repeats or nearly repeats a made text"},
	}
	var lines []makingLine
	want := map[string]int{}
	var kept []string
	for _, c := range cases {
		lines = append(lines, makingLine{Text: c.text, Fault: c.fault})
		if c.reason != "" {
			want[c.reason]++
		} else {
			kept = append(kept, c.kept)
		}
	}
	want[faultCut] += 120 - len(cases)
	sayMade(t, recipe, lines...)
	sum, dir := mustApply(t, recipe, Options{Threads: 2}, Stages{})
	var got []string
	for _, m := range madeLines(t, dir) {
		got = append(got, m.Text)
	}
	if !slices.Equal(got, kept) || sum.Rows["train"] != 40+len(kept) {
		t.Errorf("kept %q, want %q", got, kept)
	}
	var report data.Report
	if err := json.Unmarshal([]byte(mustRead(t, filepath.Join(dir, "data.json"))), &report); err != nil {
		t.Fatal(err)
	}
	reasons := map[string]int{}
	for _, o := range report.Out {
		if o.Split == data.MadeSplit {
			reasons[o.Reason] = o.Rows
		}
	}
	if !maps.Equal(reasons, want) {
		t.Errorf("left out %v, want %v", reasons, want)
	}
	checkPage(t, filepath.Join(dir, "report.html"), "&lt;script&gt;alert(1)&lt;/script&gt;", "{{.Recipe}} {text} {label} %s")
}

// Of a text for a label, and of a paraphrase of a row with a gold label, only those are learnt from to which the teacher gives that label, and surely enough;
// with keep: all every one.
func TestAugmentAgreeing(t *testing.T) {
	recipe := tinyAugmentJob(t, "classify")
	edit(t, recipe, "train: {", "train: {gold: 0.5, ")
	counts := map[string]int{}
	for _, keep := range []string{"keep: agreeing", "min_confidence: 0.52", "keep: all"} {
		text := mustRead(t, recipe)
		edit(t, recipe, "augment: {", "augment: {"+keep+", ")
		_, _ = mustApply(t, recipe, Options{Threads: 2}, Stages{Only: "augment"})
		_, dir := mustApply(t, recipe, Options{Threads: 2}, Stages{Only: "label"})
		j := newJobOf(t, recipe)
		if j.dir != dir {
			t.Fatalf("the job is in %s, not %s", j.dir, dir)
		}
		if err := j.augment(context.Background()); err != nil {
			t.Fatal(err)
		}
		if err := j.work.label(context.Background()); err != nil {
			t.Fatal(err)
		}
		if err := j.leaveOutUnsure(); err != nil {
			t.Fatal(err)
		}
		in := map[string]bool{}
		for _, r := range j.learns().Train {
			in[r.ID] = true
		}
		for _, r := range j.data.Train {
			p, label, _ := j.work.confidence(r)
			want := r.Made == nil || keep == "keep: all" || label == r.Made.Label && (keep == "keep: agreeing" || p >= 0.52)
			if in[r.ID] != want {
				t.Errorf("%s: row %s, %s with %v, meant was %+v: learnt from is %v", keep, r.ID, label, p, r.Made, in[r.ID])
			}
		}
		counts[keep] = len(in)
		plain := len(j.own.Train) + len(j.own.Test)
		if all := j.labelled(); all[plain-1].Made != nil || all[plain].Made == nil {
			t.Errorf("%s: made rows are not labelled last, so runs with and without them share no shards", keep)
		}
		w := j.work.(*classifyWork)
		own, err := calibrationOf(j.recipe.Teacher.Calibration, j.own.Train, w.labels)
		if err != nil || !slices.Equal(own.Bias, w.cal.Bias) {
			t.Errorf("%s: the teacher is calibrated by made rows too (%v)", keep, err)
		}
		write(t, recipe, text)
	}
	if !(40 < counts["min_confidence: 0.52"] && counts["min_confidence: 0.52"] < counts["keep: agreeing"] && counts["keep: agreeing"] < counts["keep: all"]) {
		t.Errorf("learnt from %v", counts)
	}
}

// A shard that was damaged is made again, to the bit; a run that was stopped goes on.
func TestAugmentResumed(t *testing.T) {
	recipe := tinyAugmentJob(t, "classify")
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	_, dir, err := apply(ctx, recipe, Options{Threads: 1, Progress: func(e Event) {
		if e.Stage == "augment" && e.Step > makingShardRows {
			stop()
		}
	}}, Stages{Only: "augment"})
	shards := func() []string {
		names, err := filepath.Glob(filepath.Join(dir, madeFolder, "shard-*.jsonl"))
		if err != nil {
			t.Fatal(err)
		}
		return names
	}
	if !errors.Is(err, ErrInterrupted) || len(shards()) == 0 || len(shards()) == 4 {
		t.Fatalf("stopped: %v, %v", err, shards())
	}
	var warned []string
	o := Options{Threads: 2, Warn: func(s string) { warned = append(warned, s) }}
	_, _ = mustApply(t, recipe, o, Stages{Only: "augment"})
	if len(shards()) != 4 || warned != nil {
		t.Fatalf("%v, warned %q", shards(), warned)
	}
	rows, shard := sha(t, filepath.Join(dir, madeRows)), sha(t, shards()[1])
	b := []byte(mustRead(t, shards()[1]))
	b[len(b)-9] ^= 1
	write(t, shards()[1], string(b))
	_, _ = mustApply(t, recipe, o, Stages{Only: "augment"})
	if sha(t, shards()[1]) != shard || sha(t, filepath.Join(dir, madeRows)) != rows || len(warned) != 1 || !strings.HasPrefix(warned[0], "making rows again: ") {
		t.Errorf("a damaged shard: warned %q", warned)
	}
}

// What cannot work is refused before anything is made, with its place.
func TestAugmentRefuses(t *testing.T) {
	for _, c := range [][2]string{
		{"{}", ""},
		{"{temperature: 0.5}", "data.augment makes no rows: give paraphrases"},
		{"{paraphrases: -1}", "data.augment.paraphrases is -1, want 0 to 100"},
		{"{per_label: 2, examples: 65}", "data.augment.examples is 65, want 0 to 64"},
		{"{per_label: 2, max_tokens: 0}", "data.augment.max_tokens is 0, want 1 to"},
		{"{per_label: 2, temperature: -1}", "data.augment.temperature is -1"},
		{"{per_label: 2, top_p: 0}", "data.augment.top_p is 0, want above 0 to 1"},
		{"{per_label: 2, prompt: write}", "data.augment.prompt does not hold {label}"},
		{`{per_label: 2, prompt: "{label}"}`, "data.augment.prompt holds {examples} 0 times and data.augment.examples is 4"},
		{`{per_label: 2, examples: 0, prompt: "{label} {examples}"}`, "data.augment.prompt holds {examples} 1 times and data.augment.examples is 0"},
		{`{paraphrases: 1, prompt: "{label}"}`, "data.augment.prompt and examples are for per_label, which is 0"},
		{`{per_label: 1, paraphrase_prompt: "{text}"}`, "data.augment.paraphrase_prompt is given and paraphrases is 0"},
		{"{paraphrases: 1, paraphrase_prompt: say}", "data.augment.paraphrase_prompt holds {text} 0 times, want once"},
		{"{paraphrases: 1, keep: some}", `data.augment.keep is "some", want one of: agreeing, all`},
		{"{paraphrases: 1, min_confidence: 1}", "data.augment.min_confidence is 1, want a probability from 0 to below 1"},
		{"{paraphrases: 1, keep: all, min_confidence: 0.5}", "with keep: agreeing"},
		{"{paraphrases: 1, licence: MIT}", "data.augment.licence is that of data.augment.model, which is not given"},
		{"{paraphrases: 1, model: nowhere.gguf}", "data.augment: model file: "},
		{"{per_lable: 1}", `unknown key "per_lable" in data.augment; did you mean "per_label"?`},
	} {
		recipe := tinyJobOf(t, 8, 4)
		edit(t, recipe, "duplicates: keep", "duplicates: keep, augment: "+c[0])
		_, _, err := apply(context.Background(), recipe, Options{Threads: 1}, Stages{Only: "augment"})
		if c[1] == "" {
			c[1] = "stage augment is for a recipe with data.augment, and this one has none"
		}
		if err == nil || !strings.Contains(err.Error(), c[1]) {
			t.Errorf("%s: %v\nwant %s", c[0], err, c[1])
		}
		if _, err := os.Stat(filepath.Join(filepath.Dir(recipe), "runs")); err == nil {
			t.Errorf("%s: a run was begun", c[0])
		}
	}
	recipe := tinyJobOf(t, 8, 4)
	edit(t, recipe, "duplicates: keep", "duplicates: keep, augment: {per_label: 2}")
	train := filepath.Join(filepath.Dir(recipe), "train.jsonl")
	write(t, train, strings.ReplaceAll(mustRead(t, train), `, "label": "down"`, ""))
	if _, _, err := apply(context.Background(), recipe, Options{Threads: 1}, Stages{}); err == nil || !strings.Contains(err.Error(), `shows 4 examples of each label, and no training row has the gold label "down"; label some rows, or write data.augment.examples: 0`) {
		t.Errorf("no example of a label: %v", err)
	}
}

// Examples are drawn without repetition, each row in its turn, and other ones for another text.
func TestSomeOf(t *testing.T) {
	count := make([]int, 7)
	for n := range 700 {
		some := someOf(3, 1, n, 3, 7)
		for i, k := range some {
			if count[k]++; slices.Contains(some[:i], k) {
				t.Fatalf("text %d: %v", n, some)
			}
		}
	}
	for k, c := range count {
		if c < 240 || c > 360 {
			t.Errorf("row %d was shown %d times of 300", k, c)
		}
	}
	if got := someOf(3, 0, 0, 4, 2); len(got) != 2 {
		t.Errorf("of two rows: %v", got)
	}
}
