package sign

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// folder makes a model with files of these names.
func folder(t *testing.T, names ...string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "model")
	for _, n := range names {
		put(t, filepath.Join(dir, filepath.FromSlash(n)), "text of "+n)
	}
	return dir
}

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
}

func get(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func must[T any](v T, err error) func(t *testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// The format's own public vectors hold, by key and by certificate, and not where a byte of a file, of the statement or of the signature is another, or a file was added or is gone.
func TestPublicVectors(t *testing.T) {
	key, root := must(ByKey("testdata/key.pub"))(t), must(ByRoots("testdata/ca.pem"))(t)
	for name, v := range map[string]*Verifier{"elliptic-key": key, "certificate": root} {
		dir := filepath.Join("testdata", name)
		if good, bad, err := Verify(dir, filepath.Join(dir, "model.sig"), v); err != nil || good != 2 || bad != nil {
			t.Errorf("%s: %d good, %v, %v", name, good, bad, err)
		}
		other := map[*Verifier]*Verifier{key: root, root: key}[v]
		var invalid *Error
		if _, _, err := Verify(dir, filepath.Join(dir, "model.sig"), other); !errors.As(err, &invalid) {
			t.Errorf("%s by the other way: %v", name, err)
		}
	}
	dir := folder(t)
	for _, n := range []string{"signme-1", "signme-2"} {
		put(t, filepath.Join(dir, n), get(t, filepath.Join("testdata/elliptic-key", n)))
	}
	if good, bad, err := Verify(dir, "testdata/key-1.0.1.sig", key); err != nil || good != 2 || bad != nil {
		t.Errorf("release 1.0.1: %d good, %v, %v", good, bad, err)
	}
	states := func(want ...Difference) {
		t.Helper()
		_, bad, err := Verify(dir, "testdata/key-1.0.1.sig", key)
		for i := range bad {
			bad[i].Note = ""
		}
		if err != nil || !slices.Equal(bad, want) {
			t.Errorf("%v, %v, want %v", bad, err, want)
		}
	}
	put(t, filepath.Join(dir, "signme-1"), get(t, filepath.Join(dir, "signme-1"))+" ")
	put(t, filepath.Join(dir, "new", "file"), "")
	states(Difference{Name: "new/file", State: "added"}, Difference{Name: "signme-1", State: "changed"})
	if err := os.Remove(filepath.Join(dir, "signme-2")); err != nil {
		t.Fatal(err)
	}
	states(Difference{Name: "new/file", State: "added"}, Difference{Name: "signme-1", State: "changed"}, Difference{Name: "signme-2", State: "missing"})
}

// What was signed here holds with its key and its certificate alone, on every curve; a folder of names that sort otherwise as text than as paths, and one file.
func TestSign(t *testing.T) {
	dir := folder(t, "a-b/x", "a/x", "a.b", "sub/deep/file", ".gitignore", "labels/äöü")
	for _, curve := range []elliptic.Curve{elliptic.P256(), elliptic.P384(), elliptic.P521()} {
		k := must(ecdsa.GenerateKey(curve, rand.Reader))(t)
		keys := t.TempDir()
		private, public, ca, leaf := filepath.Join(keys, "k"), filepath.Join(keys, "k.pub"), filepath.Join(keys, "ca.pem"), filepath.Join(keys, "leaf.pem")
		put(t, private, string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: must(x509.MarshalECPrivateKey(k))(t)})))
		put(t, public, string(publicPEM(&k.PublicKey)))
		caKey := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(t)
		root := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "root"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
		put(t, ca, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: must(x509.CreateCertificate(rand.Reader, root, root, &caKey.PublicKey, caKey))(t)})))
		signing := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "signer"}, NotBefore: root.NotBefore, NotAfter: root.NotAfter, KeyUsage: x509.KeyUsageDigitalSignature}
		cert := func(of *x509.Certificate) {
			put(t, leaf, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: must(x509.CreateCertificate(rand.Reader, of, root, &k.PublicKey, caKey))(t)})))
		}
		cert(signing)
		for _, c := range []struct {
			model string
			files int
			v     *Verifier
			s     *Signer
		}{
			{dir, 5, must(ByKey(public))(t), must(NewSigner(private))(t)},
			{filepath.Join(dir, "a.b"), 1, must(ByRoots(ca))(t), must(NewSigner(private, leaf))(t)},
		} {
			path := DefaultPath(c.model)
			if n, err := Sign(c.model, path, c.s); err != nil || n != c.files {
				t.Fatalf("%d files, %v", n, err)
			}
			if good, bad, err := Verify(c.model, path, c.v); err != nil || good != c.files || bad != nil {
				t.Errorf("%s: %d good, %v, %v", c.model, good, bad, err)
			}
			whole := get(t, path)
			var b bundle
			if err := json.Unmarshal([]byte(whole), &b); err != nil {
				t.Fatal(err)
			}
			for what, change := range map[string]func(){
				"payload":   func() { b.Envelope.Payload[len(b.Envelope.Payload)-40] ^= 1 },
				"signature": func() { b.Envelope.Signatures[0].Sig[9] ^= 1 },
				"type":      func() { b.Envelope.PayloadType += "x" },
				"none":      func() { b.Envelope.Signatures = nil },
			} {
				if err := json.Unmarshal([]byte(whole), &b); err != nil {
					t.Fatal(err)
				}
				change()
				text := must(json.Marshal(b))(t)
				if _, err := c.v.open(path, text); err == nil {
					t.Errorf("another %s is taken", what)
				}
			}
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		}
		signing.KeyUsage = x509.KeyUsageKeyEncipherment
		cert(signing)
		s := must(NewSigner(private, leaf))(t)
		sig := filepath.Join(keys, "m.sig")
		if _, err := Sign(dir, sig, s); err != nil {
			t.Fatal(err)
		}
		if _, _, err := Verify(dir, sig, must(ByRoots(ca))(t)); err == nil || !strings.Contains(err.Error(), "not for signing") {
			t.Errorf("a certificate for something else: %v", err)
		}
		if _, err := NewSigner(private, ca); err == nil {
			t.Error("a certificate of another key is taken")
		}
	}
}

// A bundle that is signed but says something that is not understood, or not true of itself, is refused.
func TestStatements(t *testing.T) {
	dir := folder(t, "a", "b")
	key := filepath.Join(t.TempDir(), "key")
	if err := NewKey(key); err != nil {
		t.Fatal(err)
	}
	if err := NewKey(key); err == nil {
		t.Error("a key is overwritten")
	}
	if st, err := os.Stat(key); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("the private key has mode %v", st.Mode())
	}
	s, v := must(NewSigner(key))(t), must(ByKey(key+".pub"))(t)
	path := DefaultPath(dir)
	if _, err := Sign(dir, path, s); err != nil {
		t.Fatal(err)
	}
	var b bundle
	if err := json.Unmarshal([]byte(get(t, path)), &b); err != nil {
		t.Fatal(err)
	}
	payload := string(b.Envelope.Payload)
	for _, c := range [][2]string{{`"files"`, `"shards"`}, {`"hash_type":"sha256"`, `"hash_type":"blake3"`}, {`"allow_symlinks":false`, `"allow_symlinks":true`}, {`"name":"b"`, `"name":"../b"`}, {`"name":"b"`, `"name":"a"`},
		{`"algorithm":"sha256"`, `"algorithm":"md5"`}, {"v1.0", "v9.0"}, {"Statement/v1", "Statement/v2"}, {`"digest":{"sha256":"`, `"digest":{"sha256":"0`}, {`"digest":"`, `"digest":"zz`}} {
		if b.Envelope.Payload = []byte(strings.Replace(payload, c[0], c[1], 1)); string(b.Envelope.Payload) == payload {
			t.Fatalf("no %s in %s", c[0], payload)
		}
		b.Envelope.Signatures[0].Sig = must(s.sign(envelope(b.Envelope.Payload)))(t)
		var invalid *Error
		if _, err := v.open(path, must(json.Marshal(b))(t)); !errors.As(err, &invalid) {
			t.Errorf("%s: %v", c[1], err)
		}
	}
	if err := os.Symlink("a", filepath.Join(dir, "link")); err == nil {
		if _, err := Sign(dir, path, s); err == nil || !strings.Contains(err.Error(), "symbolic link") {
			t.Errorf("a link: %v", err)
		}
	}
}
