package gguf

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// FS is what publishing a file asks of a file system. Tests put one that fails in its place.
type FS interface {
	// Create makes a new empty file for writing, in place of any that has the name.
	Create(name string) (FSFile, error)
	// Rename moves old over new in one step.
	Rename(old, new string) error
	// Remove deletes a file.
	Remove(name string) error
	// SyncDir makes the renames in a folder survive a power cut.
	SyncDir(dir string) error
}

// FSFile is a file being written.
type FSFile interface {
	io.Writer
	Sync() error
	Close() error
}

// WriteTo writes the file at path: see WriteToFS.
func (w *Writer) WriteTo(path string) error { return w.WriteToFS(OS{}, path) }

// WriteToFS writes the file at path by [Publish].
func (w *Writer) WriteToFS(fsys FS, path string) error {
	if w.err != nil {
		return fmt.Errorf("writing %s: %w", path, w.err)
	}
	return Publish(fsys, path, w.Encode)
}

// Publish writes path+".tmp" by encode, syncs it, renames it to path and syncs the folder, so that at any moment path is the
// whole old file or the whole new one. On failure the temporary file is removed and path stays as it was, unless only
// the folder's sync failed. Two writers of one path at the same time are the caller's mistake.
func Publish(fsys FS, path string, encode func(io.Writer) error) (err error) {
	tmp := path + ".tmp"
	defer func() {
		if err != nil {
			err = fmt.Errorf("writing %s: %w", path, err)
		}
	}()
	file, err := fsys.Create(tmp)
	if err != nil {
		return err
	}
	err = encode(file)
	if err == nil {
		err = file.Sync()
	}
	if closed := file.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = fsys.Rename(tmp, path)
	}
	if err != nil {
		return errors.Join(err, ignoreMissing(fsys.Remove(tmp)))
	}
	return fsys.SyncDir(filepath.Dir(path))
}

// OS is the real file system.
type OS struct{}

// Create implements FS. It never writes through a link that waits at name.
func (OS) Create(name string) (FSFile, error) {
	if err := ignoreMissing(os.Remove(name)); err != nil {
		return nil, err
	}
	return os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
}

// Rename implements FS.
func (OS) Rename(old, new string) error { return os.Rename(old, new) }

// Remove implements FS.
func (OS) Remove(name string) error { return os.Remove(name) }

// SyncDir implements FS. Windows cannot sync a folder; there it does nothing.
func (OS) SyncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
