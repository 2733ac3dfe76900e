package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/freehold-slm/freehold/models/hf"
)

type convertCmd struct {
	In    string `arg:"" help:"Model folder of Hugging Face transformers (config.json, tokenizer.json, safetensors), or a GGUF file for the way back."`
	Out   string `short:"o" help:"GGUF file to write; for the way back, the folder." placeholder:"PATH"`
	Type  string `help:"Type of the matrices: f32, f16 or bf16 (default: as they are)." placeholder:"TYPE"`
	Shard int64  `name:"shard-bytes" help:"Way back: most bytes of tensors in one file (default 5 GB)." placeholder:"BYTES"`
	Force bool   `help:"Overwrite the GGUF file."`
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
		return usagef("--out is missing, want the GGUF file to write, or the folder for a GGUF file")
	}
	if c.Shard < 0 {
		return usagef("--shard-bytes is %d, want 1 or more", c.Shard)
	}
	if info, err := os.Stat(c.In); err != nil {
		return asInput(err)
	} else if !info.IsDir() {
		return c.export(a)
	}
	if c.Shard != 0 {
		return usagef("--shard-bytes is of the way back; %s is a folder", c.In)
	}
	if there, err := os.Stat(c.Out); err == nil {
		if !c.Force {
			return usagef("%s is there already; --force overwrites it", c.Out)
		}
		if own, err := os.Stat(filepath.Join(c.In, filepath.Base(c.Out))); err == nil && os.SameFile(own, there) && !strings.EqualFold(filepath.Ext(c.Out), ".gguf") {
			return usagef("%s is a file of the model folder; want a name that ends in .gguf", c.Out)
		}
	}
	if _, err := os.Stat(filepath.Dir(c.Out)); err != nil {
		return asInput(err)
	}
	rate := newRate()
	m, err := hf.Convert(c.In, hf.Options{Type: c.Type, Progress: func(done, total int64) error {
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
		return a.emit(converted{"freehold/convert/1", c.In, c.Out, m.Arch, m.Type, m.Size, st.Size()})
	}
	a.write("%s\t%s %s\t%s -> %s\n", c.Out, m.Arch, m.Type, size(m.Size), size(st.Size()))
	return nil
}

// export writes a GGUF file as a model folder.
func (c *convertCmd) export(a *app) error {
	f, err := openFile(c.In)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // read-only
	rate := newRate()
	e, err := hf.NewExport(f, hf.ExportOptions{Type: c.Type, ShardSize: c.Shard, Progress: func(done, total int64) error {
		a.progress.show(rate.line("converting", done, total, 0), false)
		return a.ctx.Err()
	}})
	if err != nil {
		return asInput(err)
	}
	if err := e.WriteTo(c.Out); err != nil {
		var bad *hf.Error
		if errors.As(err, &bad) {
			return asInput(err)
		}
		return err
	}
	if a.json {
		return a.emit(converted{"freehold/convert/1", c.In, c.Out, e.Class, e.Type, f.Size, e.Size})
	}
	a.write("%s\t%s %s\t%s -> %s\n", c.Out, e.Class, e.Type, size(f.Size), size(e.Size))
	return nil
}
