package models

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// plant writes a file below dir, or with to != "" a link to it.
func plant(t *testing.T, dir, name, data, to string) string {
	t.Helper()
	file := filepath.Join(dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
		t.Fatal(err)
	}
	if to != "" {
		if err := os.Symlink(to, file); err != nil {
			t.Skipf("NOT TESTED: no links here: %v", err)
		}
		return file
	}
	if err := os.WriteFile(file, []byte(data), 0o666); err != nil {
		t.Fatal(err)
	}
	return file
}

func wantStored(t *testing.T, found []Stored, want ...string) {
	t.Helper()
	got := map[string]bool{}
	for _, m := range found {
		got[m.Name] = true
		if path, e, err := Resolve(m.Name); err != nil || e != nil || path != m.Path {
			t.Errorf("Resolve(%s) = %s, %v, %v; want %s", m.Name, path, e, err, m.Path)
		}
	}
	for _, w := range want {
		if !got[w] {
			t.Errorf("%s is missing", w)
		}
	}
	if len(found) != len(want) {
		t.Errorf("found %v, want %v", found, want)
	}
}

// stray points all stores at empty folders, so that a test sees its own files alone.
func stray(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	home(t)
	t.Setenv("HOME", dir)
	t.Setenv("USERPROFILE", dir)
	for _, name := range []string{"HF_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME"} {
		t.Setenv(name, "")
	}
	t.Setenv("OLLAMA_MODELS", filepath.Join(dir, "ollama"))
	return dir
}

func TestStoresHuggingFace(t *testing.T) {
	dir := stray(t)
	repo := ".cache/huggingface/hub/models--acme--Tiny-GGUF/"
	blob := plant(t, dir, repo+"blobs/abc", "GGUF", "")
	plant(t, dir, repo+"snapshots/1111/tiny.q4_0.gguf", "", blob)
	plant(t, dir, repo+"snapshots/1111/big/tiny-00001-of-00002.gguf", "", blob)
	plant(t, dir, repo+"snapshots/1111/big/tiny-00002-of-00002.gguf", "", blob)
	plant(t, dir, repo+"snapshots/1111/broken.gguf", "", filepath.Join(dir, "nothing"))
	plant(t, dir, repo+"snapshots/2222/newer.gguf", "", blob)
	plant(t, dir, repo+"refs/main", "1111\n", "")
	one := plant(t, dir, ".cache/huggingface/hub/models--acme--one/snapshots/3333/m.gguf", "GGUF", "")
	wantStored(t, Stores(), "hf:acme/Tiny-GGUF/tiny.q4_0.gguf", "hf:acme/Tiny-GGUF/big/tiny-00001-of-00002.gguf", "hf:acme/one/m.gguf")
	if path, _, err := Resolve("hf:acme/one"); err != nil || path != one {
		t.Errorf("a repository of one file: %s, %v", path, err)
	}
	if _, _, err := Resolve("hf:acme/Tiny-GGUF"); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "tiny.q4_0.gguf") {
		t.Errorf("a repository of several: %v, want their names", err)
	}
	if _, _, err := Resolve("hf:acme/none"); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "hf:acme/one/m.gguf") {
		t.Errorf("none: %v, want what there is", err)
	}
	t.Setenv("HF_HUB_CACHE", filepath.Join(dir, "elsewhere"))
	wantStored(t, Stores())
}

func TestStoresLMStudio(t *testing.T) {
	dir := stray(t)
	plant(t, dir, ".lmstudio/models/acme/tiny/tiny.gguf", "GGUF", "")
	plant(t, dir, ".lmstudio/models/acme/tiny/notes.txt", "", "")
	wantStored(t, Stores(), "lmstudio:acme/tiny/tiny.gguf")
	if _, _, err := Resolve("lmstudio:acme/tiny"); err != nil {
		t.Error(err)
	}
}

func TestStoresOllama(t *testing.T) {
	dir := stray(t)
	manifest := func(place, digest, more string) {
		plant(t, dir, "ollama/manifests/"+place, fmt.Sprintf(`{"schemaVersion": 2, "layers": [{"mediaType": "application/vnd.ollama.image.model", "digest": "sha256:%s"}%s]}`, digest, more), "")
		plant(t, dir, "ollama/blobs/sha256-"+digest, "GGUF", "")
	}
	a, b := strings.Repeat("a", 64), strings.Repeat("b", 64)
	manifest("host/library/llama3.2/1b", a, `, {"mediaType": "application/vnd.ollama.image.template", "digest": "sha256:x"}`)
	manifest("host/library/tiny/latest", b, "")
	manifest("host/acme/own/v1", a, "")
	manifest("host/acme/adapted/v1", a, `, {"mediaType": "application/vnd.ollama.image.adapter", "digest": "sha256:`+b+`"}`)
	manifest("other/library/tiny/latest", a, "")
	plant(t, dir, "ollama/manifests/host/library/hostile/latest", `{"layers": [{"mediaType": "application/vnd.ollama.image.model", "digest": "sha256:../../../etc/passwd"}]}`, "")
	plant(t, dir, "ollama/manifests/host/library/noise/latest", `no JSON`, "")
	wantStored(t, Stores(), "ollama:llama3.2:1b", "ollama:tiny:latest", "ollama:acme/own:v1", "ollama:other/library/tiny:latest")
	if path, _, err := Resolve("ollama:tiny"); err != nil || !strings.HasSuffix(path, b) {
		t.Errorf("without a tag: %s, %v, want latest", path, err)
	}
	if _, _, err := Resolve("ollama:adapted"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a model with an adapter: %v", err)
	}
}

// Where no other program was used there is nothing, and the error says where it was looked for.
func TestStoresNone(t *testing.T) {
	stray(t)
	wantStored(t, Stores())
	for _, s := range stores {
		if _, _, err := Resolve(s.name + ":x"); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), s.folders()[0]) {
			t.Errorf("%s: %v", s.name, err)
		}
	}
}
