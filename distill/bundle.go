package distill

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/freehold-slm/freehold/distill/policy"
	"github.com/freehold-slm/freehold/models"
	"github.com/freehold-slm/freehold/models/gguf"
	"github.com/freehold-slm/freehold/models/licence"
)

// A bundle is a run with all that is needed to use it where there is no network: one tar, which tar unpacks. At its root lie the program, the recipe
// and bundle.json, which says where in it the models and files are that the recipe names.

const bundleName = "bundle.json"

// bundleTime is the time of every file in a bundle, so that the same run gives the same bytes.
var bundleTime = time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)

//go:embed bundle.md
var bundleReadme string

// Bundle is bundle.json.
type Bundle struct {
	Schema string              `json:"schema"`
	Run    string              `json:"run"` // its folder
	Key    string              `json:"key"` // hash of recipe and inputs
	Inputs []BundleInput       `json:"inputs"`
	Files  map[string]FileHash `json:"files"`
	Seal   string              `json:"seal"` // as a manifest's
}

// BundleInput is a model or file that the recipe names.
type BundleInput struct {
	Role   string `json:"role"`
	Name   string `json:"name"`             // as the recipe says
	Path   string `json:"path,omitempty"`   // in the bundle; "" = left out
	SHA256 string `json:"sha256,omitempty"` // of a model, as the lock has it, or a file; of rows see the lock
}

// BundleOptions say what goes in beside the run.
type BundleOptions struct {
	Program string // the binary; "" = the one that runs
	Data    bool   // the recipe's rows
	Teacher bool   // the teacher's and the student base's files
	Inputs  string // folder at which the recipe's paths begin; "" = the one that holds runs
}

// ChangedError is a run whose files are not those that it wrote.
type ChangedError struct {
	Dir string
	Bad []FileCheck
}

func (e *ChangedError) Error() string {
	return fmt.Sprintf("%s: %s is %s (%d such files); see freehold verify", e.Dir, e.Bad[0].Name, e.Bad[0].State, len(e.Bad))
}

// packed is a file of a bundle in the making: of the disk, or text.
type packed struct {
	from string
	text []byte
	mode int64
}

// packing collects what goes into a bundle.
type packing struct {
	recipe *Recipe
	lock   lockFile
	files  map[string]packed
	b      Bundle
}

// WriteBundle writes a finished run as a bundle. The run is verified first, what it was made from is held against its lock, and its licence must let it be passed on.
func WriteBundle(ctx context.Context, w io.Writer, dir string, o BundleOptions) (*Bundle, error) {
	dir, err := RunFolder(dir)
	if err != nil {
		return nil, err
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return nil, err
	}
	v, err := Verify(dir)
	if err != nil {
		return nil, err
	}
	if bad := v.Bad(); len(bad) > 0 {
		return nil, &ChangedError{dir, bad}
	}
	p, err := newPacking(dir, o)
	if err != nil {
		return nil, err
	}
	if err := p.models(o.Teacher); err != nil {
		return nil, err
	}
	if err := p.data(ctx, o.Data); err != nil {
		return nil, err
	}
	return &p.b, p.write(w, p.recipe.Name+"-"+filepath.Base(dir))
}

// newPacking begins with what every bundle holds: program, recipe, run, policy and schema.
func newPacking(dir string, o BundleOptions) (*packing, error) {
	var m Manifest
	b, err := os.ReadFile(filepath.Join(dir, manifestName))
	if err == nil {
		err = json.Unmarshal(b, &m)
	}
	if err != nil {
		return nil, &DataError{File: filepath.Join(dir, manifestName), Msg: errText(err)}
	}
	if m.Licences != nil && m.Licences.Distribute.State == licence.Refused {
		return nil, &licence.Error{Verdict: m.Licences.Distribute, Fix: "this student may not be passed on; another base, teacher or data is the way out"}
	}
	p := &packing{files: map[string]packed{}}
	if p.lock, err = readLock(dir); err != nil {
		return nil, &DataError{File: filepath.Join(dir, "lock.json"), Msg: errText(err)}
	}
	if p.recipe, err = recipeOfRun(dir, o.Inputs); err != nil {
		return nil, err
	}
	run := "runs/" + filepath.Base(dir)
	p.b = Bundle{Schema: "freehold/bundle/1", Run: run, Key: m.Run, Inputs: []BundleInput{}, Files: map[string]FileHash{}, Seal: noSeal}
	if o.Program == "" {
		if o.Program, err = os.Executable(); err != nil {
			return nil, err
		}
	}
	program := "freehold"
	if strings.EqualFold(filepath.Ext(o.Program), ".exe") {
		program += ".exe"
	}
	p.files[program] = packed{from: o.Program, mode: 0o755}
	p.files["README.md"] = packed{text: []byte(bundleReadme)}
	p.files["freehold.yaml"] = packed{from: filepath.Join(dir, "recipe.yaml")}
	names, err := runFiles(dir)
	if err != nil {
		return nil, err
	}
	for _, n := range append(names, manifestName, sumsName) {
		p.files[run+"/"+n] = packed{from: filepath.Join(dir, filepath.FromSlash(n))}
	}
	if s := p.recipe.Task.Schema; s != "" && !s.inline() {
		if err := p.input("schema", string(s), true); err != nil {
			return nil, err
		}
	}
	if name := p.recipe.Policy; name != "" && !slices.Contains(policy.Bundles(), name) {
		if got, err := hashed(p.recipe.path(name)); err != nil || got.SHA256 != p.lock.Policy {
			return nil, &DataError{File: p.recipe.path(name), Msg: fmt.Sprintf("is not the policy that the run was judged by, whose sha256 is %.12s", p.lock.Policy), Fix: "put that one back"}
		}
		return p, p.input("policy", name, true)
	}
	return p, nil
}

// input adds a file, or a folder of texts, that the recipe names: at its place beside the recipe, or at the root where it lies elsewhere.
func (p *packing) input(role, name string, in bool) error {
	from := p.recipe.path(name)
	to, err := filepath.Rel(p.recipe.dir, from)
	if err != nil || !filepath.IsLocal(to) {
		to = filepath.Base(from)
	}
	to = filepath.ToSlash(to)
	it := BundleInput{Role: role, Name: name}
	if !in {
		if h, err := hashed(from); err == nil {
			it.SHA256 = h.SHA256
		}
		p.b.Inputs = append(p.b.Inputs, it)
		return nil
	}
	it.Path = to
	p.b.Inputs = append(p.b.Inputs, it)
	outside := to != filepath.ToSlash(filepath.Clean(name))
	return filepath.WalkDir(from, func(file string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if e.IsDir() {
			if outside && file == from {
				return &DataError{File: from, Msg: "is a folder that does not stand beside the recipe", Fix: "move it there: rows are known by their place"}
			}
			return nil
		}
		rel, err := filepath.Rel(from, file)
		if err != nil {
			return err
		}
		return p.add(path.Join(to, filepath.ToSlash(rel)), file)
	})
}

// add adds a file of the disk.
func (p *packing) add(to, from string) error {
	if have, taken := p.files[to]; taken && have.from != from {
		return &DataError{File: from, Msg: fmt.Sprintf("and %s would both be %s in the bundle", have.from, to), Fix: "rename one, or move it beside the recipe"}
	}
	p.files[to] = packed{from: from}
	return nil
}

// models adds the teacher's and the base's files, which are held against the lock.
func (p *packing) models(in bool) error {
	type model struct{ role, name, sum string }
	all := []model{{"teacher", p.recipe.Teacher.Model, p.lock.Teacher}, {"student base", p.recipe.Student.From, p.lock.Base}}
	for i, o := range p.recipe.Teacher.Ensemble.With {
		if i < len(p.lock.Others) {
			all = append(all, model{fmt.Sprintf("teacher %d", i+2), o.Model, p.lock.Others[i]})
		}
	}
	all = append(all, model{"maker of rows", p.recipe.Data.Augment.Model, p.lock.Maker})
	for _, m := range all {
		if m.name == "" || m.name == "teacher" || m.role == "teacher" && p.recipe.Teacher.remote() || slices.ContainsFunc(p.b.Inputs, func(have BundleInput) bool { return have.Name == m.name }) {
			continue
		}
		it := BundleInput{Role: m.role, Name: m.name, SHA256: m.sum}
		if in {
			file, _, err := p.recipe.model(m.name)
			if err != nil {
				return sourceError(m.role, err)
			}
			parts, err := gguf.PartsOf(file)
			if err != nil {
				return err
			}
			sum, _, err := hashFile(parts...)
			if err != nil {
				return err
			}
			if sum != m.sum {
				return &DataError{File: file, Msg: fmt.Sprintf("has sha256 %.12s, the run's %s had %.12s", sum, m.role, m.sum), Fix: "put that one back"}
			}
			folder := "models"
			if rel, err := filepath.Rel(p.recipe.dir, file); err == nil && filepath.IsLocal(rel) {
				folder = filepath.ToSlash(filepath.Dir(rel))
			} else if _, taken := p.files["models/"+filepath.Base(parts[0])]; taken {
				folder = "models/" + sum[:12]
			}
			for _, part := range parts {
				if err := p.add(path.Join(folder, filepath.Base(part)), part); err != nil {
					return err
				}
			}
			it.Path = path.Join(folder, filepath.Base(file))
		}
		p.b.Inputs = append(p.b.Inputs, it)
	}
	return nil
}

// data adds the files of rows; those that go in must give the rows that the run is locked to.
func (p *packing) data(ctx context.Context, in bool) error {
	d := p.recipe.Data
	if in {
		set, err := loadData(ctx, p.recipe)
		if err != nil {
			return err
		}
		if set.Hash != p.lock.Data {
			return &DataError{File: p.recipe.path(d.Train + d.Source), Msg: fmt.Sprintf("gives rows with sha256 %.12s, the run's were %.12s", set.Hash, p.lock.Data), Fix: "put those back, or leave --with-data out"}
		}
	}
	if d.Source != "" {
		e, err := models.LookupData(d.Source)
		if err != nil {
			return err
		}
		it := BundleInput{Role: "data", Name: d.Source, SHA256: e.SHA256}
		if in {
			file, err := p.recipe.sourceFile(ctx, e)
			if err != nil {
				return err
			}
			it.Path = "data/" + filepath.Base(file)
			if err := p.add(it.Path, file); err != nil {
				return err
			}
		}
		p.b.Inputs = append(p.b.Inputs, it)
	}
	for _, f := range []struct{ role, name string }{{"data train", d.Train}, {"data valid", d.Valid}, {"data test", d.Test}, {"data corrections", d.Corrections}, {"data collected", d.Collected}} {
		if f.name == "" {
			continue
		}
		if err := p.input(f.role, f.name, in); err != nil {
			return err
		}
	}
	return nil
}

// write writes the tar: files by name, then bundle.json and SHA256SUMS, which list them.
func (p *packing) write(w io.Writer, root string) error {
	t := tar.NewWriter(w)
	put := func(name string, mode, size int64, r io.Reader) error {
		if mode == 0 {
			mode = 0o644
		}
		if err := t.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: root + "/" + name, Mode: mode, Size: size, ModTime: bundleTime}); err != nil {
			return err
		}
		_, err := io.Copy(t, r)
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(p.files)) {
		f := p.files[name]
		h, size := sha256.New(), int64(len(f.text))
		r := io.Reader(bytes.NewReader(f.text))
		if f.from != "" {
			file, err := os.Open(f.from)
			if err != nil {
				return err
			}
			st, err := file.Stat()
			if err != nil {
				return errors.Join(err, file.Close())
			}
			r, size = file, st.Size()
		}
		err := put(name, f.mode, size, io.TeeReader(r, h))
		if c, ok := r.(io.Closer); ok {
			err = errors.Join(err, c.Close())
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		p.b.Files[name] = FileHash{hex.EncodeToString(h.Sum(nil)), size}
	}
	// runs/latest is a link, as a run leaves it, so that paths through it are the same; tar keeps a checksum of it
	link := &tar.Header{Typeflag: tar.TypeSymlink, Name: root + "/runs/latest", Linkname: path.Base(p.b.Run), Mode: 0o777, ModTime: bundleTime}
	if err := t.WriteHeader(link); err != nil {
		return err
	}
	b, err := json.MarshalIndent(p.b, "", "  ")
	if err != nil {
		return err
	}
	b = seal(append(b, '\n'))
	sums := []byte(sumsOf(p.b.Files, bundleName, b))
	for _, f := range []struct {
		name string
		text []byte
	}{{bundleName, b}, {sumsName, sums}} {
		if err := put(f.name, 0, int64(len(f.text)), bytes.NewReader(f.text)); err != nil {
			return err
		}
	}
	return t.Close()
}
