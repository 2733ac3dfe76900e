package models

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Stored is a GGUF file that another program keeps on this machine. It is read where it lies and never changed.
type Stored struct {
	Name  string // STORE:NAME, as Resolve takes it
	Store string
	Path  string
	Bytes int64
}

// A store is where another program keeps models. Finding one more is one more row.
type store struct {
	name    string
	folders func() []string // the first that is there counts
	list    func(dir string) ([]Stored, error)
}

var stores = []store{
	{"hf", hfFolders, hfModels},
	{"lmstudio", func() []string { return inHome(".lmstudio/models", ".cache/lm-studio/models") }, lmStudioModels},
	{"ollama", ollamaFolders, ollamaModels},
}

// Stores lists the GGUF files in the Hugging Face cache, LM Studio's folder and ollama's store, by name. What
// cannot be read is left out: these folders belong to others.
func Stores() []Stored {
	var out []Stored
	for _, s := range stores {
		found, err := s.models()
		if err == nil {
			out = append(out, found...)
		}
	}
	return out
}

// models lists what the store has, with names and sizes; nothing where the program was never used.
func (s store) models() ([]Stored, error) {
	for _, dir := range s.folders() {
		if st, err := os.Stat(dir); err != nil || !st.IsDir() {
			continue
		}
		found, err := s.list(dir)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", dir, err)
		}
		kept := found[:0]
		for _, m := range found {
			st, err := os.Stat(m.Path)
			part := splitPart.FindStringSubmatch(m.Path)
			if err != nil || !st.Mode().IsRegular() || part != nil && part[1] != "00001" {
				continue // a download that was broken off leaves a link to nothing
			}
			m.Name, m.Store, m.Bytes = s.name+":"+m.Name, s.name, st.Size()
			kept = append(kept, m)
		}
		slices.SortFunc(kept, func(a, b Stored) int { return strings.Compare(a.Name, b.Name) })
		return kept, nil
	}
	return nil, nil
}

// splitPart is a part of a split file; the first stands for all.
var splitPart = regexp.MustCompile(`-(\d{5})-of-\d{5}\.gguf$`)

// resolveStored finds STORE:NAME; known is false where name does not begin with a store's. NAME may leave out what
// only one file fits: hf:OWNER/REPO with one GGUF file, ollama:NAME for NAME:latest.
func resolveStored(name string) (file string, known bool, err error) {
	prefix, rest, _ := strings.Cut(name, ":")
	i := slices.IndexFunc(stores, func(s store) bool { return s.name == prefix })
	if i < 0 {
		return "", false, nil
	}
	found, err := stores[i].models()
	if err != nil {
		return "", true, err
	}
	var fit, all []string
	for _, m := range found {
		_, own, _ := strings.Cut(m.Name, ":")
		if own == rest || own == rest+":latest" {
			return m.Path, true, nil
		}
		if rest != "" && (strings.HasPrefix(own, rest+"/") || strings.HasPrefix(own, rest+":")) {
			fit, file = append(fit, m.Name), m.Path
		}
		all = append(all, m.Name)
	}
	switch {
	case len(fit) == 1:
		return file, true, nil
	case len(fit) > 1:
		return "", true, &NotStoredError{fmt.Sprintf("%s fits several files; name one of %s", name, strings.Join(fit, ", "))}
	case len(all) == 0:
		return "", true, &NotStoredError{fmt.Sprintf("%s: there is no GGUF file in %s", name, strings.Join(stores[i].folders(), " or "))}
	}
	return "", true, &NotStoredError{fmt.Sprintf("%s is not there; %s has %s", name, prefix, strings.Join(all, ", "))}
}

// NotStoredError says that another program's store has no such file, or several. It is fs.ErrNotExist.
type NotStoredError struct{ what string }

func (e *NotStoredError) Error() string        { return e.what }
func (e *NotStoredError) Is(target error) bool { return target == fs.ErrNotExist }

// inHome gives paths below the user's home; none where there is no home.
func inHome(paths ...string) []string {
	home, err := os.UserHomeDir()
	if err != nil {
		return nil
	}
	for i, p := range paths {
		paths[i] = filepath.Join(home, filepath.FromSlash(p))
	}
	return paths
}

// hfFolders are the places of the Hugging Face cache, as its library looks for them.
func hfFolders() []string {
	if dir := os.Getenv("HF_HUB_CACHE"); dir != "" {
		return []string{dir}
	}
	if dir := os.Getenv("HF_HOME"); dir != "" {
		return []string{filepath.Join(dir, "hub")}
	}
	if dir := os.Getenv("XDG_CACHE_HOME"); dir != "" {
		return []string{filepath.Join(dir, "huggingface", "hub")}
	}
	return inHome(".cache/huggingface/hub")
}

// hfModels reads models--OWNER--REPO/snapshots/REVISION/FILE, a link to a blob; of several revisions that of
// refs/main, else the last by name. Names are OWNER/REPO/FILE.
func hfModels(dir string) ([]Stored, error) {
	repos, err := filepath.Glob(filepath.Join(dir, "models--*"))
	if err != nil {
		return nil, err
	}
	var out []Stored
	for _, repo := range repos {
		name := strings.ReplaceAll(strings.TrimPrefix(filepath.Base(repo), "models--"), "--", "/")
		revisions, err := os.ReadDir(filepath.Join(repo, "snapshots"))
		if err != nil || len(revisions) == 0 {
			continue
		}
		revision := revisions[len(revisions)-1].Name()
		if main, err := os.ReadFile(filepath.Join(repo, "refs", "main")); err == nil {
			if r := strings.TrimSpace(string(main)); slices.ContainsFunc(revisions, func(e fs.DirEntry) bool { return e.Name() == r }) {
				revision = r
			}
		}
		out = append(out, ggufBelow(filepath.Join(repo, "snapshots", revision), name)...)
	}
	return out, nil
}

// lmStudioModels reads PUBLISHER/MODEL/FILE.
func lmStudioModels(dir string) ([]Stored, error) { return ggufBelow(dir, ""), nil }

// ggufBelow lists the GGUF files below dir by their path from there, after prefix.
func ggufBelow(dir, prefix string) []Stored {
	var out []Stored
	filepath.WalkDir(dir, func(file string, e fs.DirEntry, err error) error { //nolint:errcheck // it gives none
		if err != nil {
			return fs.SkipDir
		}
		if rel, err := filepath.Rel(dir, file); err == nil && !e.IsDir() && strings.EqualFold(filepath.Ext(file), ".gguf") {
			if strings.Count(rel, string(filepath.Separator)) > 8 {
				return fs.SkipDir
			}
			out = append(out, Stored{Name: path.Join(prefix, filepath.ToSlash(rel)), Path: file})
		}
		return nil
	})
	return out
}

func ollamaFolders() []string {
	if dir := os.Getenv("OLLAMA_MODELS"); dir != "" {
		return []string{dir}
	}
	return append(inHome(".ollama/models"), "/usr/share/ollama/.ollama/models", "/var/lib/ollama/.ollama/models")
}

// ollamaManifest is manifests/HOST/NAMESPACE/NAME/TAG; a layer lies in blobs/ under its digest.
type ollamaManifest struct {
	Layers []struct {
		MediaType string `json:"mediaType"`
		Digest    string `json:"digest"`
	} `json:"layers"`
}

var ollamaDigest = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)

// ollamaModels reads the manifests. Names are as ollama shows them, NAME:TAG or NAMESPACE/NAME:TAG, with the host before where two have
// the same. A model with an adapter of its own is left out: its file alone is another model.
func ollamaModels(dir string) ([]Stored, error) {
	manifests, err := filepath.Glob(filepath.Join(dir, "manifests", "*", "*", "*", "*"))
	if err != nil {
		return nil, err
	}
	var out []Stored
	seen := map[string]bool{}
	for _, file := range manifests {
		var m ollamaManifest
		if st, err := os.Stat(file); err != nil || st.Size() > 1<<20 {
			continue
		}
		data, err := os.ReadFile(file)
		if err != nil || json.Unmarshal(data, &m) != nil {
			continue
		}
		blob := ""
		for _, l := range m.Layers {
			switch {
			case l.MediaType == "application/vnd.ollama.image.model" && blob == "" && ollamaDigest.MatchString(l.Digest):
				blob = filepath.Join(dir, "blobs", strings.Replace(l.Digest, ":", "-", 1))
			case l.MediaType == "application/vnd.ollama.image.model", l.MediaType == "application/vnd.ollama.image.adapter":
				blob = "none"
			}
		}
		rel, err := filepath.Rel(filepath.Join(dir, "manifests"), file)
		if err != nil || blob == "" || blob == "none" {
			continue
		}
		p := strings.Split(filepath.ToSlash(rel), "/") // host, namespace, name, tag
		name := p[2] + ":" + p[3]
		if p[1] != "library" {
			name = p[1] + "/" + name
		}
		if seen[name] {
			name = path.Join(p[0], p[1], p[2]) + ":" + p[3]
		}
		seen[name] = true
		out = append(out, Stored{Name: name, Path: blob})
	}
	return out, nil
}
