package peers

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/freehold-slm/freehold/distill/papers"
	"github.com/freehold-slm/freehold/models/licence"
)

const cyclonedxVersion = "11.12.0"

// validateBOM is true for a bill of materials that CycloneDX's own validator finds no fault with.
const validateBOM = `import sys
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
fault = JsonStrictValidator(SchemaVersion.V1_6).validate_str(open(sys.argv[1]).read())
print(fault or "valid")
sys.exit(1 if fault else 0)
`

// Bills of materials are as the schema of CycloneDX 1.6 wants them, whatever the licences of what is in them.
func TestCycloneDX(t *testing.T) {
	long(t)
	python, dir := installed(t, "cyclonedx-python-lib", cyclonedxVersion, "jsonschema[format-nongpl]", "referencing")
	main := papers.Component{Type: "machine-learning-model", Ref: "student", Name: "triage", Version: "1", Hashes: papers.SHA256(hash64), Licenses: papers.Licensed("Apache-2.0 AND LicenseRef-Gemma"),
		ModelCard: &papers.ModelCard{
			Parameters: papers.ModelParameters{Approach: papers.Approach{Type: "supervised"}, Task: "classify", Family: "transformer", Architecture: "llama",
				Datasets: []papers.Ref{{Ref: "data"}}, Inputs: []papers.Format{{Format: "text"}}, Outputs: []papers.Format{{Format: "text"}}},
			Analysis: papers.Analysis{Metrics: []papers.Metric{{Type: "accuracy", Value: "0.9", Slice: "test rows"}}}, Considerations: papers.Considerations{Limitations: []string{"none"}}},
		Properties: []papers.Property{{Name: "freehold:licence:declared", Value: "x"}}}
	b := papers.NewBOM("key", main)
	b.Add(papers.Component{Type: "data", Ref: "data", Name: "rows", Data: []papers.DataSet{{Type: "dataset", Name: "rows"}}, Licenses: papers.Licensed("unknown")})
	for _, f := range licence.Facts() {
		b.Add(papers.Component{Type: "library", Ref: f.ID, Name: f.Name, Version: "1", PURL: "pkg:golang/example.org/x@v1", Licenses: papers.Licensed(f.ID)})
	}
	b.Add(papers.Component{Type: "library", Ref: "other", Name: "other", Licenses: papers.Licensed("LicenseRef-Acme")})
	run := func(b *papers.BOM) (string, error) {
		text, err := b.JSON()
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(t.TempDir(), "bom.json")
		if err := os.WriteFile(file, text, 0o666); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(python, "-c", validateBOM, file)
		cmd.Env = append(os.Environ(), "PYTHONPATH="+dir)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	if out, err := run(b); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	b.Components[0].Type = "dataset" // no type of the schema
	if out, err := run(b); err == nil {
		t.Errorf("a fault is not found: %s", out)
	}
}

const hash64 = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
