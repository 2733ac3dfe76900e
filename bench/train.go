package bench

import (
	"bufio"
	"context"
	_ "embed" // the peer's script
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/freehold-slm/freehold/distill"
	"github.com/freehold-slm/freehold/distill/stats"
)

// TrainOptions say what training is measured. Memory is that of the process, so measure one workload in each.
type TrainOptions struct {
	distill.Workload
	Repetitions int
	Torch       string // folder of Python packages with torch and transformers, to measure in turn; "" = none
	Compiled    bool   // by torch.compile
	Progress    func(done, total int)
}

// TrainResult is freehold/bench-train/1.
type TrainResult struct {
	Schema      string       `json:"schema"`
	Shape       string       `json:"shape"`
	Loss        string       `json:"loss"`
	Precision   string       `json:"precision"` // f32, or bf16 and the unit
	Rank        int          `json:"lora_rank"`
	Recompute   bool         `json:"recompute"`
	StepTokens  int          `json:"step_tokens"`
	Threads     int          `json:"threads"`
	CPU         string       `json:"cpu"`
	CPULevel    string       `json:"cpu_level"`
	Repetitions int          `json:"repetitions"`
	TokS        float64      `json:"tok_s"` // median
	Gflops      float64      `json:"gflops"`
	Peak        float64      `json:"peak_gflops"`  // of the precision's unit, measured between the steps; 0 = unknown
	OfPeak      float64      `json:"of_peak"`      // Gflops / Peak
	MemoryPeak  int64        `json:"memory_peak"`  // resident bytes of this process at most; 0 = unknown
	Load        []float64    `json:"load_average"` // of one minute, before and after; empty = unknown
	Torch       *TrainVersus `json:"torch,omitempty"`
	Samples     []float64    `json:"samples"` // tokens/s of each step
}

// TrainVersus is how PyTorch did.
type TrainVersus struct {
	Versus
	MemoryPeak int64 `json:"memory_peak"`
}

//go:embed peer_torch.py
var torchPeer string

// TorchPackages is the folder that make bench-train-peers has installed PyTorch in.
func TorchPackages() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("bench: no cache folder to look for PyTorch in: %w; name it: pytorch=PATH", err)
	}
	found, _ := filepath.Glob(filepath.Join(cache, "freehold", "peers", "torch-*")) // the pattern is good
	if len(found) == 0 {
		return "", fmt.Errorf("bench: PyTorch is not installed; run make bench-train-peers, or name a folder of Python packages: pytorch=PATH")
	}
	return found[len(found)-1], nil
}

// Train measures optimiser steps, PyTorch's in turn, and the arithmetic peak between them.
func Train(ctx context.Context, o TrainOptions) (*TrainResult, error) {
	if o.Repetitions < 1 || o.Repetitions > 1000 {
		return nil, fmt.Errorf("bench: %d repetitions, want 1 to 1000", o.Repetitions)
	}
	w, err := o.Prepare()
	if err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	defer w.Close()
	r := &TrainResult{Schema: "freehold/bench-train/1", Shape: o.Shape, Loss: o.Loss, Precision: "f32", Rank: o.Rank, Recompute: o.Recompute, StepTokens: w.Tokens,
		Threads: o.Threads, CPU: ThisMachine().CPU, CPULevel: o.Level.Name, Repetitions: o.Repetitions, Load: LoadAverage()}
	if o.BF16 {
		r.Precision = "bf16 (" + o.Level.BF16Unit + ")"
	}
	probe, err := newProber(o.Threads, 0)
	if err != nil {
		return nil, err
	}
	defer probe.close()
	var peer *peerRun
	if o.Torch != "" {
		peer = &peerRun{Peer: &Peer{"pytorch", o.Torch}, stop: func() {}}
		precision := map[bool]string{true: "bf16", false: "f32"}[o.BF16]
		if err := peer.script(ctx, torchPeer, map[string]any{"packages": o.Torch, "threads": o.Threads, "shape": w.Shape, "precision": precision, "loss": o.Loss,
			"compile": o.Compiled, "rank": o.Rank, "k": distill.WorkloadTop}); err != nil {
			return nil, fmt.Errorf("bench: pytorch: %w", err)
		}
		defer func() { peer.stop() }()
		r.Torch = &TrainVersus{Versus: Versus{Peer: "pytorch", Build: peer.build}}
		if o.Compiled {
			r.Torch.Peer += " compiled"
		}
	}
	const warmUps = 2 // PyTorch compiles in the first step, and its second allocates what stays
	for rep := -warmUps; rep < o.Repetitions; rep++ {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if o.Progress != nil {
			o.Progress(rep+warmUps, o.Repetitions+warmUps)
		}
		start := time.Now()
		w.Step()
		if rep >= 0 {
			r.Samples = append(r.Samples, float64(w.Tokens)/time.Since(start).Seconds())
		}
		if peer != nil {
			if err := r.Torch.step(peer, w.Tokens, rep >= 0); err != nil {
				return nil, fmt.Errorf("bench: pytorch: %w", err)
			}
		}
		probe.round()
	}
	r.TokS = stats.Median(r.Samples)
	r.Gflops = w.Flops * r.TokS / float64(w.Tokens) / 1e9
	l := probe.limits()
	if r.Peak = l.F32Gflops; o.BF16 {
		r.Peak = l.BF16Gflops
	}
	if r.Peak > 0 {
		r.OfPeak = r.Gflops / r.Peak
	}
	r.Load = append(r.Load, LoadAverage()...)
	r.MemoryPeak = memoryPeak("/proc/self/status")
	if r.Torch != nil {
		r.Torch.sum(r.Samples)
	}
	return r, nil
}

// step has PyTorch do one step.
func (v *TrainVersus) step(p *peerRun, tokens int, keep bool) error {
	if _, err := p.in.Write([]byte("{}\n")); err != nil {
		return p.broken(err)
	}
	var answer struct {
		Seconds float64
		Peak    int64
	}
	if err := p.answer("{\"seconds\"", &answer); err != nil {
		return err
	}
	if !(answer.Seconds > 0) {
		return fmt.Errorf("a step took %v seconds", answer.Seconds)
	}
	if v.MemoryPeak = answer.Peak; keep {
		v.Samples = append(v.Samples, float64(tokens)/answer.Seconds)
	}
	return nil
}

// memoryPeak reads how much memory this process had resident at most, as Linux tells it; 0 elsewhere.
func memoryPeak(path string) int64 {
	f, err := os.Open(path)
	if err != nil {
		return 0
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if f := strings.Fields(s.Text()); len(f) == 3 && f[0] == "VmHWM:" {
			kib, _ := strconv.ParseInt(f[1], 10, 64) // the kernel writes digits
			return kib << 10
		}
	}
	return 0
}
