package main

import (
	"strings"

	"github.com/freehold-slm/freehold/engine"
	"github.com/freehold-slm/freehold/engine/server"
)

// servedModel is a model of serve's -m, with its adapters.
type servedModel struct {
	name, file string
	adapters   []servedAdapter
}

type servedAdapter struct {
	name string
	engine.Adapter
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
	m, err := a.openModel(s.file, &c.modelFlags, more...)
	if err != nil {
		return server.Opened{}, err
	}
	hash := func(path string) (string, error) {
		if c.Audit == "" {
			return "", nil
		}
		return fileSHA256(path)
	}
	o := server.Opened{Model: m.Model, Close: func() error { m.Close(); return nil }, Adapters: map[string]server.Adapted{}}
	o.SHA256, err = hash(m.file.Name)
	for _, x := range s.adapters {
		if err != nil {
			break
		}
		var with server.Adapted
		if with.Model, err = m.Adapted(x.Adapter); err == nil {
			with.SHA256, err = hash(x.Path)
		}
		o.Adapters[x.name] = with
	}
	if err != nil {
		m.Close()
		return server.Opened{}, asInput(err)
	}
	return o, nil
}
