package hf

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/freehold-slm/freehold/models/safetensors"
)

// shards writes the tensors to model.safetensors, or to several files and their index where they are more than fit into one.
func (e *Export) shards(dir string) error {
	limit := e.o.ShardSize
	if limit <= 0 {
		limit = defaultShard
	}
	var shards [][]*exported
	size := limit + 1 // of the last shard: the first tensor opens one
	for _, x := range e.pieces {
		if size+x.bytes > limit {
			shards, size = append(shards, nil), 0
		}
		shards[len(shards)-1] = append(shards[len(shards)-1], x)
		size += x.bytes
	}
	where := map[string]string{}
	for i, shard := range shards {
		name := safetensors.SingleName
		if len(shards) > 1 {
			name = fmt.Sprintf("model-%05d-of-%05d.safetensors", i+1, len(shards))
		}
		w := safetensors.NewWriter()
		w.Metadata = map[string]string{"format": "pt"} // transformers asks for it
		for _, x := range shard {
			where[x.name] = name
			w.Add(x.name, x.dtype, x.shape, func(out io.Writer) error {
				return x.write(func(b []byte) error { _, err := out.Write(b); return err })
			})
		}
		if err := w.WriteTo(filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	if len(shards) < 2 {
		return nil
	}
	index, err := json.MarshalIndent(map[string]any{"metadata": map[string]any{"total_size": e.Size}, "weight_map": where}, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, safetensors.IndexName), append(index, '\n'), 0o666)
}
