package hf

import (
	"path/filepath"

	"github.com/freehold-slm/freehold/models"
)

// poolingFile is where sentence-transformers says how states are pooled, and modulesFile that it does.
const (
	poolingFile = "1_Pooling/config.json"
	modulesFile = "modules.json"
)

// poolings are the fields of that file that have a place in GGUF.
var poolings = map[string]models.Pooling{"pooling_mode_mean_tokens": models.PoolMean, "pooling_mode_cls_token": models.PoolCLS, "pooling_mode_lasttoken": models.PoolLast}

// readPooling reads how a folder's states are pooled; PoolNone where it does not say.
func readPooling(dir string) (models.Pooling, error) {
	c := &config{file: filepath.Join(dir, filepath.FromSlash(poolingFile))}
	if !exists(c.file) {
		return models.PoolNone, nil
	}
	if err := readJSON(c.file, &c.fields); err != nil {
		return models.PoolNone, err
	}
	found, on := models.PoolNone, 0
	for name, v := range c.fields {
		if len(name) > 13 && name[:13] == "pooling_mode_" && v == true {
			found, on = poolings[name], on+1
		}
	}
	if on != 1 || found == models.PoolNone {
		return found, &Error{c.file, "pooling_mode_...", shown(c.fields), "one of cls_token, mean_tokens and lasttoken"}
	}
	return found, nil
}

// poolingJSON adds the files that say how states are pooled.
func (e *Export) poolingJSON(s *models.Spec) {
	if s.Pooling == models.PoolNone {
		return
	}
	modes := object{"word_embedding_dimension": s.Dim, "pooling_mode_max_tokens": false, "pooling_mode_mean_sqrt_len_tokens": false}
	for name, p := range poolings {
		modes[name] = p == s.Pooling
	}
	e.json[poolingFile] = modes
	e.json[modulesFile] = []object{{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
		{"idx": 1, "name": "1", "path": filepath.Dir(poolingFile), "type": "sentence_transformers.models.Pooling"}}
}
