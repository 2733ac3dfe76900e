package peers

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/freehold-slm/freehold/engine"
	"github.com/freehold-slm/freehold/engine/server"
)

const lmEvalVersion = "0.4.13"

const lmEvalRows = 60 // of each task: two standard errors of a score of a half are 0.13

// lm_eval itself, as people run it (local-completions, the server's own tokenizer), gives a model the same scores here as with llama.cpp on the same file: within two
// standard errors, on the same requests. `make lm-eval` installs it (no PyTorch) and sets FREEHOLD_LM_EVAL.
func TestLMEval(t *testing.T) {
	long(t)
	if os.Getenv("FREEHOLD_LM_EVAL") != "1" {
		t.Skip("installs 700 MB of Python packages: make lm-eval")
	}
	python, dir := installed(t, "lm_eval", lmEvalVersion, "--no-binary", "sqlitedict,rouge-score,word2number", "aiohttp", "tenacity")
	model := realModel(t, "smollm2-135m-instruct")
	tasks := lmEvalTasks(t)
	m, err := engine.Open(model, engine.WithThreads(1), engine.WithContext(1024))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close() //nolint:errcheck // read-only
	ours, asked := lmEval(t, python, dir, server.New(m), tasks)
	l := startLlama(t, model, settings{Threads: 1, Exact: true}) // more would spin at barriers, for minutes on a busy machine
	theirs, askedThem := lmEval(t, python, dir, &echoes{l: l, seen: map[string]map[int32]float64{}}, tasks)
	if len(asked) != lmEvalRows*(choicesOfSum+1) || !slices.Equal(asked, askedThem) {
		t.Errorf("%d requests here and %d to llama.cpp, want the same %d", len(asked), len(askedThem), lmEvalRows*(choicesOfSum+1))
	}
	for _, c := range []struct{ task, metric string }{{"sums", "acc"}, {"counting", "exact_match"}} {
		a, b := ours[c.task].score(t, c.metric), theirs[c.task].score(t, c.metric)
		se := theirs[c.task].score(t, c.metric+"_stderr")
		if n := len(ours[c.task].rows); n != lmEvalRows {
			t.Errorf("%s: lm_eval scored %d rows, want %d", c.task, n, lmEvalRows)
		}
		differ := 0
		for id, x := range ours[c.task].rows {
			if y, ok := theirs[c.task].rows[id]; !ok || x[c.metric] != y[c.metric] {
				differ++
			}
		}
		t.Logf("%s: %s %.3f, with llama.cpp %.3f (standard error %.3f); %d of %d rows differ", c.task, c.metric, a, b, se, differ, len(ours[c.task].rows))
		if math.Abs(a-b) > 2*se {
			t.Errorf("%s: %s %.3f is more than two standard errors (%.3f) from llama.cpp's %.3f", c.task, c.metric, a, se, b)
		}
		if b < 0.05 || b > 0.995 {
			t.Errorf("%s: a score of %.3f tells nothing; the task is too hard or too easy", c.task, b)
		}
	}
}

const choicesOfSum = 4

// lmEvalTasks writes two small tasks: a choice between four sums, and a number to be generated.
func lmEvalTasks(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	rows := func(name string, n int, row func(i int) object) string {
		var b bytes.Buffer
		for i := range n {
			line, err := json.Marshal(row(i))
			if err != nil {
				t.Fatal(err)
			}
			b.Write(append(line, '\n'))
		}
		path := filepath.Join(dir, name+".jsonl")
		if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	r := rand.New(rand.NewPCG(1, 2))
	sums := rows("sums", lmEvalRows, func(i int) object {
		a, b := i%10+1, i/10+1
		choices := []string{}
		for _, d := range r.Perm(choicesOfSum) {
			choices = append(choices, fmt.Sprint(a+b+d-1))
		}
		return object{"question": fmt.Sprintf("2 + 3 = 5\n%d + %d =", a, b), "choices": choices, "answer": slices.Index(choices, fmt.Sprint(a+b))}
	})
	counting := rows("counting", lmEvalRows, func(i int) object {
		n := 7*i%900 + 3
		return object{"question": fmt.Sprintf("%d, %d, %d,", n, n+3, n+6), "answer": fmt.Sprintf(" %d", n+9)}
	})
	for name, text := range map[string]string{
		"sums":     "output_type: multiple_choice\ndoc_to_choice: choices\ndoc_to_target: answer\nmetric_list:\n  - metric: acc\n    aggregation: mean\n    higher_is_better: true\n",
		"counting": "output_type: generate_until\ndoc_to_target: \"{{answer}}\"\ngeneration_kwargs:\n  until: [\",\", \"\\n\"]\n  max_gen_toks: 8\n  do_sample: false\nmetric_list:\n  - metric: exact_match\n    aggregation: mean\n    higher_is_better: true\n",
	} {
		text = fmt.Sprintf("task: %s\ndataset_path: json\ndataset_kwargs:\n  data_files:\n    test: %s\ntest_split: test\ndoc_to_text: \"{{question}}\"\n", name, map[string]string{"sums": sums, "counting": counting}[name]) + text
		if err := os.WriteFile(filepath.Join(dir, name+".yaml"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// lmEvalScores are those of a task: all that lm_eval reckons, and the score of each row by its number.
type lmEvalScores struct {
	all  map[string]any
	rows map[int]map[string]any
}

func (s lmEvalScores) score(t *testing.T, name string) float64 {
	t.Helper()
	x, ok := s.all[name+",none"].(float64)
	if !ok {
		t.Fatalf("lm_eval gives no %s: %v", name, s.all)
	}
	return x
}

// lmEval runs lm_eval on a server, and gives its results by task and the bodies of what it asked for.
func lmEval(t *testing.T, python, packages string, h http.Handler, tasks string) (scores map[string]lmEvalScores, asked []string) {
	t.Helper()
	began := time.Now()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/completions" {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				t.Error(err)
			}
			asked = append(asked, string(body)) // one at a time
			r.Body = io.NopCloser(bytes.NewReader(body))
		}
		h.ServeHTTP(w, r)
	}))
	defer s.Close()
	out := t.TempDir()
	cmd := exec.Command(python, "-m", "lm_eval", "--model", "local-completions", "--model_args", "model=smollm2-135m-instruct,base_url="+s.URL+"/v1/completions,num_concurrent=1,max_retries=1,max_length=1024",
		"--tasks", "sums,counting", "--include_path", tasks, "--output_path", out, "--log_samples")
	cmd.Dir = out
	cmd.Env = append(os.Environ(), "PYTHONPATH="+packages, "HF_HOME="+out, "HF_HUB_OFFLINE=1", "HF_DATASETS_OFFLINE=1")
	said, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("lm_eval: %v\n%s", err, said)
	}
	if !strings.Contains(string(said), "emote tokenizer") {
		t.Errorf("lm_eval does not take the server's tokenizer:\n%s", said)
	}
	read := func(pattern string) []byte {
		files, _ := filepath.Glob(filepath.Join(out, "*", pattern))
		if len(files) != 1 {
			t.Fatalf("%d files %s\n%s", len(files), pattern, said)
		}
		b, err := os.ReadFile(files[0])
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	var results struct{ Results map[string]map[string]any }
	if err := json.Unmarshal(read("results_*.json"), &results); err != nil {
		t.Fatal(err)
	}
	scores = map[string]lmEvalScores{}
	for task, all := range results.Results {
		scores[task] = lmEvalScores{all, map[int]map[string]any{}}
		for line := range bytes.Lines(read("samples_" + task + "_*.jsonl")) {
			var row map[string]any
			if err := json.Unmarshal(line, &row); err != nil {
				t.Fatal(err)
			}
			scores[task].rows[int(row["doc_id"].(float64))] = row
		}
	}
	t.Logf("%d requests in %v: acc %.3f, exact_match %.3f", len(asked), time.Since(began).Round(time.Second), scores["sums"].score(t, "acc"), scores["counting"].score(t, "exact_match"))
	return scores, asked
}

// echoes stands before llama.cpp's server, which refuses the `echo` that lm_eval scores prompts by ("Only no echo is supported"), and answers it with log-probabilities
// that llama.cpp gives for the last tokens of a prompt, each asked for once; what it computed of the prompt before it keeps. All else is handed on.
type echoes struct {
	l    *llama
	mu   sync.Mutex
	seen map[string]map[int32]float64 // log-probabilities after a prompt
}

const (
	echoTail = 3   // tokens of a choice at most
	echoTop  = 500 // log-probabilities that are asked for
)

func (e *echoes) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	e.mu.Lock()
	defer e.mu.Unlock()
	write := func(v any) { json.NewEncoder(w).Encode(v) } //nolint:errcheck // the client sees it
	var in struct {
		Prompt    json.RawMessage
		Echo      bool
		Stop      []string
		MaxTokens int `json:"max_tokens"`
	}
	json.NewDecoder(r.Body).Decode(&in) //nolint:errcheck // as above
	switch r.URL.Path {
	case "/tokenizer_info":
		write(object{"eos_token": nil, "tokenizer_class": "gpt2"})
		return
	case "/tokenize":
		var text string
		json.Unmarshal(in.Prompt, &text) //nolint:errcheck // as above
		var out struct {
			Tokens []int32 `json:"tokens"`
		}
		e.l.post("/tokenize", object{"content": text, "add_special": false}, &out)
		write(out)
		return
	}
	var prompts [][]int32
	if err := json.Unmarshal(in.Prompt, &prompts); err != nil || len(prompts) != 1 {
		http.Error(w, fmt.Sprintf("want the tokens of one prompt: %s", in.Prompt), 400)
		return
	}
	prompt := prompts[0]
	if !in.Echo {
		var out struct{ Content string }
		e.l.post("/completion", object{"prompt": prompt, "n_predict": in.MaxTokens, "temperature": 0, "top_k": 1, "stop": in.Stop}, &out)
		write(object{"choices": []object{{"index": 0, "text": out.Content}}})
		return
	}
	probs, tops := make([]any, len(prompt)+1), make([]object, len(prompt)+1)
	for i := max(1, len(prompt)-echoTail); i < len(prompt); i++ {
		key := fmt.Sprint(prompt[:i])
		if e.seen[key] == nil {
			e.seen[key] = map[int32]float64{}
			var out completion
			e.l.post("/completion", object{"prompt": prompt[:i], "n_predict": 1, "n_probs": echoTop, "cache_prompt": true, "temperature": 0, "top_k": 1}, &out)
			if len(out.Probabilities) != 1 {
				http.Error(w, "llama.cpp gives no probabilities", 500)
				return
			}
			for _, x := range out.Probabilities[0].Top {
				e.seen[key][x.ID] = x.LogProb
			}
		}
		if p, ok := e.seen[key][prompt[i]]; ok { // a token of the question may be less likely than these
			probs[i], tops[i] = p, object{"x": p}
		}
	}
	write(object{"choices": []object{{"index": 0, "logprobs": object{"token_logprobs": probs, "top_logprobs": tops}}}})
}
