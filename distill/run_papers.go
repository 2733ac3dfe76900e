package distill

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/freehold-slm/freehold/distill/papers"
	"github.com/freehold-slm/freehold/models"
	"github.com/freehold-slm/freehold/models/licence"
)

// runFacts are what several papers of a run tell.
type runFacts struct {
	j        *Job
	sum      *Summary
	l        *Licences
	notices  []string // licences whose text is missing from NOTICE
	tokens   int64    // that the student was trained on
	flops    float64  // of training it
	baseSays string   // on what the base's tokens rest; "" = unknown
	ratio    string   // of flops to the base model's
}

// levelField is the one field of the papers that another machine fills in otherwise.
const levelField = "CPU level and precision"

// writePapers writes the papers of the run: NOTICE, the bill of materials, the model card and the drafts.
func (j *Job) writePapers(sum *Summary) error {
	f := &runFacts{j: j, sum: sum, l: j.licences()}
	if err := f.count(); err != nil {
		return err
	}
	notice, missing := papers.Notice(j.recipe.Name, &f.l.Distribute, j.inputs())
	f.notices = missing
	bom, err := f.bom().JSON()
	if err != nil {
		return err
	}
	files := map[string][]byte{"NOTICE": []byte(notice), "mlbom.cdx.json": bom}
	for _, p := range []*papers.Paper{f.card(), f.training(), f.technical(), f.transparency()} {
		files[p.File] = []byte(p.Markdown())
	}
	if err := os.MkdirAll(filepath.Join(j.dir, "papers"), 0o777); err != nil {
		return err
	}
	for _, name := range sortedKeys(files) {
		if err := writeFile(j.opt.FS, filepath.Join(j.dir, filepath.FromSlash(name)), files[name]); err != nil {
			return err
		}
	}
	return nil
}

// count counts the tokens of training and estimates its operations: 6 a weight and token, of the weights of the blocks, for the student as for its base.
func (f *runFacts) count() error {
	metrics, err := readMetrics(filepath.Join(f.j.dir, "metrics.jsonl"))
	if err != nil {
		return err
	}
	for _, m := range metrics {
		f.tokens += int64(m.Tokens)
	}
	weights, err := f.j.studentBlocks()
	if err != nil {
		return err
	}
	f.flops = 6 * float64(weights) * float64(f.tokens)
	e, err := models.Lookup(f.j.base.Name)
	if err != nil || e.TrainTokens == 0 || e.SHA256 != f.j.base.sha256 {
		return nil
	}
	base, err := blockWeights(f.j.base.path)
	if err != nil {
		return err
	}
	f.baseSays = fmt.Sprintf("6 x %d weights of the base's blocks x %.3g tokens, which its publisher states", base, e.TrainTokens)
	f.ratio = fmt.Sprintf("%.2g", f.flops/(6*float64(base)*e.TrainTokens))
	return nil
}

// general are the fields that every paper begins with.
func (f *runFacts) general(p *papers.Paper) {
	j := f.j
	p.Section("General")
	p.Add("Name", f.l.Distribute.Name(j.recipe.Name), papers.Declared, "recipe: name, and what licences want in it")
	p.Add("Run", j.key, papers.Verified, "hash of recipe, data and models; manifest.json")
	p.Add("Task", j.recipe.Task.Type+" "+strings.Join(j.recipe.Task.Labels, ", "), papers.Declared, "recipe: task")
	p.Add("Made by", "", papers.Unknown, "the recipe's owner")
	p.Add("Contact", "", papers.Unknown, "the recipe's owner")
}

func (f *runFacts) madeFrom(p *papers.Paper) {
	j := f.j
	p.Section("Made from")
	for _, s := range j.roles("Base", "Teacher", " ") {
		if s.remote != nil {
			p.Add(s.role, fmt.Sprintf("%s at %s, a remote model", s.Name, s.remote), papers.Declared, "recipe; what it said and how it was called is in "+remoteName)
		} else {
			p.Add(s.role, fmt.Sprintf("%s, %s, %d layers, sha256 %s", s.Name, s.spec.Arch, s.spec.Layers, s.sha256), papers.Verified, "the file")
		}
		status, source := papers.Declared, "declared by the recipe: "+because(s.Reason)
		if s.Licence.Basis == models.StatedInFile {
			status, source = papers.Verified, "stated in the file; that the publisher may license it is not verified"
		}
		p.Add(s.role+"'s licence", s.Licence.ID, status, source)
	}
	p.Add("Licence", f.l.Distribute.Licence, papers.Declared, "follows from these; "+f.l.Distribute.State+", see NOTICE")
	p.Add("Licence facts compared with their text", fmt.Sprintf("all but %s", none(append(append([]string{}, f.l.Distribute.Unverified...), f.l.Distribute.Unknown...))), papers.Verified, "freehold licence")
	p.Add("Licence texts missing from NOTICE", none(f.notices), papers.Verified, "NOTICE")
}

// sourceRole is a model file with its part in the run.
type sourceRole struct {
	role string
	source
}

// roles are base and teachers, the further ones with a number after a mark.
func (j *Job) roles(base, teacher, mark string) []sourceRole {
	all := []sourceRole{{base, j.base}, {teacher, j.teacher}}
	for i, s := range j.teachers()[1:] {
		all = append(all, sourceRole{fmt.Sprintf("%s%s%d", teacher, mark, i+2), s})
	}
	return all
}

func because(reason string) string {
	if reason == "" {
		return "no reason given"
	}
	return reason
}

func none(all []string) string {
	if len(all) == 0 {
		return "none"
	}
	return strings.Join(all, ", ")
}

func (f *runFacts) data(p *papers.Paper) {
	j := f.j
	p.Section("Data")
	p.Add("Data set", j.datasetName()+", sha256 "+j.data.Hash, papers.Verified, "the rows as they were read")
	p.Add("Rows", fmt.Sprintf("%d train, %d valid, %d test", len(j.learns().Train), len(j.data.Valid), len(j.data.Test)), papers.Verified, "data.json")
	p.Add("Left out and masked", orElse(j.learns().Report.String(), "nothing"), papers.Verified, "data.json")
	p.Add("Personal data masked", none(j.recipe.Data.Mask), papers.Verified, "recipe: data.mask; what the masks did not find is unknown")
	p.Add("Licence of the data", j.recipe.Data.Licence, papers.Declared, "recipe: data.licence, "+because(j.recipe.Data.Reason))
	p.Add("Where it came from and when it was gathered", "", papers.Unknown, "the data's owner")
	p.Add("Made by a model", fmt.Sprintf("labels or answers of %s where rows have no gold", j.teacherNames()), papers.Verified, "labels/")
	if m := j.learns().Report.Made; m != nil {
		p.Add("Rows made by a model", fmt.Sprintf("%d training rows by %s, of %d texts asked for: %s", m.Kept, m.Model, m.Asked, j.recipe.Data.Augment), papers.Verified, madeRows)
	}
}

func (f *runFacts) quality(p *papers.Paper) {
	s := f.sum.Student
	p.Section("Quality")
	if r := f.sum.Ranking; r != nil {
		p.Add(f.scored(""), fmt.Sprintf("%.4f (95 %%: %.4f to %.4f) of %d test queries; BM25 %.4f", s.Accuracy, s.CI95[0], s.CI95[1], s.Rows, f.sum.Baseline.Accuracy), papers.Verified, "summary.json")
		if r.Judged > 0 {
			p.Add(f.scored("")+" of the teacher", fmt.Sprintf("%.4f", f.sum.Teacher.Accuracy), papers.Verified, "summary.json")
		}
		f.judged(p)
		return
	}
	p.Add(f.scored("Accuracy"), fmt.Sprintf("%.4f (95 %%: %.4f to %.4f) of %d test rows", s.Accuracy, s.CI95[0], s.CI95[1], s.Rows), papers.Verified, "summary.json")
	p.Add(f.scored("Accuracy")+" of the teacher", fmt.Sprintf("%.4f", f.sum.Teacher.Accuracy), papers.Verified, "summary.json")
	f.judged(p)
}

// judged is what is said of quality whatever the metric.
func (f *runFacts) judged(p *papers.Paper) {
	p.Add("Gate", f.sum.Gate, papers.Verified, "eval.gates of the recipe")
	p.Add("Quality for groups of people", "", papers.Unknown, "the recipe's owner; test rows of each group tell")
}

// scored is what the score of the models is called that other tasks have as accuracy.
func (f *runFacts) scored(accuracy string) string {
	if f.sum.Embedding != nil || f.sum.Ranking != nil {
		return f.sum.metric()
	}
	return accuracy
}

func (f *runFacts) effort(p *papers.Paper) {
	p.Section("Training")
	p.Add("Method", fmt.Sprintf("distillation: %s, %d steps of %d %s, seed %d", f.j.recipe.Train.Loss, f.j.steps(), f.j.recipe.Train.Batch, f.j.recipe.batchOf(), f.j.recipe.Train.Seed)+ownMethod(f.j.recipe)+after("; rationales of the teacher beside its answers: ", f.j.recipe.Train.Rationale.String())+f.sum.crossMethod(), papers.Verified, "recipe")
	p.Add("Tokens trained on", fmt.Sprint(f.tokens), papers.Verified, "metrics.jsonl")
	p.Add("Training operations (FLOP)", fmt.Sprintf("%.3g", f.flops), papers.Verified, "6 x weights of the student's blocks x tokens; labelling is not counted")
	if a := f.j.recipe.Teacher.Adapt; a.Rows > 0 {
		p.Add("Adaptation of the teacher", fmt.Sprintf("LoRA of rank %d, %d steps on %d gold rows; its operations are not in those above", a.Rank, f.j.adaptSteps(), a.Rows), papers.Verified, adaptedName)
	}
	p.Add("Ratio to the base model's training", f.ratio, papers.Declared, orElse(f.baseSays, "the tokens that the base was trained on are not known here"))
	p.Add("Energy", "", papers.Unknown, "is not measured")
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

func (f *runFacts) card() *papers.Paper {
	p := &papers.Paper{File: "MODEL_CARD.md", Title: f.l.Distribute.Name(f.j.recipe.Name), About: "Model card of a task model that was distilled with freehold. Facts are filled in from the run; what nobody said is marked unknown."}
	f.general(p)
	p.Section("Use")
	p.Add("Intended use", "the task above, on texts like the test rows", papers.Declared, "recipe")
	p.Add("Limits of use", strings.Join(f.l.Distribute.Limits(), ", "), papers.Declared, "licences of what it is made from; where none is named here, none is known")
	p.Add("Who is affected by its answers", "", papers.Unknown, "the recipe's owner")
	f.madeFrom(p)
	f.data(p)
	f.effort(p)
	f.quality(p)
	return p
}

func (f *runFacts) training() *papers.Paper {
	p := &papers.Paper{File: "papers/eu-training-content.md", Title: "Summary of training content (draft)",
		About: "Draft after the template of the EU's AI Office for Article 53(1)(d) of Regulation (EU) 2024/1689. It is owed by providers of general-purpose models; a model for one task is usually none, and one who modifies a model becomes a provider of it where the training takes more than a third of the original's operations. Not legal advice."}
	f.general(p)
	f.madeFrom(p)
	f.data(p)
	p.Section("Sources by kind")
	p.Add("Publicly available data sets", f.j.recipe.Data.Source, papers.Declared, "recipe: data.source")
	p.Add("Data licensed from others", "", papers.Unknown, "the data's owner")
	p.Add("Data crawled from the web by the provider", "", papers.Unknown, "the data's owner")
	p.Add("Data of users", "", papers.Unknown, "the data's owner")
	p.Add("Data made by models", "labels or answers of "+f.j.teacherNames(), papers.Verified, "labels/")
	p.Add("Content that the base and the teacher were trained on", "", papers.Unknown, "their publishers' summaries")
	p.Add("Opt-outs under Article 4(3) of Directive (EU) 2019/790", "", papers.Unknown, "the data's owner")
	f.effort(p)
	return p
}

func (f *runFacts) technical() *papers.Paper {
	p := &papers.Paper{File: "papers/eu-technical-documentation.md", Title: "Technical documentation (draft)",
		About: "Draft after Annex XI and Annex IV of Regulation (EU) 2024/1689: what the run knows; the rest is the provider's to fill in. Not legal advice."}
	f.general(p)
	f.madeFrom(p)
	p.Section("Architecture")
	p.Add("Student", fmt.Sprintf("%s, %d layers, width %d, file format %s", f.j.base.spec.Arch, len(f.j.recipe.Student.Layers), f.j.base.spec.Dim, f.j.recipe.Student.Format), papers.Verified, "recipe and the base's file")
	p.Add("Inputs and outputs", "text; "+f.j.recipe.Task.Type, papers.Verified, "recipe: task")
	p.Add("How it is integrated", "", papers.Unknown, "who deploys it")
	f.data(p)
	f.effort(p)
	p.Add(levelField, f.j.level.Name+", "+f.j.precision(), papers.Verified, "manifest.json")
	f.quality(p)
	p.Section("Risks")
	for _, name := range []string{"Risk management", "Human oversight", "Monitoring after release", "Cybersecurity"} {
		p.Add(name, "", papers.Unknown, "the provider")
	}
	return p
}

func (f *runFacts) transparency() *papers.Paper {
	p := &papers.Paper{File: "papers/uk-atrs.md", Title: "Algorithmic transparency record (draft)",
		About: "Draft after the UK's Algorithmic Transparency Recording Standard, tier 2. What the run knows is filled in; the rest is the organisation's."}
	f.general(p)
	p.Section("Owner and rationale")
	for _, name := range []string{"Organisation and team", "Senior responsible owner", "Description for the public", "Benefits", "Previous process", "Alternatives considered"} {
		p.Add(name, "", papers.Unknown, "the organisation")
	}
	p.Section("Decision making")
	for _, name := range []string{"Part in the decision", "Human review", "Appeals", "Required training"} {
		p.Add(name, "", papers.Unknown, "the organisation")
	}
	f.madeFrom(p)
	f.data(p)
	f.quality(p)
	p.Section("Risks and assessments")
	for _, name := range []string{"Data protection impact assessment", "Equality impact assessment", "Risks and mitigations"} {
		p.Add(name, "", papers.Unknown, "the organisation")
	}
	return p
}

// bom lists what the student is made from, with hashes and licences.
func (f *runFacts) bom() *papers.BOM {
	j := f.j
	number := func(x float64) string { b, _ := json.Marshal(x); return string(b) }
	main := papers.Component{Type: "machine-learning-model", Ref: "student", Name: f.l.Distribute.Name(j.recipe.Name), Version: j.key[:12], Licenses: papers.Licensed(f.l.Distribute.Licence),
		ModelCard: &papers.ModelCard{
			Parameters: papers.ModelParameters{Approach: papers.Approach{Type: "supervised"}, Task: j.recipe.Task.Type, Family: "transformer", Architecture: j.base.spec.Arch,
				Datasets: []papers.Ref{{Ref: "data"}}, Inputs: []papers.Format{{Format: "text"}}, Outputs: []papers.Format{{Format: "text"}}},
			Analysis:       papers.Analysis{Metrics: []papers.Metric{{Type: f.scored("accuracy"), Value: number(f.sum.Student.Accuracy), Slice: "test rows"}}},
			Considerations: papers.Considerations{Limitations: f.l.Distribute.Limits()},
		}}
	if _, err := os.Stat(j.modelPath("")); err == nil {
		if h, err := hashed(j.modelPath("")); err == nil {
			main.Hashes = papers.SHA256(h.SHA256)
		}
	}
	for _, d := range f.l.Declared {
		main.Properties = append(main.Properties, papers.Property{Name: "freehold:licence:declared", Value: d})
	}
	b := papers.NewBOM(j.key, main)
	for _, s := range j.roles("base", "teacher", "-") {
		c := papers.Component{Type: "machine-learning-model", Ref: s.role, Name: s.Name, Licenses: papers.Licensed(s.Licence.ID)}
		if s.remote == nil {
			c.Hashes = papers.SHA256(s.sha256)
		} else {
			c.Properties = append(c.Properties, papers.Property{Name: "freehold:remote", Value: s.remote.String()})
		}
		if s.Licence.Basis != models.StatedInFile {
			c.Properties = append(c.Properties, papers.Property{Name: "freehold:licence:basis", Value: string(s.Licence.Basis)})
		}
		b.Add(c)
	}
	dataLicence := ""
	for _, in := range j.inputs() {
		if v := licence.Judge(licence.Distil, []licence.Input{in}); in.Role == "data" {
			dataLicence = v.Strictest
		}
	}
	b.Add(papers.Component{Type: "data", Ref: "data", Name: j.datasetName(), Hashes: papers.SHA256(j.data.Hash), Licenses: papers.Licensed(dataLicence), Data: []papers.DataSet{{Type: "dataset", Name: j.datasetName()}}})
	return b
}
