package ui

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/freehold-slm/freehold/distill"
)

func appendTo(t testing.TB, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o666)
	if err == nil {
		_, err = f.WriteString(text)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// A growing file is read once: half a line waits for its other half, what is no JSON is counted, a file that was cut (as a resumed run does) is read anew.
func TestTail(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "m.jsonl")
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close() //nolint:errcheck // read-only
	var f tail[metric]
	check := func(what string, steps, bad int) {
		t.Helper()
		if _, err := f.read(root, "m.jsonl"); err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		got, _, nbad := f.points()
		if len(got) != steps || nbad != bad {
			t.Errorf("%s: %d lines and %d bad ones, want %d and %d", what, len(got), nbad, steps, bad)
		}
	}
	check("no file", 0, 0)
	appendTo(t, path, `{"step":0,"loss":1}`+"\n"+`{"step":1,"lo`)
	check("half a line", 1, 0)
	appendTo(t, path, `ss":2}`+"\n")
	check("its other half", 2, 0)
	appendTo(t, path, "\x00\xff{not json\n[1]\n\n{\"step\":2,\"loss\":\"x\"}\n{\"step\":2,\"loss\":1e999}\n{\"step\":2,\"loss\":3}\n")
	check("lines that are none", 3, 4)
	appendTo(t, path, strings.Repeat("x", 3*longestLine))
	check("a line without an end", 3, 5)
	appendTo(t, path, strings.Repeat("x", longestLine)+"\n"+`{"step":3,"loss":3}`+"\n")
	check("after it", 4, 5)
	write(t, path, `{"step":0,"loss":1}`+"\n")
	check("cut", 1, 0)
	appendTo(t, path, `{"step":1,"loss":1}`+"\n")
	check("and longer again", 2, 0)
	time.Sleep(5 * time.Millisecond) // another time of change
	write(t, path, `{"step":7,"loss":9}`+"\n"+`{"step":8,"loss":9}`+"\n")
	check("other lines of the same length", 2, 0)
	if got, _, _ := f.points(); got[0].Step != 7 {
		t.Errorf("the old lines are shown: %+v", got)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	check("gone", 0, 0)
}

// A long curve is thinned out, evenly and to a bound.
func TestThinned(t *testing.T) {
	var k thinned[int]
	for i := range 100_000 {
		k.add(i)
	}
	if n := len(k.all); n > mostPoints || n < mostPoints/2 {
		t.Errorf("%d points are kept", n)
	}
	for i, v := range k.all {
		if v != i*k.every() {
			t.Fatalf("point %d is %d, want every %dth", i, v, k.every())
		}
	}
}

// Whatever stands in a folder, its pages are made in bounded time, and say what they could not read.
func TestTornFiles(t *testing.T) {
	runs := t.TempDir()
	var many strings.Builder
	for i := range 300_000 {
		fmt.Fprintf(&many, `{"step":%d,"loss":%g,"lr":1e-4,"grad_norm":1}`+"\n", i, 1/float64(i+1))
	}
	deep := strings.Repeat(`{"a":`, 20_000)
	for name, files := range map[string]map[string]string{
		"empty":   {"metrics.jsonl": "", "events.jsonl": "", "summary.json": "", "recipe.yaml": ""},
		"torn":    {"metrics.jsonl": `{"step":0,"loss":1}` + "\n" + `{"step":1,"lo`, "events.jsonl": `{"time":"2026-01-01T00:00:00Z","kind":"begin"}` + "\n" + `{"ti`, "summary.json": `{"name":`, "recipe.yaml": "version: 1\nname: ["},
		"binary":  {"metrics.jsonl": "\x00\x01\xff\xfe", "events.jsonl": "\xff\n\x00\n", "summary.json": "\x00", "recipe.yaml": "\x00\xff"},
		"huge":    {"metrics.jsonl": many.String()},
		"deep":    {"summary.json": deep, "metrics.jsonl": deep + "\n", "recipe.yaml": strings.Repeat("[", 50_000)},
		"strange": {"metrics.jsonl": `{"step":-9000000000,"loss":-1e300}` + "\n" + `{"step":9000000000,"loss":1e300}` + "\n" + `{"step":1,"loss":0}` + "\n", "events.jsonl": `{"time":"0001-01-01T00:00:00Z","kind":"progress","stage":"` + hostile[:8] + `","step":-5,"total":9223372036854775807,"rate":1e308,"eta_seconds":1e300,"msg":"<i>"}` + "\n" + `{"time":"9999-12-31T00:00:00Z","kind":"end","state":"<b>"}` + "\n"},
		"shapes":  {"summary.json": `{"gates":[{"metric":"<b>x","want":"<i>","got":1e308}],"metrics":{"<u>":1e308},"answers":{"main":"<s>"},"rows":null,"tests":[{"second":"linear, words"}],"teacher":{"name":"<b>"}}`},
	} {
		for f, text := range files {
			write(t, filepath.Join(runs, name, f), text)
		}
	}
	ts, _ := serve(t, runs)
	start := time.Now()
	for _, name := range []string{"empty", "torn", "binary", "huge", "deep", "strange", "shapes"} {
		for _, path := range []string{"", "?log=1", "/rows", "/report", "/files/summary.json"} {
			if r := get(t, ts.URL+"/runs/"+name+path); r.status == 500 || strings.Contains(r.body, "<b>") || strings.Contains(r.body, "<i>") || strings.Contains(r.body, "NaN") || strings.Contains(r.body, "Inf") {
				if path != "/files/summary.json" { // plain text
					t.Errorf("%s%s: %d\n%.2000s", name, path, r.status, r.body)
				}
			}
		}
		if r := get(t, ts.URL+"/compare?a=torn&b="+name); r.status != 200 {
			t.Errorf("compare with %s: %d", name, r.status)
		}
	}
	if r := get(t, ts.URL+"/"); r.status != 200 || strings.Count(r.body, `scope="row"`) != 7 {
		t.Errorf("the list: %d", r.status)
	}
	if r := get(t, ts.URL+"/runs/torn"); points(r.body, "loss", "loss") != 1 || strings.Count(r.body, `role="alert"`) < 2 {
		t.Errorf("torn: %d points\n%.1500s", points(r.body, "loss", "loss"), r.body)
	}
	if r := get(t, ts.URL+"/runs/huge"); points(r.body, "loss", "loss") < mostPoints/2 || !strings.Contains(r.body, "th step is drawn") || len(r.body) > 2<<20 {
		t.Errorf("huge: %d points in %d bytes", points(r.body, "loss", "loss"), len(r.body))
	}
	t.Logf("took %v", time.Since(start))
}

// States come from events, by their age too; runs of before there were events have those of their files.
func TestStates(t *testing.T) {
	runs := t.TempDir()
	now := time.Now().UTC()
	line := func(age time.Duration, kind, more string) string {
		return fmt.Sprintf(`{"time":%q,"kind":%q%s}`+"\n", now.Add(-age).Format(time.RFC3339Nano), kind, more)
	}
	for name, c := range map[string]struct {
		files map[string]string
		want  string
	}{
		"going":   {map[string]string{"events.jsonl": line(time.Hour, "begin", "") + line(20*time.Second, "progress", `,"stage":"train","step":3,"total":9,"eta_seconds":65`)}, running},
		"slow":    {map[string]string{"events.jsonl": line(time.Hour, "begin", "") + line(50*time.Second, "progress", `,"stage":"label","step":1,"total":4,"eta_seconds":100`) + line(20*time.Second, "alive", `,"stage":"label"`)}, running},
		"killed":  {map[string]string{"events.jsonl": line(time.Hour, "begin", "") + line(10*time.Minute, "alive", `,"stage":"train"`)}, silent},
		"stopped": {map[string]string{"events.jsonl": line(time.Hour, "begin", "") + line(time.Minute, "end", `,"state":"interrupted"`)}, interrupted},
		"broken":  {map[string]string{"events.jsonl": line(time.Hour, "begin", "") + line(time.Minute, "end", `,"state":"failed","msg":"disk full"`)}, failed},
		"gated":   {map[string]string{"events.jsonl": line(time.Hour, "end", `,"state":"gate failed"`), "manifest.json": "{}"}, gateFailed},
		"single":  {map[string]string{"events.jsonl": line(time.Hour, "end", `,"state":"done"`)}, unfinished},
		"whole":   {map[string]string{"events.jsonl": line(time.Hour, "end", `,"state":"done"`), "manifest.json": "{}"}, finished},
		"again":   {map[string]string{"events.jsonl": line(time.Hour, "end", `,"state":"interrupted"`) + line(time.Second, "begin", "")}, running},
		"old":     {map[string]string{"manifest.json": "{}", "summary.json": `{"gate":"passed"}`}, finished},
		"oldgate": {map[string]string{"manifest.json": "{}", "summary.json": `{"gate":"failed"}`}, gateFailed},
		"oldhalf": {map[string]string{"lock.json": "{}"}, unfinished},
	} {
		for f, text := range c.files {
			write(t, filepath.Join(runs, name, f), text)
		}
		f, err := openFolder(runs)
		if err != nil {
			t.Fatal(err)
		}
		if got := f.open(name).State; got != c.want {
			t.Errorf("%s is %q, want %q", name, got, c.want)
		}
		if events := c.files["events.jsonl"]; events != "" { // after a long history, of which the list reads the end
			write(t, filepath.Join(runs, name, "events.jsonl"), strings.Repeat(line(2*time.Hour, "alive", `,"stage":"label"`), 2000)+events)
		}
		r := f.read(name, true)
		if r.State != c.want || len(r.logs.events.kept.all) != 0 || r.logs.events.bad != 0 {
			t.Errorf("%s is %q in the list, want %q; %d events are held", name, r.State, c.want, len(r.logs.events.kept.all))
		}
	}
	ts, _ := serve(t, runs)
	if body := get(t, ts.URL+"/").body; !strings.Contains(body, "train 33 %, 1m05s to go") {
		t.Errorf("the list does not say how far the run is:\n%s", body)
	}
	if body := get(t, ts.URL+"/").body; !strings.Contains(body, "label 25 %, 1m10s to go") {
		t.Errorf("the list does not count down:\n%s", body)
	}
	if body := get(t, ts.URL+"/runs/broken").body; !strings.Contains(body, "disk full") {
		t.Error("the page does not say why the run failed")
	}
}

// A folder of many runs is listed, again and again, without reading it all again, and what is gone is forgotten.
func TestManyRuns(t *testing.T) {
	runs := t.TempDir()
	for i := range mostRuns + 5 {
		write(t, filepath.Join(runs, fmt.Sprintf("%04d", i), "summary.json"), fmt.Sprintf(`{"gate":"passed","student":{"accuracy":%g},"rows":{"test":3}}`, float64(i)/2000))
	}
	ts, site := serve(t, runs)
	start := time.Now()
	list := get(t, ts.URL+"/").body
	first := time.Since(start)
	if n := strings.Count(list, `scope="row"`); n != mostRuns || !strings.Contains(list, "5 older ones are not shown") {
		t.Errorf("%d runs are listed", n)
	}
	start = time.Now()
	get(t, ts.URL+"/")
	t.Logf("%v, and again %v", first, time.Since(start))
	names, _, err := site.dir.names()
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range names[10:] {
		if err := os.RemoveAll(filepath.Join(runs, n)); err != nil {
			t.Fatal(err)
		}
	}
	get(t, ts.URL+"/")
	if len(site.dir.docs) > 40 || len(site.dir.glance) > 20 {
		t.Errorf("%d documents and %d logs are held of 15 runs", len(site.dir.docs), len(site.dir.glance))
	}
	for _, n := range names[:10] {
		get(t, ts.URL+"/runs/"+n)
	}
	if len(site.dir.looked) != mostLooked {
		t.Errorf("curves of %d runs are held", len(site.dir.looked))
	}
}

// The page of a run follows its files, as they are appended to by whoever it is.
func TestLive(t *testing.T) {
	runs := t.TempDir()
	path := filepath.Join(runs, "001", "metrics.jsonl")
	write(t, path, `{"step":0,"loss":1}`+"\n")
	ts, _ := serve(t, runs)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, ts.URL+"/runs/001/live", nil)
	if err != nil {
		t.Fatal(err)
	}
	a, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Body.Close() //nolint:errcheck // it is left
	in := bufio.NewReader(a.Body)
	next := func() string {
		for {
			l, err := in.ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			if text, ok := strings.CutPrefix(l, "data: "); ok {
				var part string
				if err := json.Unmarshal([]byte(text), &part); err != nil {
					t.Fatal(err)
				}
				return part
			}
		}
	}
	for n := 1; n <= 4; n++ {
		if got := points(next(), "loss", "loss"); got != n {
			t.Fatalf("%d points came, want %d", got, n)
		}
		appendTo(t, path, fmt.Sprintf(`{"step":%d,"loss":1}`+"\n", n))
	}
	if err := os.RemoveAll(filepath.Join(runs, "001")); err != nil {
		t.Fatal(err)
	}
	for {
		l, err := in.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if l == "event: gone\n" {
			break
		}
	}
}

// Events of a real run, and that it changes nothing that a manifest vouches for.
func TestRunEvents(t *testing.T) {
	dir := tinyJob(t)
	name := apply(t, dir, 20, 1)
	run := filepath.Join(dir, "runs", name)
	b, err := os.ReadFile(filepath.Join(run, "events.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	var stages []string
	var last distill.RunEvent
	for l := range strings.Lines(string(b)) {
		var e distill.RunEvent
		if err := json.Unmarshal([]byte(l), &e); err != nil {
			t.Fatalf("%q: %v", l, err)
		}
		if e.Kind == "stage" {
			stages = append(stages, e.Stage)
		}
		if e.Memory < 1<<20 || time.Since(e.Time) > time.Hour || e.Time.Before(last.Time) {
			t.Errorf("%+v", e)
		}
		last = e
	}
	if got := strings.Join(stages, " "); got != "label train eval quantize report" || last.Kind != "end" || last.State != "done" {
		t.Errorf("stages %q, the end is %+v", got, last)
	}
	v, err := distill.Verify(run)
	if err != nil || len(v.Bad()) > 0 {
		t.Fatalf("%+v, %v", v, err)
	}
	for _, f := range v.Files {
		if f.Name == "events.jsonl" {
			t.Errorf("events.jsonl is %s in verify", f.State)
		}
	}
	apply(t, dir, 20, 1) // nothing to do: nothing is written
	if again, err := os.ReadFile(filepath.Join(run, "events.jsonl")); err != nil || string(again) != string(b) {
		t.Errorf("a run with nothing to do wrote events (%v)", err)
	}
}
