package server

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"hash"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"time"
)

// auditLine is what the audit log tells of a request: who asked when, and hashes by which a text that somebody has can be found in
// the log, but none of the text.
type auditLine struct {
	Time             string `json:"time"`
	Request          string `json:"request"`
	Key              string `json:"key"`
	Path             string `json:"path"`
	Status           int    `json:"status"`
	RequestSHA256    string `json:"request_sha256"`
	ResponseSHA256   string `json:"response_sha256"` // of the body's bytes as they were sent
	Model            string `json:"model"`
	ModelSHA256      string `json:"model_sha256"`
	AdapterSHA256    string `json:"adapter_sha256,omitempty"`
	Teacher          string `json:"teacher,omitempty"` // that was asked too, see escalate.go
	TeacherSHA256    string `json:"teacher_sha256,omitempty"`
	TeacherAdapter   string `json:"teacher_adapter_sha256,omitempty"`
	PromptTokens     int    `json:"prompt_tokens"`
	CompletionTokens int    `json:"completion_tokens"`
}

// auditLog writes whole lines.
type auditLog struct {
	mu sync.Mutex
	w  io.Writer
}

func (a *auditLog) write(c *call, rec *recorder, status int) {
	body := sha256.Sum256(c.body)
	line := auditLine{Time: c.began.UTC().Format(time.RFC3339Nano), Request: c.id, Key: c.key, Path: c.at.path, Status: status, RequestSHA256: hex.EncodeToString(body[:]),
		ResponseSHA256: hex.EncodeToString(rec.sum.Sum(nil)), PromptTokens: c.prompt, CompletionTokens: c.generated}
	if c.model != nil {
		line.Model, line.ModelSHA256, line.AdapterSHA256 = c.model.name, c.model.sum, c.model.adapter
	}
	if c.teacher != nil {
		line.Teacher, line.TeacherSHA256, line.TeacherAdapter = c.teacher.name, c.teacher.sum, c.teacher.adapter
	}
	text, _ := json.Marshal(line)
	a.mu.Lock()
	_, err := a.w.Write(append(text, '\n'))
	a.mu.Unlock()
	if err != nil {
		c.s.log(slog.LevelError, "audit log", "request", c.id, "error", err.Error())
	}
}

// recorder notes an answer's status, and its hash for the audit log.
type recorder struct {
	http.ResponseWriter
	status int
	audit  bool
	sum    hash.Hash
}

func (r *recorder) reset() {
	if r.audit {
		r.sum = sha256.New()
	}
}

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(b []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	if r.audit {
		r.sum.Write(b)
	}
	return r.ResponseWriter.Write(b)
}

// Unwrap is for http.ResponseController.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
