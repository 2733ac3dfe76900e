package distill

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/freehold-slm/freehold/engine"
	"github.com/freehold-slm/freehold/kernels"
)

const vectorSchema = "freehold/embeddings/1"

// vectorLine is one row of a shard of vectors: the teacher's, of length 1.
type vectorLine struct {
	ID  string `json:"id"`
	F16 []byte `json:"f16"` // little-endian; in JSON as base64
}

// shards are those of the teacher's vectors.
func (w *embedWork) shards() *shardSet[Row, vectorLine] {
	j := w.j
	return &shardSet[Row, vectorLine]{
		j: j, root: labelsDir, folder: filepath.Join(j.dir, labelsDir), schema: vectorSchema,
		parts: slices.Collect(slices.Chunk(j.labelled(), shardRows)),
		key:   w.labelKey, check: w.checkLines, keep: w.keep,
	}
}

// labelKey identifies the question that a shard answers: teacher, pooling, prompt, numeric mode and rows.
func (w *embedWork) labelKey(rows []Row) string {
	parts := []string{vectorSchema, w.j.teacher.sha256, w.pooling.String(), w.j.recipe.Task.Prompt, w.j.recipe.Numeric}
	for _, r := range rows {
		parts = append(parts, r.ID, r.Text)
	}
	return hashOf(parts...)
}

// checkLines refuses vectors of other rows, or of another length.
func (w *embedWork) checkLines(path string, rows []Row, lines []vectorLine) error {
	for i, l := range lines {
		if want := 2 * w.j.teacher.spec.Embedding(); l.ID != rows[i].ID || len(l.F16) != want {
			return fmt.Errorf("%s: line %d is of row %.40q with %d bytes, want %.40q with %d", path, i+2, l.ID, len(l.F16), rows[i].ID, want)
		}
	}
	return nil
}

func (w *embedWork) missing() (missing, all int) { return w.shards().missing() }

// keep makes numbers of a shard's lines.
func (w *embedWork) keep(_ int, lines []vectorLine) {
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
	return w.shards().recall()
}

// label asks the teacher for the vectors that are not there.
func (w *embedWork) label(ctx context.Context) error {
	w.vectors, w.target = map[string][]float32{}, nil
	f := w.shards()
	todo, err := f.collect("labelling")
	if err != nil || len(todo) == 0 {
		return err
	}
	m, err := w.j.openTeacherModel(w.j.teacher.path, "")
	if err != nil {
		return err
	}
	defer m.Close()
	return f.fill(ctx, todo, 0, func(ctx context.Context, rows []Row) ([]vectorLine, error) {
		vectors, err := w.ask(ctx, m, rows)
		lines := make([]vectorLine, len(vectors))
		for i, v := range vectors {
			lines[i] = vectorLine{rows[i].ID, pack16(w.j.level, v)}
		}
		return lines, err
	})
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
