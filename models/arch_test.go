package models

import (
	"reflect"
	"strings"
	"testing"

	"github.com/freehold-slm/freehold/models/gguf"
)

// asArch reads the Spec of a fixture model under another architecture's name: its keys get that prefix, its tensors the
// names that names gives them.
func asArch(t *testing.T, arch, name string, names func(string) []string) (*Spec, error) {
	t.Helper()
	f, err := gguf.Open(fixture(t, name+".gguf"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	was, _ := f.String("general.architecture")
	keys := map[string]any{"general.architecture": arch}
	for _, kv := range f.KV {
		if rest, ok := strings.CutPrefix(kv.Key, was+"."); ok {
			keys[arch+"."+rest] = kv.Value
		}
	}
	return edited(t, name, keys, names)
}

// Architectures of which no reference logits are at hand, but whose program is that of one which has them.
func TestFixturesSamePrograms(t *testing.T) {
	same := func(n string) []string { return []string{n} }
	for _, c := range []struct {
		arch, like string
		names      func(string) []string
		was, is    string // part of tensors' names that differs
		scale      bool   // the scale of scores is not read
	}{
		{"internlm2", "llama-gqa.F32", same, "", "", false},
		{"ernie4_5", "llama-gqa.F32", same, "", "", false},
		{"ernie4_5", "llama-ropefreqs-tied.F32", same, "", "", false},
		{"seed_oss", "qwen2.F32", func(n string) []string { return []string{strings.Replace(n, "ffn_norm", "post_attention_norm", 1)} }, "ffn_norm", "post_attention_norm", false},
		{"starcoder", "gpt2.F32", same, "", "", false},
		{"minicpm", "granite.F32", same, "", "", true},
	} {
		got, err := asArch(t, c.arch, c.like, c.names)
		if err != nil {
			t.Errorf("%s: %v", c.arch, err)
			continue
		}
		want, err := withKeys(t, c.like, nil)
		if err != nil {
			t.Fatal(err)
		}
		if c.scale {
			want.AttnScale = got.AttnScale
		}
		p, q := want.Program(), got.Program()
		for i := range p.Ops {
			p.Ops[i].W = strings.Replace(p.Ops[i].W, c.was, c.is, 1)
		}
		p.Spec, q.Spec = nil, nil
		if !reflect.DeepEqual(p, q) {
			t.Errorf("the program of %s is not that of %s", c.arch, c.like)
		}
		want.Arch, want.FFNNorm = got.Arch, got.FFNNorm
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s is %+v, want %+v", c.arch, got, want)
		}
	}
}

// glm4 has phi3's fused tensors, gemma2's norms and llama's rotary embedding.
func TestFixturesGLM4(t *testing.T) {
	names := func(n string) []string {
		if block, ok := strings.CutSuffix(n, "ffn_norm.weight"); ok {
			return []string{n, block + "post_attention_norm.weight", block + "post_ffw_norm.weight"}
		}
		return []string{n}
	}
	s, err := asArch(t, "glm4", "phi3-plain.F32", names)
	if err != nil {
		t.Fatal(err)
	}
	var order []string
	for _, o := range s.Program().Ops {
		if o.Layer == 0 && strings.HasPrefix(o.W, "blk.0.") {
			order = append(order, strings.TrimSuffix(strings.TrimPrefix(o.W, "blk.0."), ".weight"))
		}
	}
	want := "attn_norm attn_qkv attn_qkv attn_qkv attn_output post_attention_norm ffn_norm ffn_up ffn_up ffn_down post_ffw_norm"
	if got := strings.Join(order, " "); got != want || s.Rope.Neox {
		t.Errorf("a block of glm4 reads %s (neox %v), want %s", got, s.Rope.Neox, want)
	}
}
