package server

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"runtime/metrics"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/freehold-slm/freehold/engine"
)

// histogram counts durations. bounds are in seconds.
type histogram struct {
	mu     sync.Mutex
	counts []int64 // [bounds+1]
	sum    float64
}

var bounds = []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120, 300}

func (h *histogram) observe(d time.Duration) {
	at, _ := slices.BinarySearch(bounds, d.Seconds())
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.counts == nil {
		h.counts = make([]int64, len(bounds)+1)
	}
	h.counts[at]++
	h.sum += d.Seconds()
}

// write prints a histogram in Prometheus' text format; labels is "" or `a="b",`.
func (h *histogram) write(w io.Writer, name, labels string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := int64(0)
	for i, c := range h.counts {
		n += c
		le := "+Inf"
		if i < len(bounds) {
			le = fmt.Sprint(bounds[i])
		}
		fmt.Fprintf(w, "%s_bucket{%sle=%q} %d\n", name, labels, le, n)
	}
	if h.counts == nil {
		fmt.Fprintf(w, "%s_bucket{%sle=\"+Inf\"} 0\n", name, labels)
	}
	only := ""
	if labels != "" {
		only = "{" + strings.TrimSuffix(labels, ",") + "}"
	}
	fmt.Fprintf(w, "%s_sum%s %v\n%s_count%s %d\n", name, only, h.sum, name, only, n)
}

// serverMetrics are what /metrics tells.
type serverMetrics struct {
	mu       sync.Mutex
	requests map[[2]string]int64 // path, status
	took     map[string]*histogram
	texts    map[[2]string]int64 // student, who answered
	kept     map[string]int64    // rows, by what became of them

	refused, canceled, prompt, generated, reloads atomic.Int64
	first                                         histogram
}

func newServerMetrics() *serverMetrics {
	return &serverMetrics{requests: map[[2]string]int64{}, took: map[string]*histogram{}, texts: map[[2]string]int64{}, kept: map[string]int64{}}
}

// answered counts a student's texts by who answered.
func (m *serverMetrics) answered(student string, by map[string]int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for who, n := range by {
		m.texts[[2]string{student, who}] += n
	}
}

// collected counts rows that were to be kept.
func (m *serverMetrics) collected(outcome string, n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.kept[outcome] += int64(n)
}

func (m *serverMetrics) request(path string, status int, took time.Duration) {
	m.mu.Lock()
	m.requests[[2]string{path, fmt.Sprint(status)}]++
	h := m.took[path]
	if h == nil {
		h = &histogram{}
		m.took[path] = h
	}
	m.mu.Unlock()
	h.observe(took)
}

// writeMetrics prints everything in Prometheus' text format.
func (s *Server) writeMetrics(w io.Writer) {
	m := s.metrics
	head := func(name, kind, help string) { fmt.Fprintf(w, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind) }
	one := func(name, kind, help string, v any) {
		head(name, kind, help)
		fmt.Fprintf(w, "%s %v\n", name, v)
	}
	m.mu.Lock()
	requests, took, texts, kept := maps.Clone(m.requests), maps.Clone(m.took), maps.Clone(m.texts), maps.Clone(m.kept)
	m.mu.Unlock()
	head("freehold_requests_total", "counter", "Requests that were answered, by endpoint and status (499: the client left).")
	for _, k := range slices.SortedFunc(maps.Keys(requests), func(a, b [2]string) int { return slices.Compare(a[:], b[:]) }) {
		fmt.Fprintf(w, "freehold_requests_total{path=%q,status=%q} %d\n", k[0], k[1], requests[k])
	}
	head("freehold_request_duration_seconds", "histogram", "Time from a request's header to the end of its answer.")
	for _, k := range slices.Sorted(maps.Keys(took)) {
		took[k].write(w, "freehold_request_duration_seconds", fmt.Sprintf("path=%q,", k))
	}
	head("freehold_time_to_first_token_seconds", "histogram", "Time from a request's header to the first token of its answer.")
	m.first.write(w, "freehold_time_to_first_token_seconds", "")
	one("freehold_prompt_tokens_total", "counter", "Tokens of prompts.", m.prompt.Load())
	one("freehold_generated_tokens_total", "counter", "Tokens that were generated.", m.generated.Load())
	head("freehold_student_texts_total", "counter", "Texts that students were asked about, by who answered: the student, its teacher or, where it abstained, nobody.")
	for _, k := range slices.SortedFunc(maps.Keys(texts), func(a, b [2]string) int { return slices.Compare(a[:], b[:]) }) {
		fmt.Fprintf(w, "freehold_student_texts_total{model=%q,answered_by=%q} %d\n", k[0], k[1], texts[k])
	}
	head("freehold_collected_rows_total", "counter", "Rows that were to be kept for a student's next run: kept, failed (nothing could be written), over (the key has had its share).")
	for _, outcome := range []string{rowsKept, rowsFailed, rowsOver} {
		fmt.Fprintf(w, "freehold_collected_rows_total{outcome=%q} %d\n", outcome, kept[outcome])
	}
	var p engine.CacheStats
	open := s.models.open()
	for _, l := range open {
		if l.prefix != nil {
			st := l.prefix.Stats()
			p.Prefixes, p.Bytes, p.Hits, p.Lookups, p.Reused = p.Prefixes+st.Prefixes, p.Bytes+st.Bytes, p.Hits+st.Hits, p.Lookups+st.Lookups, p.Reused+st.Reused
		}
	}
	one("freehold_prefix_cache_bytes", "gauge", "Bytes held of what was computed for earlier prompts.", p.Bytes)
	one("freehold_prefix_cache_prefixes", "gauge", "Texts held.", p.Prefixes)
	one("freehold_prefix_cache_lookups_total", "counter", "Prompts that were looked up.", p.Lookups)
	one("freehold_prefix_cache_hits_total", "counter", "Of these, with a beginning that was known.", p.Hits)
	one("freehold_prefix_cache_tokens_total", "counter", "Tokens of prompts that were not computed anew.", p.Reused)
	one("freehold_requests_refused_total", "counter", "Requests that found the queue full.", m.refused.Load())
	one("freehold_requests_canceled_total", "counter", "Requests whose client left.", m.canceled.Load())
	one("freehold_reloads_total", "counter", "Times that the models were opened anew.", m.reloads.Load())
	one("freehold_models_open", "gauge", "Models that are open.", len(open))
	opens, evictions := s.models.counts()
	one("freehold_model_loads_total", "counter", "Times that a model was opened for a request.", opens)
	one("freehold_model_evictions_total", "counter", "Times that a model was closed to make room for another.", evictions)
	busy, waiting := s.Busy()
	one("freehold_slots", "gauge", "Sequences that may be generated at a time.", s.cfg.slots)
	one("freehold_slots_busy", "gauge", "Slots that are taken.", busy)
	one("freehold_requests_waiting", "gauge", "Requests that wait for a slot.", waiting)
	sample := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/sched/goroutines:goroutines"}}
	metrics.Read(sample)
	one("go_memory_bytes", "gauge", "Memory that the Go runtime holds; mapped model files are not in it.", sample[0].Value.Uint64())
	one("go_goroutines", "gauge", "Goroutines.", sample[1].Value.Uint64())
}

func (c *call) metrics() error {
	c.w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	c.w.WriteHeader(http.StatusOK)
	c.s.writeMetrics(c.w)
	return nil
}
