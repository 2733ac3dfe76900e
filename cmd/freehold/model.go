package main

import (
	"errors"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/freehold-slm/freehold/engine"
	"github.com/freehold-slm/freehold/kernels"
	"github.com/freehold-slm/freehold/models"
	"github.com/freehold-slm/freehold/models/gguf"
)

// computeFlags say how arithmetic is done.
type computeFlags struct {
	Threads int    `short:"t" env:"FREEHOLD_THREADS" help:"Worker threads; 0 = one a core." placeholder:"N"`
	CPU     string `env:"FREEHOLD_CPU" complete:"level" help:"CPU level (this machine has: ${levels})." placeholder:"LEVEL"`
}

// level checks the flags and finds the CPU level.
func (f *computeFlags) level() (*kernels.Level, error) {
	if f.Threads < 0 || f.Threads > 1024 {
		return nil, usagef("--threads is %d, want 0 to 1024", f.Threads)
	}
	var l *kernels.Level
	var err error
	if f.CPU != "" {
		l, err = kernels.ByName(f.CPU)
	} else {
		l, err = kernels.Best()
	}
	if err != nil {
		return nil, usagef("%v", err)
	}
	return l, nil
}

// modelFlags say how a model is opened.
type modelFlags struct {
	computeFlags
	Context int      `env:"FREEHOLD_CONTEXT" help:"Most tokens of a session; 0 = what the model was trained with." placeholder:"N"`
	Numeric string   `env:"FREEHOLD_NUMERIC" help:"Numeric mode: normal (8-bit activations), reference (f32 throughout) or fast (normal, float weights in bf16 where that gains; results are not the same everywhere)." enum:"normal,reference,fast" default:"normal"`
	KV      string   `name:"kv" help:"KV cache: f16, q8_0 (half the size) or f32; reference mode always has f32." enum:",f16,q8_0,f32" default:"" placeholder:"TYPE"`
	Date    string   `help:"The day that a chat template may name to the model; run and its chat take today." placeholder:"YYYY-MM-DD"`
	LoRA    []string `name:"lora" sep:"none" help:"Add a LoRA adapter (a GGUF file), times a scale (1 where it is left out); may be given again." placeholder:"FILE[=SCALE]"`
}

// parseAdapter reads FILE[=SCALE]; what follows the last = is part of the name where it is no number.
func parseAdapter(text string) engine.Adapter {
	if i := strings.LastIndexByte(text, '='); i > 0 {
		if scale, err := strconv.ParseFloat(text[i+1:], 32); err == nil {
			return engine.Adapter{Path: text[:i], Scale: float32(scale)}
		}
	}
	return engine.Adapter{Path: text, Scale: 1}
}

// opened is a model and the file it reads.
type opened struct {
	*engine.Model
	file *gguf.File
	name string // as the user gave it
}

func (o *opened) Close() {
	o.Model.Close() //nolint:errcheck // read-only
	o.file.Close()  //nolint:errcheck
}

// writes refuses a model that writes nothing, and says of one that is made for something else that its text is worth nothing.
func (o *opened) writes(a *app) error {
	command := "embed"
	switch {
	case o.Ranks():
		command = "rerank"
	case len(o.Spec.Labels) > 0:
		command = "classify"
	}
	if o.Spec.Encoder {
		return usagef("%s writes no text; ask it with: freehold %s %s", o.name, command, o.name)
	}
	if command != "embed" {
		a.note("%s was trained for its head (freehold %s %s); what it writes means nothing", o.name, command, o.name)
	}
	return nil
}

// openFile opens a GGUF file by path or catalogue name.
func openFile(name string) (*gguf.File, error) {
	path, _, err := models.Resolve(name)
	if err != nil {
		return nil, asInput(err)
	}
	f, err := gguf.Open(path)
	if err != nil {
		return nil, asInput(err)
	}
	return f, nil
}

// openModel opens a model by path or catalogue name.
func (a *app) openModel(name string, flags *modelFlags, more ...engine.Option) (*opened, error) {
	level, err := flags.level()
	if err != nil {
		return nil, err
	}
	if flags.Context < 0 {
		return nil, usagef("--context is %d, want 0 or more", flags.Context)
	}
	f, err := openFile(name)
	if err != nil {
		return nil, err
	}
	spec, err := models.NewSpec(f)
	if err != nil {
		return nil, errors.Join(asInput(err), f.Close())
	}
	opts := []engine.Option{engine.WithLevel(level)}
	if flags.Threads > 0 {
		opts = append(opts, engine.WithThreads(flags.Threads))
	}
	switch {
	case flags.Context > 0 && spec.Context > 0 && flags.Context > spec.Context:
		return nil, usagef("--context is %d, but %s was trained with %d tokens", flags.Context, name, spec.Context)
	case flags.Context > 0:
		opts = append(opts, engine.WithContext(flags.Context))
	case spec.Context == 0:
		return nil, usagef("%s does not state its context length; give it with --context", name)
	}
	if flags.Numeric == "reference" {
		if flags.KV != "" && flags.KV != engine.KVF32.String() {
			return nil, usagef("--numeric reference keeps its KV cache in f32; leave --kv out")
		}
		opts = append(opts, engine.WithNumeric(engine.Reference))
	} else if flags.KV != "" {
		kv, err := engine.ParseKV(flags.KV)
		if err != nil {
			return nil, usagef("%v", err)
		}
		opts = append(opts, engine.WithKV(kv))
	}
	if flags.Numeric == "fast" {
		opts = append(opts, engine.WithNumeric(engine.Fast))
	}
	if flags.Date != "" {
		day, err := time.Parse(time.DateOnly, flags.Date)
		if err != nil {
			return nil, usagef("--date is %q, want a day such as 2026-01-31", flags.Date)
		}
		opts = append(opts, engine.WithDate(day))
	}
	for _, l := range flags.LoRA {
		x := parseAdapter(l)
		opts = append(opts, engine.WithLoRA(x.Path, x.Scale))
	}
	m, err := engine.New(f, append(opts, more...)...)
	if err != nil {
		return nil, errors.Join(asInput(err), f.Close())
	}
	return &opened{m, f, name}, nil
}

// defaultThreads is one a core.
func defaultThreads() int { return runtime.GOMAXPROCS(0) }
