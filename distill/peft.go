package distill

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/freehold-slm/freehold/kernels"
	"github.com/freehold-slm/freehold/models/gguf"
	"github.com/freehold-slm/freehold/models/hf"
	"github.com/freehold-slm/freehold/models/safetensors"
)

// peftConfig is adapter_config.json of Hugging Face's PEFT library, as far as it concerns LoRA and DoRA.
type peftConfig struct {
	PEFTType  string   `json:"peft_type"`
	TaskType  string   `json:"task_type"`
	Base      string   `json:"base_model_name_or_path"`
	Rank      int      `json:"r"`
	Alpha     float64  `json:"lora_alpha"`
	Dropout   float64  `json:"lora_dropout"`
	Modules   []string `json:"target_modules"`
	Bias      string   `json:"bias"`
	FanInOut  bool     `json:"fan_in_fan_out"`
	DoRA      bool     `json:"use_dora"`
	RSLoRA    bool     `json:"use_rslora"`
	Inference bool     `json:"inference_mode"`
}

// peftPrefix stands before the modules' names in PEFT's files: its own wrapper and its tuner's.
const peftPrefix = "base_model.model."

// writePEFT writes the adapters to dir in PEFT's layout: adapter_config.json, and adapter_model.safetensors in F32 with
//
//	base_model.model.MODULE.lora_A.weight            [rank, in]
//	base_model.model.MODULE.lora_B.weight            [out, rank]
//	base_model.model.MODULE.lora_magnitude_vector    [out], with use_dora
//
// MODULE is transformers' name (model.layers.0.self_attn.q_proj), with the student's layer numbers and rows in
// transformers' order. base names the model that they were trained beside. The directory must exist.
func (s *Student) writePEFT(fsys gguf.FS, dir, base string, layers []int) error {
	names, err := hf.ModulesOf(s.Spec.Arch)
	if err != nil {
		return err
	}
	c := peftConfig{PEFTType: "LORA", TaskType: "CAUSAL_LM", Base: base, Bias: "none", Inference: true}
	w := safetensors.NewWriter()
	w.Metadata = map[string]string{"format": "pt", "freehold.source_layers": strings.Trim(fmt.Sprint(layers), "[]")}
	add := func(name string, data []float32, shape ...int) {
		w.Add(peftPrefix+name, "F32", shape, packer(mustFormat(kernels.F32), data, shape[len(shape)-1]))
	}
	for _, p := range s.Params {
		a := s.adapters[p.Name]
		if a == nil {
			continue
		}
		module, err := names.Module(p.Name)
		if err != nil {
			return err
		}
		in, out, hd := p.Shape[0], p.Shape[1], s.Spec.HeadDim
		down, up, rank := a.besideBase()
		add(module+".lora_A.weight", down, rank, in)
		add(module+".lora_B.weight", names.Rows(p.Name, up, rank, hd), out, rank)
		if a.M != nil {
			add(module+".lora_magnitude_vector", names.Rows(p.Name, a.M.W, 1, hd), out)
			c.DoRA = true
		}
		c.Rank, c.Alpha = rank, float64(a.Scale)*float64(rank)
		c.Modules = append(c.Modules, module)
	}
	text, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return err
	}
	if err := gguf.Publish(fsys, filepath.Join(dir, "adapter_model.safetensors"), w.Encode); err != nil {
		return err
	}
	return writeFile(fsys, filepath.Join(dir, "adapter_config.json"), append(text, '\n'))
}

// besideBase are A and B beside the base's own weight. Where the adapter was taken out of it, they hold what it was then as
// well, with the other sign, and have twice the rank, as PEFT converts such adapters: B·A - B0·A0 = [B, -B0]·[A; A0].
func (a *Adapter) besideBase() (down, up []float32, rank int) {
	if a.startA == nil {
		return a.A.W, a.B.W, a.Rank
	}
	for o := range len(a.B.W) / a.Rank {
		up = append(up, a.B.W[o*a.Rank:(o+1)*a.Rank]...)
		for _, x := range a.startB[o*a.Rank : (o+1)*a.Rank] {
			up = append(up, -x)
		}
	}
	return append(slices.Clone(a.A.W), a.startA...), up, 2 * a.Rank
}

// writeAdapters keeps the adapters beside the model that they are merged into, where transformers has names for it.
func (j *Job) writeAdapters(b *Base) error {
	s := b.Student
	if s.adapters == nil {
		return nil
	}
	if _, err := hf.ModulesOf(s.Spec.Arch); err != nil {
		j.warn("adapters are merged into model.gguf and not written alone: " + err.Error())
		return nil
	}
	dir := filepath.Join(j.dir, "adapter")
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	return s.writePEFT(j.opt.FS, dir, j.base.Name, j.recipe.Student.Layers)
}
