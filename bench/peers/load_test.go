package peers

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/freehold-slm/freehold/bench"
	"github.com/freehold-slm/freehold/distill/stats"
	"github.com/freehold-slm/freehold/engine"
)

const (
	loadModel    = "qwen2.5-coder-0.5b-instruct"
	loadClients  = 16
	loadRequests = 32 // a round: about a minute of llama.cpp's
	loadContext  = 2048
)

// Sixteen clients at once, each with a request on its way all the time, against llama.cpp's server: the same file, prompts and lengths in
// turns, both servers up in processes of their own. FREEHOLD_LOAD is the number of rounds; FREEHOLD_LOAD_PEER=repack,flash chooses what llama.cpp
// turns on (without it: each of the four settings has a round, and the fastest goes on).
func TestLlamaLoad(t *testing.T) {
	rounds, err := strconv.Atoi(os.Getenv("FREEHOLD_LOAD"))
	if err != nil || rounds < 1 {
		t.Skip("takes minutes of a quiet machine: make bench-load")
	}
	path := realModel(t, loadModel)
	asks := newAsks(t, path)
	n := threads(t)
	best := settings{Threads: n, Parallel: loadClients, Context: loadContext}
	if text, ok := os.LookupEnv("FREEHOLD_LOAD_PEER"); ok {
		best.Repack, best.Flash = strings.Contains(text, "repack"), strings.Contains(text, "flash")
	} else {
		batch := asks.some(0)[:loadRequests/2]
		best = fastestServer(t, path, best, func(l *llama) float64 {
			asks.run(t, loaded{l.Address, l.pid}, batch[:2])
			return asks.run(t, loaded{l.Address, l.pid}, batch).rate()
		})
	}
	theirs := startLlama(t, path, best)
	peer := loaded{theirs.Address, theirs.pid}
	ours := startFreehold(t, path, n)
	asks.run(t, ours, asks.some(-1)[:loadClients]) // each once, to touch its memory
	asks.run(t, peer, asks.some(-1)[:loadClients])
	var rates, peerRates, first, peerFirst []float64
	for round := range rounds {
		batch := asks.some(round)
		var a, b loadResult
		if round%2 == 0 {
			a, b = asks.run(t, ours, batch), asks.run(t, peer, batch)
		} else {
			b, a = asks.run(t, peer, batch), asks.run(t, ours, batch)
		}
		t.Logf("round %d, load %v: freehold %v; llama.cpp %v; %.2f times as many tokens/s", round, bench.LoadAverage(), a, b, a.rate()/b.rate())
		if a.prompt != b.prompt || a.generated != b.generated {
			t.Errorf("the servers counted other tokens: %v and %v", a, b)
		}
		rates, peerRates = append(rates, a.rate()), append(peerRates, b.rate())
		first, peerFirst = append(first, a.first(0.95)), append(peerFirst, b.first(0.95))
	}
	ratio, lo, hi := stats.RatioOfMedians(rates, peerRates)
	t.Logf("%s, %d threads, %d clients, %d rounds of %d requests: freehold %.0f tokens/s, llama.cpp %.0f (xllamacpp %s, %s); ratio %.2f [%.2f, %.2f]; p95 of the time to the first token %.2f s and %.2f s (medians of rounds)",
		loadModel, n, loadClients, rounds, loadRequests, stats.Median(rates), stats.Median(peerRates), theirs.Version, best, ratio, lo, hi, stats.Median(first), stats.Median(peerFirst))
	if ratio < 1 || stats.Median(first) > stats.Median(peerFirst) {
		t.Errorf("slower than llama.cpp: %.2f of its tokens/s, p95 of the time to the first token %.2f s, its %.2f s", ratio, stats.Median(first), stats.Median(peerFirst))
	}
}

// fastestServer is llama.cpp's best of repacking and flash attention at what rate measures.
func fastestServer(t *testing.T, path string, s settings, rate func(l *llama) float64) (best settings) {
	fastest := 0.0
	for _, s.Repack = range []bool{true, false} {
		for _, s.Flash = range []bool{true, false} {
			l := startLlama(t, path, s)
			v := rate(l)
			t.Logf("llama.cpp, %s: %.1f a second", s, v)
			if v > fastest {
				fastest, best = v, s
			}
			l.Close()
		}
	}
	return best
}

// loaded is a server under load.
type loaded struct {
	url string
	pid int
}

// cpu is how many seconds of a processor the server has had; 0 where the system does not tell.
func (l loaded) cpu() float64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", l.pid))
	_, rest, ok := strings.Cut(string(b), ") ")
	fields := strings.Fields(rest)
	if err != nil || !ok || len(fields) < 13 {
		return 0
	}
	user, _ := strconv.ParseFloat(fields[11], 64)
	system, _ := strconv.ParseFloat(fields[12], 64)
	return (user + system) / 100 // ticks are of 10 ms
}

// startFreehold serves the model by a program that is built from here.
func startFreehold(t *testing.T, model string, threads int) loaded {
	t.Helper()
	program := filepath.Join(t.TempDir(), "freehold")
	if out, err := exec.Command("go", "build", "-o", program, "github.com/freehold-slm/freehold/cmd/freehold").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	cmd := exec.Command(program, "serve", "--json", "--log", "off", "--addr", "127.0.0.1:0", "--threads", strconv.Itoa(threads), "--slots", strconv.Itoa(loadClients), "--context", strconv.Itoa(loadContext), "-m", model)
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "GOMAXPROCS=") })
	var log bytes.Buffer
	cmd.Stderr = &log
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() }) //nolint:errcheck // it may have ended
	line, _ := bufio.NewReader(out).ReadBytes('\n')
	var doc struct{ URL string }
	if err := json.Unmarshal(line, &doc); err != nil || doc.URL == "" {
		t.Fatalf("serve says %q\n%s", line, &log)
	}
	for end := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		if w, err := http.Get(doc.URL + "/readyz"); err == nil {
			w.Body.Close() //nolint:errcheck // read-only
			if w.StatusCode == http.StatusOK {
				return loaded{doc.URL, cmd.Process.Pid}
			}
		}
		if time.Now().After(end) {
			t.Fatalf("freehold is not ready\n%s", &log)
		}
	}
}

// ask is one request.
type ask struct {
	words, tokens int
	body          []byte
}

// asks makes requests for a model.
type asks struct{ bias map[string]int }

func newAsks(t *testing.T, path string) *asks {
	t.Helper()
	m, err := engine.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	tok, err := m.LoadTokenizer()
	if err != nil {
		t.Fatal(err)
	}
	a := &asks{bias: map[string]int{}}
	for _, id := range tok.EOG() { // answers are as long as is asked for
		a.bias[fmt.Sprint(id)] = -100
	}
	return a
}

// some are a round's requests: half of them short, a third of about 200 tokens, the rest of about 800; no two begin alike.
func (a *asks) some(round int) []ask {
	r := rand.New(rand.NewPCG(uint64(round), 4))
	list := strings.Fields("river stone letter window garden market winter paper number engine table bridge answer forest morning silver village question harbour music line return value index array string")
	var all []ask
	for i := range loadRequests {
		words := []int{30, 150, 30, 30, 600, 150}[i%6]
		tokens := []int{32, 64, 96, 16, 64, 48, 128, 24}[i%8]
		var text strings.Builder
		fmt.Fprintf(&text, "%d.%d: Read this, and write what follows.", round, i)
		for range words {
			text.WriteString(" " + list[r.IntN(len(list))])
		}
		body, err := json.Marshal(map[string]any{"prompt": text.String(), "max_tokens": tokens, "temperature": 0, "logit_bias": a.bias, "stream": true, "stream_options": map[string]any{"include_usage": true}})
		if err != nil {
			panic(err)
		}
		all = append(all, ask{words, tokens, body})
	}
	return all
}

// loadResult is how a round went.
type loadResult struct {
	seconds           float64
	cpu               float64 // seconds of a processor
	prompt, generated int
	firsts            []float64 // seconds to the first text, sorted
}

func (r loadResult) rate() float64 { return float64(r.prompt+r.generated) / r.seconds }
func (r loadResult) first(p float64) float64 {
	return r.firsts[min(len(r.firsts)-1, int(p*float64(len(r.firsts))))]
}
func (r loadResult) String() string {
	return fmt.Sprintf("%.0f tokens/s (%d prompt, %d generated, %.1f s, %.1f of a CPU), first token p50 %.2f s, p95 %.2f s", r.rate(), r.prompt, r.generated, r.seconds, r.cpu/r.seconds, r.first(0.5), r.first(0.95))
}

// run has all requests answered, loadClients at a time.
func (a *asks) run(t *testing.T, to loaded, batch []ask) (r loadResult) {
	t.Helper()
	var mu sync.Mutex
	var next atomic.Int64
	var wg sync.WaitGroup
	start, before := time.Now(), to.cpu()
	for range loadClients {
		wg.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(batch) {
					return
				}
				first, prompt, generated, err := streamed(to.url, batch[i].body)
				if err == nil && generated != batch[i].tokens {
					err = fmt.Errorf("%d tokens, want %d", generated, batch[i].tokens)
				}
				mu.Lock()
				if err != nil {
					t.Errorf("%s: %v", to.url, err)
				}
				r.prompt, r.generated, r.firsts = r.prompt+prompt, r.generated+generated, append(r.firsts, first)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	r.seconds, r.cpu = time.Since(start).Seconds(), to.cpu()-before
	slices.Sort(r.firsts)
	return r
}

// loadClient has a connection for each request: llama.cpp's server closes idle ones while the next request is on its way.
var loadClient = http.Client{Timeout: 5 * time.Minute, Transport: &http.Transport{DisableKeepAlives: true}}

// streamed reads one answer.
func streamed(url string, body []byte) (first float64, prompt, generated int, err error) {
	start := time.Now()
	w, err := loadClient.Post(url+"/v1/completions", "application/json", bytes.NewReader(body))
	if err != nil {
		return 0, 0, 0, err
	}
	defer w.Body.Close()
	if w.StatusCode != http.StatusOK {
		b, _ := io.ReadAll(w.Body)
		return 0, 0, 0, fmt.Errorf("%s: %s", w.Status, b)
	}
	sc := bufio.NewScanner(w.Body)
	sc.Buffer(nil, 1<<20)
	for sc.Scan() {
		data, ok := strings.CutPrefix(sc.Text(), "data: ")
		if !ok || data == "[DONE]" {
			continue
		}
		var chunk struct {
			Choices []struct{ Text string }
			Usage   *struct {
				Prompt     int `json:"prompt_tokens"`
				Completion int `json:"completion_tokens"`
			}
		}
		if err := json.Unmarshal([]byte(data), &chunk); err != nil {
			return 0, 0, 0, fmt.Errorf("%w: %s", err, data)
		}
		if first == 0 && len(chunk.Choices) > 0 && chunk.Choices[0].Text != "" {
			first = time.Since(start).Seconds()
		}
		if chunk.Usage != nil {
			prompt, generated = chunk.Usage.Prompt, chunk.Usage.Completion
		}
	}
	return first, prompt, generated, sc.Err()
}
