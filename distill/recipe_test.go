package distill

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

const goodRecipe = `version: 1
name: triage
task: {type: classify, labels: [waste, housing], prompt: "Which? {text}"}
teacher: {model: smollm2-135m-instruct}
data: {train: train.jsonl, test: test.jsonl}
`

// Mistakes are refused with their place and what to write instead.
func TestRecipeMistakes(t *testing.T) {
	change := func(old, new string) string {
		if !strings.Contains(goodRecipe, old) {
			t.Fatalf("the recipe does not hold %q", old)
		}
		return strings.Replace(goodRecipe, old, new, 1)
	}
	add := func(s string) string { return goodRecipe + s }
	for _, c := range []struct{ text, want string }{
		{add("student:\n  from: teacher\ntrain: {loss: ce, temprature: 2}\n"), `freehold.yaml:8:19: unknown key "temprature" in train; did you mean "temperature"?`},
		{add("train:\n  lr: 0.1\n  scheduel: linear\n"), `freehold.yaml:8:3: unknown key "scheduel" in train; did you mean "schedule"?`},
		{add("traim: {lr: 1}\n"), `freehold.yaml:6:1: unknown key "traim" in the recipe; did you mean "train"?`},
		{add("zzz: x\n"), `freehold.yaml:6:1: unknown key "zzz" in the recipe; known: data, eval, name, numeric, policy, quantize, student, task, teacher, train, version`},
		{add("Train: {lr: 1}\n"), `did you mean "train"?`},
		{add("train: {steps: many}\n"), `freehold.yaml:6:16: train.steps is "many", want a whole number`},
		{add("train: {steps: 1.5}\n"), `freehold.yaml:6:16: train.steps is 1.5, want a whole number`},
		{add("train: {steps: 99999999999999999999}\n"), `freehold.yaml:6:16: train.steps is`},
		{add("train: {seed: -1}\n"), `freehold.yaml:6:15: train.seed is -1, want a whole number from 0`},
		{add("train: {lr: [1]}\n"), `freehold.yaml:6:13: train.lr is a list, want a number`},
		{add("train: {lr: fast}\n"), `freehold.yaml:6:13: train.lr is "fast", want a number`},
		{add("train: {lr: \"1\"}\n"), `freehold.yaml:6:13: train.lr is "1", want a number`},
		{add("train: {lr: .nan}\n"), `freehold.yaml:6:13: train.lr is .nan, want a number`},
		{add("train: {lr: 0}\n"), `freehold.yaml:6:13: train.lr is 0, want a positive number`},
		{add("train: {lr: -1e-4}\n"), `freehold.yaml:6:13: train.lr is -0.0001, want a positive number`},
		{add("train: {batch: 1000000000}\n"), `freehold.yaml:6:16: train.batch is 1e+09, want at most 65536`},
		{add("train: {clip: -1}\n"), `freehold.yaml:6:15: train.clip is -1, want a number from 0`},
		{add("train: {warmup: -1}\n"), `train.warmup is -1`},
		{add("train: {steps: 10, epochs: 3}\n"), `freehold.yaml:6:16: train.steps and train.epochs are both given; keep one`},
		{add("train: {loss: kl_forward}\n"), `freehold.yaml:6:15: train.loss is "kl_forward", want one of: ce, forward_kl, reverse_kl, jsd`},
		{add("train: {loss: forward_lk}\n"), `did you mean "forward_kl"?`},
		{add("train: {schedule: cosin}\n"), `freehold.yaml:6:19: train.schedule is "cosin", want one of: constant, cosine, linear; did you mean "cosine"?`},
		{add("train: 7\n"), `freehold.yaml:6:8: train is 7, want a mapping`},
		{add("train: [1]\n"), `freehold.yaml:6:8: train is a list, want a mapping`},
		{add("train: {lr: 1, lr: 2}\n"), `freehold.yaml:6:16: key "lr" in train is given twice`},
		{add("name: again\n"), `freehold.yaml:6:1: key "name" in the recipe is given twice`},
		{add("eval: {gates: {acuracy: \">= 1\"}}\n"), `freehold.yaml:6:16: unknown metric "acuracy" in eval.gates; did you mean "accuracy"?`},
		{add("eval: {gates: {accuracy: 0.9}}\n"), `freehold.yaml:6:26: eval.gates.accuracy: condition "0.9", want an operator and a number such as ">= 0.90"`},
		{add("eval: {gates: {accuracy: \"about 0.9\"}}\n"), `condition "about 0.9"`},
		{add("eval: {gates: {accuracy: \">= 1\", accuracy: \">= 2\"}}\n"), `key "accuracy" in eval.gates is given twice`},
		{add("train: {quantize: q4_k}\nquantize: [q4_k_m]\n"), `freehold.yaml:6:19: train.quantize is "q4_k", want one of: q8_0, q4_k_m`},
		{add("train: {keep: first}\n"), `freehold.yaml:6:15: train.keep is "first", want one of: best, last`},
		{add("train: {keep: best}\n"), `freehold.yaml:6:15: train.keep is best, and there are no validation rows`},
		{add("train: {min_confidence: 60}\n"), `freehold.yaml:6:25: train.min_confidence is 60, want a probability from 0 (all rows) to below 1`},
		{add("train: {min_confidence: 0.5}\n"), `freehold.yaml:6:25: train.min_confidence is 0.5 and leaves out nothing: the likeliest of 2 labels has 0.5 or more`},
		{add("train: {min_confidense: 0.6}\n"), `freehold.yaml:6:9: unknown key "min_confidense" in train; did you mean "min_confidence"?`},
		{change(", test: test.jsonl", ", test: test.jsonl, min_confidence: 0.6"), `freehold.yaml:5:46: unknown key "min_confidence" in data; it stands under train`},
		{add("epochs: 3\n"), `freehold.yaml:6:1: unknown key "epochs" in the recipe; it stands under train`},
		{add("train: {licence: MIT}\n"), `unknown key "licence" in train; known: `},
		{add("student: {lora: {rank: 4, init: svd}}\n"), `student.lora.init is "svd", want one of: pissa, random`},
		{add("train: {quantize: Q8_0}\nstudent: {lora: {rank: 4}}\n"), `freehold.yaml:6:19: train.quantize and student.lora are both given; keep one`},
		{add("train: {match: {state: 1}}\n"), `freehold.yaml:6:17: unknown key "state" in train.match; did you mean "states"?`},
		{add("train: {match: {states: -1}}\n"), `freehold.yaml:6:25: train.match.states is -1, want a weight from 0 (none)`},
		{add("train: {recompute: true, match: {attention: 1}}\n"), `freehold.yaml:6:45: train.match.attention and train.recompute are both given; keep one: recomputed layers do not keep what they attend to`},
		{add("train: {quantize_after: 0.5}\n"), `freehold.yaml:6:25: train.quantize_after is given without train.quantize`},
		{add("train: {quantize: q8_0, quantize_after: 1}\n"), `freehold.yaml:6:41: train.quantize_after is 1, want a part from 0 (all steps round) to 0.99`},
		{add("student: {width: {dims: 4}}\n"), `freehold.yaml:6:19: unknown key "dims" in student.width; did you mean "dim"?`},
		{add("student: {init: random}\n"), `freehold.yaml:6:17: student.init is random, and student.freeze`},
		{add("student: {init: rand, freeze: []}\n"), `student.init is "rand", want one of: base, random`},
		{add("quantize: q8_0\n"), `freehold.yaml:6:11: quantize is "q8_0", want a list such as [a, b]`},
		{add("quantize: [q8_0, q8]\n"), `unknown format "q8" in quantize`},
		{add("student: {format: q4_k}\n"), `freehold.yaml:6:19: student.format is "q4_k", want one of: f32, f16`},
		{add("student: {layers: 0}\n"), `freehold.yaml:6:19: student.layers keeps 0 layers`},
		{add("student: {layers: -3}\n"), `freehold.yaml:6:19: student.layers keeps 0 layers`},
		{add("student: {layers: 1000000000}\n"), `student.layers keeps 4097 layers, want 1 to 4096`},
		{add("student: {layers: [0, a]}\n"), `freehold.yaml:6:23: student.layers holds "a", want layer numbers`},
		{add("student: {layers: all}\n"), `freehold.yaml:6:19: student.layers is "all", want a count or a list of layer numbers`},
		{add("student: {vocab: none}\n"), `student.vocab is "none", want one of: full, task`},
		{add("student: {freeze: token_embd.weight}\n"), `student.freeze is "token_embd.weight", want a list`},
		{add("numeric: fast\n"), `freehold.yaml:6:10: numeric is "fast", want one of: normal, reference`},
		{change("type: classify", "type: classfy"), `freehold.yaml:3:14: task.type is "classfy", want one of: classify, extract, generate, rerank; did you mean "classify"?`},
		{change("type: classify", "type: generate"), `freehold.yaml:3:24: task.labels is for task type classify; leave it out of one that is generate`},
		{change("[waste, housing]", "[waste]"), `task.labels has 1 labels, want at least 2`},
		{change("[waste, housing]", "[waste, waste]"), `label "waste" in task.labels is empty or given twice`},
		{change("[waste, housing]", "[1, 2]"), `freehold.yaml:3:33: task.labels[0] is 1, want text; put it in quotes`},
		{change("{text}", "text"), `task.prompt holds {text} 0 times, want once`},
		{change("}\nteacher", ", words: {wast: [x]}}\nteacher"), `unknown label "wast" in task.words; did you mean "waste"?`},
		{change("{model: smollm2-135m-instruct}", "{licence: MIT}"), `teacher.model is missing`},
		{change(", test: test.jsonl", ""), `data needs a test file, or split.test`},
		{change(", test: test.jsonl", ", test: test.jsonl, split: {test: 0.2}"), `data.split is for a train file alone`},
		{change(", test: test.jsonl", ", split: {test: 1.5}"), `data.split.test is 1.5, want a part from 0 to 0.9`},
		{change(", test: test.jsonl", ", test: test.jsonl, duplicates: nearly"), `data.duplicates is "nearly", want one of: exact, keep, near`},
		{change(", test: test.jsonl", ", test: test.jsonl, mask: [emial]"), `did you mean "email"?`},
		{change(", test: test.jsonl", ", test: test.jsonl, language: [en, english]"), `freehold.yaml:5:56: data.language is "english", want one of: af, ak, am`},
		{change(", test: test.jsonl", ", test: test.jsonl, language: en"), `freehold.yaml:5:56: data.language is "en", want a list such as [a, b]`},
		{change(", test: test.jsonl", ", test: test.jsonl, languages: [en]"), `unknown key "languages" in data; did you mean "language"?`},
		{change(", test: test.jsonl", ", test: test.jsonl, near: 0.1"), `data.near is 0.1, want a similarity from 0.5 to 1`},
		{change("{train: train.jsonl", "{source: x, train: train.jsonl"), `data.source and data files are both given`},
		{change("version: 1", "version: 2"), `freehold.yaml:1:10: version is 2, want 1`},
		{change("version: 1\n", ""), `freehold.yaml: version is missing; want version: 1`},
		{change("name: triage", "name: a/b"), `freehold.yaml:2:7: name is "a/b", want a word without spaces and slashes`},
		{add("train: {lr: &a 1}\n"), `freehold.yaml:6:13: "&": anchors, aliases`},
		{add("train: !!map {}\n"), `anchors, aliases, tags`},
		{add("? a\n: b\n"), `complex keys`},
		{add("---\n" + goodRecipe), `freehold.yaml:6:1: holds 2 YAML documents, want one`},
		{"", `freehold.yaml: is empty; ` + "`freehold init`"},
		{"# nothing\n\n", `freehold.yaml: is empty`},
		{"- a\n- b\n", `freehold.yaml:1:1: the recipe is a list, want a mapping`},
		{"{", `freehold.yaml:1:1: could not find flow mapping end token`},
		{"a: b: c", `freehold.yaml:1:4: mapping value is not allowed`},
		{goodRecipe + "\xff\xfe", `freehold.yaml:6:1: the line is not UTF-8 text`},
		{"version: 1\x00", `freehold.yaml:1:1: the line is not UTF-8 text`},
	} {
		_, err := ParseRecipe("freehold.yaml", []byte(c.text))
		var re *RecipeError
		if !errors.As(err, &re) {
			t.Errorf("%q: error %v, want a *RecipeError with %q", strings.TrimPrefix(c.text, goodRecipe), err, c.want)
		} else if !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q:\n got %s\nwant %s", strings.TrimPrefix(c.text, goodRecipe), err, c.want)
		}
	}
}

// What a recipe may say arrives where it belongs; what it leaves out has the documented default.
func TestRecipeValues(t *testing.T) {
	r, err := ParseRecipe(filepath.Join("some", "dir", "freehold.yaml"), []byte("\ufeff"+strings.ReplaceAll(goodRecipe, "\n", "\r\n")))
	if err != nil {
		t.Fatal(err)
	}
	if r.Train.Epochs != 3 || r.Train.LR != 1e-4 || r.Train.Loss != "forward_kl" || len(r.Student.Layers) != 8 || r.Numeric != "normal" || r.Student.From != "teacher" ||
		r.Teacher.Calibration != "median" || r.path("train.jsonl") != filepath.Join("some", "dir", "train.jsonl") {
		t.Errorf("defaults: %+v", r)
	}
	r, err = ParseRecipe("freehold.yaml", []byte(goodRecipe+`train:
  lr: 2e-5
  temperature: 2
  steps: 1_000
  batch: 8
  weight_decay: 0
  clip: 0
student:
  layers: [0, 3, 5]
  freeze: []
eval:
  gates:
    accuracy: ">= 0.90"
    ece: "<= 0.05"
quantize: [Q8_0, q4_k_m]
`))
	if err != nil {
		t.Fatal(err)
	}
	if r.Train.LR != 2e-5 || r.Train.Steps != 1000 || r.Train.Epochs != 0 || r.Train.Batch != 8 || r.Train.Clip != 0 || r.Train.WeightDecay != 0 ||
		!reflect.DeepEqual(r.Student.Layers, Layers{0, 3, 5}) || len(r.Student.Freeze) != 0 || r.Eval.Gates["ece"] != "<= 0.05" || len(r.Quantize) != 2 {
		t.Errorf("values: %+v", r)
	}
	if r.path("/abs/x") != "/abs/x" || r.path("") != "" {
		t.Error("absolute and empty paths change")
	}
	_, err = LoadRecipe(filepath.Join(t.TempDir(), "none.yaml"))
	var data *DataError
	if !errors.As(err, &data) || !strings.Contains(err.Error(), "freehold init") || !strings.Contains(err.Error(), "none.yaml") {
		t.Errorf("no recipe: %v", err)
	}
	if _, err = LoadRecipe(t.TempDir()); !errors.As(err, &data) {
		t.Errorf("a folder as recipe: %v", err)
	}
}

// Recipes made to hang or fill the memory of a parser are refused quickly.
func TestRecipeBombs(t *testing.T) {
	nested := func(open string, n int) string { return strings.Repeat(open, n) }
	var steps strings.Builder
	for i := range 700 {
		fmt.Fprintf(&steps, "%sa:\n", strings.Repeat(" ", i))
	}
	aliases := "a: &a [x, x, x, x, x, x, x, x]\n"
	for c := 'b'; c < 'k'; c++ {
		aliases += fmt.Sprintf("%c: &%c [*%c, *%c, *%c, *%c, *%c, *%c, *%c, *%c]\n", c, c, c-1, c-1, c-1, c-1, c-1, c-1, c-1, c-1)
	}
	for name, text := range map[string]string{
		"brackets": nested("[", 19000), "braces": nested("{a: ", 6000), "many brackets": nested("[", 250000), "dashes": nested("- ", 19000), "questions": nested("? ", 19000),
		"indentation": steps.String(), "aliases": aliases, "a long value": "name: " + nested("x", 1<<20), "a long key": nested("x", 200000) + ": 1", "many keys": nested("a: 1\n", 6000),
		"tags": nested("!a ", 19000), "anchors": nested("&a ", 19000), "quotes": nested("'", 200001), "colons": nested(":", 200000), "colons apart": nested(": ", 100000), "literals": nested("a: |\n  x\n", 3000),
		"comments": nested("#\n", 100000), "tabs": nested("\t", 200000), "documents": nested("---\n", 19000), "newlines": nested("\n", 250000), "commas": "[" + nested(",", 19000), "escapes": `"` + nested(`\x41`, 60000),
	} {
		var err error
		took := time.Hour
		for i := 0; i < 3 && took > 3*time.Second; i++ { // a busy machine may stop the first
			start := time.Now()
			_, err = ParseRecipe("freehold.yaml", []byte(text))
			took = time.Since(start)
		}
		if err == nil || took > 3*time.Second || len(err.Error()) > 500 {
			t.Errorf("%s: took %v, error %.300v", name, took, err)
		}
	}
}

// FuzzRecipe: any text is refused with an error that names the file, or is a recipe that could run.
func FuzzRecipe(f *testing.F) {
	const maxFuzz = 4096 // bytes: long inputs find nothing more, and are slower
	f.Add([]byte(goodRecipe))
	for _, name := range Templates() {
		files, err := Template(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(files["freehold.yaml"])
	}
	f.Add([]byte("a: [b, {c: d}]\n- x"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > maxFuzz {
			return
		}
		r, err := ParseRecipe("freehold.yaml", b)
		if err != nil {
			var re *RecipeError
			if !errors.As(err, &re) || re.File == "" || re.Msg == "" {
				t.Errorf("error %#v is no *RecipeError with a file and a message", err)
			}
			return
		}
		if r.Version != 1 || r.Task.Type == "classify" && len(r.Task.Labels) < 2 || r.answers() && r.Task.MaxTokens < 1 || r.Train.Batch < 1 || len(r.Student.Layers) == 0 {
			t.Errorf("accepted: %+v", r)
		}
	})
}

// Every template's recipe is a good one, and init can write it anywhere.
func TestTemplateFiles(t *testing.T) {
	if len(Templates()) == 0 {
		t.Fatal("no templates")
	}
	for _, name := range Templates() {
		files, err := Template(name)
		if err != nil || len(files["freehold.yaml"]) == 0 {
			t.Fatalf("%s: %v", name, err)
		}
		path := filepath.Join(t.TempDir(), "freehold.yaml")
		if err := os.WriteFile(path, files["freehold.yaml"], 0o666); err != nil {
			t.Fatal(err)
		}
		if _, err := LoadRecipe(path); err != nil {
			t.Error(err)
		}
	}
	if _, err := Template("no-such"); err == nil || !strings.Contains(err.Error(), Templates()[0]) {
		t.Errorf("unknown template: %v", err)
	}
}
