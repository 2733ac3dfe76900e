package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"

	"github.com/freehold-slm/freehold/engine"
	"github.com/freehold-slm/freehold/engine/server"
	"github.com/freehold-slm/freehold/models"
)

// servedModel is a model of serve's -m, with its adapters.
type servedModel struct {
	name, file string
	adapters   []servedAdapter
	hidden     bool // requests cannot name it
}

type servedAdapter struct {
	name string
	engine.Adapter
}

// models are the models of -m with their adapters, which are not open yet, with all their names and files.
func (c *serveCmd) models(a *app) (_ *server.Models, names, files []string, err error) {
	ms := server.NewModels()
	ms.PrefixCache(c.Prefix)
	if c.Prompts != "" {
		ms.PromptCache(c.Prompts, func(err error) { a.warn("prompt cache: %v", err) })
	}
	var all []servedModel
	for _, given := range c.Model {
		m, err := c.served(a, given)
		if err != nil {
			return nil, nil, nil, err
		}
		all = append(all, m)
	}
	for _, given := range c.Adapter {
		if err := addAdapter(all, given); err != nil {
			return nil, nil, nil, err
		}
	}
	if all, err = c.addTeacher(a, all); err != nil {
		return nil, nil, nil, err
	}
	for _, m := range all {
		var adapters []string
		files = append(files, m.file)
		for _, x := range m.adapters {
			adapters = append(adapters, x.name)
			if _, err := os.Stat(x.Path); err != nil {
				return nil, nil, nil, inputf("%s: %w", m.adapterFlag(), err)
			}
			files = append(files, x.Path)
		}
		open := func(context.Context) (server.Opened, error) { return c.open(a, m) }
		if err := ms.Add(m.name, open, adapters...); err != nil {
			return nil, nil, nil, usagef("%s %s=%s: %s", m.flag(), m.name, m.file, strings.TrimPrefix(err.Error(), "server: "))
		}
		if m.hidden {
			if err := ms.Hide(m.name); err != nil {
				return nil, nil, nil, err
			}
			continue
		}
		names = append(names, m.name)
		for _, x := range adapters {
			names = append(names, m.name+":"+x)
		}
	}
	return ms, names, files, c.demand(ms)
}

// served finds the file of [NAME=]FILE, which the policy allows.
func (c *serveCmd) served(a *app, given string) (m servedModel, err error) {
	name, file, ok := strings.Cut(given, "=")
	if !ok {
		name, file = strings.TrimSuffix(filepath.Base(given), ".gguf"), given
	}
	if err := c.obeyFile(a, "serve", file); err != nil {
		return m, err
	}
	path, _, err := models.Resolve(file) // now: where others keep their models is not read later
	return servedModel{name: name, file: path}, asInput(err)
}

// demand lets models open on demand where that is asked for.
func (c *serveCmd) demand(ms *server.Models) error {
	keep, err := server.ParseKeepAlive(c.KeepAlive)
	switch {
	case err != nil:
		return usagef("--keep-alive %v", err)
	case !c.OnDemand && (len(c.Pin) > 0 || c.Memory != 0):
		return usagef("--pin and --model-memory are for models that open on demand; add --on-demand")
	case !c.OnDemand:
		return nil
	}
	if err := ms.OnDemand(server.Demand{KeepAlive: keep, Memory: c.Memory, Pinned: c.Pin}); err != nil {
		return usagef("%s", strings.TrimPrefix(err.Error(), "server: "))
	}
	return nil
}

// addAdapter enters [MODEL:]NAME=FILE[=SCALE] with its model.
func addAdapter(all []servedModel, given string) error {
	name, file, ok := strings.Cut(given, "=")
	if !ok || name == "" || file == "" {
		return usagef("--adapter %s: want [MODEL:]NAME=FILE[=SCALE]", given)
	}
	at := 0
	if i := strings.LastIndexByte(name, ':'); i >= 0 {
		for at < len(all) && all[at].name != name[:i] {
			at++
		}
		if name = name[i+1:]; at == len(all) {
			return usagef("--adapter %s: no model of -m has that name", given)
		}
	} else if len(all) > 1 {
		return usagef("--adapter %s: there are several models; say whose it is, as MODEL:NAME=FILE", given)
	}
	all[at].adapters = append(all[at].adapters, servedAdapter{name, parseAdapter(file)})
	return nil
}

// open opens a model with its adapters, and computes hashes for the audit log.
func (c *serveCmd) open(a *app, s servedModel) (server.Opened, error) {
	var more []engine.Option
	if c.KVMemory > 0 {
		more = append(more, engine.WithKVMemory(c.KVMemory))
	}
	flags := c.modelFlags
	if s.hidden {
		flags.LoRA = nil // those are the students'
	}
	m, err := a.openModel(s.file, &flags, more...)
	if err != nil {
		return server.Opened{}, err
	}
	hash := func(path string, wanted bool) (string, error) {
		if !wanted {
			return "", nil
		}
		return fileSHA256(path)
	}
	named := c.Audit != "" || c.Collect != ""
	o := server.Opened{Model: m.Model, Close: func() error { m.Close(); return nil }, Adapters: map[string]server.Adapted{}}
	o.SHA256, err = hash(m.file.Name, named)
	for _, x := range s.adapters {
		if err != nil {
			break
		}
		var with server.Adapted
		if with.Model, err = m.Adapted(x.Adapter); err == nil {
			with.SHA256, err = hash(x.Path, named || c.teacher != "")
		}
		o.Adapters[x.name] = with
	}
	if err != nil {
		m.Close()
		return server.Opened{}, asInput(err)
	}
	return o, nil
}
