package lineage

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
)

// revision is the commit that a release was made from, as git describe --always --dirty --abbrev=40 says it; set by the linker (Makefile). Go's own stamp would make builds from a
// clone and from a tarball differ.
var revision string

// Program describes the running program: the build's own words for it, and the sha256 of its file.
var Program = sync.OnceValues(func() (Maker, error) {
	m := Maker{Version: "unknown", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	if info, ok := debug.ReadBuildInfo(); ok {
		m.Version = info.Main.Version
		for _, s := range info.Settings {
			switch s.Key {
			case "vcs.revision":
				m.Commit = s.Value
			case "vcs.modified":
				m.Modified = s.Value == "true"
			}
		}
	}
	if revision != "" {
		m.Commit, m.Modified = strings.CutSuffix(revision, "-dirty")
	}
	path, err := os.Executable()
	if err != nil {
		return m, err
	}
	f, err := os.Open(path)
	if err != nil {
		return m, err
	}
	defer f.Close() //nolint:errcheck // read-only
	h := sha256.New()
	_, err = io.Copy(h, f)
	m.Binary = hex.EncodeToString(h.Sum(nil))
	return m, err
})
