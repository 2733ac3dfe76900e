package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/freehold-slm/freehold/engine/server/lock"
)

// lock takes from the process what it needs no more: it may open what lies beside the files that SIGHUP or a request opens again.
func (c *serveCmd) lock(a *app, files []string) (lock.State, error) {
	if c.NoLock {
		return lock.Off("off (--no-lock)"), nil
	}
	var f lock.Folders
	for _, path := range append(files, c.Keys, c.TLSCert, c.TLSKey) {
		f.Read = append(f.Read, foldersOf(path)...)
	}
	for _, l := range c.LoRA {
		f.Read = append(f.Read, foldersOf(parseAdapter(l).Path)...)
	}
	f.Write = foldersOf(c.Audit)
	if c.Prompts != "" {
		f.Write = append(f.Write, c.Prompts)
	}
	if c.Collect != "" {
		f.Write = append(f.Write, c.Collect)
	}
	_ = time.Local.String() // the time zone's file is read with the first use
	state, err := lock.Process(f)
	switch {
	case err != nil:
		return state, fmt.Errorf("%w; --no-lock serves without", err)
	case !state.Whole():
		a.warn("the server is not locked in whole: %v", state)
	default:
		a.note("locked: no new connections, and no files but in %v", slices.Compact(slices.Sorted(slices.Values(append(f.Read, f.Write...)))))
	}
	return state, nil
}

// foldersOf is the folder of a file, and that of the file that it is a link to; none of "".
func foldersOf(path string) []string {
	if path == "" {
		return nil
	}
	all := []string{filepath.Dir(path)}
	if to, err := filepath.EvalSymlinks(path); err == nil && filepath.Dir(to) != all[0] {
		all = append(all, filepath.Dir(to))
	}
	return all
}
