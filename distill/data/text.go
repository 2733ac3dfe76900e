package data

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// lines is plain text, a row a line.
var lines = format{"text", []string{".txt"}, func(path string, _ *ReadOptions, add func(int, raw) error) error {
	return eachLine(path, func(line int, b []byte) error { return add(line, raw{text: strings.TrimSuffix(string(b), "\r")}) })
}}

// folder has a row a .txt file. A folder within is a label: DIR/spam/1.txt.
var folder = format{"folder", []string{"/"}, readFolder}

func readFolder(path string, o *ReadOptions, add func(line int, r raw) error) error {
	return filepath.WalkDir(path, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return &Error{File: file, Msg: "cannot be read: " + errText(err)}
		}
		rel, err := filepath.Rel(path, file)
		if err != nil {
			return err
		}
		label, name := filepath.Split(rel)
		label = strings.TrimSuffix(label, string(filepath.Separator))
		switch {
		case strings.HasPrefix(name, ".") && file != path:
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		case d.IsDir() && label != "":
			return &Error{File: file, Msg: "is a folder within a label's folder", Fix: "keep one level: FOLDER/LABEL/*.txt"}
		case d.IsDir():
			return nil
		case strings.ToLower(filepath.Ext(name)) != ".txt":
			return &Error{File: file, Msg: "is no .txt file", Fix: "keep only .txt files in a folder of texts"}
		}
		if st, err := os.Stat(file); err != nil { // follows a link
			return &Error{File: file, Msg: "cannot be read: " + errText(err)}
		} else if !st.Mode().IsRegular() || st.Size() > maxText {
			return &Error{File: file, Msg: fmt.Sprintf("is no plain file of at most %d bytes", maxText)}
		}
		b, err := os.ReadFile(file)
		if err != nil {
			return &Error{File: file, Msg: "cannot be read: " + errText(err)}
		}
		r := raw{id: filepath.ToSlash(filepath.Join(o.Split, rel)), text: strings.TrimSpace(strings.TrimPrefix(string(b), "\ufeff"))}
		if label != "" {
			r.label = &label
		}
		if r.text == "" {
			return &Error{File: file, Msg: "is empty"}
		}
		return add(0, r)
	})
}
