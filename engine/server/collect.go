package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// Collect says what becomes of texts that a student was not sure of.
type Collect struct {
	// Keep takes the rows of one request, each a line of JSON with its end, for the student's next run. Where it fails, it has kept none of them;
	// the request is answered all the same.
	Keep   func(student string, rows []byte) error
	Mask   func(text string) string // takes from a text what shall not be kept; nil = nothing
	PerKey int64                    // bytes of rows that one key may have kept while the server runs; 0 = no bound
}

// WithCollect keeps texts that a student was not sure of, with what student and teacher said, and who says so tells in the answer. Without it no text is kept.
func WithCollect(k Collect) Option {
	return func(c *config) error {
		if k.Keep == nil || k.PerKey < 0 {
			return errors.New("server: what is collected needs a func that keeps it, and 0 or more bytes a key")
		}
		c.collect = &k
		return nil
	}
}

// What becomes of rows.
const (
	rowsKept   = "kept"
	rowsFailed = "failed"
	rowsOver   = "over"
)

// longestRow bounds a row, in bytes: a reader of rows that has bounds shall not stumble over a text of which nearly all is escaped.
const longestRow = 4 << 20

// gathered is what a server remembers of what it kept.
type gathered struct {
	mu     sync.Mutex
	bytes  map[string]int64 // by key
	failed time.Time        // when nothing could be kept; zero = it works
}

// failedPause is how long nothing is tried after a failure: a disk that is slow to say no shall not slow down every request.
const failedPause = time.Second

// collectedRow is a row of task data without a label: label is for a person to fill in.
type collectedRow struct {
	ID        string  `json:"id"` // of the request and the text in it
	Text      string  `json:"text"`
	Label     *string `json:"label"`               // null
	Suggested string  `json:"suggested,omitempty"` // by the teacher, where it was asked
	P         float64 `json:"suggested_p,omitempty"`
	Student   string  `json:"student"` // what it said
	StudentP  float64 `json:"student_p"`
	Time      string  `json:"time"`
	Model     string  `json:"model"` // the student
	SHA256    string  `json:"model_sha256,omitempty"`

	Teacher       string `json:"teacher,omitempty"`
	TeacherSHA256 string `json:"teacher_sha256,omitempty"`
	AdapterSHA256 string `json:"teacher_adapter_sha256,omitempty"`
}

// tellCollecting says in the answer's head whether texts of the request may be kept.
func (c *call) tellCollecting(keep bool) {
	if c.s.cfg.collect == nil {
		return
	}
	value := "off"
	if keep {
		value = "on"
	}
	c.w.Header().Set("X-Freehold-Collect", value)
}

// collect keeps the rows of an answer that the student was not sure of, and notes in the answer that they are kept.
func (c *call) collect(out *classifyList, texts []string) {
	k := c.s.cfg.collect
	if k == nil {
		return
	}
	var rows bytes.Buffer
	var at []int
	enc := json.NewEncoder(&rows)
	enc.SetEscapeHTML(false)
	for i := range out.Data {
		a := &out.Data[i]
		if !a.Abstained && a.Student == nil {
			continue
		}
		row := collectedRow{ID: fmt.Sprintf("%s-%d", c.id, i), Text: c.withoutKeys(texts[i]), Student: a.Label, StudentP: a.P, Time: c.began.UTC().Format(time.RFC3339), Model: out.Model, SHA256: c.model.sum}
		if k.Mask != nil {
			row.Text = k.Mask(row.Text)
		}
		if a.Student != nil {
			row.Suggested, row.P, row.Student, row.StudentP = a.Label, a.P, a.Student.Label, a.Student.P
			row.Teacher, row.TeacherSHA256, row.AdapterSHA256 = c.teacher.name, c.teacher.sum, c.teacher.adapter
		}
		before := rows.Len()
		if enc.Encode(row); rows.Len()-before > longestRow { //nolint:errcheck // a buffer takes it, and it is plain
			rows.Truncate(before)
			c.s.metrics.collected(rowsFailed, 1)
			continue
		}
		at = append(at, i)
	}
	if len(at) == 0 {
		return
	}
	outcome := c.s.keep(out.Model, c.owner, rows.Bytes())
	c.s.metrics.collected(outcome, len(at))
	if outcome == rowsKept {
		for _, i := range at {
			out.Data[i].Collected = true
		}
	}
}

// keep keeps the rows of one request.
func (s *Server) keep(student, owner string, rows []byte) (outcome string) {
	k, g := s.cfg.collect, &s.gathered
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.bytes == nil {
		g.bytes = map[string]int64{}
	}
	n := int64(len(rows))
	if k.PerKey > 0 && g.bytes[owner]+n > k.PerKey {
		return rowsOver
	}
	if time.Since(g.failed) < failedPause {
		return rowsFailed
	}
	if err := k.Keep(student, rows); err != nil {
		if g.failed.IsZero() { // once, until it works again
			s.log(slog.LevelError, "what the student is not sure of cannot be kept", "model", student, "error", err.Error())
		}
		g.failed = time.Now()
		return rowsFailed
	}
	g.failed = time.Time{}
	g.bytes[owner] += n
	return rowsKept
}

// withoutKeys is a text without keys of the server, which somebody may have pasted.
func (c *call) withoutKeys(text string) string {
	if keys := c.s.keys.Load(); keys != nil {
		return keys.hide(text)
	}
	return text
}
