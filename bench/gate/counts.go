package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"

	"github.com/freehold-slm/freehold/engine"
)

const budgetFile = "bench/gate/budget.json"

// budget holds counts that a change must keep to. New ones are written with -write, in the change that causes them.
type budget struct {
	Go                   string           `json:"go"`                     // compiler the counts were taken with
	InstructionsPerToken map[string]int64 `json:"instructions_per_token"` // by fixture model: decoding on the level avx2, one thread
	BinaryBytes          int64            `json:"binary_bytes"`           // make build, linux/amd64
}

const (
	countSlack  = 0.01 // of instructions
	sizeSlack   = 0.05
	countTokens = 32
)

// countModels are decoded under callgrind.
var countModels = []string{"llama256.Q8_0", "llama256.Q4_K_M", "llama256.Q5_0"}

// counts holds today's counts to the budget.
func counts(o *options, w io.Writer) (ok bool, err error) {
	var want budget
	b, err := os.ReadFile(budgetFile)
	if err == nil {
		err = json.Unmarshal(b, &want)
	}
	if err != nil && !o.write {
		return false, fmt.Errorf("%s: %w (write it with: go run ./bench/gate -write -skip pairs)", budgetFile, err)
	}
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		fmt.Fprintf(w, "counts: NOT CHECKED: the budget is for linux/amd64, this is %s/%s\n", runtime.GOOS, runtime.GOARCH)
		return true, nil
	}
	dir, err := os.MkdirTemp("", "bench-gate-")
	if err != nil {
		return false, err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // only litter
	got := budget{Go: runtime.Version(), InstructionsPerToken: map[string]int64{}}
	ok = true

	if got.BinaryBytes, err = binarySize(dir); err != nil {
		return false, err
	}
	if !o.write {
		fits := within(got.BinaryBytes, want.BinaryBytes, sizeSlack)
		fmt.Fprintf(w, "binary: %d bytes, budget %d + %.0f %%: %s\n", got.BinaryBytes, want.BinaryBytes, 100*sizeSlack, word(fits))
		ok = fits
	}

	if _, err := exec.LookPath("valgrind"); err != nil {
		fmt.Fprintln(w, "instructions: NOT CHECKED: valgrind is missing (package valgrind)")
		got.InstructionsPerToken = want.InstructionsPerToken
	} else {
		bin := filepath.Join(dir, "gate")
		if out, err := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-o", bin, "./bench/gate").CombinedOutput(); err != nil {
			return false, fmt.Errorf("go build ./bench/gate: %w\n%s", err, out)
		}
		for _, m := range countModels {
			n, err := instructions(bin, filepath.Join("testdata", "models", m+".gguf"))
			if err != nil {
				return false, err
			}
			got.InstructionsPerToken[m] = n
			if o.write {
				continue
			}
			was := want.InstructionsPerToken[m]
			fits := was > 0 && within(n, was, countSlack)
			ok = ok && fits
			fmt.Fprintf(w, "instructions: %s %d a token, budget %d + %.0f %% (%+.2f %%): %s\n", m, n, was, 100*countSlack, 100*(float64(n)/float64(was)-1), word(fits))
			if fits && float64(n) < float64(was)*(1-countSlack) {
				fmt.Fprintf(w, "instructions: %s needs fewer than its budget: keep that with go run ./bench/gate -write -skip pairs\n", m)
			}
			if !fits && want.Go != got.Go {
				fmt.Fprintf(w, "instructions: the budget was counted with %s, this is %s\n", want.Go, got.Go)
			}
		}
	}
	if !o.write {
		return ok, nil
	}
	if b, err = json.MarshalIndent(got, "", "  "); err != nil {
		return false, err
	}
	fmt.Fprintf(w, "%s\n", b)
	return true, os.WriteFile(budgetFile, append(b, '\n'), 0o666)
}

func within(n, was int64, slack float64) bool { return float64(n) <= float64(was)*(1+slack) }

func word(ok bool) verdict {
	if ok {
		return pass
	}
	return fail
}

// binarySize builds the program as `make build` does, without the commit in it, and returns its size.
func binarySize(dir string) (int64, error) {
	bin := filepath.Join(dir, "freehold")
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-o", bin, "./cmd/freehold")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("go build ./cmd/freehold: %w\n%s", err, out)
	}
	i, err := os.Stat(bin)
	if err != nil {
		return 0, err
	}
	return i.Size(), nil
}

var collected = regexp.MustCompile(`Collected : (\d+)`)

// instructions counts what one decoded token executes, within step alone, so that loading does not count.
func instructions(bin, model string) (int64, error) {
	cmd := exec.Command("valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", "--toggle-collect=main.step",
		bin, "-decode", strconv.Itoa(countTokens), model)
	cmd.Env = append(os.Environ(), "GOGC=off", "GODEBUG=asyncpreemptoff=1", "GOMAXPROCS=1", "FREEHOLD_CPU=avx2")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("valgrind: %w\n%s", err, out)
	}
	m := collected.FindSubmatch(out)
	if m == nil || string(m[1]) == "0" {
		return 0, fmt.Errorf("valgrind tells no count of instructions:\n%s", out)
	}
	n, err := strconv.ParseInt(string(m[1]), 10, 64)
	return n / countTokens, err
}

// decode computes one token and then n fixed ones, one by one.
func decode(model string, n int) error {
	m, err := engine.Open(model, engine.WithThreads(1))
	if err != nil {
		return err
	}
	defer m.Close() //nolint:errcheck // read only
	s, ids := m.NewSession(), make([]int32, 1, n+1)
	if _, err := s.Eval(context.Background(), ids); err != nil { // the first one makes buffers and tables
		return err
	}
	for i := range n {
		ids = append(ids, int32(i*7919%200))
		if err := step(s, ids); err != nil {
			return err
		}
	}
	return nil
}

// step is what callgrind counts.
//
//go:noinline
func step(s *engine.Session, ids []int32) error {
	_, err := s.Eval(context.Background(), ids)
	return err
}
