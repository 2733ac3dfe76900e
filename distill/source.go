package distill

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"

	"github.com/freehold-slm/freehold/models"
	"github.com/freehold-slm/freehold/models/chat"
	"github.com/freehold-slm/freehold/models/gguf"
)

// source is a model of the recipe: a file of this machine, or a remote teacher.
type source struct {
	Name     string `json:"name"`
	path     string
	sha256   string   // of the file; of a remote teacher the hash of where and how it is asked
	remote   *url.URL // nil = a model of this machine
	spec     *models.Spec
	origin   map[string]string // what the file says of where it came from
	Bytes    int64             `json:"bytes"`
	Licence  models.Licence    `json:"licence"`
	Accepted string            `json:"accepted,omitempty"`
	Reason   string            `json:"reason,omitempty"` // of what is accepted
}

// openSource finds a model file, checks its licence and hashes it.
func openSource(r *Recipe, name, accept, reason string) (source, error) {
	path, entry, err := r.model(name)
	s := source{Name: name, path: path, Accepted: accept, Reason: reason}
	if entry != nil {
		s.Licence = entry.Licence
		if gate := entry.Licence.Check(name, accept); gate != nil {
			return s, gate
		}
	}
	if err != nil {
		return s, err
	}
	if entry == nil {
		if s.Licence, err = fileLicence(path, accept); err != nil {
			return s, err
		}
		if err := s.Licence.Check(name, accept); err != nil {
			return s, err
		}
	}
	if s.spec, err = checkModel(path, r.embeds()); err != nil {
		return s, err
	}
	if s.origin, err = readOrigin(path); err != nil {
		return s, err
	}
	parts, err := gguf.PartsOf(path)
	if err != nil {
		return s, err
	}
	s.sha256, s.Bytes, err = hashFile(parts...)
	return s, err
}

// checkModel opens a model file as far as a run will: its program, tensors and vocabulary. Encoders are good for a run that asks for embeddings.
func checkModel(path string, encoders bool) (spec *models.Spec, err error) {
	f, err := gguf.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	spec, err = models.NewSpec(f)
	if err == nil && !encoders {
		err = learnable(path, spec)
	}
	if err == nil {
		_, err = models.Vocabulary(f)
	}
	var known *gguf.Error
	if err != nil && !errors.As(err, &known) {
		err = &DataError{File: path, Msg: strings.TrimPrefix(err.Error(), path+": ")}
	}
	return spec, err
}

// checkTemplate refuses a teacher that cannot be asked: one whose file has no chat template, or one that cannot be read.
func checkTemplate(role string, teacher source) error {
	f, err := gguf.Open(teacher.path)
	if err != nil {
		return err
	}
	defer f.Close()
	text, err := f.StringOr("tokenizer.chat_template", "")
	if err != nil {
		return err
	}
	if text == "" {
		return &DataError{File: teacher.path, Msg: role + ": has no tokenizer.chat_template: a base model, which was not taught to answer", Fix: "take a teacher that was (an instruct or chat model); as student.from a base model is good"}
	}
	if _, err := chat.Parse(text); err != nil {
		return &DataError{File: teacher.path, Msg: role + ": " + err.Error()}
	}
	return nil
}

// sourceError says whose file it is and, for a licence, which key of the recipe declares or accepts it.
func sourceError(role string, err error) error {
	var refused *models.LicenceError
	if errors.As(err, &refused) {
		refused.Key = role + ".licence"
	}
	return fmt.Errorf("%s: %w", role, err)
}

// hashFile hashes a file, or the parts of one as if they were one file.
func hashFile(parts ...string) (sum string, n int64, err error) {
	h := sha256.New()
	for _, path := range parts {
		f, err := os.Open(path)
		if err != nil {
			return "", 0, err
		}
		m, err := io.Copy(h, f)
		f.Close() //nolint:errcheck // read-only
		if n += m; err != nil {
			return "", 0, err
		}
	}
	return hex.EncodeToString(h.Sum(nil)), n, nil
}
