// Package tiny makes tiny models with random weights, one or more for each architecture of its table, as GGUF files: for tests, which
// hold one part of the program against another, and the whole against llama.cpp.
package tiny

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"maps"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/freehold-slm/freehold/kernels"
	"github.com/freehold-slm/freehold/models/gguf"
)

// Model says what a file holds.
type Model struct {
	Name string         // architecture, and variant
	Arch string         // general.architecture
	Keys map[string]any // under the architecture's prefix, beside those of base
	// Tensors as "name size size, ...": row width first. Sizes are numbers or letters: D width, F feed-forward width, H head,
	// Q all heads, K all key heads, V vocabulary, C context, R pairs that rotate, N heads, M key heads; sums as D+2K. Block is written once
	// a layer, but for the last one where there is a Last.
	Tensors, Block, Last string
	Sizes                map[string]int // other than base's
	Tokens               []string       // other than Vocabulary
	Meta                 map[string]any // keys without a prefix
}

// base is the sizes of a model.
var base = map[string]int{"D": 64, "F": 96, "N": 4, "M": 2, "H": 16, "C": 320, "L": 3}

// Size is one of a model's sizes; L is the number of layers.
func (m *Model) Size(letter string) int {
	if n, ok := m.Sizes[letter]; ok {
		return n
	}
	switch letter {
	case "V":
		return len(m.vocabulary())
	case "Q":
		return m.Size("N") * m.Size("H")
	case "K":
		return m.Size("M") * m.Size("H")
	case "R":
		return m.Size("H") / 2
	}
	n, ok := base[letter]
	if !ok {
		panic("tiny: size " + letter + " of " + m.Name + " is not known")
	}
	return n
}

func (m *Model) vocabulary() []string {
	if m.Tokens != nil {
		return m.Tokens
	}
	return Vocabulary
}

// Vocabulary is ASCII, as byte-level BPE writes it, and the merges' results.
var Vocabulary, merges = func() (tokens, merges []string) {
	for c := '!'; c <= '~'; c++ {
		tokens = append(tokens, string(c))
	}
	tokens = append(tokens, "Ġ", "Ċ")
	for _, pair := range strings.Fields("t+h th+e i+n a+n an+d o+n r+e e+r s+t Ġ+t Ġ+a Ġ+the o+r e+n") {
		a, b, _ := strings.Cut(pair, "+")
		merges = append(merges, a+" "+b)
		tokens = append(tokens, a+b)
	}
	return append(tokens, "<|endoftext|>"), merges
}()

// Adapter holds a LoRA adapter of the given rank with random weights for m's matrices of the given names.
func (m *Model) Adapter(rank int, alpha float32, names ...string) *gguf.Writer {
	w := gguf.NewWriter()
	w.Set("general.type", "adapter")
	w.Set("general.architecture", m.Arch)
	w.Set("adapter.type", "lora")
	w.Set("adapter.lora.alpha", alpha)
	r := &random{seed: uint64(rank)}
	all := m.Tensors
	for l := range m.Size("L") {
		for _, t := range strings.Split(m.Block, ",") {
			if t = strings.TrimSpace(t); t != "" {
				all += fmt.Sprintf(", blk.%d.%s", l, t)
			}
		}
	}
	for _, t := range strings.Split(all, ",") {
		if f := strings.Fields(t); len(f) == 3 && slices.Contains(names, f[0]) {
			m.tensor(w, r, fmt.Sprintf("%s.lora_a %s %d", f[0], f[1], rank), "")
			m.tensor(w, r, fmt.Sprintf("%s.lora_b %d %s", f[0], rank, f[2]), "")
		}
	}
	return w
}

// ByName is a model of the tables; a name that is not there is the caller's mistake.
func ByName(name string) *Model {
	for _, table := range [][]Model{Models, Encoders} {
		for i := range table {
			if table[i].Name == name {
				return &table[i]
			}
		}
	}
	panic("tiny: no model " + name)
}

// Files writes the models of the given names into dir, as NAME.F32.gguf, and returns their paths.
func Files(dir string, names ...string) (paths []string, err error) {
	for _, name := range names {
		path := filepath.Join(dir, name+".F32.gguf")
		if err := ByName(name).Writer().WriteTo(path); err != nil {
			return nil, err
		}
		paths = append(paths, path)
	}
	return paths, nil
}

// Writer holds the model, in F32. The same model has the same bytes each time.
func (m *Model) Writer() *gguf.Writer {
	w := gguf.NewWriter()
	w.Set("general.architecture", m.Arch)
	w.Set("general.name", m.Name)
	for _, k := range []struct{ key, size string }{{"block_count", "L"}, {"embedding_length", "D"}, {"feed_forward_length", "F"},
		{"context_length", "C"}, {"attention.head_count", "N"}, {"attention.head_count_kv", "M"}} {
		w.Set(m.Arch+"."+k.key, uint32(m.Size(k.size)))
	}
	for _, key := range slices.Sorted(maps.Keys(m.Keys)) {
		w.Set(m.Arch+"."+key, m.Keys[key])
	}
	m.tokenizer(w)
	for _, key := range slices.Sorted(maps.Keys(m.Meta)) {
		w.Set(key, m.Meta[key])
	}
	h := fnv.New64a()
	h.Write([]byte(m.Name)) //nolint:errcheck // never fails
	r := &random{seed: h.Sum64()}
	for _, t := range strings.Split(m.Tensors, ",") {
		m.tensor(w, r, t, "")
	}
	for l := range m.Size("L") {
		block := m.Block
		if m.Last != "" && l == m.Size("L")-1 {
			block = m.Last
		}
		for _, t := range strings.Split(block, ",") {
			m.tensor(w, r, t, fmt.Sprintf("blk.%d.", l))
		}
	}
	return w
}

// random gives numbers of mean 0 and variance 1, nearly normal.
type random struct {
	seed uint64
	n    uint32
}

func (r *random) next() float64 {
	sum := 0.0
	for _, u := range kernels.Philox(r.seed, [4]uint32{r.n}) {
		sum += float64(float64(u) / (1 << 32))
	}
	r.n++
	return (sum - 2) * math.Sqrt(3)
}

// tokenizer is byte-level BPE, but for those who bring their own in Meta.
func (m *Model) tokenizer(w *gguf.Writer) {
	tokens := m.vocabulary()
	types := make([]int32, len(tokens))
	for i := range types {
		types[i] = 1 // normal
	}
	w.Set("tokenizer.ggml.tokens", tokens)
	if m.Tokens != nil {
		return
	}
	types[len(types)-1] = 3 // control
	w.Set("tokenizer.ggml.model", "gpt2")
	w.Set("tokenizer.ggml.pre", "gpt-2")
	w.Set("tokenizer.ggml.token_type", types)
	w.Set("tokenizer.ggml.merges", merges)
	w.Set("tokenizer.ggml.bos_token_id", uint32(len(tokens)-1))
	w.Set("tokenizer.ggml.eos_token_id", uint32(len(tokens)-1))
}

// tensor adds one: weights of norms near 1, biases small, matrices of a spread that keeps the size of what they read.
func (m *Model) tensor(w *gguf.Writer, r *random, spec, prefix string) {
	fields := strings.Fields(spec)
	if len(fields) == 0 {
		return
	}
	name, elements := prefix+fields[0], 1
	var shape []int
	for _, f := range fields[1:] {
		shape = append(shape, m.sum(f))
		elements *= shape[len(shape)-1]
	}
	middle, spread := 0.0, 1/math.Sqrt(float64(shape[0]))
	switch {
	case strings.HasSuffix(name, "_norm.weight"), strings.HasSuffix(name, "_norm_2.weight"), name == "rope_freqs.weight":
		middle, spread = 1, 0.2
	case strings.HasSuffix(name, ".ssm_a"): // a state decays
		middle, spread = -2, 0.4
	case strings.HasSuffix(name, ".bias"):
		spread = 0.2
	case strings.HasPrefix(name, "token_embd"), strings.HasPrefix(name, "position_embd"), strings.HasPrefix(name, "token_types"):
		spread = 0.5
	}
	data := make([]byte, 0, 4*elements)
	for range elements {
		data = binary.LittleEndian.AppendUint32(data, math.Float32bits(float32(middle+float64(spread*r.next()))))
	}
	w.AddTensor(name, kernels.F32, shape, data)
}

// sum reads a size: letters with or without a factor, and numbers, joined by +.
func (m *Model) sum(s string) (total int) {
	for _, part := range strings.Split(s, "+") {
		at := strings.IndexFunc(part, unicode.IsLetter)
		if at < 0 {
			n, err := strconv.Atoi(part)
			if err != nil {
				panic("tiny: size " + s + " of " + m.Name)
			}
			total += n
			continue
		}
		n := 1
		if at > 0 {
			n, _ = strconv.Atoi(part[:at])
		}
		total += n * m.Size(part[at:])
	}
	return total
}
