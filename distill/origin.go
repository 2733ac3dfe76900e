package distill

import (
	"fmt"
	"slices"
	"strings"

	"github.com/freehold-slm/freehold/models"
	"github.com/freehold-slm/freehold/models/gguf"
)

// Keys of GGUF's general.* that speak of one file: what they say of a base is not so of its student.
var (
	ownKeys     = []string{"author", "version", "organization", "finetune", "basename", "description", "quantized_by", "size_label", "license", "file_type", "url", "doi", "uuid", "repo_url", "name"}
	ownPrefixes = []string{"license.", "source.", "base_model.", "dataset."}
	originKeys  = []string{"author", "organization", "description", "url", "doi", "uuid", "repo_url"} // of these, those that say where a file came from
)

// ofSource tells whether a key of a base's file is about that file and not about its student.
func ofSource(key string) bool {
	name, ok := strings.CutPrefix(key, "general.")
	return ok && (slices.Contains(ownKeys, name) || slices.ContainsFunc(ownPrefixes, func(p string) bool { return strings.HasPrefix(name, p) }))
}

// readOrigin is what a file says of its own origin, by the last part of its keys.
func readOrigin(path string) (map[string]string, error) {
	f, err := gguf.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	said := map[string]string{}
	for _, name := range originKeys {
		v, err := f.StringOr("general."+name, "")
		if err != nil {
			return nil, err
		}
		if v != "" {
			said[name] = v
		}
	}
	return said, nil
}

// origin is what the student's file says of where it comes from, in GGUF's general.* keys: the models that it was made from and taught
// by (one where they are the same), the file whose weights it began with, and the data.
func (j *Job) origin() []Meta {
	bases := []source{j.base}
	for _, t := range j.teachers() {
		if t.sha256 != j.base.sha256 {
			bases = append(bases, t)
		}
	}
	meta := []Meta{{"general.base_model.count", uint32(len(bases))}}
	for i, s := range bases {
		add := func(key, value string) {
			if value != "" {
				meta = append(meta, Meta{fmt.Sprintf("general.base_model.%d.%s", i, key), value})
			}
		}
		add("name", nameOnly(s.Name))
		if s.remote != nil {
			add("url", s.remote.String())
			add("description", "remote teacher, asked over the network")
			continue
		}
		add("version", "sha256:"+s.sha256)
		url := s.origin["url"]
		if e, err := models.Lookup(s.Name); err == nil && strings.Contains(e.From(), "://") {
			url = e.From()
		}
		for _, key := range originKeys {
			if key == "url" {
				add(key, url)
				continue
			}
			add(key, s.origin[key])
		}
		if i == 0 && url != "" {
			meta = append(meta, Meta{"general.source.url", url})
		}
	}
	meta = append(meta, Meta{"general.dataset.count", uint32(1)}, Meta{"general.dataset.0.name", j.datasetName()}, Meta{"general.dataset.0.version", "sha256:" + j.data.Hash})
	if e, err := models.LookupData(j.recipe.Data.Source); err == nil && strings.Contains(e.From(), "://") {
		meta = append(meta, Meta{"general.dataset.0.url", e.From()})
	}
	return meta
}
