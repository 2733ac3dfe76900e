package engine

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"flag"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/freehold-slm/freehold/kernels"
)

var updateGolden = flag.Bool("update-golden", false, "write the hashes that this machine computes to testdata/golden.json")

// logitsHash is the sha256 of the logits (little-endian f32) after a prompt of n tokens, which are a function of the
// vocabulary alone, and after 8 more that are chosen greedily.
func logitsHash(t *testing.T, path string, n int, level *kernels.Level, opts ...Option) string {
	t.Helper()
	m, err := Open(path, append(opts, WithThreads(2), WithLevel(level))...)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	prompt := make([]int32, n)
	for i := range prompt {
		prompt[i] = int32((i*i*7919 + 17) % m.Spec.Vocab)
	}
	h := sha256.New()
	for _, logits := range (combo{seqs: 1, level: level}).run(t, m, prompt, 8) {
		for _, v := range logits {
			h.Write(binary.LittleEndian.AppendUint32(nil, math.Float32bits(v)))
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}

// goldenModels are the committed models, one a way of computing.
var goldenModels = []string{"llama-gqa.F32", "llama-gqa.Q8_0", "llama-gqa.Q4_0", "llama-ropefreqs-tied.F32", "llama256.Q4_1", "llama256.Q5_0",
	"llama256.Q4_K_M", "llama256.Q6_K", "qwen2.F32", "qwen2.Q8_0", "llama-moe.Q4_0", "gpt-oss.MXFP4_MOE", "deepseek2-lite.Q8_0", "mamba2.Q8_0"}

// TestGolden holds every level to the logits that other machines computed: testdata/golden.json was written on x86-64 with
// AVX-512, and must be met on every architecture. -update-golden writes it, after a change of the canonical
// arithmetic alone.
func TestGolden(t *testing.T) {
	path := filepath.Join("..", "testdata", "golden.json")
	golden := map[string]string{}
	if b, err := os.ReadFile(path); err == nil {
		if err := json.Unmarshal(b, &golden); err != nil {
			t.Fatal(err)
		}
	}
	for _, level := range kernels.Levels() {
		for _, name := range goldenModels {
			for mode, opt := range map[string][]Option{"normal": nil, "reference": {WithNumeric(Reference)}} {
				t.Run(level.Name+"/"+name+"/"+mode, func(t *testing.T) {
					got, key := logitsHash(t, filepath.Join("..", "testdata", "models", name+".gguf"), 40, level, opt...), name+" "+mode
					if *updateGolden {
						golden[key] = got
					}
					if got != golden[key] {
						t.Errorf("logits have sha256 %s, want %s", got, golden[key])
					}
				})
			}
		}
	}
	if *updateGolden && !t.Failed() {
		b, err := json.MarshalIndent(golden, "", "  ")
		if err == nil {
			err = os.WriteFile(path, append(b, '\n'), 0o666)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestRealGolden does the same for SmolLM2 and a prompt of 16 tokens; it runs under an emulator of another architecture
// too, where the weights are at hand.
func TestRealGolden(t *testing.T) {
	path := realPath(t, "smollm2-135m-instruct")
	levels := kernels.Levels()
	if testing.Short() {
		levels = levels[len(levels)-1:]
	}
	for _, level := range levels {
		if level.Name == "portable" && len(levels) > 1 && os.Getenv("FREEHOLD_LONG") != "1" {
			continue // minutes
		}
		t.Run(level.Name, func(t *testing.T) {
			const want = "cd4d3eb627d5ef3db8469189c23d28156020d099ecb135eefdbe5d602752b808"
			if got := logitsHash(t, path, 16, level); got != want {
				t.Errorf("logits have sha256 %s, want %s", got, want)
			}
		})
	}
}
