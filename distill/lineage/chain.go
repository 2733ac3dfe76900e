// Package lineage keeps a model's origin: a hash-chained record of what each stage of a run took, was told and made, and by
// which program; and what a GGUF file says of its origin. Both can be drawn.
package lineage

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"reflect"
	"strings"
)

// Name is the chain's file in a run folder, a line an entry.
const Name = "lineage.jsonl"

const schema = "freehold/lineage/1"

// Entry is a stage's record. In, Facts and Out are the same wherever the stage runs; By and Workers are not.
type Entry struct {
	Schema string            `json:"schema"`
	Seq    int               `json:"seq"` // 0, 1, ...
	Stage  string            `json:"stage"`
	In     []Item            `json:"in"`
	Facts  map[string]string `json:"facts"` // prompts, seeds, numeric mode and what else the stage was told
	Out    []Item            `json:"out"`
	By     Maker             `json:"by"`

	Workers []Worker `json:"workers,omitempty"` // who made some of what Out names in By's place

	Prev string `json:"prev"` // Hash of the entry before, zeros in the first
	Hash string `json:"hash"` // sha256 of this line with zeros in the hash's place
}

// Worker is another program that took part in a stage.
type Worker struct {
	Maker
	Shards []int    `json:"shards,omitempty"` // of labels, that it made
	Units  []string `json:"units,omitempty"`  // of training, as ROUND/REPLICA
}

// Item is something that a stage took or made.
type Item struct {
	Kind    string `json:"kind"` // recipe, weights, data, rows, labels, adapter, metrics, results
	Name    string `json:"name"` // of a file in the run folder its path there; a folder ends in a slash
	Role    string `json:"role,omitempty"`
	SHA256  string `json:"sha256"` // of a folder see TreeHash; "" = a remote model, of which there is no file
	Files   int    `json:"files,omitempty"`
	Rows    int    `json:"rows,omitempty"`
	Licence string `json:"licence,omitempty"`
	Basis   string `json:"licence_basis,omitempty"`
	From    string `json:"from,omitempty"` // where it can be had
}

// Maker is the program that ran a stage, and on what.
type Maker struct {
	Version  string `json:"version"`
	Commit   string `json:"commit,omitempty"`
	Modified bool   `json:"modified,omitempty"` // the source differed from the commit
	Binary   string `json:"binary_sha256"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
	Level    string `json:"cpu_level"`
	Threads  int    `json:"threads"`

	Enforced *Enforced `json:"enforced,omitempty"` // nil = a program that says nothing of it
}

// Enforced is what held a process back while it ran a stage. A part that the system took away is "denied"; any other text says why it was not.
type Enforced struct {
	Connections string   `json:"connections"`          // new sockets and connections, and other programs
	Writes      string   `json:"writes"`               // files changed elsewhere than in the folder of runs
	Offline     bool     `json:"offline"`              // --offline, or FREEHOLD_OFFLINE
	Interfaces  []string `json:"interfaces,omitempty"` // of the network that the process could see by name; none = unknown, lo alone = none that leads anywhere
}

// Denied is a part of Enforced that the system took away.
const Denied = "denied"

func (e *Enforced) String() string {
	if e == nil {
		return "not said"
	}
	parts := []string{"connections " + e.Connections, "writing elsewhere " + e.Writes}
	if e.Offline {
		parts = append(parts, "offline")
	}
	if e.Interfaces != nil {
		parts = append(parts, "network interfaces "+strings.Join(e.Interfaces, " "))
	}
	return strings.Join(parts, ", ")
}

// Held counts the entries of a chain, and of them those whose process the system let open no connection, and change no file elsewhere.
type Held struct {
	Stages      int `json:"stages"`
	Connections int `json:"connections_denied"`
	Writes      int `json:"writes_denied"`
}

// HeldOf counts.
func HeldOf(chain []Entry) *Held {
	h := &Held{Stages: len(chain)}
	for _, e := range chain {
		if by := e.By.Enforced; by != nil && by.Connections == Denied {
			h.Connections++
		}
		if by := e.By.Enforced; by != nil && by.Writes == Denied {
			h.Writes++
		}
	}
	return h
}

// Body is what two runs of a stage have in common where they are the same run.
func (e *Entry) Body() any { return [4]any{e.Stage, e.In, e.Facts, e.Out} }

// none stands where there is no hash yet.
var none = strings.Repeat("0", 2*sha256.Size)

// Head is the hash of the last entry, which seals the whole chain.
func Head(chain []Entry) string {
	if len(chain) == 0 {
		return none
	}
	return chain[len(chain)-1].Hash
}

// EntryError says which entry of a chain is not as it was written.
type EntryError struct {
	Entry int // counted from 0; the number of entries where some are missing at the end
	Msg   string
}

func (e *EntryError) Error() string { return fmt.Sprintf("entry %d%s", e.Entry, e.Msg) }

// line is an entry as it stands in the file, with its hash.
func line(e Entry) ([]byte, string, error) {
	e.Hash = none
	b, err := json.Marshal(e)
	if err != nil {
		return nil, "", err
	}
	sum := sha256.Sum256(b)
	e.Hash = hex.EncodeToString(sum[:])
	copy(b[len(b)-len(none)-2:], e.Hash) // the hash is the last field: ..."}
	return append(b, '\n'), e.Hash, nil
}

// Parse reads a chain and checks each entry against its own hash and its place. What is wrong is an *EntryError; the entries
// before it are returned.
func Parse(text []byte) ([]Entry, error) {
	var chain []Entry
	for n := 0; len(text) > 0; n++ {
		var e Entry
		l, rest, whole := bytes.Cut(text, []byte("\n"))
		text = rest
		dec := json.NewDecoder(bytes.NewReader(l))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&e); err != nil {
			return chain, &EntryError{n, " cannot be read: " + err.Error()}
		}
		name := fmt.Sprintf(" (%s)", e.Stage)
		again, hash, err := line(e)
		switch {
		case err != nil:
			return chain, err
		case e.Schema != schema:
			return chain, &EntryError{n, fmt.Sprintf("%s: schema is %q, want %q", name, e.Schema, schema)}
		case !whole || e.Hash != hash || !bytes.Equal(again[:len(again)-1], l):
			return chain, &EntryError{n, name + " does not match its hash: it was changed"}
		case e.Seq != n:
			return chain, &EntryError{n, fmt.Sprintf("%s was written as entry %d: one before it was removed, added or moved", name, e.Seq)}
		case e.Prev != Head(chain):
			return chain, &EntryError{n, fmt.Sprintf("%s does not follow entry %d: its hash of it is %.12s, want %.12s", name, n-1, e.Prev, Head(chain))}
		}
		chain = append(chain, e)
	}
	return chain, nil
}

// Read is Parse of a file.
func Read(path string) ([]Entry, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	chain, err := Parse(b)
	if err != nil {
		err = fmt.Errorf("%s: %w", path, err)
	}
	return chain, err
}

// Append gives the text of the chain at path with e at its end, or nil where the last entry of e's stage says the same:
// a stage that was run again and found nothing to do leaves no trace.
func Append(path string, e Entry) ([]byte, error) {
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	chain, err := Parse(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if e.Facts == nil {
		e.Facts = map[string]string{}
	}
	e.In, e.Out = append([]Item{}, e.In...), append([]Item{}, e.Out...) // never null in the file
	if last := Last(chain, e.Stage); last != nil && reflect.DeepEqual(last.Body(), e.Body()) {
		return nil, nil
	}
	e.Schema, e.Seq, e.Prev = schema, len(chain), Head(chain)
	l, _, err := line(e)
	return append(text, l...), err
}

// Last is the newest entry of a stage, nil where there is none.
func Last(chain []Entry, stage string) *Entry {
	for i := len(chain) - 1; i >= 0; i-- {
		if chain[i].Stage == stage {
			return &chain[i]
		}
	}
	return nil
}

// CheckOutputs holds what the entries say that they made, each file by the last entry that made it, against hashes of the
// files: hashOf gives that of a name, "" where there is none.
func CheckOutputs(chain []Entry, hashOf func(name string) string) error {
	seen := map[string]bool{}
	for i := len(chain) - 1; i >= 0; i-- {
		for _, it := range chain[i].Out {
			if seen[it.Name] {
				continue
			}
			seen[it.Name] = true
			if got := hashOf(it.Name); got != it.SHA256 {
				return &EntryError{i, fmt.Sprintf(" (%s): it made %s with sha256 %.12s, the manifest has %.12s", chain[i].Stage, it.Name, it.SHA256, got)}
			}
		}
	}
	return nil
}

// TreeHash is the sha256 of lines as sha256sum writes them, of files by name; names must be sorted.
func TreeHash(names []string, sum func(name string) string) string {
	h := sha256.New()
	for _, n := range names {
		fmt.Fprintf(h, "%s  %s\n", sum(n), n)
	}
	return hex.EncodeToString(h.Sum(nil))
}
