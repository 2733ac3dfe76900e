package page_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
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

	"github.com/freehold-slm/freehold/engine"
	"github.com/freehold-slm/freehold/engine/server"
	"github.com/freehold-slm/freehold/engine/server/page"
	"github.com/freehold-slm/freehold/models"
)

const secret = "a-key-for-the-page-0123456789"

// serve runs a server with two names for one real model, and a key.
func serve(t *testing.T) *httptest.Server {
	t.Helper()
	path, _, err := models.Resolve("smollm2-135m-instruct")
	if err != nil {
		t.Fatalf("%v (make test-long pulls it)", err)
	}
	open := func(context.Context) (server.Opened, error) {
		m, err := engine.Open(path, engine.WithContext(1024))
		if err != nil {
			return server.Opened{}, err
		}
		return server.Opened{Model: m, Close: m.Close}, nil
	}
	set := server.NewModels()
	for _, name := range []string{"first", "second"} {
		if err := set.Add(name, open); err != nil {
			t.Fatal(err)
		}
	}
	if err := set.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	keys, err := server.ReadKeys(strings.NewReader("page " + secret + "\n"))
	if err != nil {
		t.Fatal(err)
	}
	s, err := server.NewSet(set, server.WithPage(page.Handler()), server.WithKeys(keys))
	if err != nil {
		t.Fatal(err)
	}
	ts := httptest.NewServer(s)
	t.Cleanup(ts.Close)
	return ts
}

// browser is a tab of a headless Chromium, with what it asked for and complained of.
type browser struct {
	context.Context
	mu         sync.Mutex
	asked      []string
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
	b := &browser{Context: ctx}
	hear := func(ev any) {
		b.mu.Lock()
		defer b.mu.Unlock()
		switch ev := ev.(type) {
		case *network.EventRequestWillBeSent:
			b.asked = append(b.asked, ev.Request.URL)
		case *runtime.EventExceptionThrown:
			b.complaints = append(b.complaints, ev.ExceptionDetails.Text+" "+ev.ExceptionDetails.URL)
		case *runtime.EventConsoleAPICalled:
			b.complaints = append(b.complaints, fmt.Sprintf("console.%s", ev.Type))
		case *log.EventEntryAdded:
			b.complaints = append(b.complaints, ev.Entry.Text+" "+ev.Entry.URL)
		}
	}
	b.do(t)
	if err := chromedp.Listen(ctx, hear); err != nil {
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

// text is what an element shows.
func (b *browser) text(t *testing.T, selector string) string {
	t.Helper()
	return eval[string](t, b, fmt.Sprintf("document.querySelector(%q)?.innerText ?? ''", selector))
}

// eval is the value of an expression.
func eval[T any](t *testing.T, b *browser, expression string) T {
	t.Helper()
	v, err := chromedp.Run(b, chromedp.Evaluate[T](expression))
	if err != nil {
		t.Fatalf("%s: %v", expression, err)
	}
	return v
}

// until waits for an expression to be true.
func (b *browser) until(t *testing.T, expression string) {
	t.Helper()
	if _, err := chromedp.Run(b, chromedp.Poll[bool](expression, chromedp.WithPollingTimeout(time.Minute))); err != nil {
		t.Fatalf("never true: %s: %v\nthe page shows:\n%s", expression, err, b.text(t, "body"))
	}
}

// tab goes to a tab by keyboard and by mouse in turn.
func (b *browser) tab(t *testing.T, name string) {
	t.Helper()
	b.do(t, chromedp.Click(chromedp.CSS("#tab-"+name)), chromedp.WaitVisible(chromedp.CSS("#"+name)))
	if wide := eval[int](t, b, "document.documentElement.scrollWidth - innerWidth"); wide > 0 {
		t.Errorf("%s: the page is %d pixels wider than its window", name, wide)
	}
	b.nameless(t, name)
}

// nameless finds what can be focused and would be read aloud without a name.
func (b *browser) nameless(t *testing.T, where string) {
	t.Helper()
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
		case "button", "textbox", "combobox", "slider", "spinbutton", "checkbox", "tab", "link", "tabpanel", "DisclosureTriangle":
			controls++
			if n.Name == nil || strings.Trim(string(n.Name.Value), `"`) == "" {
				t.Errorf("%s: a %s has no name", where, role)
			}
		}
	}
	if controls < 6 {
		t.Errorf("%s: only %d controls in the tree that screen readers read", where, controls)
	}
}

// contrast is the lowest contrast of text that is shown, as WCAG defines it.
const contrast = `(() => {
	const lum = (c) => { const v = c.map((x) => { x /= 255; return x <= .03928 ? x / 12.92 : ((x + .055) / 1.055) ** 2.4 }); return .2126 * v[0] + .7152 * v[1] + .0722 * v[2] };
	const rgb = (s) => s.match(/[\d.]+/g).map(Number);
	let worst = 99;
	for (const e of document.querySelectorAll("body *")) {
		if (!e.checkVisibility() || ![...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()) || e.disabled) continue;
		let b = e; while (b && (rgb(getComputedStyle(b).backgroundColor)[3] ?? 1) === 0) b = b.parentElement;
		const fg = lum(rgb(getComputedStyle(e).color)), bg = lum(rgb(getComputedStyle(b ?? document.body).backgroundColor));
		worst = Math.min(worst, (Math.max(fg, bg) + .05) / (Math.min(fg, bg) + .05));
	}
	return worst;
})()`

// TestBrowser goes through the page as a visitor does, on a phone's width in the dark and on a desktop's in the light: a wrong key and
// the right one, chat with its tokens' probabilities, two models, classes with a line to abstain below, extraction and figures.
func TestBrowser(t *testing.T) {
	if os.Getenv("FREEHOLD_LONG") == "" {
		t.Skip("a real model in a real browser: in the long set (FREEHOLD_LONG=1)")
	}
	ts := serve(t)
	for _, c := range []struct {
		width int64
		dark  bool
	}{{360, true}, {1280, false}} {
		t.Run(fmt.Sprint(c.width), func(t *testing.T) { visit(t, ts.URL, open(t, c.width, c.dark)) })
	}
}

func visit(t *testing.T, url string, b *browser) {
	b.do(t, chromedp.Navigate(url+"/"))
	b.until(t, `!document.querySelector("#key").hidden`)
	b.until(t, `document.querySelector("#state").textContent.includes("key")`)
	b.mu.Lock()
	b.complaints = nil // the browser's own lines about the 401
	b.mu.Unlock()
	b.do(t, chromedp.SendKeys(chromedp.CSS("#key-value"), secret+kb.Enter))
	b.until(t, `document.querySelector("#state").textContent === "first, second"`)

	b.tab(t, "chat")
	b.do(t, chromedp.Click(chromedp.CSS("#chat summary")), chromedp.SetValue(chromedp.CSS("#chat [name=max_tokens]"), "24"),
		chromedp.SendKeys(chromedp.CSS("#chat-text"), "Say hello."+kb.Enter))
	b.until(t, `document.querySelector("#log .stats")?.textContent.includes("tokens/s")`)
	if n := b.text(t, "#log .turn:last-child .text"); len(n) < 3 {
		t.Errorf("the answer is %q", n)
	}
	// By keyboard from token to token, and by mouse.
	b.do(t, chromedp.Focus(chromedp.CSS("#log .turn:last-child .text")), chromedp.KeyEvent(kb.ArrowRight), chromedp.WaitVisible(chromedp.CSS("#tip")))
	if tip := b.text(t, "#tip"); !strings.Contains(tip, "%") || !strings.Contains(tip, "chosen") {
		t.Errorf("a token's probabilities are %q", tip)
	}
	sum := eval[float64](t, b, `(() => { const e = document.querySelector(".token").entry; return e.top_logprobs.reduce((s, x) => s + Math.exp(x.logprob), 0) })()`)
	if sum <= 0.05 || sum > 1.0001 {
		t.Errorf("the probabilities of the five likeliest tokens sum to %v", sum)
	}
	b.do(t, chromedp.KeyEvent(kb.Escape), chromedp.WaitNotVisible(chromedp.CSS("#tip")))
	// A second turn goes on with the first; Escape stops it.
	b.do(t, chromedp.SetValue(chromedp.CSS("#chat [name=max_tokens]"), "900"), chromedp.SendKeys(chromedp.CSS("#chat-text"), "Write a long story about a river and a mountain."+kb.Enter))
	b.until(t, `document.querySelectorAll("#log .turn:last-child .token").length > 3`)
	b.do(t, chromedp.KeyEvent(kb.Escape))
	b.until(t, `document.querySelector("#log .turn:last-child .stats")?.textContent === "stopped" && document.querySelector("#chat [data-stop]").hidden`)

	b.tab(t, "compare")
	b.do(t, chromedp.SetValue(chromedp.CSS("#compare [name=max_tokens]"), "12"), chromedp.SendKeys(chromedp.CSS("#compare-text"), "Name a river."), chromedp.Click(chromedp.CSS("#compare .primary")))
	b.until(t, `[...document.querySelectorAll("#compare .stats")].every((e) => e.textContent.includes("tokens"))`)
	if left, right := b.text(t, "[data-answer=left]"), b.text(t, "[data-answer=right]"); left != right || left == "" {
		t.Errorf("one model under two names says %q and %q", left, right)
	}
	if b.text(t, "[data-side=right]") != "second" {
		t.Error("the right answer does not say whose it is")
	}

	b.tab(t, "classify")
	b.do(t, chromedp.SendKeys(chromedp.CSS("#classify-text"), "A warm and funny film.\nTwo hours of my life gone."), chromedp.SendKeys(chromedp.CSS("#classify [name=labels]"), "positive, negative"), chromedp.Click(chromedp.CSS("#classify .primary")))
	b.until(t, `document.querySelectorAll("#classes .result").length === 2 && document.querySelectorAll("#classes rect").length === 4`)
	// the bars are as long as the figures beside them say
	if !eval[bool](t, b, `[...document.querySelectorAll("#classes tr")].every((r) => Math.abs(Number(r.querySelector(".number").textContent) - Number(r.querySelector("rect").getAttribute("width"))) < 0.001)`) {
		t.Error("a bar is not as long as its figure")
	}
	b.do(t, chromedp.Focus(chromedp.CSS("#below")), chromedp.KeyEvent(kb.End))
	if s := b.text(t, "#classes"); strings.Count(s, "abstains") != 2 {
		t.Errorf("with the line at 1 it says %q", s)
	}

	b.do(t, chromedp.Click(chromedp.CSS("#classify [name=explain]")), chromedp.Click(chromedp.CSS("#classify .primary")))
	b.until(t, `document.querySelectorAll("#classes .word.s3").length >= 2`)
	if words := eval[string](t, b, `[...document.querySelectorAll("#classes .result:first-child .word")].map((w) => w.textContent).join("|")`); words != "A|warm|and|funny|film|." {
		t.Errorf("the words that are marked are %q", words)
	}
	if s := b.text(t, "#classes .stats"); !strings.Contains(s, "7 forward passes") {
		t.Errorf("the reasons are %q", s)
	}

	b.tab(t, "extract")
	b.do(t, chromedp.SendKeys(chromedp.CSS("#extract-text"), "Max Muster lives in Bern."), chromedp.Click(chromedp.CSS("#extract .primary")))
	b.until(t, `document.querySelectorAll("#extracted tr").length === 2`)
	if keys := eval[string](t, b, `Object.keys(JSON.parse(document.querySelector("#extracted pre").textContent)).join()`); keys != "name,town" {
		t.Errorf("extracted %s, want name,town", keys)
	}
	b.do(t, chromedp.SetValue(chromedp.CSS("#extract-schema"), "{"), chromedp.Click(chromedp.CSS("#extract .primary")))
	b.until(t, `document.querySelector("#extracted [role=alert]")?.textContent.includes("no JSON")`)

	b.tab(t, "metrics")
	b.until(t, `document.querySelectorAll("#charts figure").length === 4 && [...document.querySelectorAll("#figures td")].some((e) => e.textContent === "freehold_generated_tokens_total")`)
	b.do(t, chromedp.Focus(chromedp.CSS("#tab-metrics")), chromedp.KeyEvent(kb.ArrowRight), chromedp.WaitVisible(chromedp.CSS("#chat")), chromedp.KeyEvent(kb.End), chromedp.WaitVisible(chromedp.CSS("#metrics")))

	for _, name := range []string{"chat", "classify", "extract", "metrics"} {
		b.tab(t, name)
		if worst := eval[float64](t, b, contrast); worst < 4.5 {
			t.Errorf("%s: the lowest contrast of text is %.2f, want 4.5 (WCAG AA)", name, worst)
		}
	}
	if dir := os.Getenv("FREEHOLD_SHOTS"); dir != "" {
		shots(t, b, dir)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.complaints {
		t.Errorf("console: %s", c)
	}
	for _, u := range b.asked {
		if !strings.HasPrefix(u, url+"/") && !strings.HasPrefix(u, "data:") {
			t.Errorf("asked for %s", u)
		}
	}
}

// shots saves a picture of each tab, to be looked at.
func shots(t *testing.T, b *browser, dir string) {
	for _, name := range []string{"chat", "compare", "classify", "extract", "metrics"} {
		b.do(t, chromedp.Click(chromedp.CSS("#tab-"+name)), chromedp.Sleep(300*time.Millisecond))
		png, err := chromedp.Run(b, chromedp.CaptureScreenshot())
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(fmt.Sprintf("%s/%s-%d.png", dir, name, eval[int](t, b, "innerWidth")), png, 0o666); err != nil {
			t.Fatal(err)
		}
	}
}
