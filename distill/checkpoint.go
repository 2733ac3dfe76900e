package distill

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"github.com/freehold-slm/freehold/kernels"
	"github.com/freehold-slm/freehold/models/gguf"
)

// A checkpoint is two files: step-N.gguf with the weights and moments that learn, and, written last, step-N.json with
// its sha256 and the identity of the run. A checkpoint without a valid manifest does not exist; two are kept.
type checkpointManifest struct {
	Schema  string  `json:"schema"`
	Step    int     `json:"step"`
	Run     string  `json:"run"` // hash of all that determines the run: recipe, data, base weights
	Skipped int     `json:"skipped"`
	InRow   int     `json:"skipped_in_row"` // of them, just before this step
	Loss    float64 `json:"loss"`

	BestStep int     `json:"best_step,omitempty"`  // after which the validation loss was least; 0 = it was not looked at
	Best     float64 `json:"valid_loss,omitempty"` // what it was then

	SHA256 string `json:"sha256"`
	Bytes  int64  `json:"bytes"`
	Seal   string `json:"seal"` // hash of the fields above
}

func (m checkpointManifest) seal() (string, error) {
	m.Seal = ""
	b, err := json.Marshal(m)
	return hashOf(string(b)), err
}

const checkpointSchema = "freehold/checkpoint/1"

func checkpointName(step int) string { return fmt.Sprintf("step-%08d", step) }

// saveCheckpoint writes the state after m.Step steps and then removes all checkpoints but this one and that of step
// before, the last that is known to be whole.
func saveCheckpoint(fsys gguf.FS, dir string, s *Student, m checkpointManifest, before int) (err error) {
	path := filepath.Join(dir, checkpointName(m.Step))
	sum, err := writeTensors(fsys, path+".gguf", m.Step, s.tensors((*Param).state))
	if err != nil {
		return err
	}
	m.Schema, m.SHA256, m.Bytes = checkpointSchema, sum.SHA256, sum.Bytes
	if m.Seal, err = m.seal(); err != nil {
		return err
	}
	if err := writeJSON(fsys, path+".json", m); err != nil {
		return err
	}
	return pruneCheckpoints(fsys, dir, m.Step, before)
}

// tensor is a file's view of some values of a student.
type tensor struct {
	name  string
	shape []int
	data  []float32
}

// tensors are those parts of the weights that learn which pick chooses, as files name them.
func (s *Student) tensors(pick func(p *Param) []Moment) (all []tensor) {
	for _, p := range s.learning() {
		for _, part := range pick(p) {
			all = append(all, tensor{part.Name + "." + p.Name, p.Shape, part.Data})
		}
	}
	return all
}

// writeTensors writes values after a step in F32.
func writeTensors(fsys gguf.FS, path string, step int, all []tensor) (FileHash, error) {
	w := gguf.NewWriter()
	w.Set("general.architecture", "freehold-checkpoint")
	w.Set("freehold.step", uint32(step))
	for _, t := range all {
		w.AddTensorFunc(t.name, kernels.F32, t.shape, packer(mustFormat(kernels.F32), t.data, t.shape[0]))
	}
	sum := &hashingFS{FS: fsys, sum: sha256.New()}
	err := w.WriteToFS(sum, path)
	return FileHash{hex.EncodeToString(sum.sum.Sum(nil)), sum.n}, err
}

// readTensors checks a file of writeTensors against its hash and copies its values, all or none.
func readTensors(path, sha256sum string, all []tensor) error {
	raw, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if sum := sha256.Sum256(raw); hex.EncodeToString(sum[:]) != sha256sum {
		return fmt.Errorf("%s: sha256 is %x, its manifest says %s", path, sum, sha256sum)
	}
	f, err := gguf.Parse(path, raw)
	if err != nil {
		return err
	}
	found := make([]*gguf.Tensor, len(all))
	for i, want := range all {
		t, ok := f.Tensor(want.name)
		if !ok || t.Type != kernels.F32 || len(t.Data) != 4*len(want.data) {
			return fmt.Errorf("%s: tensor %q is missing or has another shape", path, want.name)
		}
		found[i] = t
	}
	for i, t := range found {
		mustFormat(kernels.F32).Unpack(all[i].data, t.Data)
	}
	return nil
}

// hashingFS hashes what is written through it.
type hashingFS struct {
	gguf.FS
	sum interface {
		io.Writer
		Sum([]byte) []byte
	}
	n int64
}

func (h *hashingFS) Create(name string) (gguf.FSFile, error) {
	f, err := h.FS.Create(name)
	return &hashingFile{f, h}, err
}

type hashingFile struct {
	gguf.FSFile
	h *hashingFS
}

func (f *hashingFile) Write(b []byte) (int, error) {
	n, err := f.FSFile.Write(b)
	f.h.sum.Write(b[:n])
	f.h.n += int64(n)
	return n, err
}

// writeFile publishes data at path: temporary file, fsync, rename, fsync of the folder.
func writeFile(fsys gguf.FS, path string, data []byte) error {
	return publish(fsys, path, path+".tmp", data)
}

// publish is writeFile by a temporary file of that name.
func publish(fsys gguf.FS, path, tmp string, data []byte) error {
	f, err := fsys.Create(tmp)
	if err != nil {
		return err
	}
	if _, err = f.Write(data); err == nil {
		err = f.Sync()
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = fsys.Rename(tmp, path)
	}
	if err != nil {
		fsys.Remove(tmp)
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return fsys.SyncDir(filepath.Dir(path))
}

func writeJSON(fsys gguf.FS, path string, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return writeFile(fsys, path, append(b, '\n'))
}

// checkpoints lists the steps that have a manifest, newest first.
func checkpoints(dir string) ([]int, error) {
	names, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var steps []int
	for _, e := range names {
		var n int
		if _, err := fmt.Sscanf(e.Name(), "step-%d.json", &n); err == nil && e.Name() == checkpointName(n)+".json" {
			steps = append(steps, n)
		}
	}
	sort.Sort(sort.Reverse(sort.IntSlice(steps)))
	return steps, err
}

// pruneCheckpoints removes the files of all steps but those to keep, and what broken-off saves left behind.
func pruneCheckpoints(fsys gguf.FS, dir string, keep ...int) error {
	files, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	kept := map[string]bool{}
	for _, n := range keep {
		kept[checkpointName(n)+".json"], kept[checkpointName(n)+".gguf"] = true, true
	}
	// The manifests go first: a checkpoint is never half there.
	sort.SliceStable(files, func(i, j int) bool {
		return filepath.Ext(files[i].Name()) == ".json" && filepath.Ext(files[j].Name()) != ".json"
	})
	for _, f := range files {
		if kept[f.Name()] || !strings.HasPrefix(f.Name(), "step-") {
			continue
		}
		if err := fsys.Remove(filepath.Join(dir, f.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// loadCheckpoint restores the newest checkpoint that is whole into s. Damaged ones are reported through warn and
// passed over; found is false when none is left. A checkpoint of another run is an error.
func loadCheckpoint(dir, run string, s *Student, warn func(string)) (m checkpointManifest, found bool, err error) {
	steps, err := checkpoints(dir)
	if err != nil {
		return m, false, err
	}
	for _, n := range steps {
		path := filepath.Join(dir, checkpointName(n))
		m, err := readManifest(path+".json", n)
		if err == nil && m.Run != run {
			return m, false, fmt.Errorf("%s.json: run is %.12s, want %.12s: it belongs to another recipe, data or base; use a new run folder", path, m.Run, run)
		}
		if err == nil {
			err = readTensors(path+".gguf", m.SHA256, s.tensors((*Param).state))
		}
		if err == nil {
			return m, true, nil
		}
		warn(fmt.Sprintf("checkpoint passed over: %v", err))
	}
	return m, false, nil
}

// readManifest reads the manifest of step n. What it says must be, to the byte, what saveCheckpoint writes.
func readManifest(path string, n int) (m checkpointManifest, err error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return m, err
	}
	if err := json.Unmarshal(b, &m); err != nil {
		return m, fmt.Errorf("%s: %v", path, err)
	}
	if m.Schema != checkpointSchema {
		return m, fmt.Errorf("%s: schema is %q, want %q", path, m.Schema, checkpointSchema)
	}
	seal, err := m.seal()
	if err != nil {
		return m, err
	}
	if again, err := json.MarshalIndent(m, "", "  "); err != nil || m.Seal != seal || m.Step != n || string(again)+"\n" != string(b) {
		return m, fmt.Errorf("%s: is damaged: it does not match its seal", path)
	}
	return m, nil
}

// hashOf is the sha256 of the parts, each preceded by its length, in hex.
func hashOf(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d:", len(p))
		io.WriteString(h, p)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// finite tells whether x is a number.
func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }

// trimLines keeps the lines of a JSON-lines file whose "step" is below n, so that a resumed run's metrics hold each
// step once.
func trimLines(fsys gguf.FS, path string, n int) error {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var out strings.Builder
	for _, line := range strings.SplitAfter(string(b), "\n") {
		var v struct{ Step int }
		if strings.HasSuffix(line, "\n") && json.Unmarshal([]byte(line), &v) == nil && v.Step < n {
			out.WriteString(line)
		}
	}
	return writeFile(fsys, path, []byte(out.String()))
}
