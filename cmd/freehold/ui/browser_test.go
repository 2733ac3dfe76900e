package ui

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/freehold-slm/freehold/distill"
	"github.com/freehold-slm/freehold/engine/server"
)

// browser is a tab of a headless Chromium, with what it asked for and complained of.
type browser struct {
	context.Context
	mu         sync.Mutex
	asked      []string
	answered   map[string]int64 // status by URL
	complaints []string
}

func open(t *testing.T, width int64, dark bool) *browser {
	t.Helper()
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if p, err := exec.LookPath(name); err == nil {
			path = p
			break
		}
	}
	if path == "" {
		if os.Getenv("CI") != "" {
			t.Fatal("no Chromium; make test-long installs it where it may")
		}
		t.Skip("NOT TESTED: no Chromium here (package chromium)")
	}
	alloc, stop := chromedp.NewExecAllocator(context.Background(), append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.UserDataDir(t.TempDir()), chromedp.WSURLReadTimeout(time.Minute),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true))...)
	t.Cleanup(stop)
	ctx, cancel := chromedp.NewContext(alloc)
	t.Cleanup(cancel)
	b := &browser{Context: ctx, answered: map[string]int64{}}
	b.do(t)
	err := chromedp.Listen(ctx, func(ev any) {
		b.mu.Lock()
		defer b.mu.Unlock()
		switch ev := ev.(type) {
		case *network.EventRequestWillBeSent:
			b.asked = append(b.asked, ev.Request.URL)
		case *network.EventResponseReceived:
			b.answered[ev.Response.URL] = ev.Response.Status
		case *runtime.EventExceptionThrown:
			b.complaints = append(b.complaints, ev.ExceptionDetails.Text+" "+ev.ExceptionDetails.URL)
		case *runtime.EventConsoleAPICalled:
			b.complaints = append(b.complaints, fmt.Sprintf("console.%s", ev.Type))
		case *log.EventEntryAdded:
			b.complaints = append(b.complaints, ev.Entry.Text+" "+ev.Entry.URL)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	scheme := "light"
	if dark {
		scheme = "dark"
	}
	b.do(t, chromedp.EmulateViewport(width, 800), chromedp.Func(func(ctx context.Context, tab *chromedp.Target) error {
		if _, err := cdp.Call(ctx, tab, log.Enable, cdp.Empty{}); err != nil {
			return err
		}
		_, err := cdp.Call(ctx, tab, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
		return err
	}))
	return b
}

func (b *browser) do(t *testing.T, actions ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	if err := chromedp.Do(b, actions...); err != nil {
		t.Fatal(err)
	}
}

func eval[T any](t *testing.T, b *browser, expression string) T {
	t.Helper()
	v, err := chromedp.Run(b, chromedp.Evaluate[T](expression))
	if err != nil {
		t.Fatalf("%s: %v", expression, err)
	}
	return v
}

func (b *browser) text(t *testing.T, selector string) string {
	t.Helper()
	return eval[string](t, b, fmt.Sprintf("document.querySelector(%q)?.innerText ?? ''", selector))
}

func (b *browser) until(t *testing.T, expression string) {
	t.Helper()
	if _, err := chromedp.Run(b, chromedp.Poll[bool](expression, chromedp.WithPollingTimeout(time.Minute))); err != nil {
		t.Fatalf("never true: %s: %v\nthe page shows:\n%.3000s", expression, err, b.text(t, "body"))
	}
}

// tabTo presses the tab key until an element has the focus.
func (b *browser) tabTo(t *testing.T, selector string) {
	t.Helper()
	for range 80 {
		if eval[bool](t, b, fmt.Sprintf("document.activeElement?.matches(%q) ?? false", selector)) {
			return
		}
		b.do(t, chromedp.KeyEvent(kb.Tab))
	}
	t.Fatalf("the tab key does not lead to %s", selector)
}

// contrast is the lowest contrast of text that is shown, as WCAG defines it.
const contrast = `(() => {
	const lum = (c) => { const v = c.map((x) => { x /= 255; return x <= .03928 ? x / 12.92 : ((x + .055) / 1.055) ** 2.4 }); return .2126 * v[0] + .7152 * v[1] + .0722 * v[2] };
	const rgb = (s) => s.match(/[\d.]+/g).map(Number);
	let worst = 99, where = "";
	for (const e of document.querySelectorAll("body *")) {
		if (!e.checkVisibility() || ![...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()) || e.disabled) continue;
		let b = e; while (b && (rgb(getComputedStyle(b).backgroundColor)[3] ?? 1) === 0) b = b.parentElement;
		const fg = lum(rgb(e instanceof SVGElement ? getComputedStyle(e).fill : getComputedStyle(e).color)), bg = lum(rgb(getComputedStyle(b ?? document.body).backgroundColor));
		const c = (Math.max(fg, bg) + .05) / (Math.min(fg, bg) + .05);
		if (c < worst) { worst = c; where = e.outerHTML.slice(0, 120); }
	}
	return worst < 4.5 ? worst.toFixed(2) + " of " + where : "";
})()`

// sound holds a page to what all pages promise: it fits its window, its text can be read, and what can be focused has a name.
func (b *browser) sound(t *testing.T, where string) {
	t.Helper()
	if wide := eval[int](t, b, "document.documentElement.scrollWidth - innerWidth"); wide > 0 {
		t.Errorf("%s: the page is %d pixels wider than its window", where, wide)
	}
	if low := eval[string](t, b, contrast); low != "" {
		t.Errorf("%s: the lowest contrast is %s, want 4.5 (WCAG AA)", where, low)
	}
	if twice := eval[string](t, b, `[...document.querySelectorAll("[id]")].map((e) => e.id).filter((id, i, all) => all.indexOf(id) !== i).join()`); twice != "" {
		t.Errorf("%s: ids that stand twice: %s", where, twice)
	}
	if n := eval[int](t, b, `document.querySelectorAll("h1").length`); n != 1 {
		t.Errorf("%s: %d headings of the first level, want one", where, n)
	}
	tree, err := chromedp.Run(b, func(ctx context.Context, tab *chromedp.Target) (accessibility.GetFullAXTreeResult, error) {
		return cdp.Call(ctx, tab, accessibility.GetFullAXTree, accessibility.GetFullAXTreeParams{})
	})
	if err != nil {
		t.Fatal(err)
	}
	controls := 0
	for _, n := range tree.Nodes {
		if n.Ignored || n.Role == nil {
			continue
		}
		switch role := strings.Trim(string(n.Role.Value), `"`); role {
		case "button", "textbox", "combobox", "link", "img", "image", "progressbar", "ProgressIndicator", "DisclosureTriangle", "region", "Iframe", "columnheader", "rowheader":
			controls++
			if n.Name == nil || strings.Trim(string(n.Name.Value), `"`) == "" {
				t.Errorf("%s: a %s has no name", where, role)
			}
		}
	}
	if controls < 4 {
		t.Errorf("%s: only %d controls in the tree that screen readers read", where, controls)
	}
	if dir := os.Getenv("FREEHOLD_SHOTS"); dir != "" {
		b.shot(t, dir, where)
	}
}

// shot saves a picture of the whole page, to be looked at.
func (b *browser) shot(t *testing.T, dir, name string) {
	t.Helper()
	png, err := chromedp.Run(b, chromedp.FullScreenshot(100))
	if err != nil {
		t.Fatal(err)
	}
	width, dark := eval[int](t, b, "innerWidth"), "light"
	if eval[bool](t, b, `matchMedia("(prefers-color-scheme: dark)").matches`) {
		dark = "dark"
	}
	if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("ui-%s-%d-%s.png", strings.ReplaceAll(name, " ", "-"), width, dark)), png, 0o666); err != nil {
		t.Fatal(err)
	}
}

// TestBrowserRuns goes through the pages as a user does, on a phone's width and on a desktop's: the list, a run that goes on (a real one), its teacher and student by keyboard alone, its test rows, its report, and two runs compared.
func TestBrowserRuns(t *testing.T) {
	if os.Getenv("FREEHOLD_LONG") == "" {
		t.Skip("a real browser: in the long set (FREEHOLD_LONG=1)")
	}
	for _, c := range []struct {
		width int64
		dark  bool
	}{{360, true}, {1280, false}} {
		t.Run(fmt.Sprint(c.width), func(t *testing.T) { visit(t, open(t, c.width, c.dark)) })
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
	b := open(t, 1280, true)
	b.do(t, chromedp.Navigate(strings.Replace(ts.URL, "http://", "http://ann:a-key-of-the-page-0123@", 1)+"/ui.css")) // as a prompt would have it
	b.do(t, chromedp.Navigate(ts.URL+"/runs/001"))
	b.until(t, `document.querySelector("#chart-loss polyline")?.dataset.xs.split(" ").length === 30`)
	appendTo(t, filepath.Join(dir, "runs", "001", "metrics.jsonl"), `{"step":30,"loss":0.001}`+"\n")
	b.until(t, `document.querySelector("#chart-loss polyline").dataset.xs.split(" ").length === 31`)
	b.do(t, chromedp.SendKeys(chromedp.CSS("#text"), "rise"), chromedp.Click(chromedp.CSS("#ask .primary")))
	b.until(t, `document.querySelectorAll("#try .bars tbody tr").length === 4`)
	b.do(t, chromedp.Click(chromedp.CSS("#report summary")))
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		b.mu.Lock()
		got := b.answered[ts.URL+"/runs/001/report"]
		b.mu.Unlock()
		if got == 200 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the report within the page: %d", got)
		}
	}
	b.sound(t, "run with a key")
}

func visit(t *testing.T, b *browser) {
	dir := tinyJob(t)
	runs := filepath.Join(dir, "runs")
	apply(t, dir, 60, 3)
	ts, _ := serve(t, runs)
	b.do(t, chromedp.Navigate(ts.URL+"/"))
	b.until(t, `document.querySelectorAll(".runs tbody tr").length === 1`)

	// A second run begins while the list is looked at, and is followed to its end on its own page.
	steps := followed(t, b, ts.URL, dir)
	drawn := eval[[]int](t, b, `["xs", "ys"].map((k) => document.querySelector("#chart-loss polyline").dataset[k].split(" ").length).concat(document.querySelector("#chart-loss polyline").getAttribute("points").split(" ").length)`)
	for _, n := range drawn {
		if n != steps {
			t.Errorf("points drawn: %v, want the %d of the data", drawn, steps)
		}
	}
	lines, err := os.ReadFile(filepath.Join(runs, "002", "metrics.jsonl"))
	if err != nil || bytes.Count(lines, []byte("\n")) != steps {
		t.Fatalf("metrics.jsonl: %v", err)
	}

	b.tabTo(t, "#chart-loss")
	b.do(t, chromedp.KeyEvent(kb.End))
	if tip := b.text(t, "#tip"); !strings.Contains(tip, fmt.Sprintf("step %d", steps-1)) || !strings.Contains(tip, "forward_kl: ") {
		t.Errorf("the last point is read as %q", tip)
	}
	b.do(t, chromedp.KeyEvent(kb.Home), chromedp.KeyEvent(kb.ArrowRight))
	if tip := b.text(t, "#tip"); !strings.Contains(tip, "step 1\n") {
		t.Errorf("the second point is read as %q", tip)
	}
	b.do(t, chromedp.KeyEvent(kb.Escape))

	b.tabTo(t, "#text")
	b.do(t, chromedp.KeyEvent("rise <b>bold</b>"), chromedp.KeyEvent(kb.Tab), chromedp.KeyEvent(kb.Enter))
	b.until(t, `document.querySelectorAll("#try .bars tbody tr").length === 4 && document.querySelector("#verdict").textContent !== ""`)
	for _, side := range []string{"teacher", "student"} {
		sum := eval[float64](t, b, fmt.Sprintf(`[...document.querySelectorAll("[data-side=%s] .number")].reduce((s, e) => s + Number(e.textContent), 0)`, side))
		if sum < 0.99 || sum > 1.01 {
			t.Errorf("the %s's probabilities sum to %v", side, sum)
		}
		if got := b.text(t, "[data-side="+side+"] .bars"); !strings.Contains(got, "<b>down") {
			t.Errorf("the %s's labels are shown as %q", side, got)
		}
	}
	b.sound(t, "run")
	b.do(t, chromedp.Click(chromedp.CSS("#report summary")), chromedp.Sleep(300*time.Millisecond))

	b.do(t, chromedp.Navigate(ts.URL+"/runs/002/rows"))
	if n := eval[int](t, b, `document.querySelectorAll("article.row").length`); n != rowsPerPage {
		t.Errorf("%d rows, want %d", n, rowsPerPage)
	}
	if got := b.text(t, "main"); !strings.Contains(got, hostile) {
		t.Error("the hostile row is not shown as it is")
	}
	b.do(t, chromedp.Focus(chromedp.CSS(".again")), chromedp.KeyEvent(kb.Enter))
	b.until(t, `document.querySelectorAll("#try .bars tbody tr").length === 4 && document.activeElement.id === "text"`)
	b.sound(t, "rows")

	b.do(t, chromedp.Navigate(ts.URL+"/compare?a=001&b=002"))
	if got := b.text(t, "main"); !strings.Contains(got, "train.steps") || eval[int](t, b, `document.querySelectorAll("#chart-loss polyline").length`) != 4 {
		t.Errorf("the comparison shows %.1500s", got)
	}
	b.sound(t, "compare")
	b.do(t, chromedp.Navigate(ts.URL+"/"))
	b.until(t, `document.querySelectorAll(".runs tbody tr").length === 2`)
	b.sound(t, "list")

	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.complaints {
		t.Errorf("console: %s", c)
	}
	for _, u := range b.asked {
		if !strings.HasPrefix(u, ts.URL+"/") && !strings.HasPrefix(u, "data:") {
			t.Errorf("asked for %s", u)
		}
	}
}

// followed applies a recipe while the browser looks on, and holds the job in its middle until the page was seen to show it going on. It gives the number of steps.
func followed(t *testing.T, b *browser, address, dir string) (steps int) {
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
	b.until(t, `document.querySelector(".runs tbody tr .state")?.textContent === "running"`)
	b.do(t, chromedp.Click(chromedp.CSS(".runs tbody tr a")), chromedp.WaitVisible(chromedp.CSS("#try")))
	b.until(t, fmt.Sprintf(`document.querySelector("#live .state.running") && document.querySelector("#chart-loss polyline").dataset.xs.split(" ").length === %d`, all/2))
	eval[int](t, b, `(window.stays = 7)`) // gone if the page were loaded anew
	b.sound(t, "running")
	release()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	b.until(t, fmt.Sprintf(`window.stays === 7 && document.querySelector("#live .state.finished") && document.querySelector("#chart-loss polyline").dataset.xs.split(" ").length === %d && document.querySelectorAll("[data-part=scores] tbody tr").length === 4`, all))
	return all
}
