//go:build unix

package main

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A signal stops a job so that the same command goes on where it was: the result is that of a run in one piece. When
// soaking (`make soak`), 50 signals each at moments up to the job's end.
func TestInterruptedJob(t *testing.T) {
	model := tiny(t)
	slow := []string{"steps: 6", "steps: 400", "save_every: 2", "save_every: 50"}
	whole := recipe(t, model, slow...)
	freehold(t, "apply", whole).must(t)
	signals := []syscall.Signal{syscall.SIGINT, syscall.SIGTERM}
	lines := func(i int) int { return 10 }
	if os.Getenv("FREEHOLD_SOAK") != "" {
		signals, lines = slices.Repeat(signals, 50), func(i int) int { return 350 * i / 100 }
	}
	late := 0
	for i, s := range signals {
		t.Run(s.String(), func(t *testing.T) {
			job := recipe(t, model, slow...)
			cmd := call{}.command(t, t.Context(), "apply", job)
			var errOut bytes.Buffer
			cmd.Stderr = &errOut
			start(t, cmd)
			ended := make(chan error, 1)
			go func() { ended <- cmd.Wait() }() // the code is what is looked at
			metrics := filepath.Join(filepath.Dir(job), "runs", "001", "metrics.jsonl")
			steps := func() int {
				b, _ := os.ReadFile(metrics) //nolint:errcheck // not there yet
				return bytes.Count(b, []byte("\n"))
			}
			for running := true; running && steps() <= lines(i); { // however long a busy machine takes
				select {
				case err := <-ended:
					ended <- err
					running = false
				case <-time.After(5 * time.Millisecond):
				}
			}
			if err := cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
				t.Fatal(err)
			}
			<-ended
			switch code := cmd.ProcessState.ExitCode(); {
			case code == exitOK: // the job was done before the signal could stop it
				late++
			case code != exitInterrupted || !strings.Contains(errOut.String(), "run the same command again") || !strings.Contains(errOut.String(), "once more to stop at once"):
				t.Fatalf("exit code %d, want %d\n%s", code, exitInterrupted, errOut.String())
			}
			freehold(t, "apply", job).must(t)
			if a, b := modelSum(t, whole), modelSum(t, job); a != b {
				t.Errorf("the resumed run's model differs: %x, %x", a, b)
			}
		})
	}
	if late*10 > len(signals) {
		t.Errorf("%d of %d signals came too late to stop their job", late, len(signals))
	}
}

func modelSum(t *testing.T, recipe string) [32]byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(filepath.Dir(recipe), "runs", "001", "model.gguf"))
	if err != nil {
		t.Fatal(err)
	}
	return sha256.Sum256(b)
}

// What cannot be resumed ends with 130.
func TestInterruptedAnswer(t *testing.T) {
	cmd := call{}.command(t, t.Context(), "bench", tiny(t), "-p", "8", "-n", "500", "-r", "1000")
	start(t, cmd)
	time.Sleep(300 * time.Millisecond) // let it open the model and measure
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	cmd.Wait() //nolint:errcheck // the code is what is looked at
	if code := cmd.ProcessState.ExitCode(); code != exitKilled {
		t.Errorf("exit code %d, want %d", code, exitKilled)
	}
}

// An answer appears as it is made.
func TestStreaming(t *testing.T) {
	cmd := call{}.command(t, t.Context(), "run", "--raw", "-n", "0", tiny(t), "hello")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	start(t, cmd)
	if _, err := bufio.NewReader(out).ReadByte(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	cmd.Wait() //nolint:errcheck // it was killed
}

func start(t testing.TB, cmd *exec.Cmd) {
	t.Helper()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
}

func waitFor(t testing.TB, what func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !what(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("what was waited for did not come")
		}
	}
}
