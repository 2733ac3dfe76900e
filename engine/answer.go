package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/freehold-slm/freehold/engine/grammar"
	"github.com/freehold-slm/freehold/models/token"
)

// TextTask says how texts are answered with text. The zero value is the task that the model's file holds.
type TextTask struct {
	Prompt    string // holds {text} once
	System    string // system turn before the prompt; "" = none
	Schema    []byte // JSON Schema of the answers; nil = any text
	MaxTokens int    // of an answer
}

// Metadata keys under which a student that answers with text keeps its task, beside KeyTaskPrompt and KeyTaskSystem.
const (
	KeyTaskSchema    = "freehold.task.schema"
	KeyTaskMaxTokens = "freehold.task.max_tokens"
)

// Answerer is a TextTask made ready for a model. It may be used by several goroutines.
type Answerer struct {
	m    *Model
	task TextTask
	frame
	rule *grammar.Grammar
	tags *Tagger // nil = the model writes its answers
}

// Answer is what a model says of a text.
type Answer struct {
	Text   string
	Tokens []int32 // generated, without the one that ends the turn
	Reason string  // see Stream.Reason; ReasonLength = the answer is cut

	Read int     // of a model that marks tokens: how many it has read
	P    float64 // and how sure it is of their tags, geometric mean
}

// NewAnswerer checks a task and prepares it.
func (m *Model) NewAnswerer(t TextTask) (*Answerer, error) {
	if m.Spec.Tags != nil {
		return m.newTagAnswerer(t)
	}
	if t.Prompt == "" {
		if err := t.fromFile(m); err != nil {
			return nil, err
		}
	}
	if n := strings.Count(t.Prompt, textMark); n != 1 {
		return nil, fmt.Errorf("engine: the prompt holds %s %d times, want once", textMark, n)
	}
	if t.MaxTokens <= 0 {
		return nil, fmt.Errorf("engine: MaxTokens of a task is %d, want 1 or more", t.MaxTokens)
	}
	a := &Answerer{m: m, task: t}
	var err error
	if a.frame, err = m.newFrame(t.Prompt, t.System, false); err != nil {
		return nil, err
	}
	if t.Schema != nil {
		if a.rule, err = grammar.Schema(t.Schema); err != nil {
			return nil, err
		}
	}
	tok, err := m.LoadTokenizer()
	if err != nil {
		return nil, err
	}
	if endOf(tok) < 0 {
		return nil, fmt.Errorf("%s: the vocabulary has no token that ends a turn", m.file.Name)
	}
	return a, nil
}

// endOf is the token that ends a turn; -1 = there is none.
func endOf(t *token.Tokenizer) int32 {
	for _, id := range []int{t.EOT(), t.EOS()} {
		if id >= 0 && t.IsEOG(int32(id)) {
			return int32(id)
		}
	}
	return -1
}

// fromFile reads the task of the model's file.
func (t *TextTask) fromFile(m *Model) (err error) {
	f := m.file
	if !f.Has(KeyTaskMaxTokens) {
		return fmt.Errorf("%s: holds no task that is answered with text (key %s); give a prompt", f.Name, KeyTaskMaxTokens)
	}
	max, err := f.Uint(KeyTaskMaxTokens)
	if err != nil {
		return err
	}
	if max > uint64(m.Context()) {
		return fmt.Errorf("%s: key %s is %d, want at most the context, %d", f.Name, KeyTaskMaxTokens, max, m.Context())
	}
	t.MaxTokens = int(max)
	if t.Prompt, err = f.String(KeyTaskPrompt); err != nil {
		return err
	}
	if t.System, err = f.StringOr(KeyTaskSystem, ""); err != nil {
		return err
	}
	schema, err := f.StringOr(KeyTaskSchema, "")
	if schema != "" {
		t.Schema = []byte(schema)
	}
	return err
}

// newTagAnswerer is NewAnswerer of a model that marks tokens.
func (m *Model) newTagAnswerer(t TextTask) (*Answerer, error) {
	if t.Prompt != "" || t.System != "" {
		return nil, fmt.Errorf("%s: marks the tokens of a text for its own schema and takes no prompt", m.file.Name)
	}
	tags, err := m.NewTagger()
	if err != nil {
		return nil, err
	}
	a := &Answerer{m: m, task: TextTask{Schema: tags.schema}, tags: tags}
	a.rule, err = grammar.Schema(tags.schema)
	return a, err
}

// Tagger is what marks the tokens of a text, nil where the model writes its answers.
func (a *Answerer) Tagger() *Tagger { return a.tags }

// Task is the task, as the file or the caller gave it.
func (a *Answerer) Task() TextTask { return a.task }

// Valid tells whether a text is an answer that the schema allows; any text where there is none.
func (a *Answerer) Valid(text string) bool {
	return a.rule == nil || a.rule.Allows([]byte(text))
}

// Tokens encodes the prompt for a text by a tokenizer, such as a student's trimmed one; nil = the model's own.
func (a *Answerer) Tokens(t *token.Tokenizer, text string) []int32 {
	if t == nil {
		t = a.m.Tokenizer()
	}
	if a.tags != nil {
		ids, _ := a.tags.Tokens(t, text)
		return ids
	}
	return a.encode(t, text)
}

// Pair encodes the prompt for a text and, apart from it, an answer with the token that ends the turn, as the model would
// generate it: no special token is read out of the answer.
func (a *Answerer) Pair(t *token.Tokenizer, text, answer string) (prompt, reply []int32) {
	if t == nil {
		t = a.m.Tokenizer()
	}
	prompt = a.encode(t, text)
	// Together, where the prompt's tokens stay what they are: SentencePiece puts a blank before what is encoded alone.
	plain := t.Encode(nil, answer, token.EncodeOptions{})
	if slices.Equal(plain, t.Encode(nil, answer, token.EncodeOptions{ParseSpecial: true})) {
		longer := frame{a.before, a.after + answer}
		if both := longer.encode(t, text); len(both) > len(prompt) && slices.Equal(both[:len(prompt)], prompt) {
			plain = both[len(prompt):]
		}
	}
	return prompt, append(slices.Clone(plain), endOf(t))
}

// Answers asks the model about each text and calls each with the answers in order, as soon as they are known. Up to
// BatchStreams generations run side by side; what the prompts share is computed once. g.MaxTokens and g.Grammar are the
// task's. A model that marks tokens reads each text once.
func (a *Answerer) Answers(ctx context.Context, texts []string, g Gen, each func(i int, got Answer) error) error {
	if a.tags != nil {
		return a.tags.Answers(ctx, texts, each)
	}
	return a.Samples(ctx, texts, 1, func(int, int) Gen { return g }, func(i int, got []Answer) error { return each(i, got[0]) })
}

// prefix is a session that holds what every prompt begins with.
func (a *Answerer) prefix(ctx context.Context) (*Session, error) {
	s := a.m.NewSession()
	one, other := a.Tokens(nil, "a"), a.Tokens(nil, "1")
	n := 0
	for n < len(one) && n < len(other) && one[n] == other[n] {
		n++
	}
	if n == 0 {
		return s, nil
	}
	if err := a.m.EvalBatch(ctx, []Seq{{s, one[:n], WantNone}}); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// one generates the answer to a text in a session.
func (a *Answerer) one(ctx context.Context, s *Session, text string, g Gen) (Answer, error) {
	prompt := a.Tokens(nil, text)
	if n := len(prompt) + g.MaxTokens; n > a.m.Context() {
		return Answer{}, &ContextError{n, a.m.Context()}
	}
	st := s.Generate(ctx, prompt, g)
	out, err := st.Text()
	if err != nil {
		return Answer{}, err
	}
	_, tokens := st.Tokens()
	return Answer{Text: out, Tokens: tokens, Reason: st.Reason()}, nil
}

// Read lets the model read an answer to each text and calls each with the logits [vocab] that it had for token t of answer
// i, as Pair has them; see Model.Read.
func (a *Answerer) Read(ctx context.Context, texts, answers []string, each func(i, t int, logits []float32) error) error {
	if a.tags != nil {
		return fmt.Errorf("%s: marks the tokens of a text and writes no answer; see Tagger", a.m.file.Name)
	}
	if len(texts) != len(answers) {
		panic(fmt.Sprintf("engine: Read of %d texts and %d answers", len(texts), len(answers)))
	}
	prompts, replies := make([][]int32, len(texts)), make([][]int32, len(texts))
	for i, text := range texts {
		prompts[i], replies[i] = a.Pair(nil, text, answers[i])
	}
	return a.m.Read(ctx, prompts, replies, each)
}

// readAtOnce replies are read together in Read.
const readAtOnce = 16

// Read lets the model read a reply after each prompt and calls each with the logits [vocab] that it had for token t of reply
// i; they are valid during the call, and calls come one at a time. What all prompts begin with is computed once.
func (m *Model) Read(ctx context.Context, prompts, replies [][]int32, each func(i, t int, logits []float32) error) error {
	if len(prompts) != len(replies) {
		panic(fmt.Sprintf("engine: Read of %d prompts and %d replies", len(prompts), len(replies)))
	}
	if len(prompts) == 0 {
		return nil
	}
	shared := len(prompts[0]) - 1 // the last token's logits are wanted of each
	for i, p := range prompts {
		if len(p) == 0 || len(replies[i]) == 0 {
			return fmt.Errorf("engine: Read of %d tokens after a prompt of %d (text %d); give at least one of each", len(replies[i]), len(p), i)
		}
		shared = min(shared, common(prompts[0], p), len(p)-1)
	}
	base := m.NewSession()
	defer base.Close()
	if err := m.EvalBatch(ctx, []Seq{{base, prompts[0][:shared], WantNone}}); err != nil {
		return err
	}
	for from := 0; from < len(prompts); from += readAtOnce {
		n := min(readAtOnce, len(prompts)-from)
		before, after := make([]Seq, n), make([]Seq, n)
		for k := range n {
			prompt, reply := prompts[from+k], replies[from+k]
			s, last := base.Fork(), len(prompt)-1
			before[k] = Seq{s, prompt[shared:last], WantNone}
			after[k] = Seq{s, append([]int32{prompt[last]}, reply[:len(reply)-1]...), WantAll}
		}
		err := m.EvalBatch(ctx, before)
		if err == nil {
			err = m.eval(ctx, after, func(seq, t int, logits []float32) error { return each(from+seq, t, logits) })
		}
		for _, s := range before {
			s.Session.Close()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// LogProbs are the log-probabilities of answers to texts, with the end of the turn, and the number of their tokens.
func (a *Answerer) LogProbs(ctx context.Context, texts, answers []string) (sums []float64, tokens []int, err error) {
	sums, tokens = make([]float64, len(texts)), make([]int, len(texts))
	replies := make([][]int32, len(texts))
	for i, text := range texts {
		_, replies[i] = a.Pair(nil, text, answers[i])
		tokens[i] = len(replies[i])
	}
	tmp := make([]float32, a.m.Spec.Vocab)
	err = a.Read(ctx, texts, answers, func(i, t int, logits []float32) error {
		sums[i] += float64(logits[replies[i][t]]) - logNorm(a.m.level, logits, tmp)
		return nil
	})
	return sums, tokens, err
}
