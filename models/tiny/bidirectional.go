package tiny

import (
	"github.com/freehold-slm/freehold/models"
	"github.com/freehold-slm/freehold/models/gguf"
)

// Tagged writes a copy of a model's file that marks the tokens of a text, with a head that is made up. The schema is that of the tags, and more says what
// else its metadata holds.
func Tagged(from, to, schema string, tags []string, more map[string]any) error {
	return headed(from, to, map[string]any{"freehold.task.schema": schema, models.TagsKey: tags}, len(tags), more)
}

// Labelled writes a copy of a model's file without its causal mask that gives the mean state of a text one of some labels, with a head that is made up; without labels it
// gives embeddings.
func Labelled(from, to string, labels []string, more map[string]any) error {
	keys := map[string]any{".pooling_type": uint32(models.PoolMean)}
	if labels != nil {
		keys[".classifier.output_labels"] = labels
	}
	return headed(from, to, keys, len(labels), more)
}

// headed copies a model's file without its output head and its mask. Keys that begin with a dot are the architecture's.
func headed(from, to string, keys map[string]any, outputs int, more map[string]any) error {
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
	weight, bias := make([]float32, outputs*spec.Dim), make([]float32, outputs)
	for i := range weight {
		weight[i] = float32((i*37)%19-9) / 10
	}
	if outputs > 0 {
		w.Set(models.ClassifierWeight, weight)
		w.Set(models.ClassifierBias, bias)
	}
	for _, all := range []map[string]any{keys, more} {
		for key, v := range all {
			if key[0] == '.' {
				key = spec.Arch + key
			}
			w.Set(key, v)
		}
	}
	for _, t := range f.Tensors {
		if t.Name != "output.weight" && t.Name != "output.bias" {
			w.AddTensor(t.Name, t.Type, t.Shape, t.Data)
		}
	}
	return w.WriteTo(to)
}
