package server

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/freehold-slm/freehold/engine"
)

// Text completions: prompts of all kinds, several at once, echo with log-probabilities as lm_eval reads them.
func TestCompletions(t *testing.T) {
	s := newSite(t)
	tokens := s.post("/tokenize", `{"prompt": "the cat"}`)
	ids := string(must(json.Marshal(tokens.at("tokens"))))
	want := s.post("/v1/completions", `{"prompt": "the cat", "temperature": 0}`)
	text := want.text("choices", 0, "text")
	if want.text("object") != "text_completion" || text == "" || want.int("usage", "completion_tokens") > 16 {
		t.Errorf("%v", want.v)
	}
	for _, prompt := range []string{`["the cat"]`, ids, "[" + ids + "]"} {
		if got := s.post("/v1/completions", `{"prompt": `+prompt+`, "temperature": 0}`); got.text("choices", 0, "text") != text {
			t.Errorf("%s: %v, want %q", prompt, got.v, text)
		}
	}
	two := s.post("/v1/completions", `{"prompt": ["a", "the cat"], "n": 2, "temperature": 0, "max_tokens": 16}`)
	for i := range 4 {
		if two.int("choices", i, "index") != i || (two.text("choices", i, "text") == text) != (i >= 2) {
			t.Errorf("choice %d: %v", i, two.v)
		}
	}
	events, done := s.stream("/v1/completions", `{"prompt": ["a", "the cat"], "temperature": 0, "stream": true, "stream_options": {"include_usage": true}, "logprobs": 1}`)
	streamed, probs := "", 0
	for _, e := range events {
		if e.data.int("choices", 0, "index") == 1 {
			streamed += e.data.text("choices", 0, "text")
		}
		list, _ := e.data.at("choices", 0, "logprobs", "tokens").([]any)
		probs += len(list)
	}
	if last := events[len(events)-1].data; streamed != text || !done || last.int("usage", "completion_tokens") != probs {
		t.Errorf("the stream says %q (done: %v, %d log-probabilities, %v)", streamed, done, probs, last.v)
	}

	// As lm_eval asks: tokens, echo, one token more.
	got := s.post("/v1/completions", `{"model": "tiny", "prompt": [`+ids+`], "max_tokens": 1, "temperature": 0, "seed": 1234, "echo": true, "logprobs": 1}`)
	n := tokens.int("count")
	list, _ := got.at("choices", 0, "logprobs", "token_logprobs").([]any)
	tops, _ := got.at("choices", 0, "logprobs", "top_logprobs").([]any)
	if len(list) != n+1 || len(tops) != n+1 || list[0] != nil || tops[0] != nil {
		t.Fatalf("log-probabilities of a prompt of %d tokens and one more: %v", n, got.v)
	}
	m, _, err := s.models.use(t.Context(), "tiny")
	if err != nil {
		t.Fatal(err)
	}
	var prompt []int32
	for _, id := range tokens.at("tokens").([]any) {
		prompt = append(prompt, int32(id.(float64)))
	}
	scores, err := m.Score(t.Context(), prompt[:1], [][]int32{prompt[1:]})
	if err != nil {
		t.Fatal(err)
	}
	sum := 0.0
	for i, p := range list[1:n] {
		sum += p.(float64)
		best := math.Inf(-1)
		for _, v := range tops[i+1].(map[string]any) {
			best = math.Max(best, v.(float64))
		}
		if best < p.(float64) {
			t.Errorf("token %d is likelier than the most likely one", i+1)
		}
	}
	if math.Abs(sum-scores[0]) > 1e-6 {
		t.Errorf("the prompt's tokens add up to %v, Score gives %v", sum, scores[0])
	}
	if !strings.HasPrefix(got.text("choices", 0, "text"), "the cat") {
		t.Errorf("no echo: %v", got.v)
	}
	only := s.post("/v1/completions", `{"prompt": "the cat", "max_tokens": 0, "echo": true, "logprobs": 0}`)
	if only.text("choices", 0, "text") != "the cat" || only.int("usage", "completion_tokens") != 0 {
		t.Errorf("echo alone: %v", only.v)
	}
	for body, want := range map[string][2]string{
		`{"prompt": ""}`: {codeValue, "prompt"}, `{"prompt": []}`: {codeValue, "prompt"}, `{"prompt": [[]]}`: {codeValue, "prompt"}, `{"prompt": [-1]}`: {codeType, "prompt"},
		`{"prompt": [99999]}`: {codeValue, "prompt"}, `{"prompt": {}}`: {codeType, "prompt"}, `{"prompt": ["a", 1]}`: {codeType, "prompt[1]"}, `{}`: {codeMissing, "prompt"},
		`{"prompt": null}`: {codeType, "prompt"}, `{"prompt": "a", "suffix": "b"}`: {codeUnsupported, "suffix"}, `{"prompt": "a", "best_of": 2}`: {codeUnsupported, "best_of"},
		`{"prompt": "a", "max_tokens": 0}`: {codeValue, "max_tokens"}, `{"prompt": "a", "logprobs": true}`: {codeType, "logprobs"}, `{"prompt": "a", "logprobs": 21}`: {codeValue, "logprobs"},
		`{"prompt": "` + strings.Repeat("word and ", 4000) + `"}`: {codeContext, "prompt"}, `{"prompt": "a", "messages": []}`: {codeUnknown, "messages"},
	} {
		s.refused("POST", "/v1/completions", body, 400, want[0], want[1])
	}
}

func TestEmbeddings(t *testing.T) {
	m := encoder(t)
	h := New(m)
	s := serve(t, h)
	want, err := m.Embed(t.Context(), []string{"the cat sat", "the cat"}, engine.EmbedOptions{})
	if err != nil {
		t.Fatal(err)
	}
	got := s.post("/v1/embeddings", `{"model": "encoder", "input": ["the cat sat", "the cat"]}`)
	coded := s.post("/v1/embeddings", `{"input": ["the cat sat", "the cat"], "encoding_format": "base64"}`)
	for i, v := range want {
		raw, err := base64.StdEncoding.DecodeString(coded.text("data", i, "embedding"))
		if err != nil || len(raw) != 4*len(v) {
			t.Fatalf("base64: %v, %d bytes", err, len(raw))
		}
		for j, x := range v {
			if float32(got.at("data", i, "embedding", j).(float64)) != x || math.Float32frombits(binary.LittleEndian.Uint32(raw[4*j:])) != x {
				t.Fatalf("text %d: number %d is %v and %x, want %v", i, j, got.at("data", i, "embedding", j), raw[4*j:4*j+4], x)
			}
		}
		if got.int("data", i, "index") != i {
			t.Errorf("index of %d: %v", i, got.at("data", i))
		}
	}
	tokens := s.post("/tokenize", `{"prompt": "the cat"}`)
	byTokens := s.post("/v1/embeddings", `{"input": `+string(must(json.Marshal(tokens.at("tokens"))))+fmt.Sprintf(`, "dimensions": %d}`, m.Spec.Dim))
	if a, b := byTokens.at("data", 0, "embedding"), got.at("data", 1, "embedding"); !slices.Equal(a.([]any), b.([]any)) {
		t.Errorf("by tokens %v, by text %v", a, b)
	}
	if got.int("usage", "prompt_tokens") <= tokens.int("count") {
		t.Errorf("usage: %v", got.at("usage"))
	}
	ranked := s.post("/v1/rerank", `{"query": "the cat", "documents": ["over the sat", {"text": "the cat"}, "the cat sat"], "top_n": 2, "return_documents": true}`)
	if ranked.int("results", 0, "index") != 1 || ranked.at("results", 2) != nil || ranked.text("results", 0, "document", "text") != "the cat" ||
		math.Abs(ranked.at("results", 0, "relevance_score").(float64)-1) > 1e-6 {
		t.Errorf("%v", ranked.v)
	}
	for body, want := range map[string][2]string{
		`{"input": ""}`: {codeValue, "input[0]"}, `{"input": ["a", ""]}`: {codeValue, "input[1]"}, `{"input": []}`: {codeValue, "input"}, `{"input": 1}`: {codeType, "input"},
		`{"input": "a", "dimensions": 7}`: {codeUnsupported, "dimensions"}, `{"input": "a", "encoding_format": "int8"}`: {codeUnsupported, "encoding_format"}, `{}`: {codeMissing, "input"},
		`{"input": "` + strings.Repeat("the cat ", 1000) + `"}`: {codeContext, "input[0]"}, `{"input": "a", "pooling": "max"}`: {codeUnsupported, "pooling"},
	} {
		s.refused("POST", "/v1/embeddings", body, 400, want[0], want[1])
	}
	s.refused("POST", "/v1/rerank", `{"query": "a", "documents": [""]}`, 400, codeValue, "documents[0]")
	s.refused("POST", "/v1/rerank", `{"query": "a", "documents": []}`, 400, codeValue, "documents")
	for _, path := range []string{"/v1/chat/completions", "/v1/completions", "/v1/classify", "/v1/score", "/v1/responses"} {
		body := map[string]string{"/v1/chat/completions": chatBodyOf("encoder"), "/v1/completions": `{"prompt": "a"}`, "/v1/classify": `{"input": "a", "labels": ["x", "y"]}`,
			"/v1/score": `{"prompt": "a", "continuations": ["b"]}`, "/v1/responses": `{"input": "a"}`}[path]
		w, b := s.do(s.request("POST", path, body))
		if w.StatusCode != 400 || !strings.Contains(string(b), "embeddings") {
			t.Errorf("%s of an encoder: %d %s", path, w.StatusCode, b)
		}
	}
	chat := newSite(t)
	chat.refused("POST", "/v1/embeddings", `{"input": "a"}`, 400, codeMissing, "pooling")
	chat.refused("POST", "/v1/rerank", `{"query": "a", "documents": ["b"]}`, 400, codeUnsupported, "model")
	if v := chat.post("/v1/embeddings", `{"input": "a", "pooling": "mean"}`); v.at("data", 0, "embedding", 0) == nil {
		t.Errorf("%v", v.v)
	}
}

func chatBodyOf(model string) string { return `{"model": "` + model + `", ` + hello + `}` }

func TestClassifyAndScore(t *testing.T) {
	s := newSite(t)
	m, _, err := s.models.use(t.Context(), "tiny")
	if err != nil {
		t.Fatal(err)
	}
	k, err := m.NewClassifier(engine.Task{Labels: []string{"good", "bad"}})
	if err != nil {
		t.Fatal(err)
	}
	want, err := k.Batch(t.Context(), []string{"one", "two"})
	if err != nil {
		t.Fatal(err)
	}
	got := s.post("/v1/classify", `{"input": ["one", "two"], "labels": ["good", "bad"]}`)
	for i, choices := range want {
		sum := 0.0
		for j, c := range choices {
			if got.text("data", i, "choices", j, "label") != c.Label || got.at("data", i, "choices", j, "p") != c.P || got.at("data", i, "choices", j, "logprob") != c.LogProb {
				t.Errorf("text %d: %v, want %v", i, got.at("data", i), choices)
			}
			sum += got.at("data", i, "choices", j, "p").(float64)
		}
		if math.Abs(sum-1) > 1e-9 || got.text("data", i, "label") != choices[0].Label {
			t.Errorf("text %d: %v adds up to %v", i, got.at("data", i), sum)
		}
	}
	e, err := k.Explain(t.Context(), "one two")
	if err != nil {
		t.Fatal(err)
	}
	why := s.post("/v1/classify", `{"input": ["one two"], "labels": ["good", "bad"], "explain": true}`)
	if why.text("data", 0, "label") != e.Choices[0].Label || why.at("data", 0, "explanation", "log_odds") != e.LogOdds || why.at("usage", "prompt_tokens") != float64(e.Tokens) || why.at("data", 0, "explanation", "forward_passes") != 3. {
		t.Errorf("%v, want %+v", why.at("data", 0), e)
	}
	for i, w := range e.Words {
		if why.text("data", 0, "explanation", "words", i, "text") != w.Text || why.at("data", 0, "explanation", "words", i, "change") != w.Change || why.at("data", 0, "explanation", "words", i, "start") != float64(w.Start) {
			t.Errorf("word %d: %v, want %+v", i, why.at("data", 0, "explanation", "words", i), w)
		}
	}
	s.refused("POST", "/v1/classify", `{"input": [`+strings.Repeat(`"a",`, 16)+`"a"], "labels": ["x", "y"], "explain": true}`, 400, codeValue, "explain")
	for body, want := range map[string][2]string{
		`{"input": "a"}`: {codeMissing, "labels"}, `{"input": "a", "labels": ["x"]}`: {codeValue, "labels"}, `{"input": "a", "labels": ["x", "x"]}`: {codeValue, ""},
		`{"input": "a", "labels": ["x", "y"], "prompt": "no place"}`: {codeValue, ""}, `{"input": [], "labels": ["x", "y"]}`: {codeValue, "input"},
		`{"input": "` + strings.Repeat("word and ", 4000) + `", "labels": ["x", "y"]}`: {codeContext, "input[0]"}, `{"labels": ["x", "y"]}`: {codeMissing, "input"},
	} {
		s.refused("POST", "/v1/classify", body, 400, want[0], want[1])
	}

	tok := m.Tokenizer()
	ids := s.post("/tokenize", `{"prompt": "the"}`)
	var prefix []int32
	for _, id := range ids.at("tokens").([]any) {
		prefix = append(prefix, int32(id.(float64)))
	}
	scores, err := m.Score(t.Context(), prefix, [][]int32{tok.Encode(nil, " cat", noSpecial), tok.Encode(nil, " dog", noSpecial)})
	if err != nil {
		t.Fatal(err)
	}
	scored := s.post("/v1/score", `{"prompt": "the", "continuations": [" cat", " dog"]}`)
	for i, want := range scores {
		if scored.at("data", i, "logprob") != want || scored.int("data", i, "tokens") == 0 {
			t.Errorf("continuation %d: %v, want %v", i, scored.at("data", i), want)
		}
	}
	for body, want := range map[string][2]string{
		`{"prompt": ["a", "b"], "continuations": ["c"]}`: {codeValue, "prompt"}, `{"prompt": "a", "continuations": [""]}`: {codeValue, "continuations[0]"},
		`{"prompt": "a", "continuations": []}`: {codeValue, "continuations"}, `{"prompt": "a"}`: {codeMissing, "continuations"}, `{"prompt": "a", "continuations": [[77777]]}`: {codeValue, "continuations[0]"},
		`{"prompt": "a", "continuations": ["` + strings.Repeat("word and ", 4000) + `"]}`: {codeContext, "continuations[0]"},
	} {
		s.refused("POST", "/v1/score", body, 400, want[0], want[1])
	}
}

func TestTokenize(t *testing.T) {
	s := newSite(t)
	got := s.post("/tokenize", `{"prompt": "naïve 🎉 text", "add_special_tokens": false, "return_token_strs": true}`)
	if list, _ := got.at("tokens").([]any); len(list) != got.int("count") || len(list) == 0 || got.int("max_model_len") != 4096 || got.text("token_strs", 0) == "" {
		t.Fatalf("%v", got.v)
	}
	back := s.post("/detokenize", `{"tokens": `+string(must(json.Marshal(got.at("tokens"))))+`}`)
	if back.text("prompt") != "naïve 🎉 text" {
		t.Errorf("back: %v", back.v)
	}
	if none := s.post("/tokenize", `{"prompt": "", "add_special_tokens": false}`); none.int("count") != 0 || none.at("tokens") == nil {
		t.Errorf("%v", none.v)
	}
	talk := s.post("/tokenize", `{"messages": [{"role": "user", "content": "Hello."}]}`)
	if n := s.post("/v1/chat/completions", chatBody(`"max_tokens": 1`)).int("usage", "prompt_tokens"); talk.int("count") != n {
		t.Errorf("a conversation has %d tokens, its answer says %d", talk.int("count"), n)
	}
	s.refused("POST", "/tokenize", `{}`, 400, codeMissing, "prompt")
	s.refused("POST", "/tokenize", `{"prompt": "a", "messages": [{"role": "user", "content": "Hello."}]}`, 400, codeMissing, "prompt")
	s.refused("POST", "/tokenize", `{"prompt": "a", "tools": []}`, 400, codeValue, "tools")
	s.refused("POST", "/tokenize", `{"messages": [{"role": "user", "content": "Hello."}], "parse_special": true}`, 400, codeValue, "add_special_tokens")
	s.refused("POST", "/detokenize", `{"tokens": [-1]}`, 400, codeValue, "tokens")
	s.refused("POST", "/detokenize", `{"tokens": [1000000]}`, 400, codeValue, "tokens")
	s.refused("POST", "/detokenize", `{}`, 400, codeMissing, "tokens")
}

// Responses: whole and as events, with the items sent back.
func TestResponses(t *testing.T) {
	s := newSite(t)
	body := `"temperature": 0.9, "seed": 8, "max_output_tokens": 6`
	got := s.post("/v1/responses", `{"input": "Hello.", `+body+`}`)
	same := s.post("/v1/chat/completions", chatBody(`"temperature": 0.9, "seed": 8, "max_tokens": 6`))
	text := got.text("output", 0, "content", 0, "text")
	if text == "" || text != same.text("choices", 0, "message", "content") || got.text("status") != "incomplete" || got.text("incomplete_details", "reason") != "max_output_tokens" ||
		got.int("usage", "output_tokens") != 6 || got.text("object") != "response" || got.text("output", 0, "type") != "message" {
		t.Errorf("%v\nchat: %v", got.v, same.v)
	}
	events, done := s.stream("/v1/responses", `{"input": [{"role": "user", "content": [{"type": "input_text", "text": "Hello."}]}], "stream": true, `+body+`}`)
	streamed := ""
	var names []string
	for i, e := range events {
		if e.name != e.data.text("type") || e.data.int("sequence_number") != i {
			t.Errorf("event %d is %q: %v", i, e.name, e.data.v)
		}
		if e.name == "response.output_text.delta" {
			streamed += e.data.text("delta")
		}
		if len(names) == 0 || names[len(names)-1] != e.name {
			names = append(names, e.name)
		}
	}
	want := []string{"response.created", "response.in_progress", "response.output_item.added", "response.content_part.added", "response.output_text.delta", "response.output_text.done",
		"response.content_part.done", "response.output_item.done", "response.incomplete"}
	if streamed != text || done || !slices.Equal(names, want) {
		t.Errorf("%q in events %v (DONE: %v), want %q in %v", streamed, names, done, text, want)
	}
	if last := events[len(events)-1].data; last.text("response", "output", 0, "content", 0, "text") != text || last.text("response", "output", 0, "status") != "incomplete" {
		t.Errorf("the last event: %v", last.v)
	}
	// The answer goes back with the next question.
	item := string(must(json.Marshal(got.at("output", 0))))
	next := s.post("/v1/responses", `{"input": [{"role": "user", "content": "Hello."}, `+item+`, {"role": "user", "content": "And?"}], "max_output_tokens": 3, "store": false, "text": {"format": {"type": "text"}}}`)
	if next.int("usage", "input_tokens") <= got.int("usage", "input_tokens") {
		t.Errorf("%v", next.v)
	}
	form := s.post("/v1/responses", `{"input": "Hello.", "text": {"format": {"type": "json_schema", "name": "x", "strict": true, "schema": {"enum": ["a", "b"]}}}}`)
	if text := form.text("output", 0, "content", 0, "text"); text != `"a"` && text != `"b"` || form.text("status") != "completed" {
		t.Errorf("%v", form.v)
	}
	for body, want := range map[string][2]string{
		`{}`: {codeMissing, "input"}, `{"input": []}`: {codeValue, "input"}, `{"input": "a", "previous_response_id": "resp_1"}`: {codeUnsupported, "previous_response_id"},
		`{"input": "a", "store": true}`: {codeUnsupported, "store"}, `{"input": "a", "messages": []}`: {codeUnknown, "messages"}, `{"input": [{"type": "reasoning"}]}`: {codeUnsupported, "input[0].type"},
		`{"input": [{"role": "user"}]}`: {codeMissing, "input[0].role or content"}, `{"input": [{"type": "function_call_output", "call_id": "a"}]}`: {codeMissing, "input[0].call_id or output"},
		`{"input": "a", "truncation": "auto"}`: {codeUnsupported, "truncation"}, `{"input": "a", "text": {"format": {"type": "json_schema"}}}`: {codeMissing, "text.format.schema"},
		`{"input": "a", "text": {"format": {"type": "json_schema", "name": "x", "schema": {"type": "object", "not": {}}}}}`: {codeSchema, "text.format.schema#/not"},
		`{"input": "a", "tools": [{"type": "web_search"}]}`:                                                                 {codeUnsupported, "tools[0].type"}, `{"input": "` + strings.Repeat("word and ", 4000) + `"}`: {codeContext, "input"},
		`{"input": "a", "max_output_tokens": 0}`: {codeValue, "max_output_tokens"}, `{"input": "a", "background": true}`: {codeUnsupported, "background"},
	} {
		s.refused("POST", "/v1/responses", body, 400, want[0], want[1])
	}
}

// lm_eval asks for these before it takes the server's tokenizer for its own.
func TestTokenizerInfo(t *testing.T) {
	s := newSite(t)
	w, b := s.do(s.request("GET", "/tokenizer_info", ""))
	d := decoded(t, b)
	if _, ok := d.v.(map[string]any)["eos_token"]; !ok || w.StatusCode != 200 || d.text("tokenizer_class") != "gpt2" || !strings.Contains(d.text("chat_template"), "im_start") {
		t.Errorf("%d %s", w.StatusCode, b)
	}
	two := NewModels()
	m := open(t, chatFile(t, "chatml", nil))
	two.put("a", m)
	two.put("b", m)
	serve(t, must(NewSet(two))).refused("GET", "/tokenizer_info", "", 400, codeMissing, "model")
}
