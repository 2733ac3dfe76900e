package distill

import (
	"os"
	"path/filepath"
	"strings"
)

// takeAnswers copies what the remote teacher of another run said, and the labels that were made of it.
func (j *Job) takeAnswers(run string) error {
	labels, err := os.ReadDir(filepath.Join(run, labelsDir))
	if err != nil {
		return err
	}
	names := []string{remoteName}
	for _, e := range labels {
		names = append(names, "labels/"+e.Name())
	}
	if err := os.MkdirAll(filepath.Join(j.dir, labelsDir), 0o777); err != nil {
		return err
	}
	for _, n := range names {
		b, err := os.ReadFile(filepath.Join(run, filepath.FromSlash(n)))
		if err != nil {
			return err
		}
		if err := writeFile(j.opt.FS, filepath.Join(j.dir, filepath.FromSlash(n)), b); err != nil {
			return err
		}
	}
	return nil
}

// leaveOutAnswers says of what was copied that it was not made again.
func (r *Reproduction) leaveOutAnswers() {
	for i, c := range r.Files {
		if c.State == "equal" && (c.Name == remoteName || strings.HasPrefix(c.Name, "labels/")) {
			r.Files[i] = FileCheck{c.Name, "left out", "what the remote teacher said is an input"}
		}
	}
}
