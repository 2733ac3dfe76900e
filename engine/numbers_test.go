package engine

import (
	"context"
	"errors"
	"math"
	"path/filepath"
	"strings"
	"testing"

	"github.com/freehold-slm/freehold/models/gguf"
)

// changedIn opens a copy of a fixture model in which one F32 tensor's value at an index is another.
func changedIn(t *testing.T, model, tensor string, at int, value float32, opts ...Option) (*Model, error) {
	t.Helper()
	f, err := gguf.Open(fixture(t, model+".gguf"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	out := gguf.NewWriter()
	for _, kv := range f.KV {
		out.Set(kv.Key, kv.Value)
	}
	for _, x := range f.Tensors {
		data := append([]byte(nil), x.Data...)
		if x.Name == tensor {
			copy(data[4*at:], floatBytes([]float32{value}))
		}
		out.AddTensor(x.Name, x.Type, x.Shape, data)
	}
	path := filepath.Join(t.TempDir(), "changed.gguf")
	if err := out.WriteTo(path); err != nil {
		t.Fatal(err)
	}
	m, err := Open(path, opts...)
	if err == nil {
		t.Cleanup(func() { m.Close() })
	}
	return m, err
}

// Numbers that are not finite, or too large for the cache, are errors that say where; never logits.
func TestFixturesNumbers(t *testing.T) {
	nan := float32(math.NaN())
	for _, c := range []struct {
		tensor string
		value  float32
		kv     KV
		want   string
	}{
		{"output.weight", nan, KVF16, "logits: hold a NaN"},
		{"output_norm.weight", nan, KVF16, `tensor "output_norm.weight": holds a NaN`},
		{"blk.0.attn_k.weight", nan, KVF16, "keys and values of layer 0: holds a NaN"},
		{"blk.1.attn_v.weight", nan, KVF32, "keys and values of layer 1: holds a NaN"},
		{"blk.0.attn_k.weight", 1e8, KVF16, "open the model with F32 KV"},
		{"blk.1.attn_v.weight", 1e8, KVF16, "open the model with F32 KV"},
		{"blk.1.attn_v.weight", 1e8, KVF32, ""},
		{"blk.0.attn_v.weight", nan, KVQ8_0, "keys and values of layer 0: holds a NaN"},
		{"blk.0.attn_k.weight", 1e20, KVQ8_0, "127*65504, too large for the q8_0 KV cache; open the model with F32 KV"},
		{"blk.0.attn_v.weight", 1e20, KVQ8_0, "127*65504, too large for the q8_0 KV cache; open the model with F32 KV"},
		{"blk.0.attn_v.weight", 1e5, KVQ8_0, ""},
	} {
		model := "llama-gqa.F32"
		if c.kv == KVQ8_0 { // heads of 64, not of 16
			model = "llama256.F32"
		}
		m, err := changedIn(t, model, c.tensor, 3, c.value, WithKV(c.kv))
		var l []float32
		if err == nil {
			l, err = m.NewSession().Eval(context.Background(), []int32{1, 5, 9})
		}
		if c.want == "" {
			if err != nil || !m.level.AllFinite(l) {
				t.Errorf("%s = %v, %v: %v", c.tensor, c.value, c.kv, err)
			}
			continue
		}
		var bad *NumberError
		if !errors.As(err, &bad) || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "changed.gguf") {
			t.Errorf("%s = %v, %v: got %v, want %q", c.tensor, c.value, c.kv, err, c.want)
		}
	}
}
