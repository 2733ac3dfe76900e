// Package models answers what a model is: it maps a file's metadata and tensor names to a [Spec], and a Spec to a flat
// [Program] that engine runs with quantised weights and distill runs in f32 and in reverse. It holds the catalogue of
// known open weights, their licence facts, and pull.
package models

import (
	"fmt"
	"math"
	"slices"
	"sort"
	"strings"

	"github.com/freehold-slm/freehold/kernels"
	"github.com/freehold-slm/freehold/models/gguf"
)

// Spec says what a model computes: shapes and variant flags, on one page.
type Spec struct {
	Arch    string // general.architecture
	Name    string // general.name, may be empty
	Vocab   int    // rows of the token embedding
	Context int    // trained context length in tokens; 0 = not stated
	Layers  int
	Dim     int // width of the residual stream
	Heads   int
	KVHeads int
	HeadDim int
	FFN     int // width of the feed-forward block; 0 = there is none

	// Norms, by the name of their tensor in a block; "" = none.
	Norm       Norm
	NormEps    float32
	AttnNorm   string // before attention
	FFNNorm    string // before the feed-forward block; with Parallel it may be AttnNorm's, then it is computed once
	AttnPost   string // on what attention adds
	FFNPost    string // on what the feed-forward block adds
	QKNorm     QKNorm // on queries and keys
	QKLast     bool   // after they rotate, not before
	EmbNorm    string // on the embedding
	AttnSum    string // on x when attention is added
	FFNSum     string // on x when the feed-forward block is added
	OutputNorm string // before the output head

	Rope       Rope
	WindowRope *Rope // of layers with a window; nil = Rope
	NoRope     int   // every so many-th layer does not rotate; 0 = all rotate
	NearRope   bool  // only layers with a window rotate
	Positions  bool  // learnt positions are added to the embedding, one row of position_embd for each of Context

	// Attention over a latent state (DeepSeek's MLA): a head's query of KVRank+Rope.Dims columns meets the one key and value
	// of all heads, from which LatentDim columns a head are computed. 0 = not.
	KVRank, LatentDim int
	QRank             int // queries go through so many columns first; 0 = not
	NopeDim           int // columns of a head of wq that do not rotate

	// Layers without attention carry a state from token to token; see Mixer.
	Mixer      Mixer
	Attention  []bool // [Layers] which layers have attention; of no meaning without Mixer
	Conv       int    // tokens that a convolution sees, its own included
	Inner      int    // channels of a state space
	State      int    // values of a channel's state
	StateHeads int    // heads of a state space, each with a time step; mamba: Inner
	TimeRank   int    // mamba's time steps go through so many columns first
	Groups     int    // so many groups of heads have a B and C of their own
	Encoder    bool   // every token sees every other, and states are pooled, or with Tags tagged: no logits; see Bidirectional
	Types      int    // kinds of token, of whose embeddings that of the first is added to all; 0 = none

	Sinks bool // each head has a score to which no value belongs

	AttnScale    float32 // scores are multiplied by it; 1/sqrt(HeadDim) for most
	AttnCap      float32 // scores are capped to cap*tanh(s/cap); 0 = not
	MaxALiBi     float32 // the steepest head's slope is 2^(-MaxALiBi/heads), see Slopes; 0 = scores know no distance
	QKVClamp     float32 // queries, keys and values are kept within ± it; 0 = not
	Window       int     // a query sees so many keys, its own included; 0 = all
	WindowPeriod int     // every so many-th layer has no window; 0 = all have one

	Act      Act
	Parallel bool // attention and feed-forward block read the same x
	QKVFused bool // wq, wk, wv are one tensor, in this order of rows
	FFNFused bool // gate and up are one tensor, in this order of rows
	QKVBias  bool // wq, wk, wv have a bias
	OutBias  bool // wo has a bias
	FFNBias  bool // gate, up and down have a bias, of experts too
	HeadBias bool // the output head has a bias
	Tied     bool // the output head is the token embedding

	// Factors; 0 = 1.
	EmbedScale, ResidualScale, LogitScale float32

	// Experts in place of the feed-forward block, from layer DenseLead on; Experts 0 = none.
	Experts    int
	TopExperts int  // of which a token has so many
	ExpertFFN  int  // width of one
	SharedFFN  int  // width of the block that every token has beside them; 0 = none
	SharedGate bool // its result is gated by a sigmoid
	DenseLead  int
	Router     kernels.Router
	RouterBias bool // the router's logits have a bias
	ChoiceBias bool // what experts are chosen by has a bias, their weights have not

	LogitCap float32 // logits are capped to cap*tanh(l/cap); 0 = not

	// A classification head on pooled states, when the file holds cls.output.weight [Dim, labels].
	Labels  []string
	Pooling Pooling  // of that, or of embeddings
	Dense   int      // numbers of an embedding, of which dense_2.weight [Dim, Dense] makes the pooled state; 0 = it is the pooled state
	Tags    []string // the head's instead, on the state of each token; see tags.go
}

// Embedding is how many numbers an embedding has.
func (s *Spec) Embedding() int {
	if s.Dense > 0 {
		return s.Dense
	}
	return s.Dim
}

// Norm is a kind of normalisation.
type Norm uint8

const (
	RMS        Norm = iota // Zhang and Sennrich, arXiv:1910.07467
	Layer                  // Ba et al., arXiv:1607.06450, with weight and bias
	LayerScale             // the same without bias
	LayerPlain             // the same without weight and bias
)

// epsKey is the metadata key of a norm's epsilon.
func (n Norm) epsKey() string {
	if n != RMS {
		return "attention.layer_norm_epsilon"
	}
	return "attention.layer_norm_rms_epsilon"
}

// QKNorm says over what queries and keys are normalised.
type QKNorm uint8

const (
	QKNone QKNorm = iota
	QKHead        // each head alone, by one weight [HeadDim]
	QKRow         // all heads together
	QKEach        // each head alone, by a weight of its own [HeadDim, heads], and never a bias
)

// Act is the feed-forward block's activation.
type Act uint8

const (
	SiLUGate    Act = iota // silu(gate)*up
	GELUGate               // gelu(gate)*up
	GELUOnly               // gelu(up); no gate
	ClampedGate            // gpt-oss's SwiGLU
	ReLU2Only              // relu(up)²; no gate
)

// gated tells whether there is a gate beside up.
func (a Act) gated() bool { return a != GELUOnly && a != ReLU2Only }

func (a Act) kind() Kind {
	return [...]Kind{SiLUGate: SwiGLU, GELUGate: GeGLU, GELUOnly: GELU, ClampedGate: ClampedSwiGLU, ReLU2Only: ReLU2}[a]
}

// Pooling says how a sequence's states become one, by llama.cpp's <arch>.pooling_type.
type Pooling int

const (
	PoolNone Pooling = 0
	PoolMean Pooling = 1
	PoolCLS  Pooling = 2 // the first token's
	PoolLast Pooling = 3
)

var poolings = [...]string{PoolNone: "none", PoolMean: "mean", PoolCLS: "cls", PoolLast: "last"}

func (p Pooling) String() string { return poolings[p] }

// ParsePooling returns the pooling of a name: mean, cls or last.
func ParsePooling(name string) (Pooling, error) {
	if i := slices.Index(poolings[:], name); i > 0 {
		return Pooling(i), nil
	}
	return 0, fmt.Errorf("pooling %q is not known (known: mean, cls, last)", name)
}

// architecture fills s from the keys that differ between architectures; the common ones are read already.
type architecture func(r *reader, s *Spec)

// architectures is filled by the init of each arch_*.go: adding one is adding a file.
var architectures = map[string]architecture{}

// Architectures lists the known values of general.architecture, sorted.
func Architectures() []string {
	var names []string
	for n := range architectures {
		names = append(names, n)
	}
	sort.Strings(names)
	return names
}

// NewSpec reads the Spec of f and checks that its numbers make sense together and that every tensor the program needs
// is there with the right shape and a float or quantised type.
func NewSpec(f *gguf.File) (*Spec, error) {
	name, err := f.String("general.architecture")
	if err != nil {
		return nil, err
	}
	arch, ok := architectures[name]
	if !ok {
		return nil, fmt.Errorf("%s: general.architecture is %.64q, want one of: %s", f.Name, name, strings.Join(Architectures(), ", "))
	}
	if f.Has("split.count") { // gguf.Open joins parts
		if n, err := f.Uint("split.count"); err != nil || n > 1 {
			return nil, fmt.Errorf("%s: split.count is %d: this is a part of a model; open its first part by its path", f.Name, n)
		}
	}
	r := &reader{f: f, arch: name}
	s := &Spec{Arch: name}
	s.Name, err = f.StringOr("general.name", "")
	r.note(err)
	r.common(s)
	if r.err == nil {
		arch(r, s)
		r.noExperts(s)
		s.NormEps = float32(r.float(s.Norm.epsKey()))
	}
	r.classifier(s)
	r.mask(s)
	if r.err != nil {
		return nil, r.err
	}
	if err := s.check(f.Name); err != nil {
		return nil, err
	}
	if err := s.checkTensors(f); err != nil {
		return nil, err
	}
	return s, nil
}

// reader reads keys under the architecture's prefix and keeps the first error.
type reader struct {
	f    *gguf.File
	arch string
	err  error
}

func (r *reader) note(err error) {
	if err != nil && r.err == nil {
		r.err = err
	}
}

func (r *reader) key(k string) string { return r.arch + "." + k }
func (r *reader) has(k string) bool   { return r.f.Has(r.key(k)) }

// size reads a count that must lie in 1..max.
func (r *reader) size(k string, max uint64) int {
	v, err := r.f.Uint(r.key(k))
	if err == nil && (v == 0 || v > max) {
		err = fmt.Errorf("%s: %s is %d, want 1 to %d", r.f.Name, r.key(k), v, max)
	}
	r.note(err)
	return int(v)
}

func (r *reader) sizeOr(k string, def int, max uint64) int {
	if !r.has(k) {
		return def
	}
	return r.size(k, max)
}

func (r *reader) float(k string) float64 {
	v, err := r.f.Float(r.key(k))
	r.note(err)
	return v
}

func (r *reader) floatOr(k string, def float64) float64 {
	if !r.has(k) {
		return def
	}
	return r.float(k)
}

// scalarOrSame reads a per-model count that some files give as an array of one value a layer; the values must agree.
func (r *reader) scalarOrSame(k string, layers int, max uint64) int {
	if vs, err := r.f.Ints(r.key(k)); err == nil {
		if len(vs) != layers {
			r.note(fmt.Errorf("%s: %s has %d values, want one for each of %d layers", r.f.Name, r.key(k), len(vs), layers))
			return 0
		}
		for _, v := range vs {
			if v != vs[0] || v < 1 || uint64(v) > max {
				r.note(fmt.Errorf("%s: %s differs between layers or is out of range (%d, %d); layers of different sizes are not supported for %s", r.f.Name, r.key(k), vs[0], v, r.arch))
				return 0
			}
		}
		return int(vs[0])
	}
	return r.size(k, max)
}

// Bounds on sizes. They are far above any real model and keep every product of two sizes within an int64.
const (
	maxLayers = 4096
	maxWidth  = 1 << 20
	maxHeads  = 1 << 12
)

// common reads the keys that every transformer here has.
func (r *reader) common(s *Spec) {
	s.Layers = r.size("block_count", maxLayers)
	s.Dim = r.size("embedding_length", maxWidth)
	if r.err != nil {
		return
	}
	if r.has("context_length") {
		v, err := r.f.Uint(r.key("context_length"))
		r.note(err)
		s.Context = int(min(v, 1<<31))
	}
	if r.recurrent() {
		s.FFN = r.one("feed_forward_length", r.perLayer("feed_forward_length", s.Layers, 1<<22))
		r.heads(s)
	} else {
		s.FFN = r.scalarOrSame("feed_forward_length", s.Layers, 1<<22)
		s.Heads = r.scalarOrSame("attention.head_count", s.Layers, maxHeads)
		s.KVHeads = s.Heads
		if r.err == nil && r.has("attention.head_count_kv") {
			s.KVHeads = r.scalarOrSame("attention.head_count_kv", s.Layers, maxHeads)
		}
	}
	if r.err != nil {
		return
	}
	if s.Heads > 0 && s.Dim%s.Heads != 0 && !r.has("attention.key_length") {
		r.note(fmt.Errorf("%s: %s is %d, not a multiple of %s %d", r.f.Name, r.key("embedding_length"), s.Dim, r.key("attention.head_count"), s.Heads))
		return
	}
	s.HeadDim = r.sizeOr("attention.key_length", s.Dim/max(1, s.Heads), 1<<14)
	if v := r.sizeOr("attention.value_length", s.HeadDim, 1<<14); v != s.HeadDim && !r.has("attention.kv_lora_rank") {
		r.note(fmt.Errorf("%s: %s is %d, want the key length %d; other value lengths are not supported", r.f.Name, r.key("attention.value_length"), v, s.HeadDim))
	}
	t, ok := r.f.Tensor("token_embd.weight")
	if !ok || len(t.Shape) != 2 {
		r.note(fmt.Errorf("%s: tensor \"token_embd.weight\" is missing or not a matrix", r.f.Name))
		return
	}
	s.Vocab = t.Shape[1]
	if r.has("vocab_size") {
		v, err := r.f.Uint(r.key("vocab_size"))
		r.note(err)
		if v == 0 || v > 1<<24 {
			r.note(fmt.Errorf("%s: %s is %d, want 1 to %d", r.f.Name, r.key("vocab_size"), v, 1<<24))
		}
	}
	if v, ok := r.f.Get("tokenizer.ggml.tokens"); ok && v.Len > s.Vocab {
		r.note(fmt.Errorf("%s: tokenizer.ggml.tokens has %d tokens, but tensor \"token_embd.weight\" has %d rows", r.f.Name, v.Len, s.Vocab))
	}
	s.AttnNorm, s.FFNNorm, s.OutputNorm = "attn_norm", "ffn_norm", "output_norm"
	s.QKVFused = r.tensor("blk.0.attn_qkv.weight")
	s.AttnScale = float32(1 / math.Sqrt(float64(s.HeadDim)))
	s.Tied = !r.tensor("output.weight")
}

func (r *reader) tensor(name string) bool {
	_, ok := r.f.Tensor(name)
	return ok
}

// biases sets the flags of those biases that the file has; a tensor that one block has and another lacks is an error
// later.
func (r *reader) biases(s *Spec) {
	first := fmt.Sprintf("blk.%d.", s.firstAttention())
	s.QKVBias = r.tensor(first+"attn_q.bias") || r.tensor(first+"attn_qkv.bias")
	s.OutBias = r.tensor(first + "attn_output.bias")
	s.FFNBias = r.tensor("blk.0.ffn_up.bias") || r.tensor("blk.0.ffn_up_exps.bias")
	s.RouterBias = r.tensor("blk.0.ffn_gate_inp.bias")
	s.HeadBias = r.tensor("output.bias")
}

// attnScale reads the scale of scores; a file without it, or with 0, leaves the usual one.
func (r *reader) attnScale(s *Spec) {
	if scale := r.floatOr("attention.scale", 0); scale != 0 {
		s.AttnScale = float32(scale)
	}
}

// check refuses numbers that do not fit together.
func (s *Spec) check(file string) error {
	bad := func(field string, got any, want string) error {
		return fmt.Errorf("%s: %s.%s is %v, want %s", file, s.Arch, field, got, want)
	}
	switch {
	case s.Mixer == NoMixer && s.Attention != nil:
		return fmt.Errorf("%s: %s.shortconv or .ssm keys are set, but %s has attention in all layers", file, s.Arch, s.Arch)
	case s.KVHeads > 0 && s.Heads%s.KVHeads != 0:
		return bad("attention.head_count_kv", s.KVHeads, fmt.Sprintf("a divisor of the head count %d", s.Heads))
	case !(s.NormEps >= 0) || s.NormEps > 1:
		return bad(s.Norm.epsKey(), s.NormEps, "a number from 0 to 1")
	case !positive(s.AttnScale):
		return bad("attention.scale", s.AttnScale, "a positive number")
	case s.AttnCap != 0 && !positive(s.AttnCap):
		return bad("attn_logit_softcapping", s.AttnCap, "a positive number, or 0")
	case s.LogitCap != 0 && !positive(s.LogitCap):
		return bad("final_logit_softcapping", s.LogitCap, "a positive number, or 0")
	case s.MaxALiBi != 0 && !positive(s.MaxALiBi):
		return bad("attention.max_alibi_bias", s.MaxALiBi, "a positive number, or 0")
	case s.QKVClamp != 0 && !positive(s.QKVClamp):
		return bad("attention.clamp_kqv", s.QKVClamp, "a positive number, or 0")
	case s.Positions && s.Context == 0:
		return bad("context_length", s.Context, "the number of learnt positions")
	case s.HeadDim%8 != 0:
		return bad("attention.key_length", s.HeadDim, "a multiple of 8")
	}
	for _, x := range []float32{s.EmbedScale, s.ResidualScale, s.LogitScale, s.Router.Scale} {
		if x != 0 && !positive(x) {
			return fmt.Errorf("%s: one of %s.embedding_scale, residual_scale, logit_scale and expert_weights_scale gives the factor %v, want a positive number", file, s.Arch, x)
		}
	}
	if s.WindowRope != nil {
		if err := s.WindowRope.check(file, s); err != nil {
			return err
		}
	}
	return s.Rope.check(file, s)
}

func positive(x float32) bool { return x > 0 && x <= math.MaxFloat32 }

// Program returns what the model computes as a flat list of ops.
func (s *Spec) Program() *Program { return lower(s) }

// TensorSpec is a tensor that a program reads. Shape is in GGUF order: row width first.
type TensorSpec struct {
	Name  string
	Shape []int
}

// checkTensors compares the program's tensors with the file's.
func (s *Spec) checkTensors(f *gguf.File) error {
	if int64(len(f.Tensors)) < int64(s.Layers) {
		return fmt.Errorf("%s: %s.block_count is %d, but the file has only %d tensors", f.Name, s.Arch, s.Layers, len(f.Tensors))
	}
	used := map[string]bool{}
	for _, want := range s.Program().Tensors() {
		t, ok := Tensor(f, want.Name)
		if !ok {
			return fmt.Errorf("%s: tensor %q is missing, want shape %v", f.Name, want.Name, want.Shape)
		}
		if !sameShape(t.Shape, want.Shape) {
			return fmt.Errorf("%s: tensor %q has shape %v, want %v", f.Name, want.Name, t.Shape, want.Shape)
		}
		if err := weightType(f.Name, t, len(want.Shape)); err != nil {
			return err
		}
		used[want.Name] = true
	}
	for i := range f.Tensors {
		n := f.Tensors[i].Name
		if s.Encoder && (n == "output.weight" || n == "output.bias") {
			continue // left of the model that it is made of
		}
		if !used[n] && (strings.HasPrefix(n, "blk.") || strings.HasPrefix(n, "output") || strings.HasPrefix(n, "token_embd") || strings.HasPrefix(n, "position_embd") || strings.HasPrefix(n, "token_types")) {
			return fmt.Errorf("%s: tensor %q is not part of a %d-layer %s model; running without it would give wrong answers", f.Name, n, s.Layers, s.Arch)
		}
	}
	return nil
}

// sameShape compares shapes, ignoring trailing ones.
func sameShape(a, b []int) bool {
	trim := func(s []int) []int {
		for len(s) > 1 && s[len(s)-1] == 1 {
			s = s[:len(s)-1]
		}
		return s
	}
	a, b = trim(a), trim(b)
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}
