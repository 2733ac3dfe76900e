package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/freehold-slm/freehold/engine"
	"github.com/freehold-slm/freehold/models/chat"
)

// Kinds of errors, as OpenAI's API names them.
const (
	typeRequest  = "invalid_request_error"
	typeAuth     = "authentication_error"
	typeOverload = "rate_limit_error"
	typeServer   = "server_error"
)

// apiError is an error as clients get it: {"error": {"message", "type", "param", "code"}}.
type apiError struct {
	Status  int    `json:"-"`
	Message string `json:"message"`
	Type    string `json:"type"`
	Param   string `json:"param" null:"true"` // the field at fault
	Code    string `json:"code" null:"true"`
	After   int    `json:"-"` // seconds after which to try again
}

func (e *apiError) Error() string { return e.Message }

// MarshalJSON writes what is not known as null.
func (e *apiError) MarshalJSON() ([]byte, error) {
	null := func(s string) *string {
		if s == "" {
			return nil
		}
		return &s
	}
	return json.Marshal(struct {
		Message string  `json:"message"`
		Type    string  `json:"type"`
		Param   *string `json:"param"`
		Code    *string `json:"code"`
	}{e.Message, e.Type, null(e.Param), null(e.Code)})
}

// errorBody is the whole answer of a request that failed.
type errorBody struct {
	Error *apiError `json:"error"`
}

// badField is a field that holds what it may not.
func badField(param, code, format string, args ...any) *apiError {
	return &apiError{Status: http.StatusBadRequest, Type: typeRequest, Param: param, Code: code, Message: param + ": " + fmt.Sprintf(format, args...)}
}

// asField turns an error about a field of chats into one about the field that another API has in its place.
func asField(err error, chat, other string) error {
	e, ok := err.(*apiError)
	if !ok || !strings.HasPrefix(e.Param, chat) {
		return err
	}
	out := *e
	out.Param = other + strings.TrimPrefix(e.Param, chat)
	out.Message = strings.Replace(e.Message, e.Param, out.Param, 1)
	return &out
}

// Codes of errors.
const (
	codeUnknown     = "unknown_parameter"
	codeMissing     = "missing_required_parameter"
	codeValue       = "invalid_value"
	codeType        = "invalid_type"
	codeJSON        = "invalid_json"
	codeSchema      = "unsupported_schema"
	codeUnsupported = "unsupported_parameter"
	codeContext     = "context_length_exceeded"
	codeModel       = "model_not_found"
	codeTemplate    = "chat_template_error"
	codeMemory      = "no_memory"
)

// contextError says that a request is too long, with both numbers. Clients know the case by the first words, which are OpenAI's.
func contextError(param string, tokens, context int) *apiError {
	return &apiError{Status: http.StatusBadRequest, Type: typeRequest, Param: param, Code: codeContext,
		Message: fmt.Sprintf("this model's maximum context length is %d tokens, with at least one for the answer, and the request has %d; shorten it", context, tokens)}
}

// asAPI turns any error into what the client is told. What is no fault of the request is told without its text.
func asAPI(err error) *apiError {
	var api *apiError
	var long *engine.ContextError
	var raised *chat.RaisedError
	var limit *chat.LimitError
	var room *engine.MemoryError
	var open *openError
	switch {
	case errors.As(err, &api):
		return api
	case errors.As(err, &long):
		return contextError("input", long.Tokens, long.Context)
	case errors.As(err, &raised):
		return &apiError{Status: http.StatusBadRequest, Type: typeRequest, Param: "messages", Code: codeTemplate, Message: "the model's chat template refuses the conversation: " + raised.Message}
	case errors.As(err, &limit):
		return &apiError{Status: http.StatusBadRequest, Type: typeRequest, Param: "messages", Code: codeTemplate, Message: "the model's chat template did not come to an end: " + limit.Error()}
	case errors.As(err, &room):
		return unavailable("there is no memory for the request's keys and values now; try again", codeMemory)
	case errors.As(err, &open):
		return &apiError{Status: http.StatusServiceUnavailable, Type: typeServer, Code: "model_failed", Message: fmt.Sprintf("the model %q could not be opened; the server's log says why", open.name)}
	case errors.Is(err, engine.ErrClosed):
		return unavailable("the model was closed; try again", "model_closed")
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return &apiError{Status: 499, Type: typeRequest, Code: "canceled", Message: "the request was given up"}
	}
	return &apiError{Status: http.StatusInternalServerError, Type: typeServer, Code: "internal_error", Message: "the server failed; its log says why"}
}

func unavailable(message, code string) *apiError {
	return &apiError{Status: http.StatusServiceUnavailable, Type: typeServer, Code: code, Message: message, After: 1}
}

// writeError answers with an error.
func writeError(w http.ResponseWriter, e *apiError) {
	if e.After > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(e.After))
	}
	writeJSON(w, e.Status, errorBody{e})
}

// How long the writing of an answer may take: some time, and as long as slow clients take for its bytes.
const (
	writePatience = 30 * time.Second
	slowestClient = 20_000 // bytes a second
)

func writeJSON(w http.ResponseWriter, status int, v any) {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic(fmt.Sprintf("server: %T is no JSON: %v", v, err)) // a bug: all answers are plain structs
	}
	// A client that does not read shall not hold its slot for good.
	patience := writePatience + time.Duration(b.Len())*time.Second/slowestClient
	http.NewResponseController(w).SetWriteDeadline(time.Now().Add(patience)) //nolint:errcheck // not every connection has one
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(b.Len()))
	w.WriteHeader(status)
	w.Write([]byte(b.String())) //nolint:errcheck // the client is gone
}
