package distill

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/freehold-slm/freehold/distill/remote"
)

// remoteName is the file of a run folder that keeps what a remote teacher said, a line an answer, in the order in which they came. Each is written
// before the next question is asked, so a run that dies pays for no answer twice; labels are made from it.
const remoteName = "remote.jsonl"

// remoteLine is an answer. Its key is the hash of the endpoint and the whole request, so that runs of one folder share what they have in common.
type remoteLine struct {
	Key         string         `json:"key"`
	At          string         `json:"at"` // UTC
	Model       string         `json:"model"`
	Fingerprint string         `json:"fingerprint,omitempty"`
	Answer      string         `json:"answer"`
	Finish      string         `json:"finish"`
	Refusal     string         `json:"refusal,omitempty"`
	Tokens      []remote.Token `json:"tokens,omitempty"` // of a label, with the likeliest of each place
	LogProb     *float64       `json:"lp,omitempty"`     // of an answer's tokens, their mean
	In          int            `json:"prompt_tokens"`
	Out         int            `json:"completion_tokens"`
	Tries       int            `json:"tries"`
	From        string         `json:"from,omitempty"` // run that asked and paid; "" = this one
	Sum         string         `json:"sum"`            // sha256 of the line with this field empty, its first half
}

// text is the line as it stands in the file.
func (l remoteLine) text() ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	for _, l.Sum = range []string{"", "x"} {
		if l.Sum != "" {
			sum := sha256.Sum256(b.Bytes())
			l.Sum = hex.EncodeToString(sum[:16])
		}
		b.Reset()
		if err := enc.Encode(l); err != nil {
			return nil, err
		}
	}
	return b.Bytes(), nil
}

// readRemote reads a file of answers, by key, the first of each; whole is how many bytes of it are lines that came to their end. Lines that are not as they were written are left out and counted.
func readRemote(path string) (lines map[string]remoteLine, whole int64, bad int, err error) {
	lines = map[string]remoteLine{}
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return lines, 0, 0, nil
	}
	if err != nil {
		return nil, 0, 0, err
	}
	for {
		text, rest, ended := bytes.Cut(b, []byte("\n"))
		if !ended { // nothing, or a line that was cut
			return lines, whole, bad, nil
		}
		whole += int64(len(text)) + 1
		b = rest
		var l remoteLine
		again := []byte(nil)
		if err = json.Unmarshal(text, &l); err == nil {
			again, err = l.text()
		}
		if err != nil || !bytes.Equal(bytes.TrimSuffix(again, []byte("\n")), text) {
			bad++
			continue
		}
		if _, have := lines[l.Key]; !have {
			lines[l.Key] = l
		}
	}
}

// journal is the file of answers of the run at work.
type journal struct {
	path string
	mu   sync.Mutex
	f    *os.File
}

// openJournal opens the run's file of answers for more of them, without a last line that was cut.
func openJournal(path string) (*journal, error) {
	_, whole, _, err := readRemote(path)
	if err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o666)
	if err != nil {
		return nil, err
	}
	j := &journal{path: path, f: f}
	if err := f.Truncate(whole); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	if _, err := f.Seek(whole, 0); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return j, nil
}

// add writes an answer to the disk.
func (j *journal) add(l remoteLine) error {
	text, err := l.text()
	if err != nil {
		return err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if _, err = j.f.Write(text); err == nil {
		err = j.f.Sync()
	}
	if err != nil {
		return fmt.Errorf("%s: %w", j.path, err)
	}
	return nil
}

func (j *journal) close() error { return j.f.Close() }

// remoteLines are the answers of this run and, of others in its folder, those that this run has not. bad counts the own ones that are not as they were written.
func (j *Job) remoteLines() (own, others map[string]remoteLine, bad int, err error) {
	own, _, bad, err = readRemote(filepath.Join(j.dir, remoteName))
	if err != nil {
		return nil, nil, 0, err
	}
	runs, err := os.ReadDir(j.opt.RunsDir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, nil, 0, err
	}
	others = map[string]remoteLine{}
	for _, run := range runs {
		if !run.IsDir() || run.Name() == filepath.Base(j.dir) {
			continue
		}
		lines, _, _, err := readRemote(filepath.Join(j.opt.RunsDir, run.Name(), remoteName))
		if err != nil {
			return nil, nil, 0, err
		}
		for key, l := range lines {
			if _, have := own[key]; !have {
				if l.From == "" {
					l.From = run.Name()
				}
				others[key] = l
			}
		}
	}
	return own, others, bad, nil
}
