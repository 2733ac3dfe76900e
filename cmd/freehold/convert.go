package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/freehold-slm/freehold/models/hf"
)

type convertCmd struct {
	Folder string `arg:"" help:"Model folder of Hugging Face transformers: config.json, tokenizer.json, safetensors."`
	Out    string `short:"o" help:"GGUF file to write." placeholder:"FILE"`
	Type   string `help:"Type of the matrices: f32, f16 or bf16 (default: as they are)." placeholder:"TYPE"`
	Force  bool   `help:"Overwrite the file."`
}

// converted is freehold/convert/1.
type converted struct {
	Schema string `json:"schema"`
	In     string `json:"in"`
	Out    string `json:"out"`
	Arch   string `json:"architecture"`
	Type   string `json:"type"`
	From   int64  `json:"bytes_in"`
	To     int64  `json:"bytes_out"`
}

func (c *convertCmd) Run(a *app) error {
	switch strings.ToLower(c.Type) {
	case "", "f32", "f16", "bf16":
	default:
		return usagef("--type is %q, want f32, f16 or bf16; freehold quantize writes the other formats", c.Type)
	}
	if c.Out == "" {
		return usagef("--out is missing, want the GGUF file to write")
	}
	if info, err := os.Stat(c.Folder); err != nil {
		return asInput(err)
	} else if !info.IsDir() {
		return inputf("%s: is a file, want a model folder with config.json", c.Folder)
	}
	if there, err := os.Stat(c.Out); err == nil {
		if !c.Force {
			return usagef("%s is there already; --force overwrites it", c.Out)
		}
		if own, err := os.Stat(filepath.Join(c.Folder, filepath.Base(c.Out))); err == nil && os.SameFile(own, there) && !strings.EqualFold(filepath.Ext(c.Out), ".gguf") {
			return usagef("%s is a file of the model folder; want a name that ends in .gguf", c.Out)
		}
	}
	if _, err := os.Stat(filepath.Dir(c.Out)); err != nil {
		return asInput(err)
	}
	rate := newRate()
	m, err := hf.Convert(c.Folder, hf.Options{Type: c.Type, Progress: func(done, total int64) error {
		a.progress.show(rate.line("converting", done, total, 0), false)
		return a.ctx.Err()
	}})
	if err != nil {
		return asInput(err)
	}
	defer m.Close() //nolint:errcheck // read-only
	if err := m.WriteTo(c.Out); err != nil {
		var bad *hf.Error
		if errors.As(err, &bad) {
			return asInput(err)
		}
		return err
	}
	st, err := os.Stat(c.Out)
	if err != nil {
		return err
	}
	if a.json {
		return a.emit(converted{"freehold/convert/1", c.Folder, c.Out, m.Arch, m.Type, m.Size, st.Size()})
	}
	a.write("%s\t%s %s\t%s -> %s\n", c.Out, m.Arch, m.Type, size(m.Size), size(st.Size()))
	return nil
}
