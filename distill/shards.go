package distill

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// shardRows is how many rows a shard holds: a labeller that dies loses at most one shard's work.
const shardRows = 128

// labelsDir is the folder of a run with what its teachers say.
const labelsDir = "labels"

// shardHeader is the first line of a shard. SHA256 is that of the lines after it.
type shardHeader struct {
	Schema string `json:"schema"`
	Key    string `json:"key"` // hash of teacher, prompt, labels and rows: which question this answers
	Rows   int    `json:"rows"`
	SHA256 string `json:"sha256"`
	Top    string `json:"top_sha256,omitempty"` // of the packed shard beside it
}

// shardSet is what a model says, in files with a line for each thing that it is asked: labels and vectors of rows, texts that it makes. A shard that is
// whole is not asked for again, nor one that another run of the folder has: runs that differ in training alone ask the teacher once.
type shardSet[Q, L any] struct {
	j      *Job
	root   string // of a run: where such shards are, or in folders of it
	folder string // of this run's
	schema string
	parts  [][]Q                                        // what is asked, a shard each
	key    func(part []Q) string                        // identifies the question that a shard answers
	check  func(path string, part []Q, lines []L) error // nil = the hash is enough
	keep   func(s int, lines []L)                       // takes a shard into memory
	kept   int                                          // lines
}

// read reads shard s in a folder.
func (f *shardSet[Q, L]) read(dir string, s int, key string) ([]L, error) {
	path := shardPath(dir, s)
	_, lines, err := readLines[L](path, f.schema, key, len(f.parts[s]))
	if err == nil && f.check != nil {
		err = f.check(path, f.parts[s], lines)
	}
	return lines, err
}

// find reads shard s of this run (own) or of another. The error is about this run's.
func (f *shardSet[Q, L]) find(s int) (lines []L, own bool, err error) {
	key := f.key(f.parts[s])
	return ofAnyRun(f.j, f.root, f.folder, func(dir string) ([]L, error) { return f.read(dir, s, key) })
}

// missing counts the shards that are not there yet, and all.
func (f *shardSet[Q, L]) missing() (missing, all int) {
	for s := range f.parts {
		if _, _, err := f.find(s); err != nil {
			missing++
		}
	}
	return missing, len(f.parts)
}

// recall keeps all shards, which must be there.
func (f *shardSet[Q, L]) recall() error {
	for s := range f.parts {
		lines, _, err := f.find(s)
		if err != nil {
			return err
		}
		f.note(s, lines)
	}
	return nil
}

func (f *shardSet[Q, L]) note(s int, lines []L) {
	f.keep(s, lines)
	f.kept += len(lines)
}

// put writes a shard and keeps it.
func (f *shardSet[Q, L]) put(s int, lines []L) error {
	err := writeLines(f.j, shardPath(f.folder, s), shardHeader{Schema: f.schema, Key: f.key(f.parts[s])}, lines)
	if err == nil {
		f.note(s, lines)
	}
	return err
}

// collect keeps the shards that are there, copies to this run what is another's, and lists the others. doing is what has to be done to those again that are damaged.
func (f *shardSet[Q, L]) collect(doing string) (todo []int, err error) {
	if err := os.MkdirAll(f.folder, 0o777); err != nil {
		return nil, err
	}
	for s := range f.parts {
		lines, own, missing := f.find(s)
		switch {
		case missing != nil:
			f.j.again(doing, missing)
			todo = append(todo, s)
		case own:
			f.note(s, lines)
		default:
			if err := f.put(s, lines); err != nil {
				return nil, err
			}
		}
	}
	return todo, nil
}

// fill asks for shards, together with all who are at the same run. Of several teachers, before have been asked about all rows.
func (f *shardSet[Q, L]) fill(ctx context.Context, todo []int, before int, ask func(ctx context.Context, part []Q) ([]L, error)) error {
	rows, fresh := len(f.j.labelled()), 0
	tell := f.j.pace("label", "rows/s", (1+len(f.j.others))*rows)
	key := func(s int) string { return f.key(f.parts[s]) }
	have := func(s int) error {
		lines, err := f.read(f.folder, s, key(s))
		if err == nil {
			f.note(s, lines)
		}
		return err
	}
	do := func(s int) error {
		lines, err := ask(ctx, f.parts[s])
		if err != nil && ctx.Err() != nil {
			return ErrInterrupted
		}
		if err == nil {
			err = f.put(s, lines)
		}
		if err != nil {
			return err
		}
		fresh += len(lines)
		tell(before*rows+f.kept, fresh)
		return nil
	}
	return f.j.share(ctx, todo, key, have, do)
}

// again warns that a shard is damaged, for which something is done once more. One that is not there is no news.
func (j *Job) again(doing string, err error) {
	if !os.IsNotExist(err) {
		j.warn(fmt.Sprintf("%s again: %v", doing, err))
	}
}

// ofAnyRun reads from this run's folder (own) or, where what it holds is missing or damaged, from the other runs': from root and the folders in it, for there it may be
// another of several teachers. The error is about this run's.
func ofAnyRun[T any](j *Job, root, folder string, read func(dir string) (T, error)) (got T, own bool, err error) {
	if got, err = read(folder); err == nil {
		return got, true, nil
	}
	for _, run := range j.otherRuns() {
		for _, dir := range withFolders(filepath.Join(run, root)) {
			if got, bad := read(dir); bad == nil {
				return got, false, nil
			}
		}
	}
	var none T
	return none, false, err
}

// otherRuns are the folders of the other runs beside this one, by name.
func (j *Job) otherRuns() (dirs []string) {
	runs, _ := os.ReadDir(j.opt.RunsDir) // what cannot be read has nothing to take over
	for _, run := range runs {
		if run.IsDir() && run.Name() != filepath.Base(j.dir) {
			dirs = append(dirs, filepath.Join(j.opt.RunsDir, run.Name()))
		}
	}
	return dirs
}

// withFolders is a folder, and those in it.
func withFolders(dir string) []string {
	all := []string{dir}
	names, _ := os.ReadDir(dir) // none = there are none
	for _, e := range names {
		if e.IsDir() {
			all = append(all, filepath.Join(dir, e.Name()))
		}
	}
	return all
}

func shardPath(dir string, s int) string {
	return filepath.Join(dir, fmt.Sprintf("shard-%05d.jsonl", s))
}

// writeLines writes a shard; Rows and SHA256 of the header are set here.
func writeLines[L any](j *Job, path string, h shardHeader, lines []L) error {
	var body bytes.Buffer
	enc := json.NewEncoder(&body)
	enc.SetEscapeHTML(false)
	for _, l := range lines {
		if err := enc.Encode(l); err != nil {
			return err
		}
	}
	sum := sha256.Sum256(body.Bytes())
	h.Rows, h.SHA256 = len(lines), hex.EncodeToString(sum[:])
	head, err := json.Marshal(h)
	if err != nil {
		return err
	}
	return j.writeShared(path, append(append(head, '\n'), body.Bytes()...))
}

// readLines returns a shard's header and lines, or an error when it is missing, damaged or answers another question.
func readLines[L any](path, schema, key string, rows int) (h shardHeader, lines []L, err error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return h, nil, err
	}
	head, body, _ := bytes.Cut(b, []byte("\n"))
	if err := json.Unmarshal(head, &h); err != nil || h.Schema != schema {
		return h, nil, fmt.Errorf("%s: the first line is not a %s header", path, schema)
	}
	if again, err := json.Marshal(h); err != nil || !bytes.Equal(again, head) || h.Rows != rows {
		return h, nil, fmt.Errorf("%s: the header is damaged, or is not for %d rows", path, rows)
	}
	if sum := sha256.Sum256(body); hex.EncodeToString(sum[:]) != h.SHA256 {
		return h, nil, fmt.Errorf("%s: sha256 of the rows is %x, the header says %s", path, sum, h.SHA256)
	}
	if h.Key != key {
		return h, nil, fmt.Errorf("%s: answers another question (key %.12s, want %.12s)", path, h.Key, key)
	}
	for _, text := range bytes.Split(bytes.TrimSuffix(body, []byte("\n")), []byte("\n")) {
		var l L
		if err := json.Unmarshal(text, &l); err != nil {
			return h, nil, fmt.Errorf("%s: line %d: %v", path, len(lines)+2, err)
		}
		lines = append(lines, l)
	}
	if len(lines) != rows {
		return h, nil, fmt.Errorf("%s: holds %d rows, want %d", path, len(lines), rows)
	}
	return h, lines, nil
}
