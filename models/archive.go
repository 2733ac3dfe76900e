package models

import (
	"archive/tar"
	"archive/zip"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"
)

// copyMember writes the one file of an archive (.whl, .zip, .tar.gz) whose path
// matches member to w; with inner, that file is a .tar.gz itself and inner is the
// path in it. Nothing is unpacked to the disk. More than limit bytes are refused.
func copyMember(w io.Writer, archive, member, inner string, limit int64) error {
	f, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer f.Close()
	take := func(r io.Reader) error { return copyLimited(w, r, limit) }
	if inner != "" {
		take = func(r io.Reader) error {
			return fromTarGz(r, inner, func(r io.Reader) error { return copyLimited(w, r, limit) })
		}
	}
	name := path.Base(archive)
	switch {
	case strings.HasSuffix(name, ".whl"), strings.HasSuffix(name, ".zip"):
		st, err := f.Stat()
		if err != nil {
			return err
		}
		z, err := zip.NewReader(f, st.Size())
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		var found *zip.File
		for _, e := range z.File {
			if ok, err := path.Match(member, e.Name); err != nil {
				return err
			} else if ok && found != nil {
				return fmt.Errorf("%s: both %s and %s match %s", name, found.Name, e.Name, member)
			} else if ok {
				found = e
			}
		}
		if found == nil {
			return fmt.Errorf("%s: no file matches %s", name, member)
		}
		r, err := found.Open()
		if err != nil {
			return err
		}
		return errors.Join(take(r), r.Close())
	case strings.HasSuffix(name, ".tar.gz"), strings.HasSuffix(name, ".tgz"):
		return fromTarGz(f, member, take)
	}
	return fmt.Errorf("%s: unknown kind of archive; known: .whl .zip .tar.gz", name)
}

// fromTarGz reads the one regular file that matches member.
func fromTarGz(r io.Reader, member string, take func(io.Reader) error) error {
	gz, err := gzip.NewReader(r)
	if err != nil {
		return fmt.Errorf("archive: %w", err)
	}
	t, found := tar.NewReader(gz), ""
	for {
		h, err := t.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return fmt.Errorf("archive: %w", err)
		}
		ok, err := path.Match(member, h.Name)
		if err != nil {
			return err
		}
		if !ok || h.Typeflag != tar.TypeReg {
			continue
		}
		if found != "" {
			return fmt.Errorf("archive: both %s and %s match %s", found, h.Name, member)
		}
		found = h.Name
		if err := take(t); err != nil {
			return err
		}
	}
	if found == "" {
		return fmt.Errorf("archive: no file matches %s", member)
	}
	return nil
}

func copyLimited(w io.Writer, r io.Reader, limit int64) error {
	n, err := io.Copy(w, io.LimitReader(r, limit+1))
	if err == nil && n > limit {
		err = fmt.Errorf("the file in the archive is longer than %d bytes", limit)
	}
	return err
}
