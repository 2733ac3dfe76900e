// Package ui is the page of freehold ui: the runs of a folder, each while it goes on and when it is done, two of them beside each other, and their teacher and student side by side.
//
// It only reads: run folders are what other commands write. Everything in them is hostile text to it: a folder may have come from another machine.
package ui

import (
	"bytes"
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/freehold-slm/freehold/engine/server"
)

//go:embed files
var embedded embed.FS

// Options say what is shown, and how models are opened.
type Options struct {
	Runs    string                                                                 // the folder of run folders
	Read    []string                                                               // further folders that models and data of runs may be read from
	Open    func(ctx context.Context, path, adapter string) (server.Opened, error) // adapter "" = none
	Demand  server.Demand
	Done    <-chan struct{} // ends what is watched; nil = nothing does
	Log     *slog.Logger    // of what went wrong; nil = nothing is logged
	Refresh time.Duration   // how often files are looked at; 0 = a second
}

// Site is the http.Handler of the pages. It belongs behind server.WithSite, which sees to hosts, keys, origins and the size of requests.
type Site struct {
	Models *server.Models // of runs, which open on demand

	opt      Options
	dir      *folder
	allowed  []string
	mux      *http.ServeMux
	pages    *template.Template
	watchers chan struct{}
	asking   chan struct{}
	rows     rowCache
	added    modelNames
}

// mostWatchers is how many pages may follow runs at a time: each holds a connection.
const mostWatchers = 64

// New opens a folder of runs.
func New(o Options) (*Site, error) {
	dir, err := openFolder(o.Runs)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w: freehold apply makes the folder of runs; one elsewhere is shown by: freehold ui DIR", o.Runs, fs.ErrNotExist)
	} else if err != nil {
		return nil, err
	}
	if at, ok := folderIsRun(dir); ok {
		return nil, fmt.Errorf("%s is the folder of a run; give the one that holds it: freehold ui %s", o.Runs, at)
	}
	if o.Refresh == 0 {
		o.Refresh = time.Second
	}
	s := &Site{Models: server.NewModels(), opt: o, dir: dir, mux: http.NewServeMux(), watchers: make(chan struct{}, mostWatchers), asking: make(chan struct{}, 1)}
	s.Models.PrefixCache(0)
	if err := s.Models.OnDemand(o.Demand); err != nil {
		return nil, err
	}
	if err := s.Models.Load(context.Background()); err != nil { // there are none yet
		return nil, err
	}
	if s.allowed, err = resolvedAll(append([]string{dir.path, filepath.Dir(dir.path)}, o.Read...)); err != nil {
		return nil, err
	}
	if s.pages, err = template.New("").Funcs(template.FuncMap{
		"run": runURL, "pct": func(x float64) string { return fmt.Sprintf("%.1f %%", 100*x) }, "num": num, "size": size, "span": span, "ago": s.ago,
		"two": func(x float64) string { return fmt.Sprintf("%.3f", x) }, "class": func(s string) string { return strings.ReplaceAll(s, " ", "-") },
		"bar": func(p float64) string { return fmt.Sprintf("%.2f", 100*max(0, min(1, p))) }, "query": url.QueryEscape,
	}).ParseFS(embedded, "files/*.tmpl.html"); err != nil {
		return nil, err
	}
	s.routes()
	return s, nil
}

// folderIsRun tells whether the folder is itself a run, and what the one above is called.
func folderIsRun(f *folder) (above string, ok bool) {
	for _, name := range []string{"lock.json", "metrics.jsonl", "summary.json"} {
		if f.has(name) {
			return filepath.Dir(f.path), true
		}
	}
	return "", false
}

// Allowed are the folders that the site reads from, with all below.
func (s *Site) Allowed() []string { return s.allowed }

// Folder is the folder of runs, with links resolved.
func (s *Site) Folder() string { return s.dir.path }

// Close closes models that are open.
func (s *Site) Close() error { return errors.Join(s.Models.Close(), s.dir.root.Close()) }

// Policies of what browsers may do with an answer. Reports hold their style in themselves, and nothing that runs.
const (
	pagePolicy   = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; frame-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
	reportPolicy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'; sandbox"
	filePolicy   = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox"
)

func (s *Site) routes() {
	s.mux.HandleFunc("GET /{$}", s.list)
	s.mux.HandleFunc("GET /live", s.listLive)
	s.mux.HandleFunc("GET /compare", s.compare)
	s.mux.HandleFunc("GET /runs/{run}", s.run)
	s.mux.HandleFunc("GET /runs/{run}/live", s.runLive)
	s.mux.HandleFunc("GET /runs/{run}/rows", s.testRows)
	s.mux.HandleFunc("GET /runs/{run}/report", s.report)
	s.mux.HandleFunc("GET /runs/{run}/files/{name}", s.file)
	s.mux.HandleFunc("POST /runs/{run}/ask", s.ask)
	for _, name := range []string{"ui.css", "ui.js", "icon.svg"} {
		s.mux.HandleFunc("GET /"+name, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Cache-Control", "no-cache")
			http.ServeFileFS(w, r, embedded, "files/"+name)
		})
	}
}

func (s *Site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", pagePolicy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	s.mux.ServeHTTP(w, r)
}

// show renders a page.
func (s *Site) show(w http.ResponseWriter, name string, status int, data any) {
	var b bytes.Buffer
	if err := s.pages.ExecuteTemplate(&b, name, data); err != nil {
		s.log("page "+name, err)
		http.Error(w, "the page could not be made; the log says why", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	w.Write(b.Bytes()) //nolint:errcheck // the client is gone
}

func (s *Site) log(what string, err error) {
	if s.opt.Log != nil {
		s.opt.Log.Error(what, "error", err)
	}
}

// problem is a page that says what is wrong.
func (s *Site) problem(w http.ResponseWriter, status int, format string, args ...any) {
	s.show(w, "problem", status, page{Title: http.StatusText(status), Data: fmt.Sprintf(format, args...)})
}

// page is what every page's template gets.
type page struct {
	Title string
	Runs  string // the folder
	Run   *run   // nil = none
	Data  any
}

// found gives the run of a request; nil = it was answered that there is none.
func (s *Site) found(w http.ResponseWriter, r *http.Request) *run {
	name := r.PathValue("run")
	found := s.dir.open(name)
	if found == nil {
		s.problem(w, http.StatusNotFound, "There is no run %.100q in %s.", name, s.dir.path)
	}
	return found
}

// listData is the list of runs.
type listData struct {
	Runs []listed
	Left int // further ones, not shown
	Err  string
}

type listed struct {
	*run
	Stage            *stage
	Teacher, Student score
	Gates            gates
}

func (s *Site) listed() (d listData) {
	names, left, err := s.dir.names()
	if d.Left = left; err != nil {
		d.Err = plain(err)
	}
	s.dir.forget(names)
	for _, name := range names {
		r := s.dir.read(name, true)
		if r == nil {
			continue
		}
		l := listed{run: r, Gates: gatesOf(r.Summary)}
		l.Teacher, l.Student = scoresOf(r.Summary)
		if stages := r.stagesOf(); r.State == running {
			for i := range stages {
				if stages[i].State == running {
					l.Stage = &stages[i]
				}
			}
		}
		d.Runs = append(d.Runs, l)
	}
	return d
}

func (s *Site) list(w http.ResponseWriter, _ *http.Request) {
	s.show(w, "list", http.StatusOK, page{Title: "Runs", Runs: s.dir.path, Data: s.listed()})
}

func (s *Site) listLive(w http.ResponseWriter, r *http.Request) {
	s.follow(w, r, "list-live", func() (string, any) {
		d := s.listed()
		var mark strings.Builder
		for _, l := range d.Runs {
			mark.WriteString(l.Name + l.State + s.dir.marks(l.Name))
		}
		return mark.String(), page{Runs: s.dir.path, Data: d}
	})
}

// runData is the page of one run.
type runData struct {
	Stages []stage
	Now    *stage
	Charts []chart
	Scores table
	Gates  gates
	Log    bool // losses have a logarithmic axis
}

func (s *Site) runData(r *run, log bool) runData {
	d := runData{Stages: r.stagesOf(), Scores: scoreTable(r.Summary), Gates: gatesOf(r.Summary), Charts: curvesOf(r, "", log), Log: log}
	for i := range d.Stages {
		if d.Stages[i].State == running {
			d.Now = &d.Stages[i]
		}
	}
	return d
}

// logarithmic tells whether a request asks for losses on a logarithmic axis.
func logarithmic(r *http.Request) bool { return r.URL.Query().Get("log") != "" }

func (s *Site) run(w http.ResponseWriter, r *http.Request) {
	if found := s.found(w, r); found != nil {
		s.show(w, "run", http.StatusOK, page{Title: found.Name, Runs: s.dir.path, Run: found, Data: s.runData(found, logarithmic(r))})
	}
}

func (s *Site) runLive(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("run")
	if s.found(w, r) == nil {
		return
	}
	s.follow(w, r, "run-live", func() (string, any) {
		found := s.dir.open(name)
		if found == nil {
			return "gone", nil
		}
		return found.State + s.dir.marks(name), page{Run: found, Runs: s.dir.path, Data: s.runData(found, logarithmic(r))}
	})
}

// report shows a run's report.html, in which nothing runs.
func (s *Site) report(w http.ResponseWriter, r *http.Request) {
	s.raw(w, r, "report.html", "text/html; charset=utf-8", reportPolicy)
}

// file shows a file of a run as plain text.
func (s *Site) file(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	for _, k := range shown {
		if k == name {
			s.raw(w, r, name, "text/plain; charset=utf-8", filePolicy)
			return
		}
	}
	s.problem(w, http.StatusNotFound, "Files of a run that are shown here: %s.", strings.Join(shown, ", "))
}

func (s *Site) raw(w http.ResponseWriter, r *http.Request, name, kind, policy string) {
	found := s.found(w, r)
	if found == nil {
		return
	}
	b, err := readWhole(s.dir.root, path.Join(found.Name, name), mostPage)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		s.problem(w, http.StatusNotFound, "The run %q has no %s yet.", found.Name, name)
		return
	case err != nil:
		s.problem(w, http.StatusNotFound, "%s of %q cannot be read: %s", name, found.Name, plain(err))
		return
	}
	w.Header().Set("Content-Security-Policy", policy)
	w.Header().Set("Content-Type", kind)
	w.Write(b) //nolint:errcheck // the client is gone
}

// runURL is the page of a run, whatever its name.
func runURL(name string) string { return "/runs/" + url.PathEscape(name) }

// ago is how long before now something was.
func (s *Site) ago(t time.Time) string {
	switch d := s.dir.now().Sub(t); {
	case t.IsZero():
		return ""
	case d < time.Minute:
		return "just now"
	case d < 48*time.Hour:
		return span(d) + " ago"
	}
	return t.Format(time.DateOnly)
}

// span is a time for people: 45s, 3m10s, 2h05m.
func span(d time.Duration) string {
	d = d.Round(time.Second)
	switch {
	case d >= time.Hour:
		return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
	case d >= time.Minute:
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	}
	return fmt.Sprintf("%ds", int(d.Seconds()))
}

// size is a number of bytes for people.
func size(n int64) string {
	switch {
	case n >= 1e9:
		return fmt.Sprintf("%.2f GB", float64(n)/1e9)
	case n >= 1e6:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	}
	return fmt.Sprintf("%.1f kB", float64(n)/1e3)
}

// resolvedAll resolves links of folders that are there; others can hold nothing.
func resolvedAll(dirs []string) (all []string, err error) {
	for _, d := range dirs {
		if d, err = filepath.Abs(d); err != nil {
			return nil, err
		}
		if real, err := filepath.EvalSymlinks(d); err == nil {
			all = append(all, real)
		} else if !os.IsNotExist(err) {
			return nil, err
		}
	}
	return all, nil
}

func writeJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("ui: %T is no JSON: %v", v, err)) // a bug: all of them are plain structs
	}
	return b
}
