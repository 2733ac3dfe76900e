package engine_test

import (
	"context"
	"fmt"
	"log"

	"github.com/freehold-slm/freehold/engine"
	"github.com/freehold-slm/freehold/models/chat"
)

// Answers a question with a chat model, token by token.
func ExampleModel_Chat() {
	m, err := engine.Open("smollm2-135m-instruct.gguf")
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close() //nolint:errcheck // nothing was written
	question := []chat.Message{{Role: "user", Content: "Name three rivers."}}
	for tok, err := range m.Chat(context.Background(), question, engine.Gen{MaxTokens: 64}).All() {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Print(tok.Text)
	}
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
