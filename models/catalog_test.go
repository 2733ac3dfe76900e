package models

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

func TestCatalog(t *testing.T) {
	var all []Artefact
	for _, e := range Catalog() {
		all = append(all, e.Artefact)
		if e.Ext != ".gguf" || e.Architecture == "" || e.Tokenizer == "" || e.Format == "" {
			t.Errorf("%s: a field is missing: %+v", e.Name, e)
		}
	}
	for _, e := range DataCatalog() {
		all = append(all, e.Artefact)
	}
	sha := regexp.MustCompile(`^[0-9a-f]{64}$`)
	seen := map[string]bool{}
	for _, a := range all {
		if a.Ext == filepath.Ext(recordPath("x.gguf")) {
			t.Errorf("%s: its file would have the name of its record", a.Name)
		}
		if seen[a.Name] || a.Name == "" || a.Bytes <= 0 || !sha.MatchString(a.SHA256) || a.Licence.ID == "" || len(a.Sources) == 0 {
			t.Errorf("%q: twice, or a field is missing", a.Name)
		}
		seen[a.Name] = true
		switch a.Licence.Basis {
		case StatedInFile, Declared, Unknown:
		default:
			t.Errorf("%s: licence basis %q", a.Name, a.Licence.Basis)
		}
		for _, s := range a.Sources {
			if (s.URL == "") == (len(s.Parts) == 0) {
				t.Errorf("%s: a source needs a URL or parts", a.Name)
			}
			for _, p := range s.Parts {
				if !sha.MatchString(p.SHA256) || seen[p.SHA256] {
					t.Errorf("%s: part %s: sha256 %q is no sum, or stands twice", a.Name, p.Package, p.SHA256)
				}
				seen[p.SHA256] = true
			}
		}
	}
}

func TestLookup(t *testing.T) {
	e, err := Lookup("smollm2-135m-instruct")
	if err != nil || e.Bytes != 98362432 {
		t.Errorf("%+v, %v", e, err)
	}
	for name, suggest := range map[string]string{
		"smolm2-135m-instruct": "smollm2-135m-instruct", "SmolLM2-135M-Instruct": "smollm2-135m-instruct",
		"gemma": "gemma-3-270m", "qwen2.5-coder-1.5-instruct": "qwen2.5-coder-1.5b-instruct", "qwen": "", "mistral-7b": "",
	} {
		_, err := Lookup(name)
		var unknown *UnknownNameError
		if !errors.As(err, &unknown) || unknown.Suggest != suggest || !strings.Contains(err.Error(), "gemma-3-270m") {
			t.Errorf("%s: %v, want suggestion %q", name, err, suggest)
		}
	}
	if _, err := LookupData("movie-review-snipets"); err == nil || !strings.Contains(err.Error(), `did you mean "movie-review-snippets"`) {
		t.Errorf("data: %v", err)
	}
}

func TestResolve(t *testing.T) {
	dir := home(t)
	t.Chdir(t.TempDir())
	var missing *NotPulledError
	if _, e, err := Resolve("gemma-3-270m"); !errors.As(err, &missing) || e == nil || !strings.Contains(err.Error(), "freehold pull gemma-3-270m") {
		t.Errorf("not pulled: %v", err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "models"), 0o777); err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(dir, "models"), "gemma-3-270m.gguf", []byte("GGUF"))
	if path, e, err := Resolve("gemma-3-270m"); err != nil || e == nil || e.Name != "gemma-3-270m" || path != filepath.Join(dir, "models", "gemma-3-270m.gguf") {
		t.Errorf("cached: %s, %v, %v", path, e, err)
	}
	put(t, ".", "gemma-3-270m", []byte("GGUF")) // a path wins
	if path, e, err := Resolve("gemma-3-270m"); err != nil || e != nil || path != "gemma-3-270m" {
		t.Errorf("path: %s, %v, %v", path, e, err)
	}
	for _, path := range []string{"./none", "none.gguf"} {
		if _, _, err := Resolve(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v, want fs.ErrNotExist", path, err)
		}
	}
	var unknown *UnknownNameError
	if _, _, err := Resolve("none"); !errors.As(err, &unknown) {
		t.Errorf("none: %v, want *UnknownNameError", err)
	}
	if _, _, err := Resolve("."); err == nil || !strings.Contains(err.Error(), "folder") {
		t.Errorf("folder: %v", err)
	}
}

// TestPullReal fetches every entry of the catalogue into the user's own cache
// (2 GB when it is empty).
func TestPullReal(t *testing.T) {
	if os.Getenv("FREEHOLD_LONG") != "1" {
		t.Skip("set FREEHOLD_LONG=1 to fetch 2 GB")
	}
	// accept lets the gate pass, but leaves no acceptance in the user's cache that
	// the user has not given
	accept := func(l Licence, path string, err error) PullOptions {
		if l.Check("", "") == nil || err != nil {
			return PullOptions{}
		}
		if record := recordPath(path); !isFile(record) {
			t.Cleanup(func() { os.Remove(record) })
		}
		return PullOptions{AcceptLicence: l.ID}
	}
	for _, e := range Catalog() {
		start := time.Now()
		path, err := e.Path()
		path, err = Pull(t.Context(), e, accept(e.Licence, path, err))
		if err != nil {
			t.Fatal(err)
		}
		if err := checkSum(path, e.SHA256); err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %d bytes in %.1f s", path, e.Bytes, time.Since(start).Seconds())
	}
	for _, e := range DataCatalog() {
		start := time.Now()
		path, err := e.Path()
		path, err = PullData(t.Context(), e, accept(e.Licence, path, err))
		if err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		rows := strings.Count(string(data), "\r\n") + 1
		switch e.Ext {
		case ".xml":
			rows = strings.Count(string(data), "<AddressString>")
		case ".templates":
			rows = templatesIn(t, data)
		case ".tgz":
			rows = mailsIn(t, data)
		}
		if rows != e.Rows {
			t.Errorf("%s: %d rows, want %d", e.Name, rows, e.Rows)
		}
		t.Logf("%s: %d bytes in %.1f s", path, e.Bytes, time.Since(start).Seconds())
	}
}

// mailsIn counts the .txt files of an archive.
func mailsIn(t *testing.T, archive []byte) (n int) {
	z, err := gzip.NewReader(bytes.NewReader(archive))
	if err != nil {
		t.Fatal(err)
	}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if err == io.EOF {
			return n
		}
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(h.Name, ".txt") {
			n++
		}
	}
}

// templatesIn counts the templates of a file of intents.
func templatesIn(t *testing.T, data []byte) (n int) {
	var f struct {
		Intents map[string]struct {
			Data []struct{ Sentences []string }
		}
	}
	if err := json.Unmarshal(data, &f); err != nil {
		t.Fatal(err)
	}
	for _, i := range f.Intents {
		for _, d := range i.Data {
			n += len(d.Sentences)
		}
	}
	return n
}
