package distill

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/freehold-slm/freehold/engine"
	"github.com/freehold-slm/freehold/kernels"
)

const vectorSchema = "freehold/embeddings/1"

// vectorLine is one row of a shard of vectors: the teacher's, of length 1.
type vectorLine struct {
	ID  string `json:"id"`
	F16 []byte `json:"f16"` // little-endian; in JSON as base64
}

// shards are the rows that the teacher embeds, cut.
func (w *embedWork) shards() [][]Row {
	return slices.Collect(slices.Chunk(w.j.labelled(), shardRows))
}

// labelKey identifies the question that a shard answers: teacher, pooling, prompt, numeric mode and rows.
func (w *embedWork) labelKey(rows []Row) string {
	parts := []string{vectorSchema, w.j.teacher.sha256, w.pooling.String(), w.j.recipe.Task.Prompt, w.j.recipe.Numeric}
	for _, r := range rows {
		parts = append(parts, r.ID, r.Text)
	}
	return hashOf(parts...)
}

// readShard reads the vectors of a shard.
func (w *embedWork) readShard(dir string, s int, rows []Row) ([]vectorLine, error) {
	path := shardPath(dir, s)
	_, lines, err := readLines[vectorLine](path, vectorSchema, w.labelKey(rows), len(rows))
	for i, l := range lines {
		if want := 2 * w.j.teacher.spec.Embedding(); err == nil && (l.ID != rows[i].ID || len(l.F16) != want) {
			err = fmt.Errorf("%s: line %d is of row %.40q with %d bytes, want %.40q with %d", path, i+2, l.ID, len(l.F16), rows[i].ID, want)
		}
	}
	return lines, err
}

// find reads shard s of this run (own), or the same answers from another run of the folder. The error is about this run's shard.
func (w *embedWork) find(s int, rows []Row) (lines []vectorLine, own bool, err error) {
	j := w.j
	if lines, err = w.readShard(filepath.Join(j.dir, "labels"), s, rows); err == nil {
		return lines, true, nil
	}
	for _, run := range j.otherRuns() {
		if lines, other := w.readShard(filepath.Join(run, "labels"), s, rows); other == nil {
			return lines, false, nil
		}
	}
	return nil, false, err
}

func (w *embedWork) missing() (missing, all int) {
	for s, rows := range w.shards() {
		if _, _, err := w.find(s, rows); err != nil {
			missing++
		}
		all++
	}
	return missing, all
}

// keep makes numbers of a shard's lines.
func (w *embedWork) keep(lines []vectorLine) {
	for _, l := range lines {
		half := make([]uint16, len(l.F16)/2)
		for i := range half {
			half[i] = uint16(l.F16[2*i]) | uint16(l.F16[2*i+1])<<8
		}
		v := make([]float32, len(half))
		w.j.level.F16ToF32(v, half)
		direct(v) // rounding has changed its length a little
		w.vectors[l.ID] = v
	}
}

func pack16(level *kernels.Level, v []float32) []byte {
	half := make([]uint16, len(v))
	level.F32ToF16(half, v)
	b := make([]byte, 0, 2*len(v))
	for _, h := range half {
		b = append(b, byte(h), byte(h>>8))
	}
	return b
}

// recall is label where every vector is there.
func (w *embedWork) recall() error {
	w.vectors = map[string][]float32{}
	for s, rows := range w.shards() {
		lines, _, err := w.find(s, rows)
		if err != nil {
			return err
		}
		w.keep(lines)
	}
	return nil
}

// label asks the teacher for the vectors of all rows and keeps them in hashed shards. Shards that are whole are not asked for again.
func (w *embedWork) label(ctx context.Context) error {
	j, dir := w.j, filepath.Join(w.j.dir, "labels")
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	if err := j.takeOver(); err != nil {
		return err
	}
	w.vectors, w.target = map[string][]float32{}, nil
	var todo []int
	shards := w.shards()
	write := func(s int, lines []vectorLine) error {
		return writeLines(j, shardPath(dir, s), shardHeader{Schema: vectorSchema, Key: w.labelKey(shards[s])}, lines)
	}
	for s, rows := range shards {
		lines, own, err := w.find(s, rows)
		if err == nil && !own {
			if err := write(s, lines); err != nil {
				return err
			}
		}
		if err != nil {
			if !os.IsNotExist(err) {
				j.warn(fmt.Sprintf("labelling again: %v", err))
			}
			todo = append(todo, s)
			continue
		}
		w.keep(lines)
	}
	if len(todo) == 0 {
		return nil
	}
	m, err := j.openTeacherModel(j.teacher.path, "")
	if err != nil {
		return err
	}
	defer m.Close()
	start, fresh, total := time.Now(), 0, len(j.labelled())
	have := func(s int) error {
		lines, err := w.readShard(dir, s, shards[s])
		if err == nil {
			w.keep(lines)
		}
		return err
	}
	do := func(s int) error {
		rows := shards[s]
		vectors, err := w.ask(ctx, m, rows)
		if err != nil {
			return err
		}
		lines := make([]vectorLine, len(rows))
		for i, r := range rows {
			lines[i] = vectorLine{r.ID, pack16(j.level, vectors[i])}
		}
		if err := write(s, lines); err != nil {
			return err
		}
		w.keep(lines)
		fresh += len(rows)
		rate := float64(fresh) / time.Since(start).Seconds()
		j.event(Event{Stage: "label", Step: len(w.vectors), Total: total, Rate: rate, Unit: "rows/s", ETA: eta(total-len(w.vectors), rate)})
		return nil
	}
	return j.share(ctx, todo, func(s int) string { return w.labelKey(shards[s]) }, have, do)
}

// ask lets the teacher embed rows.
func (w *embedWork) ask(ctx context.Context, m *engine.Model, rows []Row) ([][]float32, error) {
	texts := make([]string, len(rows))
	for i, r := range rows {
		texts[i] = w.asked(r)
	}
	vectors, err := m.Embed(ctx, texts, engine.EmbedOptions{Pooling: w.pooling})
	if err != nil && ctx.Err() != nil {
		return nil, ErrInterrupted
	}
	return vectors, err
}
