package distill

import "testing"

// stageSeconds are a plan's estimates by stage.
func stageSeconds(t *testing.T, recipe string) map[string]float64 {
	t.Helper()
	all := map[string]float64{}
	for _, s := range planOf(t, recipe).Stages {
		all[s.Name] = s.Seconds
	}
	return all
}

// The estimate knows what a step costs however few its rows are, how many rows are judged by, and that no stage is done in no time.
func TestPlanSeconds(t *testing.T) {
	few, many := tinyJobOf(t, 64, 8), tinyJobOf(t, 64, 400)
	got := stageSeconds(t, few)
	for name, s := range got {
		if s < stageStart {
			t.Errorf("%s takes %v seconds, want %v and more", name, s, stageStart)
		}
	}
	if more := stageSeconds(t, many); more["eval"] <= got["eval"] || more["quantize"] <= got["quantize"] || more["label"] <= got["label"] {
		t.Errorf("with 8 test rows %v, with 400 %v", got, more)
	}
	j := newJobOf(t, few)
	weights, err := j.studentBlocks()
	if err != nil {
		t.Fatal(err)
	}
	edit(t, few, "steps: 9", "steps: 9000000")
	edit(t, few, "batch: 16", "batch: 1")
	if got, want := stageSeconds(t, few)["train"], 9e6*float64(weights)*stepBytes/answerReads; got < want {
		t.Errorf("9 million steps of one row take %v seconds, want more than %v for the weights alone", got, want)
	}
}

// A student with a prompt of its own learns its tokens, not the teacher's.
func TestPlanStudentPrompt(t *testing.T) {
	j := newJobOf(t, tinyAnswerJob(t, "generate", 24, 8))
	j.recipe.Task.Prompt = "A question that the student can do without, once it has learnt what is wanted of it. {text}"
	perRow, _, _ := j.answerTokens()
	long := j.learntTokens(perRow)
	j.recipe.Student.Prompt = "{text}"
	if short := j.learntTokens(perRow); short > long-15 || short < templateTokens {
		t.Errorf("a row has %d tokens beside its text with a short prompt, %d with a long one", short, long)
	}
}

// Rows whose gold answer alone is learnt cost the teacher nothing; where its probabilities are learnt it reads those too.
func TestPlanGoldAnswers(t *testing.T) {
	for kind, want := range map[string]int{tagsKind: 6 + 8, "generate": 24 + 8} {
		j := newJobOf(t, tinyAnswerJob(t, kind, 24, 8))
		read := 0
		for _, r := range j.labelled() {
			if j.teacherReads(r) {
				read++
			}
		}
		if read != want {
			t.Errorf("%s: the teacher reads %d rows, want %d", kind, read, want)
		}
	}
}
