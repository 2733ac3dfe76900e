package bench

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// fakePeer writes a program that answers as llama-bench does, at 100 tokens/s.
func fakePeer(t *testing.T, script string) string {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("NOT TESTED: needs a shell script as program")
	}
	path := filepath.Join(t.TempDir(), "llama-bench")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script), 0o777); err != nil {
		t.Fatal(err)
	}
	return path
}

const answers = `while [ $# -gt 0 ]; do
  case "$1" in -p) p=$2;; -n) n=$2;; -m) [ -e "$2" ] || exit 9;; -t) [ "$2" = 2 ] || exit 8;; esac
  shift
done
echo '[{"build_commit": "abc", "n_prompt": '$p', "n_gen": '$n', "avg_ts": 100.0}]'
`

func TestPeers(t *testing.T) {
	m := openTiny(t)
	p, err := NewPeer("ik_llama.cpp=" + fakePeer(t, answers))
	if err != nil {
		t.Fatal(err)
	}
	r, err := Model(t.Context(), m, ModelOptions{Prompts: []int{16}, Generations: []int{4}, Batches: []int{1, 2}, Depths: []int{0, 8}, Repetitions: 3,
		ReadBytes: 1 << 19, Peers: []*Peer{p}, Load: true})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, x := range r.Tests {
		names = append(names, x.Name)
		if with := x.Batch == 1 && x.Depth == 0; with != (len(x.Peers) == 1) {
			t.Errorf("%s has %d peers", x.Name, len(x.Peers))
			continue
		} else if !with {
			continue
		}
		v := x.Peers[0]
		if v.Peer != "ik_llama.cpp" || v.Build != "llama-bench abc" || v.TokS != 100 || len(v.Samples) != 3 || v.Ratio != x.TokS/100 ||
			!(v.RatioLo <= v.Ratio && v.Ratio <= v.RatioHi) {
			t.Errorf("%s: %+v", x.Name, v)
		}
	}
	if got, want := strings.Join(names, ", "), "pp16, tg4, tg4 @ b2, pp16 @ d8, tg4 @ d8, tg4 @ d8 @ b2"; got != want {
		t.Errorf("tests %s, want %s", got, want)
	}
	if s := r.Startup; s == nil || !(s.ReadyMS > 0 && s.ReadyMS <= s.TokenizerMS && s.TokenizerMS <= s.FirstTokenMS) {
		t.Errorf("startup %+v", s)
	}
	for _, script := range []string{"exit 3", "echo nonsense", `echo '[{"n_prompt": 1, "n_gen": 1, "avg_ts": 1}]'`} {
		_, err := Model(t.Context(), m, ModelOptions{Prompts: []int{16}, Repetitions: 1, ReadBytes: 1 << 19, Peers: []*Peer{{"llama.cpp", fakePeer(t, script)}}})
		if err == nil || !strings.Contains(err.Error(), "llama.cpp") {
			t.Errorf("%s: %v", script, err)
		}
	}
}

func TestNewPeer(t *testing.T) {
	t.Setenv("HOME", t.TempDir())
	t.Setenv("XDG_CACHE_HOME", filepath.Join(t.TempDir(), "cache"))
	file := filepath.Join(t.TempDir(), "x")
	if err := os.WriteFile(file, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		"vllm": "llama.cpp, ik_llama.cpp, openvino", "openvino": "make bench-peers", "ik_llama.cpp": "llama-bench program", "llama.cpp=" + file + "gone": "gone",
		"openvino=" + file: "is a file", "ik_llama.cpp=" + filepath.Dir(file): "is a folder"} {
		if _, err := NewPeer(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("NewPeer(%q): %v, want %q", text, err, want)
		}
	}
	if p, err := NewPeer("openvino=" + filepath.Dir(file)); err != nil || p.Path != filepath.Dir(file) {
		t.Errorf("%v, %v", p, err)
	}
}

// A script that ends at once is told with its last words.
func TestPeerScriptEnds(t *testing.T) {
	if _, err := exec.LookPath("python3"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("python3: %v", err)
		}
		t.Skipf("NOT TESTED: python3: %v", err)
	}
	packages := t.TempDir()
	if err := os.WriteFile(filepath.Join(packages, "numpy.py"), []byte(`raise SystemExit("broken here")`), 0o666); err != nil {
		t.Fatal(err)
	}
	_, err := Model(t.Context(), openTiny(t), ModelOptions{Prompts: []int{16}, Repetitions: 1, ReadBytes: 1 << 19, Peers: []*Peer{{"openvino", packages}}})
	if err == nil || !strings.Contains(err.Error(), "openvino") || !strings.Contains(err.Error(), "broken here") {
		t.Errorf("%v", err)
	}
}

func TestCompare(t *testing.T) {
	result := func(factor float64) *ModelResult {
		r := &ModelResult{Schema: "freehold/bench/1", Limits: Limits{ReadGBs: 10}}
		for i, name := range []string{"pp512", "tg128", "tg64"} {
			x := Test{Name: name}
			for j := range 9 {
				x.Samples = append(x.Samples, 100*(1+0.002*float64(j)))
			}
			if i == 1 {
				for j := range x.Samples {
					x.Samples[j] *= factor
				}
			}
			x.sum()
			r.Tests = append(r.Tests, x)
		}
		return r
	}
	a := result(1)
	for factor, want := range map[float64]string{1: "same", 1.2: "faster", 0.8: "slower", 1.03: "inconclusive"} {
		c, err := Compare(a, result(factor))
		if err != nil || len(c.Tests) != 3 || c.Tests[0].Verdict != "same" || c.Tests[1].Verdict != want || len(c.Notes) != 0 {
			t.Errorf("%v: %+v, %v", factor, c, err)
		}
	}
	b := result(1)
	b.Limits.ReadGBs, b.Threads = 20, 7
	b.Tests = b.Tests[:1]
	if c, err := Compare(a, b); err != nil || len(c.Tests) != 1 || len(c.Notes) != 2 {
		t.Errorf("%+v, %v", c, err)
	}
	b.Tests[0].Name = "other"
	if _, err := Compare(a, b); err == nil {
		t.Error("nothing in common is no error")
	}

	path := filepath.Join(t.TempDir(), "a.json")
	for _, c := range []struct {
		v    any
		want string
	}{{a, ""}, {map[string]string{"schema": "x"}, "schema"}, {[]int{1}, "not a result"}, {&ModelResult{Schema: "freehold/bench/1", Tests: []Test{{Name: "pp1"}}}, "pp1"}} {
		j, err := json.Marshal(c.v)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, j, 0o666); err != nil {
			t.Fatal(err)
		}
		r, err := ReadResult(path)
		if c.want == "" && (err != nil || r.Tests[1].TokS != a.Tests[1].TokS) || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", j, err, c.want)
		}
	}
}

// The batch and the depth count: by hand on one layer's worth of difference.
func TestWorkOfShapes(t *testing.T) {
	m := openTiny(t)
	one, four := newWork(m, shape{8, 1, 0, true}), newWork(m, shape{8, 4, 0, true})
	cache := func(s shape) int { return newWork(m, s).bytes - newWork(m, shape{0, s.Batch, 0, true}).bytes }
	if four.ints != 4*one.ints || four.floats != 4*one.floats {
		t.Errorf("four sequences: %+v, one %+v", four, one)
	}
	s := m.Spec
	perKey := s.Layers * s.KVHeads * s.HeadDim * 2 * 2
	if got := four.bytes - one.bytes; got != 3*36*perKey { // weights are read once for all; 1 + ... + 8 keys each
		t.Errorf("four sequences read %d bytes more than one, want %d", got, 3*36*perKey)
	}
	if got := cache(shape{1, 1, 100, true}) - cache(shape{1, 1, 0, true}); got != 100*perKey {
		t.Errorf("a depth of 100 reads %d bytes more, want %d", got, 100*perKey)
	}
}
