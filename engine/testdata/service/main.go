// A service that reads letters with a model in its own process: POST a text, get JSON.
package main

import (
	"context"
	"encoding/json"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime/pprof"
	"syscall"

	"github.com/freehold-slm/freehold/engine"
)

func main() {
	model, err := engine.Open(os.Args[1])
	fatal(err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	fatal(err)
	s := http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		letter, err := engine.Decode[struct{ Urgent bool }](r.Context(), model, string(text), engine.Gen{MaxTokens: 50})
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		json.NewEncoder(w).Encode(letter)
	})}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	go s.Serve(l)
	log.Print("listening on ", l.Addr())
	<-ctx.Done()
	fatal(s.Shutdown(context.Background())) // answers on their way come to their end
	fatal(model.Close())
	pprof.Lookup("goroutine").WriteTo(os.Stderr, 1) // what is left
}

func fatal(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
