package hf_test

import (
	"bytes"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/freehold-slm/freehold/models"
	"github.com/freehold-slm/freehold/models/gguf"
	"github.com/freehold-slm/freehold/models/hf"
	"github.com/freehold-slm/freehold/models/tiny"
)

// foldered are models of architectures that transformers knows too: reference models, else tiny ones.
var foldered = map[string]string{
	"llama-gqa": "LlamaForCausalLM", "llama-moe": "MixtralForCausalLM", "qwen2": "Qwen2ForCausalLM", "qwen3": "Qwen3ForCausalLM", "qwen2moe": "Qwen2MoeForCausalLM",
	"qwen3moe": "Qwen3MoeForCausalLM", "olmo2": "Olmo2ForCausalLM", "olmoe": "OlmoeForCausalLM", "gemma": "GemmaForCausalLM", "gemma2": "Gemma2ForCausalLM",
	"gemma3": "Gemma3ForCausalLM", "granite": "GraniteForCausalLM", "smollm3": "SmolLM3ForCausalLM", "phi3-plain": "Phi3ForCausalLM", "stablelm": "StableLmForCausalLM",
	"starcoder2": "Starcoder2ForCausalLM", "olmo": "OlmoForCausalLM", "command-r": "CohereForCausalLM", "cohere2": "Cohere2ForCausalLM", "arcee": "ArceeForCausalLM",
	"seed_oss": "SeedOssForCausalLM", "exaone4": "Exaone4ForCausalLM", "ernie4_5": "Ernie4_5ForCausalLM", "glm4": "Glm4ForCausalLM", "nemotron": "NemotronForCausalLM", "phi2": "PhiForCausalLM",
	"gpt2": "GPT2LMHeadModel", "gptneox-par": "GPTNeoXForCausalLM", "falcon-7b": "FalconForCausalLM", "falcon-norms": "FalconForCausalLM", "bloom": "BloomForCausalLM", "mpt": "MptForCausalLM",
	"starcoder": "GPTBigCodeForCausalLM", "gpt-oss-plain": "GptOssForCausalLM", "deepseek2-lite": "DeepseekV2ForCausalLM", "deepseek2-qlora": "DeepseekV2ForCausalLM", "mamba": "MambaForCausalLM",
	"mamba2": "Mamba2ForCausalLM", "lfm2": "Lfm2ForCausalLM", "granitemoe": "GraniteMoeForCausalLM", "granitemoe-shared": "GraniteMoeSharedForCausalLM", "granitehybrid": "GraniteMoeHybridForCausalLM",
	"granitehybrid-moe": "GraniteMoeHybridForCausalLM", "hunyuan-dense": "HunYuanDenseV1ForCausalLM", "internlm2": "InternLM2ForCausalLM", "exaone": "ExaoneForCausalLM", "minicpm": "MiniCPMForCausalLM",
	"phi3-long": "Phi3ForCausalLM", "stablelm-norms": "StableLmForCausalLM", "command-r-norms": "CohereForCausalLM", "bert": "BertModel", "bert-cls": "BertModel",
}

// modelOf is the named tiny model without factors of frequency, which are random there, or else the reference model.
func modelOf(t *testing.T, name string) *gguf.File {
	t.Helper()
	i := slices.IndexFunc(tiny.Models, func(m tiny.Model) bool { return m.Name == name })
	encoder := slices.IndexFunc(tiny.Encoders, func(m tiny.Model) bool { return m.Name == name })
	var m tiny.Model
	switch {
	case i >= 0:
		m = tiny.Models[i]
	case encoder >= 0:
		m = tiny.Encoders[encoder]
	default:
		return reference(t, name)
	}
	m.Tensors = strings.TrimSuffix(strings.ReplaceAll(m.Tensors, "rope_freqs.weight R", ""), ", ")
	var b bytes.Buffer
	if err := m.Writer().Encode(&b); err != nil {
		t.Fatal(err)
	}
	f, err := gguf.Parse(name, b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// Every family: a GGUF file goes to a folder of its class and comes back with its Spec and the bits of every tensor; norm weights that GGUF keeps
// plus 1, and states' decays of which folders have the logarithm, lose their last bits, so there the second way gives the first's.
func TestFixturesFamilies(t *testing.T) {
	classes := map[string]bool{"MistralForCausalLM": true, "MPTForCausalLM": true, "BertForMaskedLM": true, "BertForPreTraining": true} // other names of families
	for name, class := range foldered {
		classes[class] = true
		t.Run(name, func(t *testing.T) {
			want := modelOf(t, name)
			got := throughFolder(t, want, class)
			if strings.HasPrefix(name, "gemma") || name == "nemotron" || strings.HasPrefix(name, "mamba") || strings.HasPrefix(name, "granitehybrid") {
				want, got = got, throughFolder(t, got, class)
			}
			if len(got.Tensors) != len(want.Tensors) {
				t.Errorf("%d tensors, want %d", len(got.Tensors), len(want.Tensors))
			}
			for i := range want.Tensors {
				x := &want.Tensors[i]
				if y, ok := got.Tensor(x.Name); !ok || y.Type != x.Type || !slices.Equal(y.Shape, x.Shape) || !bytes.Equal(y.Data, x.Data) {
					t.Errorf("%s is not as it was", x.Name)
				}
			}
			a, errA := models.NewSpec(want)
			b, errB := models.NewSpec(got)
			if errA != nil || errB != nil {
				t.Fatal(errA, errB)
			}
			if a.Name = b.Name; !reflect.DeepEqual(a, b) {
				t.Errorf("the Spec is\n%+v, want\n%+v", b, a)
			}
		})
	}
	for _, class := range hf.Architectures() {
		if !classes[class] {
			t.Errorf("no model of %s is tried", class)
		}
	}
}

func throughFolder(t *testing.T, f *gguf.File, class string) *gguf.File {
	t.Helper()
	e, err := hf.NewExport(f, hf.ExportOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if e.Class != class {
		t.Errorf("class %s, want %s", e.Class, class)
	}
	dir := filepath.Join(t.TempDir(), "model")
	if err := e.WriteTo(dir); err != nil {
		t.Fatal(err)
	}
	return convert(t, dir, hf.Options{})
}
