package server_test

import (
	"log"
	"net/http"

	"github.com/freehold-slm/freehold/engine"
	"github.com/freehold-slm/freehold/engine/server"
)

// A service answers OpenAI's clients beside its own paths.
func Example() {
	m, err := engine.Open("smollm2-135m-instruct.gguf")
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close() //nolint:errcheck // nothing was written
	mux := http.NewServeMux()
	mux.Handle("/v1/", server.New(m, server.WithSlots(4)))
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("hello")) }) //nolint:errcheck // the client is gone then
	log.Fatal(http.ListenAndServe("127.0.0.1:8080", mux))
}
