package engine

import (
	"math"
	"testing"

	"github.com/freehold-slm/freehold/kernels"
	"github.com/freehold-slm/freehold/models/gguf"
)

// Mode fast: where a level has a faster unit, a prompt's logits are near those of normal and not the same (the unit is used);
// where it has none, where few tokens are computed and where weights are quantised, they are the same bits. Normal's are the
// same on all levels.
func TestFixturesFast(t *testing.T) {
	for _, name := range []string{"llama256.F16", "olmo2.BF16", "llama-gqa.F32", "llama-gqa.Q8_0"} {
		f, err := gguf.Open(fixture(t, name+".gguf"))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		var ref tinyref
		readJSON(t, fixture(t, name+".json"), &ref)
		prompt := ref.Tokens[:35]
		var first [][]float32
		for _, l := range kernels.Levels() {
			t.Run(name+"/"+l.Name, func(t *testing.T) {
				few := combo{1, 2, gemvTokens, false, l}
				many := combo{1, 2, 512, false, l}
				normal := newModel(t, f, WithLevel(l), WithThreads(2))
				fast := newModel(t, f, WithLevel(l), WithThreads(2), WithNumeric(Fast))
				alone := newModel(t, f, WithLevel(l), WithThreads(2), WithNumeric(Fast), WithChunk(few.chunk))
				want := many.run(t, normal, prompt, 1)
				if first == nil {
					first = want
				}
				if sameBits(want[0], first[0]) >= 0 || sameBits(want[1], first[1]) >= 0 {
					t.Errorf("mode normal: not the bits of %s", kernels.Levels()[0].Name)
				}
				if got := few.run(t, alone, prompt, 1); sameBits(want[0], got[0]) >= 0 || sameBits(want[1], got[1]) >= 0 {
					t.Errorf("%d tokens at a time: not the bits of mode normal", few.chunk)
				}
				got := many.run(t, fast, prompt, 0)
				same := sameBits(want[0], got[0]) < 0
				if uses := fast.FastUnit() != "" && name != "llama-gqa.Q8_0"; same == uses {
					t.Fatalf("unit %q: the same bits as mode normal: %v", fast.FastUnit(), same)
				}
				// bf16 keeps 8 bits, so a product's inputs are off by 2^-9 at most and its result by about as much of its own size.
				var diff, size float64
				for i, v := range want[0] {
					d := float64(v - got[0][i])
					diff, size = diff+d*d, size+float64(v)*float64(v)
				}
				if e := math.Sqrt(diff / size); !(e < 1.0/64) {
					t.Errorf("logits differ from mode normal's by %.4f of their size", e)
				} else if !same {
					t.Logf("%s: %.5f of their size", fast.FastUnit(), e)
				}
			})
		}
	}
}

func TestFastUnit(t *testing.T) {
	for _, l := range kernels.Levels() {
		if l.FastBF16 && (l.GemmBF16 == nil || l.BF16Unit == "") {
			t.Errorf("%s: fast without a unit", l.Name)
		}
	}
}
