// Package sign signs models and checks signatures in the format of OpenSSF Model Signing: a Sigstore bundle with an in-toto statement that
// lists the sha256 of every file, signed by an elliptic key of one's own, or with a certificate. Everything is local: no transparency
// log, no time stamps, no identities. Its peer is the Python package model-signing (bench/peers).
package sign

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const (
	bundleType    = "application/vnd.dev.sigstore.bundle.v0.3+json"
	payloadType   = "application/vnd.in-toto+json"
	statementType = "https://in-toto.io/Statement/v1"
	predicateType = "https://model_signing/signature/v1.0"
	maxBundle     = 64 << 20 // bytes
)

// gitPaths are never signed, as the format has it.
var gitPaths = []string{".git", ".gitattributes", ".github", ".gitignore"}

// bundle is the signature's file.
type bundle struct {
	MediaType string `json:"mediaType"`
	Material  struct {
		PublicKey *struct {
			Hint string `json:"hint"`
		} `json:"publicKey,omitempty"`
		Chain *struct {
			Certificates []certificate `json:"certificates"`
		} `json:"x509CertificateChain,omitempty"`
		Log []json.RawMessage `json:"tlogEntries"`
	} `json:"verificationMaterial"`
	Envelope struct {
		Payload     []byte      `json:"payload"`
		PayloadType string      `json:"payloadType"`
		Signatures  []signature `json:"signatures"`
	} `json:"dsseEnvelope"`
}

type certificate struct {
	Raw []byte `json:"rawBytes"`
}

type signature struct {
	Sig   []byte `json:"sig"`
	KeyID string `json:"keyid"`
}

// statement is what is signed.
type statement struct {
	Type      string    `json:"_type"`
	Subject   []subject `json:"subject"`
	Predicate struct {
		Serialization serialization `json:"serialization"`
		Resources     []resource    `json:"resources"`
	} `json:"predicate"`
	PredicateType string `json:"predicateType"`
}

type subject struct {
	Name   string            `json:"name"`
	Digest map[string]string `json:"digest"`
}

type serialization struct {
	Method   string   `json:"method"`
	HashType string   `json:"hash_type"`
	Symlinks bool     `json:"allow_symlinks"`
	Ignore   []string `json:"ignore_paths"`
}

// resource is a file of the model; of a model that is one file the name is a dot.
type resource struct {
	Name      string `json:"name"`
	Algorithm string `json:"algorithm"`
	Digest    string `json:"digest"`
}

// DefaultPath is where the signature of a model lies if nobody says otherwise: in its folder, or beside its file.
func DefaultPath(model string) string {
	if st, err := os.Stat(model); err == nil && st.IsDir() {
		return filepath.Join(model, "model.sig")
	}
	return model + ".sig"
}

// Sign writes a bundle that vouches for the file model, or for all files of the folder model (but git's own), to path. It returns how many
// files are signed. A folder with a symbolic link in it is an error, for what that leads to can change.
func Sign(model, path string, s *Signer) (files int, err error) {
	p := statement{Type: statementType, PredicateType: predicateType}
	p.Predicate.Serialization = serialization{"files", "sha256", false, slices.Clone(gitPaths)}
	if rel, err := relative(model, path); err == nil && rel != "." && filepath.IsLocal(rel) {
		p.Predicate.Serialization.Ignore = append(p.Predicate.Serialization.Ignore, filepath.ToSlash(rel))
	}
	if p.Predicate.Resources, err = resources(model, p.Predicate.Serialization.Ignore); err != nil {
		return 0, err
	}
	if len(p.Predicate.Resources) == 0 {
		return 0, &Error{model, "holds no file that could be signed"}
	}
	abs, err := filepath.Abs(model)
	if err != nil {
		return 0, err
	}
	p.Subject = []subject{{filepath.Base(abs), map[string]string{"sha256": root(p.Predicate.Resources)}}}
	payload, err := json.Marshal(p)
	if err != nil {
		return 0, err
	}
	b := bundle{MediaType: bundleType}
	b.Material.Log = []json.RawMessage{}
	s.material(&b)
	b.Envelope.Payload, b.Envelope.PayloadType = payload, payloadType
	sig, err := s.sign(envelope(payload))
	if err != nil {
		return 0, err
	}
	b.Envelope.Signatures = []signature{{Sig: sig}}
	text, err := json.Marshal(b)
	if err != nil {
		return 0, err
	}
	return len(p.Predicate.Resources), os.WriteFile(path, append(text, '\n'), 0o666)
}

// relative is path from the folder model.
func relative(model, path string) (string, error) {
	m, err := filepath.Abs(model)
	if err != nil {
		return "", err
	}
	p, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	return filepath.Rel(m, p)
}

// envelope is what DSSE signs: type and payload, each with its length before it.
func envelope(payload []byte) []byte {
	return fmt.Appendf(nil, "DSSEv1 %d %s %d %s", len(payloadType), payloadType, len(payload), payload)
}

// root is the digest over all digests, in their order.
func root(all []resource) string {
	h := sha256.New()
	for _, r := range all {
		b, _ := hex.DecodeString(r.Digest) // checked where it was read
		h.Write(b)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// resources hashes the files of a model but those that are ignored, by name.
func resources(model string, ignore []string) (all []resource, err error) {
	err = filepath.WalkDir(model, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(model, path)
		if err != nil {
			return err
		}
		name := filepath.ToSlash(rel)
		switch {
		case name != "." && slices.Contains(ignore, name) && e.IsDir():
			return fs.SkipDir
		case name != "." && slices.Contains(ignore, name), e.IsDir():
			return nil
		case !e.Type().IsRegular():
			return &Error{path, "is no plain file: a symbolic link or the like cannot be vouched for"}
		}
		sum, err := hashFile(path)
		all = append(all, resource{name, "sha256", sum})
		return err
	})
	slices.SortFunc(all, func(a, b resource) int { return slices.Compare(strings.Split(a.Name, "/"), strings.Split(b.Name, "/")) })
	return all, err
}

func hashFile(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close() //nolint:errcheck // read-only
	h := sha256.New()
	_, err = io.Copy(h, f)
	return hex.EncodeToString(h.Sum(nil)), err
}

// Error says why a signature does not hold, or cannot be made.
type Error struct{ File, Msg string }

func (e *Error) Error() string { return e.File + ": " + e.Msg }

// Difference is a file that is not as it was signed.
type Difference struct {
	Name  string `json:"name"`
	State string `json:"state"` // changed, missing, added
	Note  string `json:"note,omitempty"`
}

// Verify checks the bundle at path by v, and then every file of the model against it. It returns how many files are as they were signed and
// those that are not. A bundle that v does not vouch for is an *Error, whatever the files are.
func Verify(model, path string, v *Verifier) (good int, bad []Difference, err error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, nil, err
	}
	defer f.Close() //nolint:errcheck // read-only
	text, err := io.ReadAll(io.LimitReader(f, maxBundle+1))
	if err != nil {
		return 0, nil, err
	}
	p, err := v.open(path, text)
	if err != nil {
		return 0, nil, err
	}
	want := map[string]string{}
	for _, r := range p.Predicate.Resources {
		want[r.Name] = r.Digest
	}
	ignore := p.Predicate.Serialization.Ignore
	if rel, err := relative(model, path); err == nil {
		ignore = append(ignore, filepath.ToSlash(rel))
	}
	have, err := resources(model, ignore)
	if err != nil {
		return 0, nil, err
	}
	for _, r := range have {
		signed, ok := want[r.Name]
		delete(want, r.Name)
		switch {
		case !ok:
			bad = append(bad, Difference{r.Name, "added", "not signed"})
		case signed != r.Digest:
			bad = append(bad, Difference{r.Name, "changed", fmt.Sprintf("sha256 is %s, signed was %s", r.Digest, signed)})
		default:
			good++
		}
	}
	for _, r := range p.Predicate.Resources {
		if _, left := want[r.Name]; left {
			bad = append(bad, Difference{Name: r.Name, State: "missing"})
		}
	}
	return good, bad, nil
}

// open checks the signature of a bundle and gives its statement, of a form that is wholly understood.
func (v *Verifier) open(path string, text []byte) (*statement, error) {
	fail := func(format string, args ...any) (*statement, error) {
		return nil, &Error{path, fmt.Sprintf(format, args...)}
	}
	if len(text) > maxBundle {
		return fail("has more than %d bytes", maxBundle)
	}
	var b bundle
	if err := json.Unmarshal(text, &b); err != nil {
		return fail("is no Sigstore bundle: %v", err)
	}
	switch {
	case b.MediaType != bundleType:
		return fail("mediaType is %q, want %s", b.MediaType, bundleType)
	case b.Envelope.PayloadType != payloadType:
		return fail("payloadType is %q, want %s", b.Envelope.PayloadType, payloadType)
	case len(b.Envelope.Signatures) != 1:
		return fail("holds %d signatures, want one", len(b.Envelope.Signatures))
	}
	key, err := v.key(&b)
	if err == nil {
		err = check(key, envelope(b.Envelope.Payload), b.Envelope.Signatures[0].Sig)
	}
	if err != nil {
		return fail("%v", err)
	}
	var p statement
	if err := json.NewDecoder(bytes.NewReader(b.Envelope.Payload)).Decode(&p); err != nil {
		return fail("the statement cannot be read: %v", err)
	}
	s := p.Predicate.Serialization
	switch {
	case p.Type != statementType || p.PredicateType != predicateType:
		return fail("states %s of type %s, want %s of %s", p.PredicateType, p.Type, predicateType, statementType)
	case s.Method != "files" || s.HashType != "sha256" || s.Symlinks:
		return fail("files are hashed by method %q, %q, links followed: %v; want files, sha256, false", s.Method, s.HashType, s.Symlinks)
	case len(p.Subject) != 1 || len(p.Predicate.Resources) == 0:
		return fail("has %d subjects and %d files, want one and some", len(p.Subject), len(p.Predicate.Resources))
	}
	seen := map[string]bool{}
	for _, r := range p.Predicate.Resources {
		sum, err := hex.DecodeString(r.Digest)
		if r.Algorithm != "sha256" || err != nil || len(sum) != sha256.Size || hex.EncodeToString(sum) != r.Digest || seen[r.Name] || !filepath.IsLocal(filepath.FromSlash(r.Name)) {
			return fail("file %q, %s %q: want a path inside the model, once, and a sha256", r.Name, r.Algorithm, r.Digest)
		}
		seen[r.Name] = true
	}
	if got := root(p.Predicate.Resources); got != p.Subject[0].Digest["sha256"] {
		return fail("the digests of its files together hash to %s, its subject says %s", got, p.Subject[0].Digest["sha256"])
	}
	return &p, nil
}

var errKey = errors.New("want an elliptic key on P-256, P-384 or P-521")
