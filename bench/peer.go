package bench

import (
	"bufio"
	"bytes"
	"context"
	_ "embed" // the peers' scripts
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/freehold-slm/freehold/distill/stats"
	"github.com/freehold-slm/freehold/engine"
)

// Peer is another engine to measure beside this one. Path is a llama-bench program, or a folder of Python packages.
type Peer struct {
	Name string // one of PeerNames
	Path string
}

// Versus is how a test went against a peer.
type Versus struct {
	Peer    string    `json:"peer"`
	Build   string    `json:"build"` // what the peer says of itself
	TokS    float64   `json:"tok_s"` // median
	Ratio   float64   `json:"ratio"` // our median over the peer's: above 1 = we are faster
	RatioLo float64   `json:"ratio_lo"`
	RatioHi float64   `json:"ratio_hi"` // 95 % bootstrap interval; rounds are drawn whole
	Samples []float64 `json:"samples"`
}

// PeerNames lists the engines that can be measured.
func PeerNames() []string {
	var all []string
	for _, p := range peerKinds {
		all = append(all, p.name)
	}
	return all
}

// peerKinds say how an engine is driven: by llama-bench's program, or by a script over its Python package.
var peerKinds = []peerKind{
	{"llama.cpp", "xllamacpp-*", true, llamaPeer, true},
	{"ik_llama.cpp", "", true, "", false},
	{"openvino", "openvino-genai-*", false, openvinoPeer, false},
}

type peerKind struct {
	name    string
	folder  string // of an installation by `make bench-peers`, a pattern under the peers' folder
	program bool   // a path to a llama-bench program is good
	script  string // "" = there is no package of it
	deep    bool   // the script knows depths and batches
}

//go:embed peer_llama.py
var llamaPeer string

//go:embed peer_openvino.py
var openvinoPeer string

// NewPeer reads NAME=PATH, or NAME alone for one that `make bench-peers` has installed.
func NewPeer(text string) (*Peer, error) {
	name, path, named := strings.Cut(text, "=")
	k, err := kindOf(name)
	if err != nil {
		return nil, err
	}
	if !named {
		cache, err := os.UserCacheDir()
		if err != nil {
			return nil, fmt.Errorf("bench: no cache folder to look for %s in: %w; name it: %s=PATH", name, err, name)
		}
		var found []string
		if k.folder != "" {
			found, _ = filepath.Glob(filepath.Join(cache, "freehold", "peers", k.folder))
		}
		if len(found) == 0 {
			return nil, fmt.Errorf("bench: %s is not installed; %s", name, k.wanted())
		}
		path = found[len(found)-1]
	}
	i, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("bench: %s: %w; %s", name, err, k.wanted())
	}
	if i.IsDir() && k.script == "" || !i.IsDir() && !k.program {
		return nil, fmt.Errorf("bench: %s: %s is a %s; %s", name, path, map[bool]string{true: "folder", false: "file"}[i.IsDir()], k.wanted())
	}
	return &Peer{name, path}, nil
}

func kindOf(name string) (*peerKind, error) {
	for i := range peerKinds {
		if peerKinds[i].name == name {
			return &peerKinds[i], nil
		}
	}
	return nil, fmt.Errorf("bench: unknown peer %q; known are %s", name, strings.Join(PeerNames(), ", "))
}

// wanted says what the user can give.
func (k *peerKind) wanted() string {
	switch {
	case k.program && k.script != "":
		return "want " + k.name + "=PATH of its llama-bench program or of a folder of Python packages with xllamacpp, or run: make bench-peers"
	case k.program:
		return "want " + k.name + "=PATH of its llama-bench program"
	}
	return "want " + k.name + "=PATH of a folder of Python packages, or run: make bench-peers"
}

// peerRuns are the peers of a measurement.
type peerRuns []*peerRun

type peerRun struct {
	*Peer
	model   string
	threads int
	build   string
	deep    bool           // the script knows depths and batches
	in      io.WriteCloser // of a script
	out     *bufio.Reader
	stop    func()
	log     bytes.Buffer
}

// measured tells which tests the peer takes part in.
func (r *peerRun) measured(t *Test) bool {
	return t.Batch == 1 && t.Depth == 0 || r.in != nil && r.deep && t.alone
}

func startPeers(ctx context.Context, peers []*Peer, m *engine.Model, tests []Test) (all peerRuns, err error) {
	longest, batch := 0, 1
	for i := range tests {
		longest, batch = max(longest, tests[i].Depth+tests[i].Tokens), max(batch, tests[i].Batch)
	}
	for _, p := range peers {
		r := &peerRun{Peer: p, model: m.File().Name, threads: m.Threads(), stop: func() {}}
		all = append(all, r)
		if i, err := os.Stat(p.Path); err != nil || !i.IsDir() {
			continue // a program is started for each measurement
		}
		if err := r.start(ctx, m, longest+64, batch); err != nil {
			all.close()
			return nil, fmt.Errorf("bench: %s: %w", p.Name, err)
		}
	}
	return all, nil
}

func (p peerRuns) close() {
	for _, r := range p {
		r.stop()
	}
}

// measure runs a test on each peer once; the first round is not kept.
func (p peerRuns) measure(ctx context.Context, t *Test, warmUp bool) error {
	i := -1
	for _, r := range p {
		if !r.measured(t) {
			continue
		}
		if i++; len(t.Peers) == i {
			t.Peers = append(t.Peers, Versus{Peer: r.Name})
		}
		speed, err := r.once(ctx, t)
		if err != nil {
			return fmt.Errorf("%s: %w", r.Name, err)
		}
		t.Peers[i].Build = r.build
		if !warmUp {
			t.Peers[i].Samples = append(t.Peers[i].Samples, speed)
		}
	}
	return nil
}

// once returns tokens a second.
func (r *peerRun) once(ctx context.Context, t *Test) (float64, error) {
	prompt, generate := t.Tokens, 0
	if t.alone {
		prompt, generate = 0, t.Tokens
	}
	if r.in == nil {
		return r.program(ctx, prompt, generate)
	}
	if t.alone {
		prompt = t.Depth
	}
	if _, err := fmt.Fprintf(r.in, "{\"prompt\": %d, \"generate\": %d, \"batch\": %d}\n", prompt, generate, t.Batch); err != nil {
		return 0, r.broken(err)
	}
	var answer struct{ Seconds float64 }
	if err := r.answer("{\"seconds\"", &answer); err != nil {
		return 0, err
	}
	if !(answer.Seconds > 0) {
		return 0, fmt.Errorf("%s took %v seconds", t.Name, answer.Seconds)
	}
	return float64(t.total()) / answer.Seconds, nil
}

// program runs llama-bench for one test.
func (r *peerRun) program(ctx context.Context, prompt, generate int) (float64, error) {
	cmd := exec.CommandContext(ctx, r.Path, "-m", r.model, "-t", strconv.Itoa(r.threads), "-p", strconv.Itoa(prompt), "-n", strconv.Itoa(generate),
		"-r", "1", "-ngl", "0", "-o", "json")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return 0, fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, tail(stderr.Bytes()))
	}
	var all []struct {
		Build    string  `json:"build_commit"`
		Prompt   int     `json:"n_prompt"`
		Generate int     `json:"n_gen"`
		Speed    float64 `json:"avg_ts"`
	}
	if err := json.Unmarshal(out, &all); err != nil {
		return 0, fmt.Errorf("%s: its output is not llama-bench's JSON: %w", r.Path, err)
	}
	for _, x := range all {
		if x.Prompt == prompt && x.Generate == generate && x.Speed > 0 {
			r.build = "llama-bench " + x.Build
			return x.Speed, nil
		}
	}
	return 0, fmt.Errorf("%s: no result for -p %d -n %d in %s", r.Path, prompt, generate, tail(out))
}

// start runs the script of a Python package on a model.
func (r *peerRun) start(ctx context.Context, m *engine.Model, context, batch int) error {
	k, err := kindOf(r.Name)
	if err != nil {
		return err
	}
	r.deep = k.deep
	return r.script(ctx, k.script, map[string]any{"packages": r.Path, "model": r.model, "threads": r.threads, "context": context, "batch": batch, "vocab": m.Spec.Vocab})
}

// script starts Python on a script, which gets the settings and then says what its build is.
func (r *peerRun) script(ctx context.Context, script string, settings map[string]any) error {
	python, err := exec.LookPath("python3")
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, python, "-c", script)
	cmd.Stderr = &r.log
	if r.in, err = cmd.StdinPipe(); err != nil {
		return err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	r.out = bufio.NewReader(out)
	if err := cmd.Start(); err != nil {
		return err
	}
	r.stop = func() {
		r.in.Close() //nolint:errcheck // ends the script
		cmd.Wait()   //nolint:errcheck // its exit says nothing
	}
	line, err := json.Marshal(settings)
	if err != nil {
		return err
	}
	if _, err := r.in.Write(append(line, '\n')); err != nil {
		return r.broken(err)
	}
	var ready struct{ Build string }
	if err := r.answer("{\"build\"", &ready); err != nil {
		return err
	}
	r.build = ready.Build
	return nil
}

// answer reads lines until one begins as the script's own do.
func (r *peerRun) answer(prefix string, to any) error {
	for {
		line, err := r.out.ReadString('\n')
		if err != nil {
			return r.broken(err)
		}
		if strings.HasPrefix(line, prefix) {
			return json.Unmarshal([]byte(line), to)
		}
	}
}

// broken is what is known of a script that has ended.
func (r *peerRun) broken(err error) error {
	r.stop()
	r.stop = func() {}
	if errors.Is(err, io.EOF) {
		err = errors.New("it ended")
	}
	return fmt.Errorf("%w; its last words:\n%s", err, tail(r.log.Bytes()))
}

func tail(b []byte) string {
	const most = 1500
	return strings.TrimSpace(string(b[max(0, len(b)-most):]))
}

// sum computes the ratio to our samples, which are of the same rounds.
func (v *Versus) sum(ours []float64) {
	v.TokS = stats.Median(v.Samples)
	v.Ratio, v.RatioLo, v.RatioHi = stats.RatioOfMedians(ours, v.Samples)
}
