package main

import (
	"strings"

	"github.com/alecthomas/kong"

	"github.com/freehold-slm/freehold/distill"
	"github.com/freehold-slm/freehold/kernels"
	"github.com/freehold-slm/freehold/quant"
)

const description = `Distil open-weights language models into small task models, and run them, on the CPUs you have. ` +
	`Nothing leaves this machine unless a command's job is the network (pull), or a recipe names a remote teacher and says that rows may be sent to it.`

// table lists the commands. Each is a struct in the file of its name, with a Run method.
type table struct {
	Globals globals `embed:""`

	Init   initCmd   `cmd:"" group:"job" help:"Start a recipe (freehold.yaml) from a template."`
	Plan   planCmd   `cmd:"" group:"job" help:"Show what apply would do: stages, licences, network, memory, disk, time."`
	Apply  applyCmd  `cmd:"" group:"job" help:"Run the recipe: label, train, eval, quantize, report. Resumes."`
	Label  labelCmd  `cmd:"" group:"job" help:"Only let the teacher label the task data."`
	Train  trainCmd  `cmd:"" aliases:"distil,distill" group:"job" help:"Only train the student on the labels."`
	Eval   evalCmd   `cmd:"" group:"job" help:"Only evaluate the student and judge its gate."`
	Worker workerCmd `cmd:"" group:"job" help:"Help to label a run that this machine sees."`
	Slurm  slurmCmd  `cmd:"" group:"job" help:"Print a script that runs the recipe on a Slurm cluster."`
	K8s    k8sCmd    `cmd:"" name:"k8s" group:"job" help:"Print the jobs that run the recipe on a Kubernetes cluster."`
	Errors errorsCmd `cmd:"" group:"job" help:"List rows that student, teacher and gold labels disagree on, and record who is right."`
	Verify verifyCmd `cmd:"" group:"job" help:"Check that a run's files are those that it wrote, signed by whom, or run it again."`
	Sign   signCmd   `cmd:"" group:"job" help:"Sign a run, a model folder or a file with a key of your own."`
	UI     uiCmd     `cmd:"" name:"ui" group:"job" help:"Show the runs of a folder in the browser: live curves, reports, two runs compared, teacher and student side by side."`
	Export exportCmd `cmd:"" group:"job" help:"Write a run with all that it needs into one tar, for machines without a network."`

	Pull    pullCmd    `cmd:"" group:"models" help:"Fetch models and data sets of the catalogue into the cache."`
	Ls      lsCmd      `cmd:"" group:"models" help:"List the catalogue and what of it is in the cache."`
	Show    showCmd    `cmd:"" group:"models" help:"Show a catalogue entry: source, checksum, licence; or a model's lineage."`
	Rm      rmCmd      `cmd:"" group:"models" help:"Remove models or data sets from the cache."`
	Licence licenceCmd `cmd:"" aliases:"license" group:"models" help:"Show what licences ask for a use, and judge it."`
	Policy  policyCmd  `cmd:"" group:"models" help:"Test and explain policies: rules that jobs, pulls and servers are judged by."`
	Inspect inspectCmd `cmd:"" group:"models" help:"Show what a GGUF file holds, and check it."`

	Run      runCmd      `cmd:"" group:"use" help:"Answer a prompt, or chat."`
	Serve    serveCmd    `cmd:"" group:"use" help:"Answer the HTTP API of OpenAI's clients."`
	Classify classifyCmd `cmd:"" group:"use" help:"Give texts one of some labels, with probabilities."`
	Rerank   rerankCmd   `cmd:"" group:"use" help:"Order documents by how well they answer a query."`
	Embed    embedCmd    `cmd:"" group:"use" help:"Turn texts into vectors."`
	Tokenize tokenizeCmd `cmd:"" group:"use" help:"Turn text into tokens, or tokens into text."`
	Convert  convertCmd  `cmd:"" group:"use" help:"Write a GGUF file from a Hugging Face model folder."`
	Quantize quantizeCmd `cmd:"" group:"use" help:"Write a GGUF file in another number format, or run the recipe's stage."`

	Bench   benchCmd   `cmd:"" group:"machine" help:"Measure a model's speed against this machine's limits."`
	Doctor  doctorCmd  `cmd:"" group:"machine" help:"Check this machine: CPU, memory, disk, cache, tools."`
	Version versionCmd `cmd:"" group:"machine" help:"Print the version."`

	Completion completionCmd `cmd:"" group:"machine" help:"Print a script that completes commands in a shell: source <(freehold completion bash)."`
	Man        manCmd        `cmd:"" group:"machine" help:"Print the manual page: freehold man | man -l -"`
}

var groups = []kong.Group{
	{Key: "job", Title: "From a teacher to a task model:"},
	{Key: "models", Title: "Models and data:"},
	{Key: "use", Title: "Use a model:"},
	{Key: "machine", Title: "This machine:"},
	{Key: "global", Title: "Flags of every command:"},
}

// helpVars are the lists that help texts name.
func helpVars() map[string]string {
	var mixes, known []string
	for _, m := range quant.Mixes() {
		mixes = append(mixes, m.Name)
	}
	for _, l := range kernels.Levels() {
		known = append(known, l.Name)
	}
	return map[string]string{
		"mixes": strings.Join(mixes, " "), "levels": strings.Join(known, " "), "templates": strings.Join(distill.Templates(), " "),
	}
}
