package peers

import (
	"bufio"
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/freehold-slm/freehold/engine"
	"github.com/freehold-slm/freehold/kernels"
	"github.com/freehold-slm/freehold/models"
	"github.com/freehold-slm/freehold/models/gguf"
	"github.com/freehold-slm/freehold/models/token"
	"github.com/freehold-slm/freehold/quant"
)

// enoughWeighed matrices whose bytes importances change are enough to show that they are heeded.
const enoughWeighed = 10

//go:embed quantize.py
var quantizeScript string

// The perplexity of our Q4_K_M with importances is not above that of llama.cpp's own quantiser with the same importances, on a text that
// the importances were not gathered from. Both files have the same types; what packs their blocks differs.
func TestLlamaQuantiserPerplexity(t *testing.T) {
	long(t)
	dir := t.TempDir()
	source, ours, theirs := filepath.Join(dir, "f16.gguf"), filepath.Join(dir, "ours.gguf"), filepath.Join(dir, "theirs.gguf")
	requantize(t, realModel(t, "smollm2-135m-instruct"), source, "f16", nil)
	importance := importances(t, source)
	requantize(t, source, ours, "q4_k_m", importance)
	differ, packed, weighed := packTheirs(t, openFile(t, source), openFile(t, ours), importance, theirs)
	if packed < 50 || weighed < enoughWeighed {
		t.Errorf("%d tensors are packed, of %d importances change the bytes; the test says little", packed, weighed)
	}
	whole, a, b := perplexity(t, source), perplexity(t, ours), perplexity(t, theirs)
	t.Logf("perplexity of F16 %.4f, of Q4_K_M with importances ours %.4f, llama.cpp's %.4f; %d of %d packed tensors have other bytes", whole, a, b, differ, packed)
	if !(a <= b) {
		t.Errorf("perplexity %v, of llama.cpp's quantiser %v", a, b)
	}
}

// texts are the project's own pages: those of decisions for importances, one more for perplexity.
func texts(t *testing.T, pattern string) (all []string) {
	t.Helper()
	paths, _ := filepath.Glob(filepath.Join("..", "..", "docs", pattern))
	for _, p := range paths {
		b, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, string(b))
	}
	if len(all) == 0 {
		t.Fatalf("no docs/%s", pattern)
	}
	return all
}

func importances(t *testing.T, path string) *models.Importance {
	t.Helper()
	m, err := engine.Open(path, engine.WithNumeric(engine.Reference), engine.WithContext(256))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	p, err := m.Importance(context.Background(), texts(t, "decisions/[a-c]*.md"), nil)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// perplexity of docs/arithmetic.md's first 1024 tokens, in mode reference.
func perplexity(t *testing.T, path string) float64 {
	t.Helper()
	m, err := engine.Open(path, engine.WithNumeric(engine.Reference), engine.WithContext(1024))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	tok, err := m.LoadTokenizer()
	if err != nil {
		t.Fatal(err)
	}
	ids := tok.Encode(nil, texts(t, "arithmetic.md")[0], token.EncodeOptions{AddSpecial: true})
	if len(ids) < 1024 {
		t.Fatalf("the text has %d tokens, want 1024", len(ids))
	}
	scores, err := m.Score(context.Background(), ids[:1], [][]int32{ids[1:1024]})
	if err != nil {
		t.Fatal(err)
	}
	return math.Exp(-scores[0] / 1023)
}

func openFile(t *testing.T, path string) *gguf.File {
	t.Helper()
	f, err := gguf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() }) //nolint:errcheck // read only
	return f
}

func requantize(t *testing.T, from, to, mix string, importance *models.Importance) {
	t.Helper()
	m, err := quant.MixByName(mix)
	if err != nil {
		t.Fatal(err)
	}
	w, _, err := models.Requantize(openFile(t, from), m, models.RequantizeOptions{Importance: importance})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.WriteTo(to); err != nil {
		t.Fatal(err)
	}
}

// packTheirs writes the file at path: ours, but that llama.cpp packs the source's weights for each tensor of a packed type. It tells how
// many tensors are packed, in how many of them some byte is another than in ours, and in how many of those with importances these show.
func packTheirs(t *testing.T, source, ours *gguf.File, importance *models.Importance, path string) (differ, packed, weighed int) {
	t.Helper()
	q := startQuantiser(t)
	w := gguf.NewWriter()
	for _, kv := range ours.KV {
		w.Set(kv.Key, kv.Value)
	}
	for i := range ours.Tensors {
		x := &ours.Tensors[i]
		format, _ := quant.ByType(x.Type)
		if format.Float {
			w.AddTensor(x.Name, x.Type, x.Shape, x.Data)
			continue
		}
		from, _ := source.Tensor(x.Name)
		weights, err := importance.Columns(x.Name, x.Shape[0])
		if err != nil {
			t.Fatal(err)
		}
		data := q.pack(from, format, weights)
		if packed++; !bytes.Equal(data, x.Data) {
			differ++
		}
		if weights != nil && weighed < enoughWeighed && !bytes.Equal(data, q.pack(from, format, nil)) {
			weighed++
		}
		w.AddTensor(x.Name, x.Type, x.Shape, data)
	}
	if err := w.WriteTo(path); err != nil {
		t.Fatal(err)
	}
	return differ, packed, weighed
}

// quantiser is a running llama.cpp that packs rows.
type quantiser struct {
	t   *testing.T
	in  io.Writer
	out *bufio.Reader
	log bytes.Buffer
}

func startQuantiser(t *testing.T) *quantiser {
	t.Helper()
	python, dir := packages(t)
	cmd := exec.Command(python, "-c", quantizeScript, dir)
	q := &quantiser{t: t}
	cmd.Stderr = &q.log
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close() //nolint:errcheck // ends it
		cmd.Wait() //nolint:errcheck // its exit says nothing
	})
	q.in, q.out = in, bufio.NewReaderSize(out, 1<<20)
	return q
}

// pack packs a tensor, some rows at a time; weights are its columns' importances, nil = alike.
func (q *quantiser) pack(x *gguf.Tensor, to *quant.Format, weights []float32) []byte {
	q.t.Helper()
	from, _ := quant.ByType(x.Type)
	width, rows := x.Shape[0], x.Rows()
	fromRow, err := from.RowBytes(width)
	if err != nil {
		q.t.Fatal(err)
	}
	toRow, err := to.RowBytes(width)
	if err != nil {
		q.t.Fatal(err)
	}
	f32, _ := quant.ByType(kernels.F32)
	asBytes := func(v []float32) []byte {
		b := make([]byte, 4*len(v))
		if len(v) > 0 {
			f32.Pack(b, v, nil, len(v))
		}
		return b
	}
	data := make([]byte, rows*toRow)
	step := max(1, 1<<20/width)
	for row := 0; row < rows; row += step {
		n := min(step, rows-row)
		values := make([]float32, n*width)
		from.Unpack(values, x.Data[row*fromRow:(row+n)*fromRow])
		head, err := json.Marshal(object{"type": uint32(to.Type), "rows": n, "width": width, "importance": weights != nil})
		if err != nil {
			q.t.Fatal(err)
		}
		for _, b := range [][]byte{append(head, '\n'), asBytes(weights), asBytes(values)} {
			if _, err := q.in.Write(b); err != nil {
				q.t.Fatalf("%v: %s", err, q.log.Bytes())
			}
		}
		if _, err := io.ReadFull(q.out, data[row*toRow:(row+n)*toRow]); err != nil {
			q.t.Fatalf("llama.cpp's packing of %s as %s: %v: %s", x.Name, to, err, q.log.Bytes())
		}
	}
	return data
}
