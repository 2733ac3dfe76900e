package distill

import (
	"bytes"
	"context"
	"embed"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"text/template"
)

//go:embed cluster
var clusterFiles embed.FS

// Cluster says how a job is spread over the machines of one.
type Cluster struct {
	Tasks, CPUs int      // tasks that label, and cores of each job
	Time        string   // Slurm: limit of a job, as sbatch takes it
	Options     []string // Slurm: more options of sbatch
	Image       string   // Kubernetes: of the program
	Claim       string   // Kubernetes: volume with the recipe's folder
}

var (
	slurmTime   = regexp.MustCompile(`^([0-9]+-)?[0-9]+(:[0-9]{2}){0,2}$`)
	slurmOption = regexp.MustCompile(`^--[a-z][A-Za-z0-9-]*(=[^\s"'\\]*)?$`)
	clusterName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$`) // of a Kubernetes job, whose pods' names are longer
	imageName   = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._/:@-]*$`)
)

// check refuses what a scheduler would, or read as something else.
func (c *Cluster) check() error {
	if c.Tasks < 1 || c.Tasks > 10000 {
		return fmt.Errorf("--tasks is %d, want 1 to 10000", c.Tasks)
	}
	if c.CPUs < 1 || c.CPUs > 1024 {
		return fmt.Errorf("--cpus is %d, want 1 to 1024", c.CPUs)
	}
	return nil
}

// CheckSlurm refuses options that no sbatch takes.
func (c *Cluster) CheckSlurm() error {
	if !slurmTime.MatchString(c.Time) {
		return fmt.Errorf("--time is %q, want minutes, hours:minutes:seconds or days-hours, such as 04:00:00", c.Time)
	}
	for _, o := range c.Options {
		if !slurmOption.MatchString(o) {
			return fmt.Errorf("--sbatch is %q, want an option of sbatch, such as --partition=cpu", o)
		}
	}
	return c.check()
}

// CheckKubernetes refuses names that no cluster takes.
func (c *Cluster) CheckKubernetes() error {
	if !imageName.MatchString(c.Image) {
		return fmt.Errorf("--image is %q, want the name of an image, such as registry.example/freehold:1", c.Image)
	}
	if !clusterName.MatchString(c.Claim) {
		return fmt.Errorf("--claim is %q, want the name of a volume claim: small letters, digits and dashes, 40 at most", c.Claim)
	}
	return c.check()
}

// Slurm writes a script that submits the job to Slurm.
func (j *Job) Slurm(ctx context.Context, c Cluster) ([]byte, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	folder, err := filepath.Abs(j.recipe.dir)
	if err != nil {
		return nil, err
	}
	for _, path := range []string{program, folder, filepath.Base(j.recipe.file)} {
		if strings.ContainsAny(path, "\n\x00") {
			return nil, &RecipeError{File: j.recipe.file, Msg: fmt.Sprintf("%q cannot stand in a script", path)}
		}
	}
	return j.clusterFile(ctx, "slurm.tmpl.sh", c, map[string]any{"Program": program, "Folder": folder, "Adapts": j.recipe.adapts(), "Time": c.Time, "Options": c.Options})
}

// Kubernetes writes the jobs of a cluster: one that labels, with a pod a part, and one for all else.
func (j *Job) Kubernetes(ctx context.Context, c Cluster) ([]byte, error) {
	r := j.recipe
	bad := func(format string, args ...any) error {
		return &RecipeError{File: r.file, Msg: fmt.Sprintf(format, args...)}
	}
	if !clusterName.MatchString(r.Name) {
		return nil, bad("name is %q, and that of a Kubernetes job has small letters, digits and dashes, 40 at most", r.Name)
	}
	if !plainPath.MatchString(filepath.Base(r.file)) {
		return nil, bad("the file's name has characters that would have to be quoted; name it with letters, digits, dots and dashes")
	}
	for _, p := range []string{r.Teacher.Model, r.Student.From, r.Data.Train, r.Data.Valid, r.Data.Test, r.Data.Collected, r.Policy} {
		if filepath.IsAbs(p) || strings.HasPrefix(p, "..") {
			return nil, bad("%s lies outside the recipe's folder, which is all that the pods see; move it there and name it by its path in the folder", p)
		}
	}
	return j.clusterFile(ctx, "kubernetes.tmpl.yaml", c, map[string]any{"Image": c.Image, "Claim": c.Claim})
}

// clusterFile fills in a template, with no more tasks than there are shards and the memory that the plan says.
func (j *Job) clusterFile(ctx context.Context, name string, c Cluster, values map[string]any) ([]byte, error) {
	p, err := j.Plan(ctx)
	if err != nil {
		return nil, err
	}
	if _, all := j.work.missing(); all < c.Tasks {
		c.Tasks = max(1, all)
		j.warn(fmt.Sprintf("labelling has %d shards: more tasks than that have nothing to do, so there are %d", all, c.Tasks))
	}
	const step = 256 // MiB
	values["MiB"] = (p.RAMBytes*11/10/(step<<20) + 1) * step
	helpers := max(0, j.recipe.Train.Outer.Replicas-1) // who train beside apply
	values["Helpers"], values["LastHelper"] = helpers, helpers-1
	values["Name"], values["Recipe"], values["Tasks"], values["Last"], values["CPUs"] = j.recipe.Name, filepath.Base(j.recipe.file), c.Tasks, c.Tasks-1, c.CPUs
	t, err := template.New(name).Funcs(template.FuncMap{"quote": shellQuote}).ParseFS(clusterFiles, "cluster/"+name)
	if err != nil {
		panic("distill: " + err.Error()) // embedded at build time
	}
	var b bytes.Buffer
	err = t.Execute(&b, values)
	return b.Bytes(), err
}

// shellQuote makes one word of a shell of a text.
func shellQuote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
