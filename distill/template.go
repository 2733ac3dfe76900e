package distill

import (
	"embed"
	"fmt"
	"io/fs"
	"path"
	"strings"
)

//go:embed templates
var templates embed.FS

// Templates lists the recipes that init can start from.
func Templates() []string {
	entries, err := templates.ReadDir("templates")
	if err != nil {
		panic("distill: " + err.Error()) // embedded at build time
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// Template returns the files of a template by relative path.
func Template(name string) (map[string][]byte, error) {
	files := map[string][]byte{}
	root := path.Join("templates", name)
	err := fs.WalkDir(templates, root, func(p string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := templates.ReadFile(p)
		files[strings.TrimPrefix(p, root+"/")] = b
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("unknown template %q, want one of: %s", name, strings.Join(Templates(), ", "))
	}
	return files, nil
}
