package models

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/freehold-slm/freehold/models/egress"
	"github.com/freehold-slm/freehold/models/gguf"
)

// PullOptions say how to pull.
type PullOptions struct {
	// Offline forbids the network; FREEHOLD_OFFLINE=1 does too. What is in the
	// cache is still found.
	Offline bool
	// AcceptLicence is the ID of the licence that the user declares or accepts,
	// where the gate asks for it; it is written into the record.
	AcceptLicence string
	Reason        string // why, for the record
	// Progress, when set, is called from time to time with bytes of the whole.
	Progress func(done, total int64, what string)
	// Log, when set, hears which source is used and why another was not.
	Log *slog.Logger
}

// Pull makes sure that a catalogue model lies in the cache and returns its path.
// The licence gate comes first (*LicenceError), then the cache, then the
// network (*OfflineError when forbidden). An interrupted pull continues where it
// stopped; two at once wait for each other. The file appears under its name only
// when its sha256 is right (else *ChecksumError, and nothing is kept).
func Pull(ctx context.Context, e Entry, o PullOptions) (string, error) {
	path, err := e.Path()
	if err != nil {
		return "", err
	}
	return newPuller(o).pull(ctx, e.Artefact, path)
}

// PullData is Pull for a data set.
func PullData(ctx context.Context, e DataEntry, o PullOptions) (string, error) {
	path, err := e.Path()
	if err != nil {
		return "", err
	}
	return newPuller(o).pull(ctx, e.Artefact, path)
}

// OfflineError says that a pull would need the network and may not use it.
type OfflineError struct{ Name string }

func (e *OfflineError) Error() string {
	return fmt.Sprintf("%s is not in the cache, and offline mode (--offline or FREEHOLD_OFFLINE) forbids fetching it", e.Name)
}

// ChecksumError says that a fetched file is not the one the catalogue means.
type ChecksumError struct{ File, Got, Want string }

func (e *ChecksumError) Error() string {
	return fmt.Sprintf("%s: sha256 is %s, want %s; the file was removed", e.File, e.Got, e.Want)
}

// SpaceError says that the disk is too full. Need and Free are bytes; Need is 0
// when the disk filled up while writing.
type SpaceError struct {
	Dir        string
	Need, Free int64
}

func (e *SpaceError) Error() string {
	if e.Need == 0 {
		return fmt.Sprintf("%s: the disk is full; make room and run the same command again, it continues where it stopped", e.Dir)
	}
	return fmt.Sprintf("%s: needs %.2f GB of free disk, has %.2f GB; make room or set FREEHOLD_HOME to another disk", e.Dir, float64(e.Need)/1e9, float64(e.Free)/1e9)
}

// SourceError says that no source gave the file; Errs has one error a source.
type SourceError struct {
	Name string
	Errs []error
}

func (e *SourceError) Error() string {
	s := fmt.Sprintf("%s could not be fetched:", e.Name)
	for _, err := range e.Errs {
		s += "\n  " + err.Error()
	}
	return s
}

func (e *SourceError) Unwrap() []error { return e.Errs }

// puller is a pull with the parts of the world it touches, which tests replace.
type puller struct {
	PullOptions
	fs     gguf.FS
	append func(path string) (gguf.FSFile, error)
	free   func(dir string) (int64, error) // bytes, -1 when it cannot be told
	gate   *egress.Gate                    // to the hosts of the file that is fetched
	retry  time.Duration                   // pause before an interrupted download goes on
	python string
	npm    string
}

func newPuller(o PullOptions) *puller {
	return &puller{
		PullOptions: o,
		fs:          gguf.OS{},
		append: func(path string) (gguf.FSFile, error) {
			return os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o666)
		},
		free:   freeSpace,
		retry:  time.Second,
		python: "python3",
		npm:    "npm",
	}
}

func (p *puller) log(msg string, args ...any) {
	if p.Log != nil {
		p.Log.Info(msg, args...)
	}
}

func (p *puller) progress(done, total int64, what string) {
	if p.Progress != nil {
		p.Progress(min(done, total), total, what)
	}
}

func (p *puller) pull(ctx context.Context, a Artefact, path string) (string, error) {
	if p.cached(a, path) {
		return path, nil
	}
	if err := a.Licence.Check(a.Name, p.AcceptLicence); err != nil {
		return "", err
	}
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return "", fmt.Errorf("cache: %w", err)
	}
	unlock, err := lockFile(ctx, filepath.Join(dir, "."+a.Name+".lock"), func() {
		p.log("waiting for another pull of the same file", "name", a.Name)
	})
	if err != nil {
		return "", fmt.Errorf("%s: lock: %w", a.Name, err)
	}
	defer unlock()
	if p.cached(a, path) { // the other pull has brought it
		return path, nil
	}
	if st, err := os.Stat(path); err == nil && st.Size() == a.Bytes {
		// a whole file without its record: an interrupted end, or put there by hand
		if err := checkSum(path, a.SHA256); err == nil {
			return path, p.record(a, path, "found in the cache")
		}
	}
	if p.Offline || Offline() {
		return "", &OfflineError{a.Name}
	}
	if err := p.fetch(ctx, a, path); err != nil {
		if errors.Is(err, syscall.ENOSPC) {
			err = errors.Join(&SpaceError{Dir: dir}, err)
		}
		return "", err
	}
	return path, nil
}

// cached reports whether the file and its record are there and fit the catalogue
// and the licence gate. It trusts the record's sum: pull wrote it after checking.
func (p *puller) cached(a Artefact, path string) bool {
	st, err := os.Stat(path)
	if err != nil || st.Size() != a.Bytes {
		return false
	}
	got, err := readPulled(recordPath(path))
	return err == nil && got.SHA256 == a.SHA256 && a.Licence.Check(a.Name, got.Accepted) == nil
}

func (p *puller) record(a Artefact, path, source string) error {
	r := Pulled{
		Schema: pulledSchema, Name: a.Name, File: filepath.Base(path), Bytes: a.Bytes, SHA256: a.SHA256,
		Source: source, Licence: a.Licence,
	}
	if a.Licence.Check(a.Name, "") != nil {
		r.Accepted, r.Reason = p.AcceptLicence, p.Reason
	}
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return publish(p.fs, recordPath(path), append(data, '\n'))
}

// fetch tries the sources in order. What it has of each so far lies in the
// folder path.partial, one subfolder a source, until the file is whole.
func (p *puller) fetch(ctx context.Context, a Artefact, path string) error {
	partial := path + ".partial"
	if err := p.checkSpace(a, filepath.Dir(path), partial); err != nil {
		return err
	}
	p.gate = allowed(a)
	failed := &SourceError{Name: a.Name}
	for i, s := range a.Sources {
		work := filepath.Join(partial, fmt.Sprintf("source%d", i))
		if err := os.MkdirAll(work, 0o777); err != nil {
			return err
		}
		whole, from := filepath.Join(work, "whole"), s.URL
		var err error
		if s.URL != "" {
			err = p.fromURL(ctx, s.URL, a, whole)
		} else {
			from = s.Parts[0].String()
			if n := len(s.Parts); n > 1 {
				from += fmt.Sprintf(" and %d more parts", n-1)
			}
			err = p.fromPackages(ctx, s.Parts, a, work, whole)
		}
		if err == nil {
			p.progress(a.Bytes, a.Bytes, "checking sha256")
			if err = checkSum(whole, a.SHA256); err != nil {
				err = errors.Join(err, os.RemoveAll(work))
			}
		}
		if err == nil {
			return p.finish(a, whole, path, from)
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if errors.Is(err, syscall.ENOSPC) {
			return err
		}
		p.log("source failed", "name", a.Name, "source", from, "error", err)
		failed.Errs = append(failed.Errs, err)
	}
	return failed
}

func (p *puller) finish(a Artefact, whole, path, from string) error {
	if err := p.fs.Rename(whole, path); err != nil {
		return err
	}
	if err := p.fs.SyncDir(filepath.Dir(path)); err != nil {
		return err
	}
	if err := p.record(a, path, from); err != nil {
		return err
	}
	p.log("pulled", "name", a.Name, "path", path, "source", from)
	return os.RemoveAll(path + ".partial")
}

// checkSpace wants room for the file, twice where it is joined from parts, and
// for one package on its way, less what is there already.
func (p *puller) checkSpace(a Artefact, dir, partial string) error {
	free, err := p.free(dir)
	if err != nil || free < 0 {
		return err
	}
	need := a.Bytes + 64<<20
	for _, s := range a.Sources {
		if len(s.Parts) > 0 {
			need = max(need, 2*a.Bytes+64<<20)
		}
	}
	if need -= folderSize(partial); free < need {
		return &SpaceError{Dir: dir, Need: need, Free: free}
	}
	return nil
}

func folderSize(dir string) int64 {
	var n int64
	filepath.Walk(dir, func(_ string, st os.FileInfo, err error) error {
		if err == nil && st.Mode().IsRegular() {
			n += st.Size()
		}
		return nil // a file that vanished meanwhile does not count
	})
	return n
}

// checkSum compares a file with the catalogue's sum and removes a wrong one.
func checkSum(path, want string) error {
	h := sha256.New()
	if err := hashFile(h, path); err != nil {
		return err
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != want {
		return errors.Join(&ChecksumError{File: path, Got: got, Want: want}, os.Remove(path))
	}
	return nil
}

// saveAs copies r to a new file at path through a temporary one: when the name
// exists, the file is whole and on the disk.
func (p *puller) saveAs(path string, copyTo func(io.Writer) error) error {
	tmp := path + ".tmp"
	f, err := p.fs.Create(tmp)
	if err != nil {
		return err
	}
	err = copyTo(f)
	if err == nil {
		err = f.Sync()
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return errors.Join(err, p.fs.Remove(tmp))
	}
	return p.fs.Rename(tmp, path)
}
