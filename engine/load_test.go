package engine

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/freehold-slm/freehold/kernels"
)

// load opens a model and builds its tokenizer: what a user waits for before the first token. The tokenizer's share is given too.
func load(t testing.TB, path string) (m *Model, all, tokenizer time.Duration) {
	t.Helper()
	start := time.Now()
	m, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	opened := time.Now()
	if _, err := m.LoadTokenizer(); err != nil {
		t.Fatal(err)
	}
	return m, time.Since(start), time.Since(opened)
}

// BenchmarkOpen loads real models, their files in the page cache.
func BenchmarkOpen(b *testing.B) {
	for _, name := range []string{"smollm2-135m-instruct", "qwen2.5-coder-0.5b-instruct"} {
		b.Run(name, func(b *testing.B) {
			path := realPath(b, name)
			b.ReportAllocs()
			var tokenizer time.Duration
			for b.Loop() {
				m, _, part := load(b, path)
				tokenizer += part
				m.Close()
			}
			b.ReportMetric(tokenizer.Seconds()*1e3/float64(b.N), "tokenizer-ms")
		})
	}
}

// The 0.5B model, with its vocabulary of 152 thousand tokens, is ready in less than 150 ms: the best of five processes. A
// process that other work kept waiting is judged by the processor time it took from its start, with all its threads: with a
// free processor it would have been ready by then.
func TestRealOpenTime(t *testing.T) {
	if os.Getenv("FREEHOLD_LONG") != "1" {
		t.Skip("long test: set FREEHOLD_LONG=1")
	}
	path := realPath(t, "qwen2.5-coder-0.5b-instruct")
	if asChild() {
		m, all, _ := load(t, path)
		m.Close()
		fmt.Println("ready after ns:", all.Nanoseconds())
		return
	}
	best, bestProcessor := time.Hour, time.Hour
	for range 5 {
		var ns int64
		state := runChild(t, "ready after ns:", &ns)
		best = min(best, time.Duration(ns))
		bestProcessor = min(bestProcessor, state.UserTime()+state.SystemTime())
	}
	t.Logf("ready in %v (want under 150 ms); the process took %v of processor time", best, bestProcessor)
	if min(best, bestProcessor) >= 150*time.Millisecond {
		t.Errorf("ready in %v, processor time %v, want under 150 ms", best, bestProcessor)
	}
}

// asChild tells whether this process was started by runChild.
func asChild() bool { return os.Getenv("FREEHOLD_TEST_CHILD") != "" }

// runChild runs the calling test in a process of its own and reads the figures it prints after mark.
func runChild(t *testing.T, mark string, figures ...any) *os.ProcessState {
	t.Helper()
	child := exec.Command(os.Args[0], "-test.run=^"+strings.ReplaceAll(t.Name(), "/", "$/^")+"$", "-test.v")
	child.Env = append(os.Environ(), "FREEHOLD_TEST_CHILD=1")
	out, err := child.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	_, line, found := strings.Cut(string(out), mark)
	if _, err := fmt.Sscan(line, figures...); err != nil || !found {
		t.Fatalf("no figures after %q: %s", mark, out)
	}
	return child.ProcessState
}

// A process that opens a model, builds its tokenizer, reads a prompt and decodes 128 tokens holds, at its peak, no more than
// the file, the KV cache and 64 MiB; what is not the file's pages alone no more than the cache and 64 MiB.
// The process is this test's own binary, one a case.
func TestRealMemory(t *testing.T) {
	if os.Getenv("FREEHOLD_LONG") != "1" {
		t.Skip("long test: set FREEHOLD_LONG=1")
	}
	if _, err := os.Stat("/proc/self/status"); err != nil {
		t.Skipf("NOT TESTED: memory is read from /proc/self/status, which this system lacks")
	}
	for _, name := range []string{"smollm2-135m-instruct", "qwen2.5-coder-0.5b-instruct"} {
		for _, prompt := range []int{16, 512} {
			t.Run(fmt.Sprintf("%s/%d", name, prompt), func(t *testing.T) {
				path := realPath(t, name)
				if asChild() {
					loadAndDecode(t, path, prompt)
					return
				}
				var file, kv, peak, anon int
				runChild(t, "memory in KiB:", &file, &kv, &peak, &anon)
				const room = 64 << 10
				t.Logf("peak %d MiB of at most %d; without the file's pages %d MiB of at most %d", peak>>10, (file+kv+room)>>10, anon>>10, (kv+room)>>10)
				if anon < 1<<10 || peak < anon {
					t.Errorf("the figures make no sense: peak %d KiB, anonymous %d", peak, anon)
				}
				if peak > file+kv+room {
					t.Errorf("peak is %d KiB, want at most %d (file) + %d (KV) + %d", peak, file, kv, room)
				}
				if anon > kv+room {
					t.Errorf("without the file's pages %d KiB, want at most %d (KV) + %d", anon, kv, room)
				}
			})
		}
	}
}

// loadAndDecode prints the size of file and KV cache, the peak of the resident memory and its anonymous part, in KiB.
func loadAndDecode(t *testing.T, path string, prompt int) {
	m, _, _ := load(t, path)
	defer m.Close()
	s := m.NewSession()
	next := someTokens(m, prompt)
	for range 128 {
		l, err := s.Eval(context.Background(), next)
		if err != nil {
			t.Fatal(err)
		}
		next = []int32{argmax(l)}
	}
	pages := (s.Len() + kernels.PageKeys - 1) / kernels.PageKeys
	kv := pages * m.newPage().bytes()
	fmt.Println("memory in KiB:", m.File().Size>>10, kv>>10, status(t, "VmHWM"), status(t, "RssAnon"))
}

// status reads a figure in KiB of this process.
func status(t *testing.T, name string) (kib int) {
	t.Helper()
	data, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, line, found := strings.Cut(string(data), "\n"+name+":")
	if _, err := fmt.Sscan(line, &kib); err != nil || !found {
		t.Fatalf("no %s in /proc/self/status: %v", name, err)
	}
	return kib
}
