package distill

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"runtime"

	"github.com/freehold-slm/freehold/distill/lineage"
)

const manifestSchema = "freehold/manifest/3"

// Manifest is manifest.json: which inputs, under which licences, made which files.
type Manifest struct {
	Schema    string              `json:"schema"`
	Run       string              `json:"run"` // hash of recipe and inputs
	Recipe    *Recipe             `json:"recipe"`
	Teacher   map[string]any      `json:"teacher"`
	Ensemble  []map[string]any    `json:"ensemble,omitempty"` // further teachers
	Base      map[string]any      `json:"student_base"`
	Data      map[string]any      `json:"data"`
	Licences  *Licences           `json:"licences"`
	Policy    *PolicyUsed         `json:"policy,omitempty"`
	Files     map[string]FileHash `json:"files"`
	Lineage   ChainEnd            `json:"lineage"` // of lineage.jsonl
	CPULevel  string              `json:"cpu_level"`
	Precision string              `json:"train_precision"` // "f32", the same bits on every CPU, "bf16 (unit)", that unit's own; an SVD is the architecture's
	Threads   int                 `json:"threads"`
	GoVersion string              `json:"go_version"`
	Platform  string              `json:"platform"`
	Enforced  *lineage.Enforced   `json:"enforced,omitempty"` // on the process that ended the run; of each stage's own lineage.jsonl tells
	Seal      string              `json:"seal"`               // see seal
}

// ChainEnd says how a chain of lineage ends, so that a shorter one is known for what it is.
type ChainEnd struct {
	Entries int    `json:"entries"`
	Head    string `json:"head"` // hash of the last
}

// FileHash is one artefact.
type FileHash struct {
	SHA256 string `json:"sha256"`
	Bytes  int64  `json:"bytes"`
}

func (s source) record() map[string]any {
	if s.remote != nil { // no file: its answers are, see remote.jsonl
		return map[string]any{"name": s.Name, "endpoint": s.remote.String(), "licence": s.Licence.ID, "licence_basis": s.Licence.Basis, "declared_by_recipe": s.Accepted, "declared_because": s.Reason}
	}
	return map[string]any{"name": s.Name, "sha256": s.sha256, "bytes": s.Bytes, "licence": s.Licence.ID, "licence_basis": s.Licence.Basis, "declared_by_recipe": s.Accepted, "declared_because": s.Reason}
}

// finish writes the report, the summary, the papers, the manifest and SHA256SUMS.
func (j *Job) finish(sum *Summary) error {
	sum.Seconds = map[string]float64{}
	maps.Copy(sum.Seconds, j.timing)
	var err error
	if sum.Remote, err = j.remoteUsed(); err != nil {
		return err
	}
	sum.Confidence, sum.Made = j.learns().Report.Confidence, j.learns().Report.Made
	sum.Energy, sum.Cost = j.used.after(sum.Energy), j.costTable(sum)
	if err := writeJSON(j.opt.FS, filepath.Join(j.dir, "summary.json"), sum); err != nil {
		return err
	}
	if err := writeJSON(j.opt.FS, filepath.Join(j.dir, "data.json"), &j.learns().Report); err != nil {
		return err
	}
	if err := j.record("report"); err != nil {
		return err
	}
	chain, err := lineage.Read(filepath.Join(j.dir, lineage.Name))
	if err != nil {
		return err
	}
	page, err := j.report(sum)
	if err != nil {
		return err
	}
	if err := writeFile(j.opt.FS, filepath.Join(j.dir, "report.html"), page); err != nil {
		return err
	}
	if err := j.writePapers(sum); err != nil {
		return err
	}
	files, err := j.artefacts()
	if err != nil {
		return err
	}
	m := Manifest{Schema: manifestSchema, Run: j.key, Recipe: j.recipe, Teacher: j.teacher.record(), Base: j.base.record(),
		Data:     map[string]any{"name": j.datasetName(), "sha256": j.data.Hash, "licence": j.data.Licence, "note": j.learns().Report.String(), "declared_because": j.recipe.Data.Reason},
		Licences: j.licences(), Policy: j.policyUsed(),
		Files: files, Lineage: ChainEnd{len(chain), lineage.Head(chain)}, CPULevel: j.level.Name, Precision: j.precision(), Threads: j.opt.Threads, GoVersion: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH, Enforced: j.opt.Enforced, Seal: noSeal}
	for _, s := range j.others {
		m.Ensemble = append(m.Ensemble, s.record())
	}
	b, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	b = seal(append(b, '\n'))
	if err := writeFile(j.opt.FS, filepath.Join(j.dir, manifestName), b); err != nil {
		return err
	}
	return writeFile(j.opt.FS, filepath.Join(j.dir, sumsName), []byte(sumsOf(files, manifestName, b)))
}

// finished is whole, and remembers that there was nothing to do.
func (j *Job) finished() *Summary {
	sum := j.whole()
	j.idle = sum != nil
	return sum
}

// whole gives the summary of a run whose stages have all been through and whose files are as its manifest says.
func (j *Job) whole() *Summary {
	var m Manifest
	b, err := os.ReadFile(filepath.Join(j.dir, manifestName))
	if err != nil || json.Unmarshal(b, &m) != nil || m.Run != j.key {
		return nil
	}
	files, err := j.artefacts()
	if err != nil {
		return nil
	}
	for name, want := range m.Files { // what somebody added changes nothing
		if files[name] != want {
			return nil
		}
	}
	sum, err := readSummary(j.dir)
	if err != nil {
		return nil
	}
	return sum
}

// Idle says that the last Apply found everything done and did nothing.
func (j *Job) Idle() bool { return j.idle }

// artefacts hashes the run's files.
func (j *Job) artefacts() (map[string]FileHash, error) {
	names, err := runFiles(j.dir)
	if err != nil {
		return nil, err
	}
	files := map[string]FileHash{}
	for _, name := range names {
		if files[name], err = hashed(filepath.Join(j.dir, filepath.FromSlash(name))); err != nil {
			return nil, err
		}
	}
	return files, nil
}
