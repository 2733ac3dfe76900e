package main

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"

	small "github.com/freehold-slm/freehold/models/tiny"
)

// Below the line the teacher answers, asked as the run asked it: its answers are those that the run kept. Above it the
// student's stand. Without a teacher the model abstains.
func TestEscalate(t *testing.T) {
	teacher := tiny(t)
	job := recipe(t, teacher)
	freehold(t, "apply", job).must(t)
	dir := filepath.Dir(job)
	model := filepath.Join(dir, "runs", "latest", "model.gguf")
	var ids, in []string
	each := func(path string, v any, do func()) {
		t.Helper()
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		for s := bufio.NewScanner(f); s.Scan(); do() {
			if err := json.Unmarshal(s.Bytes(), v); err != nil {
				t.Fatal(err)
			}
		}
	}
	var row struct{ Text string }
	each(filepath.Join(dir, "test.jsonl"), &row, func() { in = append(in, row.Text) })
	var kept []struct{ Student, Teacher []float64 }
	var p struct {
		ID               string
		Student, Teacher []float64
	}
	each(filepath.Join(dir, "runs", "latest", "eval", "predictions.jsonl"), &p, func() {
		ids = append(ids, p.ID)
		kept = append(kept, struct{ Student, Teacher []float64 }{append([]float64(nil), p.Student...), append([]float64(nil), p.Teacher...)})
	})
	sure := func(p []float64) float64 { return max(p[0], p[1]) }
	least, most := 1.0, 0.0
	for _, k := range kept {
		least, most = min(least, sure(k.Student)), max(most, sure(k.Student))
	}
	line := (least + most) / 2
	args := []string{"--json", "classify", model, "--escalate", teacher, "--abstain-below", strconv.FormatFloat(line, 'g', -1, 64)}
	r := call{stdin: strings.Join(in, "\n")}.run(t, args...).must(t)
	var doc struct {
		Labels []string
		Rows   []struct {
			P             float64
			Probabilities map[string]float64
			AnsweredBy    string `json:"answered_by"`
			Student       *struct{ P float64 }
		}
	}
	if err := json.Unmarshal([]byte(r.out), &doc); err != nil || len(doc.Rows) != len(ids) {
		t.Fatalf("%v: %s", err, r.out)
	}
	count := map[string]int{}
	for i, got := range doc.Rows {
		want, by := kept[i].Student, "student"
		if sure(kept[i].Student) < line {
			want, by = kept[i].Teacher, "teacher"
		}
		count[by]++
		if got.AnsweredBy != by || got.P != sure(want) || got.Probabilities[doc.Labels[0]] != want[0] || (got.Student != nil) != (by == "teacher") || by == "teacher" && got.Student.P != sure(kept[i].Student) {
			t.Errorf("%s: %+v, want %v by the %s", ids[i], got, want, by)
		}
	}
	if count["student"] == 0 || count["teacher"] == 0 || !strings.Contains(r.err, "the teacher answered") {
		t.Errorf("answers: %v; %s", count, r.err)
	}
	if r := freehold(t, "classify", model, in[0], "--abstain-below", "1").must(t); !strings.HasPrefix(r.out, "(abstains)\t") {
		t.Errorf("an unsure model without a teacher: %s", r.out)
	}
	for _, c := range []struct {
		args []string
		says string
	}{{[]string{"--escalate", teacher}, "--abstain-below"}, {[]string{"--abstain-below", "2"}, "0 to 1"}} {
		if r := freehold(t, append([]string{"classify", model, "x"}, c.args...)...); r.code != exitUsage || !strings.Contains(r.err, c.says) {
			t.Errorf("%v: code %d, %s", c.args, r.code, r.err)
		}
	}
}

// An adapter that the student is opened with is the student's alone.
func TestEscalateLoRA(t *testing.T) {
	model, adapter := writeSmall(t, "internlm2"), filepath.Join(t.TempDir(), "adapter.gguf")
	if err := small.ByName("internlm2").Adapter(4, 8, "blk.0.attn_q.weight", "blk.1.ffn_down.weight", "output.weight").WriteTo(adapter); err != nil {
		t.Fatal(err)
	}
	say := func(args ...string) map[string]any {
		t.Helper()
		args = append([]string{"--json", "classify", model, "the cat", "--labels", "up,down", "--raw", "--prompt", "{text}"}, args...)
		return freehold(t, args...).must(t).document(t, "freehold/classify/1")["rows"].([]any)[0].(map[string]any)
	}
	escalate := []string{"--abstain-below", "1", "--escalate", model}
	plain, adapted, teacher, both := say(), say("--lora", adapter), say(escalate...), say(append(escalate, "--lora", adapter)...)
	if plain["p"] == adapted["p"] {
		t.Fatal("the adapter changes nothing")
	}
	if !reflect.DeepEqual(both["probabilities"], teacher["probabilities"]) {
		t.Errorf("the teacher of an adapted student says %v, of the plain one %v", both, teacher)
	}
}

// A student that learnt from an adapted teacher is not answered for by the teacher alone, nor by one with another adapter.
func TestEscalateAdapter(t *testing.T) {
	student, other := edited(t, "models/llama256.Q8_0.gguf", map[string]any{"freehold.teacher.adapter.sha256": strings.Repeat("ab", 32)}), file(t, "other.gguf", "another")
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{nil, exitUsage, "give it with --escalate-lora FILE"},
		{[]string{"--escalate-lora", other}, exitUsage, "had the adapter abababababab"},
		{[]string{"--escalate-lora", "none.gguf"}, exitInput, "none.gguf"},
	} {
		args := append([]string{"classify", student, "x", "--labels", "up,down", "--raw", "--prompt", "{text}", "--abstain-below", "1", "--escalate", tiny(t)}, c.args...)
		if r := freehold(t, args...); r.code != c.code || !strings.Contains(r.err, c.says) {
			t.Errorf("%v: code %d, %s", c.args, r.code, r.err)
		}
	}
}
