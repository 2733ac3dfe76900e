package bench

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/freehold-slm/freehold/distill"
	"github.com/freehold-slm/freehold/kernels"
)

func TestTrainRefuses(t *testing.T) {
	level, err := kernels.Best()
	if err != nil {
		t.Fatal(err)
	}
	good := distill.Workload{Shape: "s25", Loss: "ce", Threads: 1, Level: level}
	for want, o := range map[string]TrainOptions{"repetitions": {Workload: good}, "s25, smol135": {Workload: distill.Workload{Shape: "s26", Level: level}, Repetitions: 1}} {
		if _, err := Train(t.Context(), o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	t.Setenv("HOME", t.TempDir())
	t.Setenv("XDG_CACHE_HOME", filepath.Join(t.TempDir(), "cache"))
	if _, err := TorchPackages(); err == nil || !strings.Contains(err.Error(), "make bench-train-peers") {
		t.Error(err)
	}
}

// A packages folder whose torch does not load is told with its last words.
func TestTrainPeerEnds(t *testing.T) {
	if _, err := exec.LookPath("python3"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("python3: %v", err)
		}
		t.Skipf("NOT TESTED: python3: %v", err)
	}
	packages := t.TempDir()
	if err := os.WriteFile(filepath.Join(packages, "torch.py"), []byte(`raise SystemExit("broken here")`), 0o666); err != nil {
		t.Fatal(err)
	}
	r := &peerRun{Peer: &Peer{"pytorch", packages}, stop: func() {}}
	err := r.script(t.Context(), torchPeer, map[string]any{"packages": packages, "threads": 1})
	if err == nil || !strings.Contains(err.Error(), "broken here") {
		t.Errorf("%v", err)
	}
}

// A step of PyTorch's is kept, or not while it warms up.
func TestTrainVersus(t *testing.T) {
	if _, err := exec.LookPath("python3"); err != nil {
		t.Skipf("NOT TESTED: python3: %v", err)
	}
	const script = `import sys
sys.stdin.readline()
print('{"build": "fake"}', flush=True)
for line in sys.stdin:
    print('noise')
    print('{"seconds": 0.5, "loss": 1, "peak": 7}', flush=True)
`
	r := &peerRun{Peer: &Peer{"pytorch", "."}, stop: func() {}}
	if err := r.script(t.Context(), script, map[string]any{}); err != nil {
		t.Fatal(err)
	}
	defer r.stop()
	var v TrainVersus
	for _, keep := range []bool{false, true} {
		if err := v.step(r, 100, keep); err != nil {
			t.Fatal(err)
		}
	}
	if r.build != "fake" || v.MemoryPeak != 7 || len(v.Samples) != 1 || v.Samples[0] != 200 {
		t.Errorf("build %q, %+v", r.build, v)
	}
}

func TestMemoryPeak(t *testing.T) {
	file := filepath.Join(t.TempDir(), "status")
	if err := os.WriteFile(file, []byte("VmPeak:\t 9 kB\nVmHWM:\t    12 kB\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	if got := memoryPeak(file); got != 12<<10 {
		t.Errorf("%d bytes, want %d", got, 12<<10)
	}
}
