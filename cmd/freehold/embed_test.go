package main

import (
	"encoding/json"
	"fmt"
	"math"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/freehold-slm/freehold/models/gguf"
	small "github.com/freehold-slm/freehold/models/tiny"
)

// writeSmall writes a tiny model of the table.
func writeSmall(t *testing.T, name string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name+".gguf")
	if err := small.ByName(name).Writer().WriteTo(path); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestEmbed(t *testing.T) {
	model := writeSmall(t, "bert")
	texts := []string{"the cat sat", "over there", "the cat sat over there"}
	r := call{stdin: strings.Join(texts, "\n")}.run(t, "embed", model, "--jsonl").must(t)
	lines := strings.Split(strings.TrimSpace(r.out), "\n")
	plain := strings.Split(strings.TrimSpace(freehold(t, append([]string{"embed", model}, texts...)...).must(t).out), "\n")
	if len(lines) != 3 || len(plain) != 3 {
		t.Fatalf("%d and %d rows, want 3", len(lines), len(plain))
	}
	for i, text := range texts {
		var row embedRow
		if err := json.Unmarshal([]byte(lines[i]), &row); err != nil {
			t.Fatal(err)
		}
		length := 0.0
		words := strings.Fields(plain[i])
		for j, x := range row.Embedding {
			length += float64(x) * float64(x)
			if v, err := strconv.ParseFloat(words[j], 32); err != nil || float32(v) != x {
				t.Fatalf("number %d of %q is %s alone (%v), %g in JSON", j, text, words[j], err, x)
			}
		}
		if row.Text != text || len(row.Embedding) != 64 || math.Abs(length-1) > 1e-5 {
			t.Errorf("row %d: %q, %d numbers of length² %g; want %q, 64, 1", i, row.Text, len(row.Embedding), length, text)
		}
	}
	if raw := freehold(t, "embed", model, "--raw", texts[0]).must(t); strings.TrimSpace(raw.out) == plain[0] {
		t.Error("--raw changes nothing")
	}
	if other := freehold(t, "embed", model, "--pooling", "last", texts[0]).must(t); strings.TrimSpace(other.out) == plain[0] {
		t.Error("--pooling changes nothing")
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"embed", tiny(t), "hi"}, "--pooling"},
		{[]string{"embed", model, strings.Repeat("the cat ", 200)}, "holds 320"},
		{[]string{"embed", model, ""}, "text 1 is empty"},
	} {
		if r := freehold(t, c.args...); r.code != exitUsage || !strings.Contains(r.err, c.want) {
			t.Errorf("%.60q: exit code %d, %s", c.args, r.code, r.err)
		}
	}
	if r := freehold(t, "run", model, "--raw", "hi"); r.code != exitUsage || !strings.Contains(r.err, "writes no text; ask it with: freehold embed") {
		t.Errorf("an encoder runs: exit code %d, %s", r.code, r.err)
	}
}

// A model in parts is opened by its first part; an adapter changes what it says.
func TestLoRAOfSplitModel(t *testing.T) {
	whole := writeSmall(t, "internlm2")
	f, err := gguf.Open(whole)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	dir := t.TempDir()
	var parts []string
	for no := range 2 {
		w := gguf.NewWriter()
		if no == 0 {
			for _, kv := range f.KV {
				w.Set(kv.Key, kv.Value)
			}
		}
		w.Set("split.no", uint16(no))
		w.Set("split.count", uint16(2))
		w.Set("split.tensors.count", int32(len(f.Tensors)))
		for i := range f.Tensors {
			if x := &f.Tensors[i]; i%2 == no {
				w.AddTensor(x.Name, x.Type, x.Shape, x.Data)
			}
		}
		parts = append(parts, filepath.Join(dir, fmt.Sprintf("m-%05d-of-00002.gguf", no+1)))
		if err := w.WriteTo(parts[no]); err != nil {
			t.Fatal(err)
		}
	}
	adapter := filepath.Join(dir, "a=b.gguf")
	if err := small.ByName("internlm2").Adapter(4, 8, "blk.0.attn_q.weight", "blk.1.ffn_down.weight", "output.weight").WriteTo(adapter); err != nil {
		t.Fatal(err)
	}
	say := func(model string, args ...string) string {
		t.Helper()
		return freehold(t, append([]string{"run", model, "--raw", "-n", "12", "--temperature", "0", "the"}, args...)...).must(t).out
	}
	base := say(whole)
	if got := say(parts[0]); got != base {
		t.Errorf("in parts the model says %q, whole %q", got, base)
	}
	if got := say(parts[0], "--lora", adapter); got == base {
		t.Error("an adapter changes nothing")
	}
	if got := say(parts[0], "--lora", adapter+"=0"); got != base {
		t.Errorf("with an adapter of scale 0 the model says %q, without %q", got, base)
	}
	if r := freehold(t, "inspect", parts[0]).must(t); !strings.Contains(r.out, "2 parts") {
		t.Errorf("inspect does not tell of parts: %s", r.out)
	}
	one, two := filepath.Join(dir, "one.gguf"), filepath.Join(dir, "two.gguf")
	freehold(t, "quantize", whole, one, "-f", "q8_0").must(t)
	freehold(t, "quantize", parts[0], two, "-f", "q8_0").must(t)
	if a, b := say(one), say(two); a != b {
		t.Errorf("quantised from parts it says %q, from the whole %q", b, a)
	}
	if r := freehold(t, "inspect", parts[1]); r.code != exitInput || !strings.Contains(r.err, "m-00001-of-00002.gguf") {
		t.Errorf("the second part: exit code %d, %s", r.code, r.err)
	}
	if r := freehold(t, "run", whole, "--lora", whole, "hi"); r.code != exitInput || !strings.Contains(r.err, "general.type") {
		t.Errorf("a model as adapter: exit code %d, %s", r.code, r.err)
	}
}
