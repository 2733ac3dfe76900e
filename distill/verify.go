package distill

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Names of the files that vouch for the others of a run.
const (
	manifestName = "manifest.json"
	sumsName     = "SHA256SUMS"
)

// FileCheck is what Verify found of one file of a run.
type FileCheck struct {
	Name  string `json:"name"`  // from the run's folder, with slashes
	State string `json:"state"` // ok, changed, missing, added (not in the manifest)
	Note  string `json:"note,omitempty"`
}

// Verification is what Verify found.
type Verification struct {
	Run   string      `json:"run"` // hash of recipe and inputs, "" where the manifest cannot be read
	Files []FileCheck `json:"files"`
}

// Bad lists what is not as the manifest says. Files that were added are none of it: they change nothing that the run made.
func (v *Verification) Bad() []FileCheck {
	return slices.DeleteFunc(slices.Clone(v.Files), func(c FileCheck) bool { return c.State == "ok" || c.State == "added" })
}

// Verify holds each file of a finished run against its manifest, the manifest against SHA256SUMS, and checkpoints against
// their own. A flipped byte anywhere in them is found and its file named. It proves that files are those that the run wrote, not who wrote them: whoever
// can write all of a folder can write another one that fits itself.
func Verify(dir string) (*Verification, error) {
	dir, err := runDir(dir)
	if err != nil {
		return nil, err
	}
	names, err := runFiles(dir)
	if err != nil {
		return nil, err
	}
	sums, err := os.ReadFile(filepath.Join(dir, sumsName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: has no %s: a run has one when it is finished; go on with: freehold apply: %w", dir, sumsName, fs.ErrNotExist)
	}
	if err != nil {
		return nil, err
	}
	v := &Verification{}
	b, err := os.ReadFile(filepath.Join(dir, manifestName))
	var m Manifest
	switch whole := err == nil && sealed(b) && json.Unmarshal(b, &m) == nil; {
	case whole:
		v.add(manifestName, "ok", "")
		v.Run = m.Run
		if string(sums) == sumsOf(m.Files, b) {
			v.add(sumsName, "ok", "")
		} else {
			v.add(sumsName, "changed", "does not list what the manifest does")
		}
	case err == nil:
		v.add(manifestName, "changed", "does not match its seal")
	case errors.Is(err, fs.ErrNotExist):
		v.add(manifestName, "missing", "")
	default:
		return nil, err
	}
	if v.Run == "" { // then SHA256SUMS is what is left to go by
		m.Files = readSums(string(sums))
		delete(m.Files, manifestName)
	}
	for _, name := range slices.Sorted(maps.Keys(m.Files)) {
		want := m.Files[name]
		got, err := hashed(filepath.Join(dir, filepath.FromSlash(name)))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			v.add(name, "missing", "")
		case err != nil:
			return nil, err
		case got.SHA256 != want.SHA256:
			v.add(name, "changed", fmt.Sprintf("sha256 is %s, want %s", got.SHA256, want.SHA256))
		default:
			v.add(name, "ok", "")
		}
	}
	for _, name := range names {
		if _, known := m.Files[name]; !known {
			v.add(name, "added", "not in the manifest")
		}
	}
	return v, v.checkpoints(filepath.Join(dir, "checkpoints"))
}

func (v *Verification) add(name, state, note string) {
	v.Files = append(v.Files, FileCheck{name, state, note})
}

// checkpoints checks each that is there against its own manifest.
func (v *Verification) checkpoints(dir string) error {
	steps, err := checkpoints(dir)
	if err != nil {
		return err
	}
	for _, n := range steps {
		name := "checkpoints/" + checkpointName(n)
		m, err := readManifest(filepath.Join(dir, checkpointName(n)+".json"), n)
		if err != nil {
			v.add(name+".json", "changed", err.Error())
			continue
		}
		v.add(name+".json", "ok", "")
		got, err := hashed(filepath.Join(dir, checkpointName(n)+".gguf"))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			v.add(name+".gguf", "missing", "")
		case err != nil:
			return err
		case got.SHA256 != m.SHA256:
			v.add(name+".gguf", "changed", fmt.Sprintf("sha256 is %s, want %s", got.SHA256, m.SHA256))
		default:
			v.add(name+".gguf", "ok", "")
		}
	}
	return nil
}

func hashed(path string) (h FileHash, err error) {
	h.SHA256, h.Bytes, err = hashFile(path)
	return h, err
}

// runFiles lists the files of a run that its manifest vouches for, from its folder and with slashes: all but checkpoints, which have manifests of
// their own, and what is not finished.
func runFiles(dir string) ([]string, error) {
	var names []string
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		switch name := filepath.ToSlash(rel); {
		case e.IsDir() && name == "checkpoints":
			return fs.SkipDir
		case e.IsDir(), name == manifestName, name == sumsName, filepath.Ext(name) == ".tmp", strings.HasPrefix(e.Name(), "."):
		default:
			names = append(names, name)
		}
		return nil
	})
	return names, err
}

// seal fills the seal of a manifest, as marshalled: the sha256 of its bytes with zeros in the seal's place. So the manifest, too, can be checked.
func seal(manifest []byte) []byte {
	at := sealAt(manifest)
	if at < 0 {
		panic("distill: a manifest without a seal")
	}
	sum := sha256.Sum256(manifest)
	hex.Encode(manifest[at:], sum[:])
	return manifest
}

// noSeal stands where the seal will.
var noSeal = strings.Repeat("0", 2*sha256.Size)

// sealAt is where the seal's digits begin, -1 where there is none.
func sealAt(manifest []byte) int {
	const key = `"seal": "`
	at := bytes.LastIndex(manifest, []byte(key))
	if at < 0 || at+len(key)+len(noSeal) > len(manifest) {
		return -1
	}
	return at + len(key)
}

func sealed(manifest []byte) bool {
	at := sealAt(manifest)
	if at < 0 {
		return false
	}
	again := slices.Clone(manifest)
	copy(again[at:], noSeal)
	return bytes.Equal(seal(again), manifest)
}

// sumsOf writes SHA256SUMS, as sha256sum -c reads it.
func sumsOf(files map[string]FileHash, manifest []byte) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(files)) {
		b.WriteString(sumLine(name, files[name].SHA256))
	}
	sum := sha256.Sum256(manifest)
	b.WriteString(sumLine(manifestName, hex.EncodeToString(sum[:])))
	return b.String()
}

func sumLine(name, sum string) string { return sum + "  " + name + "\n" }

func readSums(text string) map[string]FileHash {
	files := map[string]FileHash{}
	for line := range strings.Lines(text) {
		if sum, name, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "  "); ok && filepath.IsLocal(filepath.FromSlash(name)) {
			files[name] = FileHash{SHA256: sum}
		}
	}
	return files
}
