package server

import (
	"net/http"
	"reflect"
	"slices"
	"strings"
)

// endpoint is something that the server answers. /openapi.json is made of the same table.
type endpoint struct {
	method, path string
	what         string
	request      reflect.Type // nil = GET
	answer       reflect.Type // nil = text
	stream       bool         // the answer may be server-sent events
	open         bool         // without a key
	handle       func(c *call) error
}

func typeOf[T any]() reflect.Type { return reflect.TypeFor[T]() }

const modelsPath = "/v1/models"

var endpoints []endpoint

func init() { // the handlers lead back to the table
	endpoints = []endpoint{
		{"POST", "/v1/chat/completions", "Answers a conversation.", typeOf[chatRequest](), typeOf[chatCompletion](), true, false, (*call).chat},
		{"POST", "/v1/completions", "Continues texts.", typeOf[completionRequest](), typeOf[completion](), true, false, (*call).completions},
		{"POST", "/v1/responses", "Answers a conversation, in the form of OpenAI's newer API; nothing is stored.", typeOf[responsesRequest](), typeOf[response](), true, false, (*call).responses},
		{"POST", "/v1/embeddings", "Turns texts into vectors.", typeOf[embeddingRequest](), typeOf[embeddingList](), false, false, (*call).embeddings},
		{"POST", "/v1/classify", "Gives texts one of some labels, with probabilities.", typeOf[classifyRequest](), typeOf[classifyList](), false, false, (*call).classify},
		{"POST", "/v1/score", "Tells how likely continuations of a text are.", typeOf[scoreRequest](), typeOf[scoreList](), false, false, (*call).score},
		{"POST", "/v1/rerank", "Ranks documents by how near they are to a query.", typeOf[rerankRequest](), typeOf[rerankList](), false, false, (*call).rerank},
		{"POST", "/tokenize", "Turns a text or a conversation into tokens.", typeOf[tokenizeRequest](), typeOf[tokenized](), false, false, (*call).tokenize},
		{"POST", "/detokenize", "Turns tokens into text.", typeOf[detokenizeRequest](), typeOf[detokenized](), false, false, (*call).detokenize},
		{"GET", "/tokenizer_info", "Tells of the only model's tokenizer, as lm_eval asks.", nil, typeOf[tokenizerInfo](), false, false, (*call).tokenizerInfo},
		{"GET", modelsPath, "Lists the models.", nil, typeOf[modelList](), false, false, (*call).listModels},
		{"GET", modelsPath + "/{id}", "Tells of one model.", nil, typeOf[modelInfo](), false, false, (*call).oneModel},
		{"POST", "/api/chat", "ollama's form of a conversation.", typeOf[ollamaChat](), typeOf[ollamaAnswer](), true, false, (*call).ollamaChat},
		{"POST", "/api/generate", "ollama's form of a prompt.", typeOf[ollamaGenerate](), typeOf[ollamaAnswer](), true, false, (*call).ollamaGenerate},
		{"POST", "/api/embed", "ollama's form of embeddings.", typeOf[ollamaEmbed](), typeOf[ollamaEmbedded](), false, false, (*call).ollamaEmbed},
		{"POST", "/api/embeddings", "ollama's older form of embeddings, of one text.", typeOf[ollamaEmbeddings](), typeOf[ollamaEmbedding](), false, false, (*call).ollamaEmbeddings},
		{"POST", "/api/show", "Tells of one model, in ollama's form.", typeOf[ollamaShow](), typeOf[ollamaShown](), false, false, (*call).ollamaShow},
		{"GET", "/api/tags", "The models, in ollama's form.", nil, typeOf[ollamaTags](), false, false, (*call).ollamaTags},
		{"GET", "/api/ps", "The models that are open, in ollama's form.", nil, typeOf[ollamaPS](), false, false, (*call).ollamaPS},
		{"GET", "/api/version", "The version, in ollama's form.", nil, typeOf[ollamaVersion](), false, false, (*call).ollamaVersion},
		{"GET", "/livez", "200 while the process runs.", nil, typeOf[health](), false, true, (*call).live},
		{"GET", "/readyz", "200 once the models are open, 503 before and while the server goes down.", nil, typeOf[health](), false, true, (*call).ready},
		{"GET", "/healthz", "The same as /readyz.", nil, typeOf[health](), false, true, (*call).ready},
		{"GET", "/metrics", "Counters in Prometheus' text format.", nil, nil, false, false, (*call).metrics},
		{"GET", "/openapi.json", "This description.", nil, typeOf[anything](), false, false, (*call).describe},
	}
}

// anything is an answer that is not described further.
type anything struct{}

// route finds the endpoint of a path; where the method is not its own, the ones that are.
func route(method, path string) (at *endpoint, allowed []string) {
	for i := range endpoints {
		e := &endpoints[i]
		if before, _, ok := strings.Cut(e.path, "{"); e.path != path && !(ok && strings.HasPrefix(path, before) && len(path) > len(before)) {
			continue
		}
		if method == e.method || method == http.MethodHead && e.method == http.MethodGet {
			return e, nil
		}
		allowed = append(allowed, e.method)
		if e.method == http.MethodGet {
			allowed = append(allowed, http.MethodHead)
		}
	}
	return nil, slices.Compact(allowed)
}
