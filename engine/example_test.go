package engine_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/freehold-slm/freehold/engine"
	"github.com/freehold-slm/freehold/models"
	"github.com/freehold-slm/freehold/models/chat"
	"github.com/freehold-slm/freehold/models/gguf"
	"github.com/freehold-slm/freehold/models/token"
)

// The examples run on a tiny model with random weights, so they show how and not how well.
const modelFile = "../testdata/models/llama256.Q4_K_M.gguf"

// chatModel is that model with a chat template.
func chatModel() (path string, remove func()) {
	f, err := gguf.Open(modelFile)
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // nothing was written
	template, err := os.ReadFile("../testdata/chat/chatml.jinja")
	if err != nil {
		log.Fatal(err)
	}
	out := gguf.NewWriter()
	for _, kv := range f.KV {
		out.Set(kv.Key, kv.Value)
	}
	out.Set("tokenizer.chat_template", string(template))
	for _, t := range f.Tensors {
		out.AddTensor(t.Name, t.Type, t.Shape, t.Data)
	}
	dir, err := os.MkdirTemp("", "freehold")
	if err != nil {
		log.Fatal(err)
	}
	path = filepath.Join(dir, "chat.gguf")
	if err := out.WriteTo(path); err != nil {
		log.Fatal(err)
	}
	return path, func() { os.RemoveAll(dir) } //nolint:errcheck // a folder for temporary files
}

// Opens a model and says what it is.
func ExampleOpen() {
	m, err := engine.Open(modelFile, engine.WithThreads(2), engine.WithContext(128))
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close() //nolint:errcheck // nothing was written
	fmt.Println(m.Spec.Arch, m.Spec.Vocab, "tokens known,", m.Context(), "at most in a text")
	// Output: llama 320 tokens known, 128 at most in a text
}

// Answers a question, token by token.
func ExampleModel_Chat() {
	path, remove := chatModel()
	defer remove()
	m, err := engine.Open(path)
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close() //nolint:errcheck // nothing was written
	question := []chat.Message{{Role: "user", Content: "Name three rivers."}}
	n := 0
	for tok, err := range m.Chat(context.Background(), question, engine.Gen{MaxTokens: 16}).All() {
		if err != nil {
			log.Fatal(err)
		}
		_ = tok.Text // show it
		n++
	}
	fmt.Println(n > 0)
	// Output: true
}

// Gives a text one of some labels.
func ExampleModel_Classify() {
	path, remove := chatModel()
	defer remove()
	m, err := engine.Open(path)
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close() //nolint:errcheck // nothing was written
	choices, err := m.Classify(context.Background(), "The bin was not emptied again.", "waste", "housing")
	if err != nil {
		log.Fatal(err)
	}
	for _, c := range choices { // the most likely first
		fmt.Printf("%s %.3f\n", c.Label, c.P)
	}
	// Output:
	// waste 1.000
	// housing 0.000
}

// Classifies texts with the head that freehold trained into the model.
func ExampleModel_NewClassifier() {
	m, err := engine.Open("triage.gguf")
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()                          //nolint:errcheck // nothing was written
	c, err := m.NewClassifier(engine.Task{}) // the head's labels
	if err != nil {
		log.Fatal(err)
	}
	choices, err := c.Classify(context.Background(), "The bin was not emptied again.")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(choices[0].Label, choices[0].P)
}

// Reads a letter into a Go value.
func ExampleDecode() {
	type Claim struct {
		Kind   string `json:"kind" enum:"waste,housing,noise"`
		Urgent bool   `json:"urgent" description:"today"`
	}
	path, remove := chatModel()
	defer remove()
	m, err := engine.Open(path)
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close() //nolint:errcheck // nothing was written
	claim, err := engine.Decode[Claim](context.Background(), m, "The bin was not emptied again.", engine.Gen{MaxTokens: 100})
	var cut *engine.CutError
	if errors.As(err, &cut) {
		log.Fatal("the answer was longer than 100 tokens: ", cut.Text)
	} else if err != nil {
		log.Fatal(err)
	}
	fmt.Println(claim.Kind == "waste" || claim.Kind == "housing" || claim.Kind == "noise")
	// Output: true
}

// Compares texts by their embeddings.
func ExampleModel_Embed() {
	m, err := engine.Open(modelFile)
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close() //nolint:errcheck // nothing was written
	v, err := m.Embed(context.Background(), []string{"a bin", "a bin", "a river"}, engine.EmbedOptions{Pooling: models.PoolMean})
	if err != nil {
		log.Fatal(err)
	}
	cosine := func(a, b []float32) (dot float32) {
		for i := range a {
			dot += a[i] * b[i]
		}
		return dot
	}
	fmt.Println(cosine(v[0], v[1]) > cosine(v[0], v[2]))
	// Output: true
}

// Runs many prompts side by side; the results are those of each alone.
func ExampleModel_Batch() {
	m, err := engine.Open(modelFile)
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close() //nolint:errcheck // nothing was written
	tok, err := m.LoadTokenizer()
	if err != nil {
		log.Fatal(err)
	}
	var requests []engine.Request
	for _, text := range []string{"One", "Two", "Three"} {
		requests = append(requests, engine.Request{Tokens: tok.Encode(nil, text, token.EncodeOptions{AddSpecial: true}), Gen: engine.Gen{MaxTokens: 8}})
	}
	for r, err := range m.Batch(context.Background(), requests) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(r.Index, len(r.Generated) > 0, r.Reason)
	}
	// Output:
	// 0 true length
	// 1 true length
	// 2 true length
}

// Keeps what conversations begin with, for each user apart.
func ExampleModel_NewPrefixCache() {
	m, err := engine.Open(modelFile)
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close() //nolint:errcheck // nothing was written
	cache := m.NewPrefixCache(64 << 20)
	prompt := []int32{1, 20, 30, 40, 50, 60, 70, 80}
	for _, user := range []string{"anna", "anna", "ben"} {
		st := m.Generate(context.Background(), prompt, engine.Gen{MaxTokens: 4, Cache: cache.For(user)})
		if _, err := st.Text(); err != nil {
			log.Fatal(err)
		}
		fmt.Println(user, st.Reused())
	}
	// Output:
	// anna 0
	// anna 7
	// ben 0
}
