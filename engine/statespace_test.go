package engine

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"

	"github.com/freehold-slm/freehold/kernels"
	"github.com/freehold-slm/freehold/models/gguf"
)

// tinySpace is a model of state spaces with random weights and sizes that the reference models have not: several groups, heads
// that lie in two blocks, states and kernels of odd sizes.
type tinySpace struct {
	arch                                         string
	dim, layers, inner, state, rank, groups, cnv int
	tensors                                      map[string][]float32
}

const tinyVocab = 50

func (m *tinySpace) write(t *testing.T) string {
	t.Helper()
	r := rand.New(rand.NewPCG(31, 31))
	w := gguf.NewWriter()
	w.Set("general.architecture", m.arch)
	for k, v := range map[string]int{"block_count": m.layers, "embedding_length": m.dim, "context_length": 600, "feed_forward_length": 0, "attention.head_count": 0,
		"ssm.conv_kernel": m.cnv, "ssm.inner_size": m.inner, "ssm.state_size": m.state, "ssm.time_step_rank": m.rank, "ssm.group_count": m.groups} {
		w.Set(m.arch+"."+k, uint32(v))
	}
	w.Set(m.arch+".attention.layer_norm_rms_epsilon", float32(1e-5))
	m.tensors = map[string][]float32{}
	add := func(name string, spread, mean float64, shape ...int) {
		n := 1
		for _, d := range shape {
			n *= d
		}
		x, raw := make([]float32, n), []byte(nil)
		for i := range x {
			x[i] = float32(mean + spread*r.NormFloat64())
			raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(x[i]))
		}
		m.tensors[name] = x
		w.AddTensor(name, kernels.F32, shape, raw)
	}
	add("token_embd.weight", 1, 0, m.dim, tinyVocab)
	add("output_norm.weight", 0.3, 1, m.dim)
	mixed := 2 * m.groups * m.state
	for l := range m.layers {
		name := func(n string) string { return fmt.Sprintf("blk.%d.%s", l, n) }
		add(name("attn_norm.weight"), 0.3, 1, m.dim)
		heads, conv := m.rank, m.inner+mixed
		if m.arch == "mamba" {
			heads, conv = m.inner, m.inner
			add(name("ssm_in.weight"), 0.3, 0, m.dim, 2*m.inner)
			add(name("ssm_x.weight"), 0.3, 0, m.inner, m.rank+mixed)
			add(name("ssm_dt.weight"), 0.3, 0, m.rank, m.inner)
			add(name("ssm_a"), 0.1, -1, m.state, m.inner)
			add(name("ssm_d"), 0.5, 1, m.inner)
		} else {
			add(name("ssm_in.weight"), 0.3, 0, m.dim, 2*m.inner+mixed+heads)
			add(name("ssm_a"), 0.1, -1, 1, heads)
			add(name("ssm_d"), 0.5, 1, 1, heads)
			add(name("ssm_norm.weight"), 0.3, 1, m.inner/m.groups, m.groups)
		}
		add(name("ssm_dt.bias"), 0.5, -1, heads)
		add(name("ssm_conv1d.weight"), 0.4, 0, m.cnv, conv)
		add(name("ssm_conv1d.bias"), 0.2, 0, conv)
		add(name("ssm_out.weight"), 0.2, 0, m.inner, m.dim)
	}
	path := filepath.Join(t.TempDir(), m.arch+".gguf")
	if err := w.WriteTo(path); err != nil {
		t.Fatal(err)
	}
	return path
}

// logits computes the model in float64, as the papers have it, token by token.
func (m *tinySpace) logits(tokens []int32) [][]float64 {
	product := func(name string, x []float64) []float64 {
		w := m.tensors[name]
		y := make([]float64, len(w)/len(x))
		for i := range y {
			for j, v := range x {
				y[i] += float64(w[i*len(x)+j]) * v
			}
		}
		return y
	}
	norm := func(w []float32, x []float64) []float64 {
		sq, y := 0.0, make([]float64, len(x))
		for _, v := range x {
			sq += v * v
		}
		for i, v := range x {
			y[i] = v / math.Sqrt(sq/float64(len(x))+1e-5) * float64(w[i])
		}
		return y
	}
	silu := func(x float64) float64 { return x / (1 + math.Exp(-x)) }
	history := make([][][]float64, m.layers) // [layer][token] what is convolved
	states := make([][][]float64, m.layers)  // [layer][channel][state]
	for l := range states {
		states[l] = make([][]float64, m.inner)
		for c := range states[l] {
			states[l][c] = make([]float64, m.state)
		}
	}
	var out [][]float64
	mixed := 2 * m.groups * m.state
	for _, id := range tokens {
		x := make([]float64, m.dim)
		for i := range x {
			x[i] = float64(m.tensors["token_embd.weight"][int(id)*m.dim+i])
		}
		for l := range m.layers {
			tensor := func(n string) []float32 { return m.tensors[fmt.Sprintf("blk.%d.%s", l, n)] }
			by := func(n string, v []float64) []float64 { return product(fmt.Sprintf("blk.%d.%s", l, n), v) }
			in := by("ssm_in.weight", norm(tensor("attn_norm.weight"), x))
			z, u := in[m.inner:], in[:m.inner]
			if m.arch == "mamba2" {
				z, u = in[:m.inner], in[m.inner:2*m.inner+mixed]
			}
			history[l] = append(history[l], u)
			conv, taps, bias := make([]float64, len(u)), tensor("ssm_conv1d.weight"), tensor("ssm_conv1d.bias")
			for c := range conv {
				conv[c] = float64(bias[c])
				for k := range m.cnv {
					if t := len(history[l]) - m.cnv + k; t >= 0 {
						conv[c] += history[l][t][c] * float64(taps[c*m.cnv+k])
					}
				}
				conv[c] = silu(conv[c])
			}
			heads := m.rank
			var dt, bc []float64
			if m.arch == "mamba" {
				proj := by("ssm_x.weight", conv)
				heads, dt, bc = m.inner, by("ssm_dt.weight", proj[:m.rank]), proj[m.rank:]
			} else {
				dt, bc = in[2*m.inner+mixed:], conv[m.inner:]
			}
			y, a, d, late := make([]float64, m.inner), tensor("ssm_a"), tensor("ssm_d"), tensor("ssm_dt.bias")
			for c := range y {
				h := c / (m.inner / heads)
				g := h / (heads / m.groups)
				step := math.Log1p(math.Exp(dt[h] + float64(late[h])))
				for n := range m.state {
					decay := float64(a[h%len(a)])
					if m.arch == "mamba" {
						decay = float64(a[c*m.state+n])
					}
					s := &states[l][c][n]
					*s = *s*math.Exp(step*decay) + step*conv[c]*bc[g*m.state+n]
					y[c] += *s * bc[(m.groups+g)*m.state+n]
				}
				y[c] = (y[c] + conv[c]*float64(d[h])) * silu(z[c])
			}
			if m.arch == "mamba2" {
				size := m.inner / m.groups
				for g := range m.groups {
					copy(y[g*size:], norm(tensor("ssm_norm.weight")[g*size:(g+1)*size], y[g*size:(g+1)*size]))
				}
			}
			for i, v := range by("ssm_out.weight", y) {
				x[i] += v
			}
		}
		out = append(out, product("token_embd.weight", norm(m.tensors["output_norm.weight"], x)))
	}
	return out
}

// State spaces of other sizes than the reference models' against their definition.
func TestStateSpaces(t *testing.T) {
	for _, m := range []*tinySpace{
		{arch: "mamba", dim: 24, layers: 2, inner: 72, state: 5, rank: 3, groups: 1, cnv: 3},
		{arch: "mamba", dim: 40, layers: 1, inner: 200, state: 17, rank: 9, groups: 1, cnv: 2},
		{arch: "mamba2", dim: 24, layers: 2, inner: 96, state: 12, rank: 6, groups: 2, cnv: 5},
		{arch: "mamba2", dim: 40, layers: 2, inner: 288, state: 9, rank: 3, groups: 3, cnv: 2}, // heads of 96
		{arch: "mamba2", dim: 32, layers: 1, inner: 240, state: 7, rank: 10, groups: 2, cnv: 1},
	} {
		t.Run(fmt.Sprintf("%s-%d", m.arch, m.inner), func(t *testing.T) {
			path := m.write(t)
			tokens := someIDs(150)
			for i := range tokens {
				tokens[i] %= tinyVocab
			}
			want := m.logits(tokens)
			for _, l := range kernels.Levels() {
				model, err := Open(path, WithLevel(l), WithThreads(2), WithChunk(70), WithNumeric(Reference))
				if err != nil {
					t.Fatal(err)
				}
				s := model.NewSession()
				n := len(tokens)
				if l.Name == "portable" {
					n = 10
				}
				if err := model.EvalBatch(context.Background(), []Seq{{s, tokens[:n], WantAll}}); err != nil {
					t.Fatal(err)
				}
				for i, got := range s.LogitsAll() {
					if w := want[i/tinyVocab][i%tinyVocab]; !(math.Abs(float64(got)-w) <= 2e-4*(1+math.Abs(w))) {
						t.Fatalf("%s: token %d, logit %d is %g, want %g", l.Name, i/tinyVocab, i%tinyVocab, got, w)
					}
				}
				model.Close()
			}
		})
	}
}

// A small file cannot ask for more memory than there is.
func TestHugeState(t *testing.T) {
	m := &tinySpace{arch: "mamba2", dim: 1, layers: 1, inner: 1 << 19, state: 1024, rank: 1, groups: 1, cnv: 1}
	_, err := Open(m.write(t))
	if err == nil || !strings.Contains(err.Error(), "a state of 536870912 values behind a token, want at most 268435456") {
		t.Errorf("opened, or another error: %v", err)
	}
}
