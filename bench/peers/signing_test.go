package peers

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	_ "embed"
	"encoding/json"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/freehold-slm/freehold/models/sign"
)

// Of the package, and of one that it needs and does not name.
const (
	modelSigningVersion = "1.1.1"
	pyOpenSSLVersion    = "26.4.0"
)

//go:embed signing.py
var signingScript string

// What is signed here, the Python package model-signing verifies, and the reverse: with a key, with a certificate, a folder and a file; and each refuses a changed file.
func TestModelSigning(t *testing.T) {
	long(t)
	python, packages := installed(t, "model-signing", modelSigningVersion, "pyopenssl=="+pyOpenSSLVersion)
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	put := func(name string, b []byte) string {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(at(name)), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at(name), b, 0o600); err != nil {
			t.Fatal(err)
		}
		return at(name)
	}
	for _, n := range []string{"run/model.gguf", "run/labels/shard", "run/labels-2/x", "run/.gitignore", "one.gguf"} {
		put(n, []byte("bytes of "+n))
	}
	if err := sign.NewKey(at("key")); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(at("key"))
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	caKey, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	root := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "root"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, SubjectKeyId: []byte("root")}
	leaf := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "signer"}, NotBefore: root.NotBefore, NotAfter: root.NotAfter, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning}, AuthorityKeyId: []byte("root")}
	for name, c := range map[string]struct {
		cert *x509.Certificate
		key  *ecdsa.PublicKey
	}{"ca.pem": {root, &caKey.PublicKey}, "leaf.pem": {leaf, &parsed.(*ecdsa.PrivateKey).PublicKey}} {
		der, err := x509.CreateCertificate(rand.Reader, c.cert, root, c.key, caKey)
		if err != nil {
			t.Fatal(err)
		}
		put(name, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	}
	// All that the peer shall do is known before, so that it starts once: for each way to sign and each model, check ours, check ours on a changed copy, and sign.
	ways := []struct {
		method       string
		certificates []string
		trust        func() (*sign.Verifier, error)
	}{
		{"key", nil, func() (*sign.Verifier, error) { return sign.ByKey(at("key.pub")) }},
		{"certificate", []string{at("leaf.pem")}, func() (*sign.Verifier, error) { return sign.ByRoots(at("ca.pem")) }},
	}
	var steps [][4]string
	models := []struct{ name, changed string }{{"run", "labels/shard"}, {"one.gguf", ""}}
	where := func(method, side, model string) string { return at("by-" + method + "/" + side + "/" + model) }
	for _, w := range ways {
		signer, err := sign.NewSigner(at("key"), w.certificates...)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range models {
			for _, side := range []string{"ours", "changed", "theirs"} {
				if err := os.MkdirAll(filepath.Dir(where(w.method, side, m.name)), 0o777); err != nil {
					t.Fatal(err)
				}
				copyModel(t, at(m.name), where(w.method, side, m.name))
			}
			for _, side := range []string{"ours", "changed"} {
				model := where(w.method, side, m.name)
				if _, err := sign.Sign(model, sign.DefaultPath(model), signer); err != nil {
					t.Fatal(err)
				}
				if side == "changed" {
					change(t, filepath.Join(model, m.changed))
				}
				steps = append(steps, [4]string{"verify", w.method, model, sign.DefaultPath(model)})
			}
			model := where(w.method, "theirs", m.name)
			steps = append(steps, [4]string{"sign", w.method, model, sign.DefaultPath(model)})
		}
	}
	list, err := json.Marshal(steps)
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(python, "-c", signingScript, packages, at("key"), at("key.pub"), at("leaf.pem"), at("ca.pem"), string(list)).Output()
	said := strings.Split(strings.TrimSpace(string(out)), "\n")
	if err != nil || len(said) != len(steps) {
		var exit *exec.ExitError
		errors.As(err, &exit)
		t.Fatalf("%v: %s %+v", err, out, exit)
	}
	for i, s := range steps {
		if refused := strings.HasPrefix(said[i], "refused: "); refused != strings.Contains(s[2], "/changed/") || !refused && said[i] != "ok" {
			t.Errorf("%v: model-signing says %s", s, said[i])
		}
	}
	for _, w := range ways {
		trust, err := w.trust()
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range models {
			model := where(w.method, "theirs", m.name)
			if good, bad, err := sign.Verify(model, sign.DefaultPath(model), trust); err != nil || good == 0 || bad != nil {
				t.Errorf("%s, %s: theirs: %d good, %v, %v", w.method, m.name, good, bad, err)
			}
			change(t, filepath.Join(model, m.changed))
			if _, bad, err := sign.Verify(model, sign.DefaultPath(model), trust); err != nil || len(bad) != 1 || bad[0].State != "changed" {
				t.Errorf("%s, %s: a changed file: %v, %v", w.method, m.name, bad, err)
			}
		}
	}
}

// copyModel copies a file, or a folder.
func copyModel(t *testing.T, from, to string) {
	t.Helper()
	st, err := os.Stat(from)
	if err == nil && st.IsDir() {
		err = os.CopyFS(to, os.DirFS(from))
	} else if err == nil {
		var b []byte
		if b, err = os.ReadFile(from); err == nil {
			err = os.WriteFile(to, b, 0o666)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
}

// change puts another byte at the end of a file.
func change(t *testing.T, path string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err == nil {
		err = os.WriteFile(path, append(b, '!'), 0o666)
	}
	if err != nil {
		t.Fatal(err)
	}
}
