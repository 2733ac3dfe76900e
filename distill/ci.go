package distill

import (
	"bytes"
	"embed"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"text/template"

	"github.com/freehold-slm/freehold/distill/lineage"
	"github.com/freehold-slm/freehold/models"
)

//go:embed ci
var ciFiles embed.FS

// CIs lists the systems that Workflow writes for.
func CIs() []string { return []string{"github", "gitlab"} }

// plainPath is a folder or file that needs no quotes in YAML and in a shell.
var plainPath = regexp.MustCompile(`^[A-Za-z0-9._/][A-Za-z0-9._/-]*$`)

// Workflow writes a CI job for a recipe: pull, policy, plan, apply with its gates, verify. It gives the file's path, at the root of the git repository that the recipe
// stands in (its own folder, where there is none), and its text.
func Workflow(system string, r *Recipe) (file string, text []byte, err error) {
	if !slices.Contains(CIs(), system) {
		return "", nil, fmt.Errorf("distill: no workflow for %q", system) // the command line checks it
	}
	root, err := gitRoot(r.dir)
	if err != nil {
		return "", nil, err
	}
	folder, err := relative(root, r.dir)
	if err != nil {
		return "", nil, err
	}
	folder = filepath.ToSlash(folder)
	name, recipe := "freehold", filepath.Base(r.file)
	if folder != "." {
		name += "-" + strings.ReplaceAll(folder, "/", "-")
	}
	for _, p := range []string{folder, recipe} {
		if !plainPath.MatchString(p) {
			return "", nil, &RecipeError{File: r.file, Msg: fmt.Sprintf("%q has characters that a workflow would have to quote; name it with letters, digits, dots and dashes", p)}
		}
	}
	version := "latest"
	if p, err := lineage.Program(); err == nil && regexp.MustCompile(`^v[0-9]+\.[0-9]+\.[0-9]+$`).MatchString(p.Version) {
		version = p.Version
	}
	policy := ""
	if r.Policy == "" {
		policy = "permissive"
	}
	t, err := template.ParseFS(ciFiles, "ci/"+system+".tmpl.yml")
	if err != nil {
		panic("distill: " + err.Error()) // embedded at build time
	}
	var b bytes.Buffer
	err = t.Execute(&b, map[string]string{"Name": name, "Recipe": recipe, "Folder": folder, "Version": version, "Policy": policy})
	file = ".gitlab-ci.yml"
	if system == "github" {
		file = path.Join(".github", "workflows", name+".yml")
	}
	return filepath.Join(root, filepath.FromSlash(file)), b.Bytes(), err
}

// gitRoot is the nearest folder above that git keeps, or the folder itself.
func gitRoot(folder string) (string, error) {
	at, err := filepath.Abs(folder)
	if err != nil {
		return "", err
	}
	for dir := at; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, ".git")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return at, nil
		}
	}
}

// InRepository is a file's path as seen from the root of its git repository, as code hosts name it; the path itself, where there is none.
func InRepository(file string) string {
	root, err := gitRoot(filepath.Dir(file))
	if err != nil {
		return file
	}
	if _, err := os.Stat(filepath.Join(root, ".git")); err != nil {
		return file
	}
	if rel, err := relative(root, file); err == nil {
		return filepath.ToSlash(rel)
	}
	return file
}

// Wanted is a model or data set of the catalogue that a recipe names, and the licence that it declares or accepts.
type Wanted struct{ Name, Licence, Reason string }

// Wanted lists what of the catalogue the recipe needs.
func (r *Recipe) Wanted() []Wanted {
	var all []Wanted
	named := []Wanted{{r.Teacher.Model, r.Teacher.Licence, r.Teacher.Reason}, {r.Student.From, r.Student.Licence, r.Student.Reason}, {r.Data.Augment.Model, r.Data.Augment.Licence, r.Data.Augment.Reason}}
	for _, o := range r.Teacher.Ensemble.With {
		named = append(named, Wanted{o.Model, o.Licence, o.Reason})
	}
	if r.Teacher.remote() { // its model's name is its server's
		named = named[1:]
	}
	for _, w := range named {
		if w.Name == "" {
			continue
		}
		_, entry, _ := models.Resolve(w.Name) // a path wins
		if entry != nil && !slices.ContainsFunc(all, func(have Wanted) bool { return have.Name == w.Name }) {
			all = append(all, w)
		}
	}
	if r.Data.Source != "" {
		all = append(all, Wanted{r.Data.Source, r.Data.Licence, r.Data.Reason})
	}
	return all
}
