package page_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/freehold-slm/freehold/bench/browser"
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

// tab goes to a tab, which is sound there.
func tab(t *testing.T, b *browser.Tab, name string) {
	t.Helper()
	b.Do(t, chromedp.Click(chromedp.CSS("#tab-"+name)), chromedp.WaitVisible(chromedp.CSS("#"+name)))
	b.Sound(t, "page "+name, 6)
}

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
		t.Run(fmt.Sprint(c.width), func(t *testing.T) { visit(t, ts.URL, browser.Open(t, c.width, c.dark)) })
	}
}

func visit(t *testing.T, url string, b *browser.Tab) {
	b.Do(t, chromedp.Navigate(url+"/"))
	b.Until(t, `!document.querySelector("#key").hidden`)
	b.Until(t, `document.querySelector("#state").textContent.includes("key")`)
	b.Forgive() // its own lines about the 401
	b.Do(t, chromedp.SendKeys(chromedp.CSS("#key-value"), secret+kb.Enter))
	b.Until(t, `document.querySelector("#state").textContent === "first, second"`)

	tab(t, b, "chat")
	b.Do(t, chromedp.Click(chromedp.CSS("#chat summary")), chromedp.SetValue(chromedp.CSS("#chat [name=max_tokens]"), "24"),
		chromedp.SendKeys(chromedp.CSS("#chat-text"), "Say hello."+kb.Enter))
	b.Until(t, `document.querySelector("#log .stats")?.textContent.includes("tokens/s")`)
	if n := b.Text(t, "#log .turn:last-child .text"); len(n) < 3 {
		t.Errorf("the answer is %q", n)
	}
	// By keyboard from token to token, and by mouse.
	b.Do(t, chromedp.Focus(chromedp.CSS("#log .turn:last-child .text")), chromedp.KeyEvent(kb.ArrowRight), chromedp.WaitVisible(chromedp.CSS("#tip")))
	if tip := b.Text(t, "#tip"); !strings.Contains(tip, "%") || !strings.Contains(tip, "chosen") {
		t.Errorf("a token's probabilities are %q", tip)
	}
	sum := browser.Eval[float64](t, b, `(() => { const e = document.querySelector(".token").entry; return e.top_logprobs.reduce((s, x) => s + Math.exp(x.logprob), 0) })()`)
	if sum <= 0.05 || sum > 1.0001 {
		t.Errorf("the probabilities of the five likeliest tokens sum to %v", sum)
	}
	b.Do(t, chromedp.KeyEvent(kb.Escape), chromedp.WaitNotVisible(chromedp.CSS("#tip")))
	// A second turn goes on with the first; Escape stops it.
	b.Do(t, chromedp.SetValue(chromedp.CSS("#chat [name=max_tokens]"), "900"), chromedp.SendKeys(chromedp.CSS("#chat-text"), "Write a long story about a river and a mountain."+kb.Enter))
	b.Until(t, `document.querySelectorAll("#log .turn:last-child .token").length > 3`)
	b.Do(t, chromedp.KeyEvent(kb.Escape))
	b.Until(t, `document.querySelector("#log .turn:last-child .stats")?.textContent === "stopped" && document.querySelector("#chat [data-stop]").hidden`)

	tab(t, b, "compare")
	b.Do(t, chromedp.SetValue(chromedp.CSS("#compare [name=max_tokens]"), "12"), chromedp.SendKeys(chromedp.CSS("#compare-text"), "Name a river."), chromedp.Click(chromedp.CSS("#compare .primary")))
	b.Until(t, `[...document.querySelectorAll("#compare .stats")].every((e) => e.textContent.includes("tokens"))`)
	if left, right := b.Text(t, "[data-answer=left]"), b.Text(t, "[data-answer=right]"); left != right || left == "" {
		t.Errorf("one model under two names says %q and %q", left, right)
	}
	if b.Text(t, "[data-side=right]") != "second" {
		t.Error("the right answer does not say whose it is")
	}

	tab(t, b, "classify")
	b.Do(t, chromedp.SendKeys(chromedp.CSS("#classify-text"), "A warm and funny film.\nTwo hours of my life gone."), chromedp.SendKeys(chromedp.CSS("#classify [name=labels]"), "positive, negative"), chromedp.Click(chromedp.CSS("#classify .primary")))
	b.Until(t, `document.querySelectorAll("#classes .result").length === 2 && document.querySelectorAll("#classes rect").length === 4`)
	// the bars are as long as the figures beside them say
	if !browser.Eval[bool](t, b, `[...document.querySelectorAll("#classes tr")].every((r) => Math.abs(Number(r.querySelector(".number").textContent) - Number(r.querySelector("rect").getAttribute("width"))) < 0.001)`) {
		t.Error("a bar is not as long as its figure")
	}
	b.Do(t, chromedp.Focus(chromedp.CSS("#below")), chromedp.KeyEvent(kb.End))
	if s := b.Text(t, "#classes"); strings.Count(s, "abstains") != 2 {
		t.Errorf("with the line at 1 it says %q", s)
	}

	b.Do(t, chromedp.Click(chromedp.CSS("#classify [name=explain]")), chromedp.Click(chromedp.CSS("#classify .primary")))
	b.Until(t, `document.querySelectorAll("#classes .word.s3").length >= 2`)
	if words := browser.Eval[string](t, b, `[...document.querySelectorAll("#classes .result:first-child .word")].map((w) => w.textContent).join("|")`); words != "A|warm|and|funny|film|." {
		t.Errorf("the words that are marked are %q", words)
	}
	if s := b.Text(t, "#classes .stats"); !strings.Contains(s, "7 forward passes") {
		t.Errorf("the reasons are %q", s)
	}

	tab(t, b, "extract")
	b.Do(t, chromedp.SendKeys(chromedp.CSS("#extract-text"), "Max Muster lives in Bern."), chromedp.Click(chromedp.CSS("#extract .primary")))
	b.Until(t, `document.querySelectorAll("#extracted tr").length === 2`)
	if keys := browser.Eval[string](t, b, `Object.keys(JSON.parse(document.querySelector("#extracted pre").textContent)).join()`); keys != "name,town" {
		t.Errorf("extracted %s, want name,town", keys)
	}
	b.Do(t, chromedp.SetValue(chromedp.CSS("#extract-schema"), "{"), chromedp.Click(chromedp.CSS("#extract .primary")))
	b.Until(t, `document.querySelector("#extracted [role=alert]")?.textContent.includes("no JSON")`)

	tab(t, b, "metrics")
	b.Until(t, `document.querySelectorAll("#charts figure").length === 4 && [...document.querySelectorAll("#figures td")].some((e) => e.textContent === "freehold_generated_tokens_total")`)
	b.Do(t, chromedp.Focus(chromedp.CSS("#tab-metrics")), chromedp.KeyEvent(kb.ArrowRight), chromedp.WaitVisible(chromedp.CSS("#chat")), chromedp.KeyEvent(kb.End), chromedp.WaitVisible(chromedp.CSS("#metrics")))

	for _, name := range []string{"chat", "compare", "classify", "extract", "metrics"} { // once more, with what they hold now
		tab(t, b, name)
	}
	b.Quiet(t, url)
}
