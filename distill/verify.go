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

	"github.com/freehold-slm/freehold/distill/lineage"
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
	Run   string        `json:"run"` // hash of recipe and inputs, "" where the manifest cannot be read
	Files []FileCheck   `json:"files"`
	Held  *lineage.Held `json:"held,omitempty"` // while the stages ran, as the lineage tells; nil = it is not whole
}

// Bad lists what is not as the manifest says. Files that were added are none of it: they change nothing that the run made.
func (v *Verification) Bad() []FileCheck {
	return slices.DeleteFunc(slices.Clone(v.Files), func(c FileCheck) bool { return c.State == "ok" || c.State == "added" })
}

// Verify holds each file of a finished run against its manifest, the manifest against SHA256SUMS, and checkpoints against
// their own. A flipped byte anywhere in them is found and its file named. It proves that files are those that the run wrote, not who wrote them: whoever
// can write all of a folder can write another one that fits itself.
func Verify(dir string) (*Verification, error) {
	dir, err := RunFolder(dir)
	if err != nil {
		return nil, err
	}
	if !isFolder(dir) {
		return nil, &DataError{File: dir, Msg: "is a file, want the folder of a run", Fix: "a signed file is checked by: freehold verify --signature - --public-key KEY.pub " + dir}
	}
	names, err := runFiles(dir)
	if err != nil {
		return nil, err
	}
	sums, err := os.ReadFile(filepath.Join(dir, sumsName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w: this is no run, or one that is not finished; go on with: freehold apply", filepath.Join(dir, sumsName), fs.ErrNotExist)
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
		if string(sums) == sumsOf(m.Files, manifestName, b) {
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
	if _, listed := m.Files[lineage.Name]; v.Run != "" && m.Lineage.Entries > 0 && !listed {
		v.add(lineage.Name, "missing", "the manifest counts its entries and does not list it")
	}
	if v.Run == "" { // then SHA256SUMS is what is left to go by
		m.Files = readSums(string(sums))
		delete(m.Files, manifestName)
	}
	broken := func(name string) error {
		if name != lineage.Name || v.Run == "" {
			return nil
		}
		chain, err := checkChain(filepath.Join(dir, name), &m)
		if err == nil {
			v.Held = lineage.HeldOf(chain)
		}
		return err
	}
	if err := v.files(dir, m.Files, broken); err != nil {
		return nil, err
	}
	for _, name := range names {
		if _, known := m.Files[name]; !known {
			v.add(name, "added", "not in the manifest")
		}
	}
	return v, v.checkpoints(filepath.Join(dir, "checkpoints"))
}

// files holds files against their hashes; broken says what else is wrong with one, nil = nothing.
func (v *Verification) files(dir string, want map[string]FileHash, broken func(name string) error) error {
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if !filepath.IsLocal(filepath.FromSlash(name)) {
			v.add(name, "changed", "is not within the folder")
			continue
		}
		got, err := hashed(filepath.Join(dir, filepath.FromSlash(name)))
		fault := error(nil)
		if broken != nil && err == nil {
			fault = broken(name)
		}
		switch {
		case errors.Is(err, fs.ErrNotExist):
			v.add(name, "missing", "")
		case err != nil:
			return err
		case fault != nil:
			v.add(name, "changed", fault.Error())
		case got.SHA256 != want[name].SHA256:
			v.add(name, "changed", fmt.Sprintf("sha256 is %s, want %s", got.SHA256, want[name].SHA256))
		default:
			v.add(name, "ok", "")
		}
	}
	return nil
}

// RunFolder follows runs/latest to a run's folder: a link, into which a walk does not go, or a file with the folder's name, where links
// cannot be made. Any other path is its own answer.
func RunFolder(path string) (string, error) {
	asked := path
	path, err := filepath.EvalSymlinks(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && filepath.Base(asked) == "latest":
		return "", fmt.Errorf("%s: %w: there is no run yet; freehold apply makes one", asked, fs.ErrNotExist)
	case errors.Is(err, fs.ErrNotExist):
		return "", fmt.Errorf("%s: %w", asked, fs.ErrNotExist)
	case err != nil:
		return "", err
	}
	st, err := os.Stat(path)
	if err != nil || st.IsDir() || st.Size() > 255 { // no name of a folder is longer
		return path, err
	}
	name, err := latestRun(path)
	if err != nil {
		return "", err
	}
	if dir := filepath.Join(filepath.Dir(path), name); isFolder(dir) && filepath.Base(dir) != "." {
		return dir, nil
	}
	return path, nil
}

func isFolder(path string) bool {
	st, err := os.Stat(path)
	return err == nil && st.IsDir()
}

// checkChain holds the entries of a run's lineage against each other, and what they say was made against the manifest.
func checkChain(path string, m *Manifest) ([]lineage.Entry, error) {
	chain, err := lineage.Read(path)
	if err != nil {
		return nil, errors.New(strings.TrimPrefix(err.Error(), path+": "))
	}
	if n := m.Lineage.Entries; len(chain) < n {
		return nil, &lineage.EntryError{Entry: len(chain), Msg: fmt.Sprintf(" is missing: the manifest counts %d", n)}
	} else if len(chain) > n {
		return nil, &lineage.EntryError{Entry: n, Msg: fmt.Sprintf(" (%s) was added: the manifest counts %d", chain[n].Stage, n)}
	}
	if lineage.Head(chain) != m.Lineage.Head {
		return nil, &lineage.EntryError{Entry: len(chain) - 1, Msg: " has another hash than the manifest says: the chain was written anew"}
	}
	return chain, lineage.CheckOutputs(chain, func(name string) string {
		if strings.HasSuffix(name, "/") {
			return treeOf(m.Files, name)
		}
		return m.Files[name].SHA256
	})
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

// runFiles lists the files of a run that its manifest vouches for, from its folder and with slashes: all but checkpoints and the rounds of replicas, which have manifests of
// their own, what tells how it went (events.jsonl), who is at what, and what is not finished.
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
		case e.IsDir() && (name == "checkpoints" || name == claimsDir || name == outerDir):
			return fs.SkipDir
		case e.IsDir(), name == manifestName, name == sumsName, name == eventsName, filepath.Ext(name) == ".tmp", strings.HasPrefix(e.Name(), "."):
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

// sumsOf writes SHA256SUMS, as sha256sum -c reads it: the files, and the manifest that lists them, which has a name of its own.
func sumsOf(files map[string]FileHash, name string, manifest []byte) string {
	var b strings.Builder
	for _, f := range slices.Sorted(maps.Keys(files)) {
		b.WriteString(sumLine(f, files[f].SHA256))
	}
	sum := sha256.Sum256(manifest)
	b.WriteString(sumLine(name, hex.EncodeToString(sum[:])))
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
