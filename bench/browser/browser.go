// Package browser drives a headless Chromium through the program's pages, for their tests.
package browser

import (
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
)

// Tab is a tab of a Chromium, with what it asked for and complained of.
type Tab struct {
	context.Context
	mu         sync.Mutex
	asked      []string
	answered   map[string]int64 // status by URL
	complaints []string
}

// Open starts a Chromium with a window so many pixels wide, which ends with the test. Without one the test is skipped, in CI it fails.
func Open(t *testing.T, width int64, dark bool) *Tab {
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
	b := &Tab{Context: ctx, answered: map[string]int64{}}
	b.Do(t)
	if err := chromedp.Listen(ctx, b.hear); err != nil {
		t.Fatal(err)
	}
	scheme := "light"
	if dark {
		scheme = "dark"
	}
	b.Do(t, chromedp.EmulateViewport(width, 800), chromedp.Func(func(ctx context.Context, tab *chromedp.Target) error {
		if _, err := cdp.Call(ctx, tab, log.Enable, cdp.Empty{}); err != nil {
			return err
		}
		_, err := cdp.Call(ctx, tab, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
		return err
	}))
	return b
}

func (b *Tab) hear(ev any) {
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
}

// Do does actions one after the other.
func (b *Tab) Do(t *testing.T, actions ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	if err := chromedp.Do(b, actions...); err != nil {
		t.Fatal(err)
	}
}

// Eval is the value of a JavaScript expression.
func Eval[T any](t *testing.T, b *Tab, expression string) T {
	t.Helper()
	v, err := chromedp.Run(b, chromedp.Evaluate[T](expression))
	if err != nil {
		t.Fatalf("%s: %v", expression, err)
	}
	return v
}

// Text is what an element shows, "" where there is none.
func (b *Tab) Text(t *testing.T, selector string) string {
	t.Helper()
	return Eval[string](t, b, fmt.Sprintf("document.querySelector(%q)?.innerText ?? ''", selector))
}

// Until waits for an expression to be true, a minute at most.
func (b *Tab) Until(t *testing.T, expression string) {
	t.Helper()
	if _, err := chromedp.Run(b, chromedp.Poll[bool](expression, chromedp.WithPollingTimeout(time.Minute))); err != nil {
		t.Fatalf("never true: %s: %v\nthe page shows:\n%.3000s", expression, err, b.Text(t, "body"))
	}
}

// TabTo presses the tab key until an element has the focus.
func (b *Tab) TabTo(t *testing.T, selector string) {
	t.Helper()
	for range 80 {
		if Eval[bool](t, b, fmt.Sprintf("document.activeElement?.matches(%q) ?? false", selector)) {
			return
		}
		b.Do(t, chromedp.KeyEvent(kb.Tab))
	}
	t.Fatalf("the tab key does not lead to %s", selector)
}

// Answered is the status of the last answer from an address, 0 where none came yet.
func (b *Tab) Answered(url string) int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.answered[url]
}

// Forgive forgets what the browser complained of.
func (b *Tab) Forgive() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.complaints = nil
}

// Quiet fails the test for each complaint, and for each address that was asked for and does not begin with origin.
func (b *Tab) Quiet(t *testing.T, origin string) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.complaints {
		t.Errorf("console: %s", c)
	}
	for _, u := range b.asked {
		if !strings.HasPrefix(u, origin+"/") && !strings.HasPrefix(u, "data:") {
			t.Errorf("asked for %s", u)
		}
	}
}

// contrast tells of the text that is hardest to read, by its contrast as WCAG defines it, where that is below the 4.5 of level AA.
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

// named are the roles of a screen reader's tree that need a name.
var named = map[string]bool{"button": true, "textbox": true, "combobox": true, "slider": true, "spinbutton": true, "checkbox": true, "tab": true, "tabpanel": true, "link": true,
	"img": true, "image": true, "progressbar": true, "ProgressIndicator": true, "DisclosureTriangle": true, "region": true, "Iframe": true, "columnheader": true, "rowheader": true}

// Sound holds a page to what all pages promise: it fits its window, its text can be read, it has one heading of the first level, ids are ids, and what can be focused, least controls
// at least, has a name. With FREEHOLD_SHOTS it leaves a picture in that folder, to be looked at.
func (b *Tab) Sound(t *testing.T, where string, least int) {
	t.Helper()
	for _, fault := range b.faults(t, least) {
		t.Errorf("%s: %s", where, fault)
	}
	if dir := os.Getenv("FREEHOLD_SHOTS"); dir != "" {
		b.shot(t, dir, where)
	}
}

// faults is what Sound finds wrong.
func (b *Tab) faults(t *testing.T, least int) (all []string) {
	t.Helper()
	fault := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	if wide := Eval[int](t, b, "document.documentElement.scrollWidth - innerWidth"); wide > 0 {
		fault("the page is %d pixels wider than its window", wide)
	}
	if low := Eval[string](t, b, contrast); low != "" {
		fault("the lowest contrast is %s, want 4.5 (WCAG AA)", low)
	}
	if twice := Eval[string](t, b, `[...document.querySelectorAll("[id]")].map((e) => e.id).filter((id, i, all) => all.indexOf(id) !== i).join()`); twice != "" {
		fault("ids that stand twice: %s", twice)
	}
	if n := Eval[int](t, b, `document.querySelectorAll("h1").length`); n != 1 {
		fault("%d headings of the first level, want one", n)
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
		if role := strings.Trim(string(n.Role.Value), `"`); named[role] {
			controls++
			if n.Name == nil || strings.Trim(string(n.Name.Value), `"`) == "" {
				fault("a %s has no name", role)
			}
		}
	}
	if controls < least {
		fault("only %d controls in the tree that screen readers read, want %d", controls, least)
	}
	return all
}

// shot saves a picture of the whole page.
func (b *Tab) shot(t *testing.T, dir, name string) {
	t.Helper()
	png, err := chromedp.Run(b, chromedp.FullScreenshot(100))
	if err != nil {
		t.Fatal(err)
	}
	width, scheme := Eval[int](t, b, "innerWidth"), "light"
	if Eval[bool](t, b, `matchMedia("(prefers-color-scheme: dark)").matches`) {
		scheme = "dark"
	}
	if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%s-%d-%s.png", strings.ReplaceAll(name, " ", "-"), width, scheme)), png, 0o666); err != nil {
		t.Fatal(err)
	}
}
