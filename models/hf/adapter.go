package hf

import (
	"fmt"
	"sort"
	"strings"
)

// Modules names the linear layers of one GGUF architecture as transformers does, for what is written for it.
type Modules struct{ f *family }

// ModulesOf finds the names of an architecture.
func ModulesOf(arch string) (Modules, error) {
	known := map[string]bool{}
	for _, name := range Architectures() {
		f := families[name]
		if f.names["self_attn.q_proj.weight"] == "" && f.names["self_attn.qkv_proj.weight"] == "" { // layers of several kinds, or fused and turned matrices
			continue
		}
		if f.arch == arch {
			return Modules{f}, nil
		}
		known[f.arch] = true
	}
	var list []string
	for a := range known {
		list = append(list, a)
	}
	sort.Strings(list)
	return Modules{}, fmt.Errorf("architecture %q has no names of transformers here, want one of: %s", arch, strings.Join(list, ", "))
}

// Module is the name of the layer whose weight is the tensor "blk.N.NAME.weight", such as model.layers.0.self_attn.q_proj.
func (m Modules) Module(tensor string) (string, error) {
	rest, ok := strings.CutPrefix(tensor, "blk.")
	layer, name, _ := strings.Cut(rest, ".")
	for from, to := range m.f.names {
		if ok && to == name && strings.HasSuffix(from, "_proj.weight") && m.f.layout[from] == "" {
			return m.f.layerPrefix() + layer + "." + strings.TrimSuffix(from, ".weight"), nil
		}
	}
	return "", fmt.Errorf("tensor %q of %s is no linear layer that transformers has", tensor, m.f.arch)
}

// Rows gives x, rows of width values that belong to the outputs of the named tensor, in transformers' order, which for wq
// and wk of some architectures is another one (see halves).
func (m Modules) Rows(tensor string, x []float32, width, headDim int) []float32 {
	if !m.f.rotated || !strings.HasSuffix(tensor, ".attn_q.weight") && !strings.HasSuffix(tensor, ".attn_k.weight") {
		return x
	}
	out := make([]float32, len(x))
	for head := 0; head < len(x); head += headDim * width {
		dst, src := out[head:], x[head:]
		for j := range headDim / 2 {
			for k := range 2 {
				copy(dst[(k*headDim/2+j)*width:][:width], src[(2*j+k)*width:][:width])
			}
		}
	}
	return out
}
