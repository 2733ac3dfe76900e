package main

import (
	"context"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/freehold-slm/freehold/cmd/freehold/ui"
	"github.com/freehold-slm/freehold/engine/server"
	"github.com/freehold-slm/freehold/engine/server/lock"
	"github.com/freehold-slm/freehold/models"
)

type uiCmd struct {
	Runs string `arg:"" optional:"" default:"runs" env:"FREEHOLD_RUNS" help:"Folder of the run folders."`
	computeFlags
	Context   int      `env:"FREEHOLD_CONTEXT" help:"Most tokens of a session; 0 = what the model was trained with." placeholder:"N"`
	Addr      string   `default:"127.0.0.1:8090" help:"Address to listen on. Other machines are answered only with --keys." placeholder:"HOST:PORT"`
	Keys      string   `env:"FREEHOLD_KEYS" help:"File of API keys, one a line, as of serve; the browser asks for one as a password." placeholder:"FILE"`
	HostName  []string `help:"Answer requests addressed to this host alone; may be given again. Without --keys the default is the names of the loopback." placeholder:"NAME"`
	TLSCert   string   `name:"tls-cert" help:"Certificate (PEM), with --tls-key." placeholder:"FILE"`
	TLSKey    string   `name:"tls-key" help:"Its key (PEM)." placeholder:"FILE"`
	Read      []string `sep:"none" help:"Read models and data of runs from this folder too; may be given again. Without it: from the folder of runs, the one that holds it, and the cache." placeholder:"DIR"`
	KeepAlive string   `default:"5m" help:"How long a model stays open after the last question (5m, or seconds; less than 0 = until another needs its room)." placeholder:"TIME"`
	Memory    int64    `name:"model-memory" help:"Bytes of the files of open models at most; the one that was idle for longest is closed for another; 0 = no bound." placeholder:"BYTES"`
	NoLock    bool     `help:"Do not lock the process once it listens; otherwise it opens no connections, reads no files elsewhere and writes none (Linux)."`
}

func (*uiCmd) Help() string {
	return "Serves a page about the runs of a folder: how far each is, its curves while it goes on, scores, gates and report, two runs beside each other, and a run's teacher and student on a text of yours or " +
		"on its test rows. It reads run folders and writes nothing, so it can look at those of another machine on a shared folder. How-to: docs/howto/watch-a-run.md."
}

// showing is freehold/ui/1.
type showing struct {
	Schema string     `json:"schema"`
	URL    string     `json:"url"`
	Runs   string     `json:"runs"`
	Lock   lock.State `json:"lock"`
}

func (c *uiCmd) Run(a *app) error {
	if (c.TLSCert == "") != (c.TLSKey == "") {
		return usagef("--tls-cert and --tls-key go together")
	}
	keep, err := server.ParseKeepAlive(c.KeepAlive)
	if err != nil {
		return usagef("--keep-alive %v", err)
	}
	cache, err := models.CacheDir()
	if err != nil {
		return err
	}
	logs := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	site, err := ui.New(ui.Options{Runs: c.Runs, Read: append(c.Read, cache), Demand: server.Demand{KeepAlive: keep, Memory: c.Memory}, Done: a.ctx.Done(), Log: logs, Open: c.opener(a)})
	if err != nil {
		return asInput(err)
	}
	defer site.Close() //nolint:errcheck // read-only
	const mostQuestion = 1 << 20
	opts := []server.Option{server.WithSite(site), server.WithMaxBody(mostQuestion), server.WithVersion(programVersion()), server.WithLogger(logs)}
	if len(c.HostName) > 0 {
		opts = append(opts, server.WithHosts(c.HostName...))
	}
	if c.Keys != "" {
		keys, err := readKeys(c.Keys)
		if err != nil {
			return err
		}
		opts = append(opts, server.WithKeys(keys))
	}
	scheme := "http://"
	var cert *server.Certificate
	if c.TLSCert != "" {
		if cert, err = server.ReadCertificate(c.TLSCert, c.TLSKey); err != nil {
			return asInput(err)
		}
		scheme = "https://"
	}
	s, err := server.NewSet(site.Models, opts...)
	if err != nil {
		return usagef("%s", strings.TrimPrefix(err.Error(), "server: "))
	}
	l, err := server.Listen(c.Addr, c.Keys != "")
	if is[*server.OpenError](err) {
		return usagef("%v (--keys)", err)
	} else if err != nil {
		return usagef("--addr: %v", err)
	}
	held, err := c.lock(a, site)
	if err != nil {
		return err
	}
	s.Locked(held)
	url := scheme + l.Addr().String() + "/"
	if a.json {
		if err := a.emitLine(showing{"freehold/ui/1", url, site.Folder(), held}); err != nil {
			return err
		}
		if err := a.out.Flush(); err != nil {
			return err
		}
	}
	a.note("open %s (Ctrl-C ends it)", url)
	return s.Serve(a.ctx, l, cert, 5*time.Second)
}

// opener opens a model of a run with the flags of the command.
func (c *uiCmd) opener(a *app) func(ctx context.Context, path, adapter string) (server.Opened, error) {
	return func(_ context.Context, path, adapter string) (server.Opened, error) {
		flags := modelFlags{computeFlags: c.computeFlags, Context: c.Context}
		if adapter != "" {
			flags.LoRA = []string{adapter}
		}
		m, err := a.openModel(path, &flags)
		if err != nil {
			return server.Opened{}, err
		}
		return server.Opened{Model: m.Model, Close: func() error { m.Close(); return nil }}, nil
	}
}

// lock lets the process read what the pages show, and write nothing.
func (c *uiCmd) lock(a *app, site *ui.Site) (lock.State, error) {
	if c.NoLock {
		return lock.Off("off (--no-lock)"), nil
	}
	_ = time.Local.String() // the time zone's file is read with the first use
	state, err := lock.Process(lock.Folders{Read: site.Allowed()})
	if err == nil && !state.Whole() {
		a.warn("the page is not locked in whole: %v", state)
	}
	return state, err
}
