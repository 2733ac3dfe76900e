package distill

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// answerLine is one row of a shard of answers.
type answerLine struct {
	ID     string `json:"id"`
	Answer string `json:"answer"`
	Gold   bool   `json:"gold,omitempty"` // the row's own: the teacher was not asked
	Cut    bool   `json:"cut,omitempty"`  // it did not end within task.max_tokens

	Agree int `json:"agree,omitempty"` // how many of several samples gave this answer

	Bad string `json:"bad,omitempty"` // why a remote teacher's is not learnt: refused, empty, not of the schema

	P *float64 `json:"p,omitempty"` // with train.min_confidence: how sure the teacher is of its answer to a training row
}

const answerSchema = "freehold/answers/1"

// answerShardRows is how many rows a shard of answers holds; an answer takes longer than a label.
const answerShardRows = 32

// answerShard is what there is of a shard's rows: their answers, and the packed probabilities beside them where the loss learns from these.
type answerShard struct {
	lines []answerLine
	top   []byte
}

// shards are the rows to label, cut: the training rows, and the test rows, by whose answers the teacher is judged.
func (w *answerWork) shards() [][]Row {
	return slices.Collect(slices.Chunk(w.j.labelled(), answerShardRows))
}

// labelKey identifies the question that a shard answers: teacher, prompt, parameters, seed and rows.
func (w *answerWork) labelKey(rows []Row) string {
	r := w.j.recipe
	seed := ""
	if r.Teacher.Samples > 1 {
		seed = strings.Join(append([]string{strconv.FormatUint(r.Train.Seed, 10), r.Teacher.Choose}, r.Teacher.VoteOn...), " ")
	}
	parts := []string{answerSchema, w.j.teacher.sha256, r.Task.Prompt, r.Task.System, string(w.schema), strconv.Itoa(r.Task.MaxTokens), r.Numeric,
		strconv.Itoa(r.Teacher.Samples), strconv.FormatFloat(r.Teacher.Temperature, 'g', -1, 64), seed, strconv.Itoa(r.Train.TopLogits)}
	for _, row := range rows {
		if parts = append(parts, row.ID, row.Text); !w.asked[row.ID] {
			parts = append(parts, "gold", row.Answer)
		}
	}
	return hashOf(parts...)
}

// folder is where the run has its shards.
func (w *answerWork) folder() string { return filepath.Join(w.j.dir, labelsDir) }

func topPath(dir string, s int) string { return filepath.Join(dir, fmt.Sprintf("shard-%05d.top", s)) }

// readShard reads a shard's answers and, where the loss needs it, the packed probabilities beside it.
func (w *answerWork) readShard(dir string, s int, key string, rows []Row) (answerShard, error) {
	var none answerShard
	path := shardPath(dir, s)
	h, lines, err := readLines[answerLine](path, answerSchema, key, len(rows))
	if err != nil {
		return none, err
	}
	for i, r := range rows {
		if lines[i].ID != r.ID {
			return none, fmt.Errorf("%s: line %d is of row %.40q, want %.40q", path, i+2, lines[i].ID, r.ID)
		}
	}
	if !w.needsTop() {
		return answerShard{lines, nil}, nil
	}
	b, err := os.ReadFile(topPath(dir, s))
	if err != nil {
		return none, err
	}
	if sum := sha256.Sum256(b); hex.EncodeToString(sum[:]) != h.Top {
		return none, fmt.Errorf("%s: sha256 is %x, %s says %.64q", topPath(dir, s), sum, filepath.Base(path), h.Top)
	}
	return answerShard{lines, b}, nil
}

// writeShard publishes a shard: the packed file first, for the other names its hash.
func (w *answerWork) writeShard(s int, rows []Row, a answerShard) error {
	h := shardHeader{Schema: answerSchema, Key: w.labelKey(rows)}
	if a.top != nil {
		if err := w.j.writeShared(topPath(w.folder(), s), a.top); err != nil {
			return err
		}
		sum := sha256.Sum256(a.top)
		h.Top = hex.EncodeToString(sum[:])
	}
	return writeLines(w.j, shardPath(w.folder(), s), h, a.lines)
}

// find reads shard s of this run (own) or of another that asked the same, rather one whose answers are scored as this recipe wants. The error is
// about this run's shard.
func (w *answerWork) find(s int, rows []Row) (got answerShard, own bool, err error) {
	key := w.labelKey(rows)
	if got, err = w.readShard(w.folder(), s, key, rows); err == nil {
		return got, true, nil
	}
	for _, run := range w.j.otherRuns() {
		if other, bad := w.readShard(filepath.Join(run, labelsDir), s, key, rows); bad == nil {
			got, err = other, nil
			if w.unscored(rows, got.lines) == nil {
				break
			}
		}
	}
	return got, false, err
}

// errUnscored says of answers that how sure the teacher is of them is not known yet.
var errUnscored = errors.New("not scored yet")

// rest reads the rationales of a shard whose answers are there, or says what it lacks.
func (w *answerWork) rest(s int, rows []Row, lines []answerLine) (why []rationaleLine, own bool, err error) {
	if w.unscored(rows, lines) != nil {
		return nil, false, errUnscored
	}
	return w.findRationales(s, rows, lines)
}

func (w *answerWork) missing() (missing, all int) {
	shards := w.shards()
	for s, rows := range shards {
		got, _, err := w.find(s, rows)
		if err == nil {
			_, _, err = w.rest(s, rows, got.lines)
		}
		if err != nil {
			missing++
		}
	}
	return missing, len(shards)
}

// keep takes a shard into memory.
func (w *answerWork) keep(s int, a answerShard) error {
	for _, l := range a.lines {
		w.answers[l.ID] = l
	}
	if a.top == nil {
		return nil
	}
	path := topPath(w.folder(), s)
	shard, err := ParseTopShard(path, a.top)
	if err == nil && len(shard.Rows) != len(a.lines) {
		err = fmt.Errorf("%s: holds %d rows, want %d", path, len(shard.Rows), len(a.lines))
	}
	if err != nil {
		return err
	}
	for i, l := range a.lines {
		w.top[l.ID] = &shard.Rows[i]
	}
	w.packed.add(shard, len(a.top))
	w.tokens = shard.Tokens
	return nil
}

// recall is label where every answer is there.
func (w *answerWork) recall() error {
	w.answers, w.rationales = map[string]answerLine{}, map[string]rationaleLine{}
	for s, rows := range w.shards() {
		got, _, err := w.find(s, rows)
		if err != nil {
			return err
		}
		why, _, err := w.findRationales(s, rows, got.lines)
		if err == nil {
			err = w.keepRationales(s, rows, got.lines, why, false)
		}
		if err != nil {
			return err
		}
		for _, l := range got.lines {
			w.answers[l.ID] = l
		}
	}
	return nil
}

// packedTotals sums up the packed shards of a run.
type packedTotals struct {
	Tokens int
	Bytes  int64
	KL, P  float64
}

func (p *packedTotals) add(s *TopShard, bytes int) {
	n := 0
	for _, r := range s.Rows {
		n += len(r.Rest)
	}
	if n > 0 {
		p.KL = (float64(p.KL*float64(p.Tokens)) + float64(s.Error.KL*float64(n))) / float64(p.Tokens+n)
	}
	p.P = max(p.P, s.Error.P)
	p.Tokens += n
	p.Bytes += int64(bytes)
}

// String is the figure for people.
func (p *packedTotals) String() string {
	return fmt.Sprintf("%d answer tokens at %.1f bytes; packing costs %.2g nats a token, no probability is off by more than %.2g", p.Tokens, float64(p.Bytes)/float64(max(1, p.Tokens)), p.KL, p.P)
}
