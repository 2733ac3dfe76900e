package server

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/freehold-slm/freehold/engine"
	"github.com/freehold-slm/freehold/models"
)

// Classifying over HTTP costs at most a tenth of the library's own requests per second, with as many asking at a time. Both take turns; a
// third series, the library again, is the control: where that is not within the same bound the machine is too busy to tell.
func TestClassifySpeed(t *testing.T) {
	if os.Getenv("FREEHOLD_LONG") != "1" {
		t.Skip("long test: set FREEHOLD_LONG=1")
	}
	path, _, err := models.Resolve("smollm2-135m-instruct")
	if err != nil {
		t.Fatalf("%v (make test-long pulls it)", err)
	}
	m, err := engine.Open(path, engine.WithContext(1024))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close() //nolint:errcheck // read-only
	s := serve(t, New(m))
	labels := []string{"good", "bad"}
	text := func(i int) string {
		return fmt.Sprintf("Row %d: a warm, funny and beautifully acted film, if somewhat long for what it has to say.", i)
	}
	library := func(i int) {
		if got, err := m.Classify(t.Context(), text(i), labels...); err != nil || len(got) != 2 {
			t.Error(got, err)
		}
	}
	overHTTP := func(i int) {
		body, _ := json.Marshal(map[string]any{"input": text(i), "labels": labels})
		w, b := s.do(s.request(http.MethodPost, "/v1/classify", string(body)))
		if w.StatusCode != 200 {
			t.Errorf("%d %s", w.StatusCode, b)
		}
	}
	const clients, requests, rounds = 4, 16, 9
	round := func(ask func(int)) float64 {
		began := time.Now()
		var wg sync.WaitGroup
		for c := range clients {
			wg.Go(func() {
				for i := c; i < requests; i += clients {
					ask(i)
				}
			})
		}
		wg.Wait()
		return requests / time.Since(began).Seconds()
	}
	series := []func(int){library, overHTTP, library}
	speeds := make([][]float64, len(series))
	for r := range rounds + 1 {
		for k := range series {
			k = (k + r) % len(series)
			if v := round(series[k]); r > 0 { // the first round warms up
				speeds[k] = append(speeds[k], v)
			}
		}
	}
	// Of each round the ratio to the library's own in that round.
	ratio := func(k int) float64 {
		var all []float64
		for r := range rounds {
			all = append(all, speeds[k][r]/speeds[0][r])
		}
		slices.Sort(all)
		return all[rounds/2]
	}
	median := func(x []float64) float64 { x = slices.Clone(x); slices.Sort(x); return x[len(x)/2] }
	t.Logf("%d at a time: library %.1f requests/s, HTTP %.1f; ratio %.3f, of the control %.3f (medians of %d rounds)", clients, median(speeds[0]), median(speeds[1]), ratio(1), ratio(2), rounds)
	switch c := ratio(2); {
	case c < 0.95 || c > 1/0.95:
		t.Skipf("INCONCLUSIVE: the library against itself is %.3f; this machine is busy", c)
	case ratio(1) < 0.9:
		t.Errorf("classifying over HTTP reaches %.3f of the library's requests per second, want 0.9", ratio(1))
	}
}
