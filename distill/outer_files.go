package distill

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/freehold-slm/freehold/models/gguf"
)

// outerDir holds, while a run with replicas trains, what they and the outer optimiser left after each round: the newest two rounds whole, of those before it what happened. It is no part
// of the run, and goes when training is done. After round 3 of two replicas:
//
//	round-00003-replica-1.weights.gguf, .moments.gguf, .json    what replica 1 came to, and what its optimiser keeps
//	round-00003-replica-2...                                    the same of the other
//	round-00003.weights.gguf, .momentum.gguf, .json             what the outer optimiser made of both: with this round 4 begins
//
// The .json is written last and holds the hashes of the others: without it they do not exist. All are the same bytes whoever writes them.
const outerDir = "outer"

// outerManifest is freehold/outer/1, the .json.
type outerManifest struct {
	Schema  string   `json:"schema"`
	Run     string   `json:"run"` // hash of all that determines training
	Round   int      `json:"round"`
	Replica int      `json:"replica,omitempty"` // from 1; 0 = the outer optimiser
	From    []string `json:"from"`              // sha256 of the weights that it was made from: of the round before ("" = the student as it was made), or of the replicas
	Steps   []metric `json:"steps"`             // of the round

	Skipped  int     `json:"skipped,omitempty"` // of the replica's steps since the first; of the outer optimiser: of all replicas'
	InRow    int     `json:"skipped_in_row,omitempty"`
	BestStep int     `json:"best_step,omitempty"` // of a replica, after whose round the validation loss was least; 0 = it was not looked at
	Best     float64 `json:"valid_loss,omitempty"`

	Weights FileHash `json:"weights"`
	Kept    FileHash `json:"kept"` // moments or momentum, and the best weights; empty where the optimiser keeps nothing
	Seal    string   `json:"seal"` // hash of the fields above
}

const outerSchema = "freehold/outer/1"

func (m outerManifest) seal() (string, error) {
	m.Seal = ""
	b, err := json.Marshal(m)
	return hashOf(string(b)), err
}

// outerFiles are the files of outerDir.
type outerFiles struct {
	dir string
	run string // the manifests'
	fs  gguf.FS
}

// base is the path of a replica's files after a round, or with replica 0 of the outer optimiser's, without their ends.
func (f *outerFiles) base(round, replica int) string {
	name := fmt.Sprintf("round-%05d", round)
	if replica > 0 {
		name += fmt.Sprintf("-replica-%d", replica)
	}
	return filepath.Join(f.dir, name)
}

func weightsPath(base string) string { return base + ".weights.gguf" }

func keptPath(base string, replica int) string {
	if replica > 0 {
		return base + ".moments.gguf"
	}
	return base + ".momentum.gguf"
}

// write publishes weights and what else is kept, and then their manifest.
func (f *outerFiles) write(m outerManifest, weights, kept []tensor) (outerManifest, error) {
	base, step := f.base(m.Round, m.Replica), m.Steps[len(m.Steps)-1].Step+1
	var err error
	if m.Weights, err = writeTensors(f.fs, weightsPath(base), step, weights); err != nil {
		return m, err
	}
	if len(kept) > 0 {
		if m.Kept, err = writeTensors(f.fs, keptPath(base, m.Replica), step, kept); err != nil {
			return m, err
		}
	}
	m.Schema, m.Run = outerSchema, f.run
	if m.Seal, err = m.seal(); err != nil {
		return m, err
	}
	return m, writeJSON(f.fs, base+".json", m)
}

// manifest reads the .json of a replica or of the outer optimiser, and looks whether the files that it names are there with their sizes. One of another run is an error that
// is no damage.
func (f *outerFiles) manifest(round, replica int) (m outerManifest, err error) {
	base := f.base(round, replica)
	b, err := os.ReadFile(base + ".json")
	if err != nil {
		return m, err
	}
	if err := json.Unmarshal(b, &m); err != nil {
		return m, &damage{base + ".json", err.Error()}
	}
	seal, err := m.seal()
	if err != nil {
		return m, err
	}
	if again, err := json.MarshalIndent(m, "", "  "); err != nil || m.Schema != outerSchema || m.Seal != seal || m.Round != round || m.Replica != replica || string(again)+"\n" != string(b) || len(m.Steps) == 0 {
		return m, &damage{base + ".json", "does not match its seal"}
	}
	if m.Run != f.run {
		return m, &DataError{File: base + ".json", Msg: fmt.Sprintf("run is %.12s, want %.12s: it belongs to another recipe, data or base", m.Run, f.run), Fix: "take the folder " + outerDir + " away, or use a new run folder"}
	}
	return m, nil
}

// whole is manifest where the files that it names are there, too, with their sizes.
func (f *outerFiles) whole(round, replica int) (m outerManifest, err error) {
	if m, err = f.manifest(round, replica); err != nil {
		return m, err
	}
	base := f.base(round, replica)
	for path, want := range map[string]FileHash{weightsPath(base): m.Weights, keptPath(base, replica): m.Kept} {
		if want == (FileHash{}) {
			continue
		}
		if st, err := os.Stat(path); err != nil {
			return m, err
		} else if st.Size() != want.Bytes {
			return m, &damage{path, fmt.Sprintf("has %d bytes, its manifest says %d", st.Size(), want.Bytes)}
		}
	}
	return m, nil
}

// damage is a file that is not as it was written.
type damage struct{ file, msg string }

func (d *damage) Error() string { return d.file + ": " + d.msg }

// ended tells whether a round is over: the outer optimiser has taken its step.
func (f *outerFiles) ended(round int) bool {
	_, err := os.Stat(f.base(round, 0) + ".json")
	return err == nil
}

// gone tells that the folder was taken away: training is done.
func (f *outerFiles) gone() bool {
	_, err := os.Stat(f.dir)
	return errors.Is(err, fs.ErrNotExist)
}

// newest is the newest round that is over, 0 = none.
func (f *outerFiles) newest() (round int, err error) {
	names, err := os.ReadDir(f.dir)
	for _, e := range names {
		var n int
		if _, err := fmt.Sscanf(e.Name(), "round-%d.json", &n); err == nil && e.Name() == filepath.Base(f.base(n, 0))+".json" {
			round = max(round, n)
		}
	}
	return round, err
}

// forget takes a round's end away, and with replica > 0 what that replica left: they are made anew.
func (f *outerFiles) forget(round, replica int) error {
	for _, r := range []int{0, replica} {
		if err := f.fs.Remove(f.base(round, r) + ".json"); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// prune takes away what rounds left before the newest two, but for what happened in them.
func (f *outerFiles) prune(newest int) error {
	names, err := os.ReadDir(f.dir)
	if err != nil {
		return err
	}
	for _, e := range names {
		var n int
		if _, err := fmt.Sscanf(e.Name(), "round-%d", &n); err != nil || n > newest-2 || e.Name() == filepath.Base(f.base(n, 0))+".json" || strings.HasSuffix(e.Name(), ".tmp") {
			continue
		}
		if err := f.fs.Remove(filepath.Join(f.dir, e.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// ownNames gives temporary files a name of this job's own, so that several may write the same file at once.
type ownNames struct {
	gguf.FS
	id string
}

func (f ownNames) own(name string) string {
	if base, ok := strings.CutSuffix(name, ".tmp"); ok {
		return base + "." + f.id + ".tmp"
	}
	return name
}

func (f ownNames) Create(name string) (gguf.FSFile, error) { return f.FS.Create(f.own(name)) }
func (f ownNames) Rename(old, new string) error            { return f.FS.Rename(f.own(old), new) }
func (f ownNames) Remove(name string) error                { return f.FS.Remove(f.own(name)) }
