package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/freehold-slm/freehold/engine/server"
	"github.com/freehold-slm/freehold/engine/server/lock"
	"github.com/freehold-slm/freehold/engine/server/page"
)

type serveCmd struct {
	Model []string `short:"m" required:"" sep:"none" complete:"model" help:"GGUF file or catalogue name, as NAME=FILE under another name; may be given again." placeholder:"MODEL"`
	modelFlags
	policyFlag
	Addr      string   `default:"127.0.0.1:8080" env:"FREEHOLD_ADDR" help:"Address to listen on. Other machines are answered only with --keys." placeholder:"HOST:PORT"`
	Keys      string   `env:"FREEHOLD_KEYS" help:"File of API keys, one a line, after a name if you like; each request must then carry one." placeholder:"FILE"`
	HostName  []string `help:"Answer requests addressed to this host alone; may be given again. Without --keys the default is the names of the loopback." placeholder:"NAME"`
	CORS      []string `name:"cors" sep:"none" help:"Let web pages of this origin read answers in a browser; may be given again. Without it pages of other origins get nothing." placeholder:"ORIGIN"`
	TLSCert   string   `name:"tls-cert" help:"Certificate (PEM), with --tls-key." placeholder:"FILE"`
	TLSKey    string   `name:"tls-key" help:"Its key (PEM)." placeholder:"FILE"`
	Slots     int      `default:"8" help:"Answers generated at a time at most." placeholder:"N"`
	Queue     int      `default:"64" help:"Requests that may wait for a slot; what comes beyond is answered 429." placeholder:"N"`
	MaxBody   int64    `default:"4194304" help:"Bytes of a request at most." placeholder:"BYTES"`
	Prefix    int64    `name:"prefix-cache" default:"268435456" help:"Bytes that each model may hold of what it computed for the beginnings of prompts; requests with the same key that begin alike are answered sooner." placeholder:"BYTES"`
	Prompts   string   `name:"prompt-cache" help:"Folder of this server alone in which the prefix caches are kept while models are closed: long system prompts are not computed again after a restart. It holds the prompts' tokens." placeholder:"DIR"`
	KVMemory  int64    `name:"kv-memory" help:"Bytes of keys and values that each model may hold for all requests and its prefix cache; 0 = what slots and context come to." placeholder:"BYTES"`
	Adapter   []string `sep:"none" help:"LoRA adapter (a GGUF file) that requests choose as the model MODEL:NAME; MODEL may be left out where there is one. May be given again. --lora adds one to all models instead." placeholder:"[MODEL:]NAME=FILE[=SCALE]"`
	OnDemand  bool     `help:"Open models with the first request that asks for them, and close them again when none came for a while."`
	KeepAlive string   `default:"5m" help:"With --on-demand: how long a model stays open after its last request (5m, or seconds; less than 0 = until another needs its room)." placeholder:"TIME"`
	Pin       []string `sep:"none" help:"With --on-demand: open this model from the beginning and for good; may be given again." placeholder:"NAME"`
	Memory    int64    `name:"model-memory" help:"With --on-demand: bytes of the files of open models at most; the one that was idle for longest is closed for another; 0 = no bound." placeholder:"BYTES"`
	teachFlags
	collectFlags
	NoLock bool          `help:"Do not lock the process once it listens; otherwise it opens no connections and reads no files but those beside its models, keys and certificate (Linux)."`
	Audit  string        `help:"Append a line a request to this file: time, key, hashes of request, answer and model, tokens; no text." placeholder:"FILE"`
	Log    string        `enum:"text,json,off" default:"text" help:"A line a request on standard error: text, json or off."`
	Drain  time.Duration `default:"10m" help:"How long answers on their way may go on after SIGTERM; 0 = as long as they take." placeholder:"TIME"`
}

func (*serveCmd) Help() string {
	return "Answers the HTTP API of OpenAI's clients (/v1/chat/completions and others), documented in docs/server.md and at /openapi.json. SIGHUP opens models, keys and " +
		"certificate anew, SIGTERM ends the answers on their way and stops. A socket of systemd (LISTEN_FDS) is used where there is one."
}

// serving is freehold/serve/1.
type serving struct {
	Schema string     `json:"schema"`
	URL    string     `json:"url"`
	Models []string   `json:"models"`
	Lock   lock.State `json:"lock"`
}

func (c *serveCmd) Run(a *app) error {
	if (c.TLSCert == "") != (c.TLSKey == "") {
		return usagef("--tls-cert and --tls-key go together")
	}
	if c.Prefix < 0 || c.KVMemory < 0 {
		return usagef("--prefix-cache is %d and --kv-memory %d, want 0 or more", c.Prefix, c.KVMemory)
	}
	if c.Prompts != "" {
		if c.Prefix == 0 {
			return usagef("--prompt-cache keeps what --prefix-cache holds, and that is 0 bytes")
		}
		if err := os.MkdirAll(c.Prompts, 0o700); err != nil {
			return asInput(err)
		}
	}
	if c.Drain < 0 {
		return usagef("--drain is %v, want 0 or more", c.Drain)
	}
	ms, names, files, err := c.models(a)
	if err != nil {
		return err
	}
	defer ms.Close() //nolint:errcheck // read-only
	gather, err := c.collector()
	if err != nil {
		return err
	}
	opts := []server.Option{server.WithTeacher(c.teacher), server.WithAbstainBelow(c.AbstainBelow), server.WithSlots(c.Slots), server.WithQueue(c.Queue), server.WithMaxBody(c.MaxBody), server.WithLogger(c.logger()), server.WithVersion(programVersion()), server.WithPage(page.Handler())}
	opts = append(opts, gather...)
	if c.Date == "" {
		opts = append(opts, server.WithNow(time.Now))
	}
	if len(c.HostName) > 0 {
		opts = append(opts, server.WithHosts(c.HostName...))
	}
	if len(c.CORS) > 0 {
		opts = append(opts, server.WithCORS(c.CORS...))
	}
	var keys *server.Keys
	if c.Keys != "" {
		if keys, err = readKeys(c.Keys); err != nil {
			return err
		}
		opts = append(opts, server.WithKeys(keys))
	}
	var audit *appendFile
	if c.Audit != "" {
		audit = &appendFile{path: c.Audit}
		if err := audit.open(); err != nil {
			return asInput(err)
		}
		opts = append(opts, server.WithAudit(audit))
	}
	var cert *server.Certificate
	if c.TLSCert != "" {
		if cert, err = server.ReadCertificate(c.TLSCert, c.TLSKey); err != nil {
			return asInput(err)
		}
	}
	s, err := server.NewSet(ms, opts...)
	if err != nil {
		return usagef("%s", strings.TrimPrefix(err.Error(), "server: "))
	}
	l, err := server.Activated(keys != nil)
	if err == nil && l == nil {
		l, err = server.Listen(c.Addr, keys != nil)
	}
	if err != nil {
		if is[*server.OpenError](err) {
			return usagef("%v (--keys)", err)
		}
		return usagef("--addr: %v", err)
	}
	systemd, err := server.NewNotifier()
	if err != nil {
		return err
	}
	held, err := c.lock(a, files)
	if err != nil {
		return err
	}
	s.Locked(held)
	ctx, stop := context.WithCancel(a.ctx)
	defer stop()
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, l, cert, c.Drain) }() // 503 until the models are open
	if err := ms.Load(ctx); err != nil {
		stop()
		<-done
		return asInput(err)
	}
	if err := c.checkStudents(ctx, s); err != nil {
		stop()
		<-done
		return err
	}
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	url := "http://" + l.Addr().String()
	if cert != nil {
		url = "https://" + l.Addr().String()
	}
	if err := c.ready(a, url, names, held, systemd); err != nil {
		return err
	}
	for {
		select {
		case <-hangup:
			c.reload(ctx, a, s, cert, audit)
		case <-a.ctx.Done():
			systemd.Tell("STOPPING=1") //nolint:errcheck // systemd sees it all the same
			a.note("stopping: %d answers are on their way; once more to stop at once", first(s.Busy()))
			return <-done
		case err := <-done:
			return err
		}
	}
}

func first(n, _ int) int { return n }

// ready says so to the user and to systemd.
func (c *serveCmd) ready(a *app, url string, names []string, held lock.State, systemd *server.Notifier) error {
	if a.json {
		if err := a.emitLine(serving{"freehold/serve/1", url, names, held}); err != nil {
			return err
		}
		if err := a.out.Flush(); err != nil {
			return err
		}
	}
	if c.teacher != "" {
		a.note("texts below a student's line are asked of %s", c.teacher)
	}
	if c.Collect != "" {
		a.note("TEXTS ARE KEPT: those below a student's line, masked, in %s", c.Collect)
	}
	a.note("listening on %s (%s)", url, strings.Join(names, ", "))
	if err := systemd.Tell("READY=1"); err != nil {
		return fmt.Errorf("NOTIFY_SOCKET: %w", err)
	}
	return nil
}

// reload opens everything anew. What fails stays as it was.
func (c *serveCmd) reload(ctx context.Context, a *app, s *server.Server, cert *server.Certificate, audit *appendFile) {
	var failed []error
	if c.Keys != "" {
		keys, err := readKeys(c.Keys)
		if err == nil {
			err = s.SetKeys(keys)
		}
		failed = append(failed, err)
	}
	if cert != nil {
		failed = append(failed, cert.Reload())
	}
	if audit != nil {
		failed = append(failed, audit.open())
	}
	failed = append(failed, s.Reload(ctx))
	if err := errors.Join(failed...); err != nil {
		a.warn("reload: %v; what could not be opened stays as it was", err)
		return
	}
	a.note("reloaded")
}

func (c *serveCmd) logger() *slog.Logger {
	switch c.Log {
	case "json":
		return slog.New(slog.NewJSONHandler(os.Stderr, nil))
	case "text":
		return slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	return nil
}

// fileSHA256 is the hash of a file, in hex.
func fileSHA256(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close() //nolint:errcheck // read-only
	h := sha256.New()
	_, err = io.Copy(h, f)
	return hex.EncodeToString(h.Sum(nil)), err
}

func readKeys(path string) (*server.Keys, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, asInput(err)
	}
	defer f.Close() //nolint:errcheck // read-only
	keys, err := server.ReadKeys(f)
	if err != nil {
		return nil, inputf("%s: %w", path, err)
	}
	return keys, nil
}
