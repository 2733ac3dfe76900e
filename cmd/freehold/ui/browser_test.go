package ui

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/freehold-slm/freehold/bench/browser"
	"github.com/freehold-slm/freehold/distill"
	"github.com/freehold-slm/freehold/engine/server"
)

// TestBrowserRuns goes through the pages as a user does, on a phone's width and on a desktop's: the list, a run that goes on (a real one), its teacher and student by keyboard alone, its test rows, its report, and two runs compared.
func TestBrowserRuns(t *testing.T) {
	if os.Getenv("FREEHOLD_LONG") == "" {
		t.Skip("a real browser: in the long set (FREEHOLD_LONG=1)")
	}
	for _, c := range []struct {
		width int64
		dark  bool
	}{{360, true}, {1280, false}} {
		t.Run(fmt.Sprint(c.width), func(t *testing.T) { visit(t, browser.Open(t, c.width, c.dark)) })
	}
}

// With keys the browser sends the key that its user gave with all that a page is made of: what follows the run, questions, and the report within the page.
func TestBrowserKey(t *testing.T) {
	if os.Getenv("FREEHOLD_LONG") == "" {
		t.Skip("a real browser: in the long set (FREEHOLD_LONG=1)")
	}
	dir := tinyJob(t)
	apply(t, dir, 30, 3)
	keys, err := server.ReadKeys(strings.NewReader("ann a-key-of-the-page-0123\n"))
	if err != nil {
		t.Fatal(err)
	}
	ts, _ := serve(t, filepath.Join(dir, "runs"), server.WithKeys(keys))
	b := browser.Open(t, 1280, true)
	b.Do(t, chromedp.Navigate(strings.Replace(ts.URL, "http://", "http://ann:a-key-of-the-page-0123@", 1)+"/ui.css")) // as a prompt would have it
	b.Do(t, chromedp.Navigate(ts.URL+"/runs/001"))
	b.Until(t, `document.querySelector("#chart-loss polyline")?.dataset.xs.split(" ").length === 30`)
	appendTo(t, filepath.Join(dir, "runs", "001", "metrics.jsonl"), `{"step":30,"loss":0.001}`+"\n")
	b.Until(t, `document.querySelector("#chart-loss polyline").dataset.xs.split(" ").length === 31`)
	b.Do(t, chromedp.SendKeys(chromedp.CSS("#text"), "rise"), chromedp.Click(chromedp.CSS("#ask .primary")))
	b.Until(t, `document.querySelectorAll("#try .bars tbody tr").length === 4`)
	b.Do(t, chromedp.Click(chromedp.CSS("#report summary")))
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		got := b.Answered(ts.URL + "/runs/001/report")
		if got == 200 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the report within the page: %d", got)
		}
	}
	b.Sound(t, "ui run with a key", 4)
}

func visit(t *testing.T, b *browser.Tab) {
	dir := tinyJob(t)
	runs := filepath.Join(dir, "runs")
	apply(t, dir, 60, 3)
	ts, _ := serve(t, runs)
	b.Do(t, chromedp.Navigate(ts.URL+"/"))
	b.Until(t, `document.querySelectorAll(".runs tbody tr").length === 1`)

	// A second run begins while the list is looked at, and is followed to its end on its own page.
	steps := followed(t, b, ts.URL, dir)
	drawn := browser.Eval[[]int](t, b, `["xs", "ys"].map((k) => document.querySelector("#chart-loss polyline").dataset[k].split(" ").length).concat(document.querySelector("#chart-loss polyline").getAttribute("points").split(" ").length)`)
	for _, n := range drawn {
		if n != steps {
			t.Errorf("points drawn: %v, want the %d of the data", drawn, steps)
		}
	}
	lines, err := os.ReadFile(filepath.Join(runs, "002", "metrics.jsonl"))
	if err != nil || bytes.Count(lines, []byte("\n")) != steps {
		t.Fatalf("metrics.jsonl: %v", err)
	}

	b.TabTo(t, "#chart-loss")
	b.Do(t, chromedp.KeyEvent(kb.End))
	if tip := b.Text(t, "#tip"); !strings.Contains(tip, fmt.Sprintf("step %d", steps-1)) || !strings.Contains(tip, "forward_kl: ") {
		t.Errorf("the last point is read as %q", tip)
	}
	b.Do(t, chromedp.KeyEvent(kb.Home), chromedp.KeyEvent(kb.ArrowRight))
	if tip := b.Text(t, "#tip"); !strings.Contains(tip, "step 1\n") {
		t.Errorf("the second point is read as %q", tip)
	}
	b.Do(t, chromedp.KeyEvent(kb.Escape))

	b.TabTo(t, "#text")
	b.Do(t, chromedp.KeyEvent("rise <b>bold</b>"), chromedp.KeyEvent(kb.Tab), chromedp.KeyEvent(kb.Enter))
	b.Until(t, `document.querySelectorAll("#try .bars tbody tr").length === 4 && document.querySelector("#verdict").textContent !== ""`)
	for _, side := range []string{"teacher", "student"} {
		sum := browser.Eval[float64](t, b, fmt.Sprintf(`[...document.querySelectorAll("[data-side=%s] .number")].reduce((s, e) => s + Number(e.textContent), 0)`, side))
		if sum < 0.99 || sum > 1.01 {
			t.Errorf("the %s's probabilities sum to %v", side, sum)
		}
		if got := b.Text(t, "[data-side="+side+"] .bars"); !strings.Contains(got, "<b>down") {
			t.Errorf("the %s's labels are shown as %q", side, got)
		}
	}
	b.Sound(t, "ui run", 4)
	b.Do(t, chromedp.Click(chromedp.CSS("#report summary")), chromedp.Sleep(300*time.Millisecond))

	b.Do(t, chromedp.Navigate(ts.URL+"/runs/002/rows"))
	if n := browser.Eval[int](t, b, `document.querySelectorAll("article.row").length`); n != rowsPerPage {
		t.Errorf("%d rows, want %d", n, rowsPerPage)
	}
	if got := b.Text(t, "main"); !strings.Contains(got, hostile) {
		t.Error("the hostile row is not shown as it is")
	}
	b.Do(t, chromedp.Focus(chromedp.CSS(".again")), chromedp.KeyEvent(kb.Enter))
	b.Until(t, `document.querySelectorAll("#try .bars tbody tr").length === 4 && document.activeElement.id === "text"`)
	b.Sound(t, "ui rows", 4)

	b.Do(t, chromedp.Navigate(ts.URL+"/compare?a=001&b=002"))
	if got := b.Text(t, "main"); !strings.Contains(got, "train.steps") || browser.Eval[int](t, b, `document.querySelectorAll("#chart-loss polyline").length`) != 4 {
		t.Errorf("the comparison shows %.1500s", got)
	}
	b.Sound(t, "ui compare", 4)
	b.Do(t, chromedp.Navigate(ts.URL+"/"))
	b.Until(t, `document.querySelectorAll(".runs tbody tr").length === 2`)
	b.Sound(t, "ui list", 4)

	b.Quiet(t, ts.URL)
}

// followed applies a recipe while the browser looks on, and holds the job in its middle until the page was seen to show it going on. It gives the number of steps.
func followed(t *testing.T, b *browser.Tab, address, dir string) (steps int) {
	t.Helper()
	const all = 400
	file := filepath.Join(dir, "freehold.yaml")
	write(t, file, fmt.Sprintf(tinyRecipe, "teacher.gguf", all, 5))
	r, err := distill.LoadRecipe(file)
	if err != nil {
		t.Fatal(err)
	}
	half, goOn := make(chan struct{}), make(chan struct{})
	var once sync.Once
	j, err := distill.NewJob(t.Context(), r, distill.Options{Threads: 1, Progress: func(e distill.Event) {
		if e.Stage == "train" && e.Step == all/2 {
			once.Do(func() { close(half); <-goOn })
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		_, err := j.Apply(t.Context(), distill.Stages{})
		ended <- err
	}()
	select {
	case <-half:
	case err := <-ended:
		t.Fatalf("the run ended early: %v", err)
	}
	release := sync.OnceFunc(func() { close(goOn) })
	defer release()
	b.Until(t, `document.querySelector(".runs tbody tr .state")?.textContent === "running"`)
	b.Do(t, chromedp.Click(chromedp.CSS(".runs tbody tr a")), chromedp.WaitVisible(chromedp.CSS("#try")))
	b.Until(t, fmt.Sprintf(`document.querySelector("#live .state.running") && document.querySelector("#chart-loss polyline").dataset.xs.split(" ").length === %d`, all/2))
	browser.Eval[int](t, b, `(window.stays = 7)`) // gone if the page were loaded anew
	b.Sound(t, "ui running", 4)
	release()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	b.Until(t, fmt.Sprintf(`window.stays === 7 && document.querySelector("#live .state.finished") && document.querySelector("#chart-loss polyline").dataset.xs.split(" ").length === %d && document.querySelectorAll("[data-part=scores] tbody tr").length === 4`, all))
	return all
}
