package peers

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
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
	peer := func(args ...string) (string, error) {
		cmd := exec.Command(python, append([]string{"-m", "model_signing"}, args...)...)
		cmd.Env = append(os.Environ(), "PYTHONPATH="+packages)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	for _, by := range []struct {
		method       string
		certificates []string
		sign, verify []string
		trust        func() (*sign.Verifier, error)
	}{
		{"key", nil, []string{"--private_key", at("key")}, []string{"--public_key", at("key.pub")}, func() (*sign.Verifier, error) { return sign.ByKey(at("key.pub")) }},
		{"certificate", []string{at("leaf.pem")}, []string{"--private_key", at("key"), "--signing_certificate", at("leaf.pem"), "--certificate_chain", at("ca.pem")}, []string{"--certificate_chain", at("ca.pem")},
			func() (*sign.Verifier, error) { return sign.ByRoots(at("ca.pem")) }},
	} {
		signer, err := sign.NewSigner(at("key"), by.certificates...)
		if err != nil {
			t.Fatal(err)
		}
		trust, err := by.trust()
		if err != nil {
			t.Fatal(err)
		}
		for model, file := range map[string]string{at("run"): at("run/labels/shard"), at("one.gguf"): at("one.gguf")} {
			sig := sign.DefaultPath(model)
			files, err := sign.Sign(model, sig, signer)
			if err != nil {
				t.Fatal(err)
			}
			verify := append(append([]string{"verify", by.method, "--signature", sig}, by.verify...), model)
			if out, err := peer(verify...); err != nil {
				t.Errorf("%s, %s: ours is refused by model-signing: %v\n%s", by.method, model, err, out)
			}
			whole, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			put(strings.TrimPrefix(file, dir+"/"), append(bytes.Clone(whole), '!'))
			if out, err := peer(verify...); err == nil {
				t.Errorf("%s, %s: model-signing takes a changed file\n%s", by.method, model, out)
			}
			put(strings.TrimPrefix(file, dir+"/"), whole)
			theirs := at("theirs.sig")
			if model == at("run") {
				theirs = sig // over ours, inside the folder
			}
			if out, err := peer(append(append([]string{"sign", by.method, "--signature", theirs}, by.sign...), model)...); err != nil {
				t.Fatalf("%s, %s: model-signing does not sign: %v\n%s", by.method, model, err, out)
			}
			if good, bad, err := sign.Verify(model, theirs, trust); err != nil || good != files || bad != nil {
				t.Errorf("%s, %s: theirs: %d of %d good, %v, %v", by.method, model, good, files, bad, err)
			}
			put(strings.TrimPrefix(file, dir+"/"), append(bytes.Clone(whole), '!'))
			if _, bad, err := sign.Verify(model, theirs, trust); err != nil || len(bad) != 1 || bad[0].State != "changed" {
				t.Errorf("%s, %s: a changed file: %v, %v", by.method, model, bad, err)
			}
			put(strings.TrimPrefix(file, dir+"/"), whole)
			os.Remove(sig) //nolint:errcheck // a folder's signature is signed over; a file's is one more file elsewhere
		}
	}
}
