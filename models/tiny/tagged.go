package tiny

import (
	"github.com/freehold-slm/freehold/models"
	"github.com/freehold-slm/freehold/models/gguf"
)

// Tagged writes a copy of a model's file that marks the tokens of a text, with a head that is made up. The schema is that of the tags, and more says what
// else its metadata holds.
func Tagged(from, to, schema string, tags []string, more map[string]any) error {
	f, err := gguf.Open(from)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // read-only
	spec, err := models.NewSpec(f)
	if err != nil {
		return err
	}
	w := gguf.NewWriter()
	for _, kv := range f.KV {
		w.Set(kv.Key, kv.Value)
	}
	w.Set(spec.Arch+".attention.causal", false)
	w.Set("freehold.task.schema", schema)
	w.Set(models.TagsKey, tags)
	weight, bias := make([]float32, len(tags)*spec.Dim), make([]float32, len(tags))
	for i := range weight {
		weight[i] = float32((i*37)%19-9) / 10
	}
	w.Set(models.ClassifierWeight, weight)
	w.Set(models.ClassifierBias, bias)
	for key, v := range more {
		w.Set(key, v)
	}
	for _, t := range f.Tensors {
		if t.Name != "output.weight" && t.Name != "output.bias" {
			w.AddTensor(t.Name, t.Type, t.Shape, t.Data)
		}
	}
	return w.WriteTo(to)
}
