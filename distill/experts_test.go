package distill

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"

	"github.com/freehold-slm/freehold/kernels"
	"github.com/freehold-slm/freehold/models/gguf"
)

// What no fixture has, sigmoid weights and a bias on the choice, is computed alike by training and engine, and the bias
// changes what is chosen.
func TestFixturesChoiceBias(t *testing.T) {
	level := best(t)
	f := openFile(t, fixture(t, "deepseek2-lite.F32.gguf"))
	write := func(bias []float32) string {
		w := gguf.NewWriter()
		for _, kv := range f.KV {
			w.Set(kv.Key, kv.Value)
		}
		w.Set("deepseek2.expert_gating_func", uint32(kernels.GateSigmoid))
		w.Set("deepseek2.expert_weights_norm", true)
		w.Set("deepseek2.expert_weights_scale", float32(2.5))
		for i := range f.Tensors {
			x := &f.Tensors[i]
			w.AddTensor(x.Name, x.Type, x.Shape, x.Data)
		}
		var data []byte
		for _, v := range bias {
			data = binary.LittleEndian.AppendUint32(data, math.Float32bits(v))
		}
		for _, block := range []string{"blk.1.", "blk.2."} { // blk.0 is dense
			w.AddTensor(block+"exp_probs_b.bias", kernels.F32, []int{len(bias)}, data)
		}
		path := filepath.Join(t.TempDir(), "biased.gguf")
		if err := w.WriteTo(path); err != nil {
			t.Fatal(err)
		}
		return path
	}
	tokens := randomTokens(rand.New(rand.NewPCG(91, 92)), 70, 320)
	var before []float32
	for _, bias := range [][]float32{make([]float32, 8), {0, 2, 0, 0, 0, 1.5, 0, 0}} {
		path := write(bias)
		s := openStudent(t, path)
		want, _ := engineLogits(t, path, level, tokens)
		sameBits(t, "logits", logitsOf(s, level, tokens), want)
		if slices.Equal(want, before) {
			t.Error("the bias changes nothing")
		}
		before = want
	}
}
