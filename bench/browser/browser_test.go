package browser

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// TestSound finds each fault of a page that has them all, and none of one that has none; what the second asks for and says is heard.
func TestSound(t *testing.T) {
	if os.Getenv("FREEHOLD_LONG") == "" {
		t.Skip("a real browser: in the long set (FREEHOLD_LONG=1)")
	}
	const page = `<!doctype html><html lang="en"><title>t</title><link rel="icon" href="data:,"><body style="background: #fff; color: %s">%s</body></html>`
	pages := map[string]string{
		"/bad":  fmt.Sprintf(page, "#aaa", `<h1 id="a">one</h1><h1 id="a">two</h1><button></button><div style="width: 3000px">wide</div>`),
		"/good": fmt.Sprintf(page, "#000", `<h1 id="a">one</h1><button onclick="console.log(1)">two</button>`),
	}
	ts := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, pages[r.URL.Path]) //nolint:errcheck // the browser sees it
	}))
	defer ts.Close()
	b := Open(t, 400, false)
	b.Do(t, chromedp.Navigate(ts.URL+"/bad"))
	got := b.faults(t, 5)
	for _, want := range []string{"wider than its window", "lowest contrast", "ids that stand twice: a", "2 headings", "a button has no name", "only 1 controls"} {
		if !slices.ContainsFunc(got, func(s string) bool { return strings.Contains(s, want) }) {
			t.Errorf("no fault says %q: %q", want, got)
		}
	}
	b.Do(t, chromedp.Navigate(ts.URL+"/good"))
	b.Sound(t, "good", 1)
	b.Quiet(t, ts.URL)
	if got := b.Answered(ts.URL + "/good"); got != http.StatusOK {
		t.Errorf("the page was answered with %d", got)
	}
	b.Do(t, chromedp.Click(chromedp.CSS("button")))
	b.mu.Lock()
	defer b.mu.Unlock()
	if !slices.Contains(b.complaints, "console.log") || !slices.Contains(b.asked, ts.URL+"/good") {
		t.Errorf("heard %q, asked for %q", b.complaints, b.asked)
	}
}
