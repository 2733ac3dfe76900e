package sign

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	_ "crypto/sha512" // SHA-384 and SHA-512
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"slices"
)

// hashOf is the hash that goes with a curve.
func hashOf(c elliptic.Curve) (crypto.Hash, error) {
	switch c {
	case elliptic.P256():
		return crypto.SHA256, nil
	case elliptic.P384():
		return crypto.SHA384, nil
	case elliptic.P521():
		return crypto.SHA512, nil
	}
	return 0, errKey
}

// Signer holds a private key, and the certificates that say whose it is, if any.
type Signer struct {
	key   *ecdsa.PrivateKey
	chain []*x509.Certificate
}

// NewSigner reads a private key (PEM, PKCS #8 or SEC 1, not encrypted) and, if certificates are named, the signing one and then those between it and a root.
func NewSigner(key string, certificates ...string) (*Signer, error) {
	k, err := readKey(key)
	if err != nil {
		return nil, err
	}
	s := &Signer{key: k}
	for _, path := range certificates {
		more, err := readCertificates(path)
		if err != nil {
			return nil, err
		}
		s.chain = append(s.chain, more...)
	}
	if len(s.chain) > 0 && !k.PublicKey.Equal(s.chain[0].PublicKey) {
		return nil, &Error{certificates[0], "is for another key than " + key}
	}
	return s, nil
}

func readKey(path string) (*ecdsa.PrivateKey, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	for block, rest := pem.Decode(b); block != nil; block, rest = pem.Decode(rest) {
		var k any
		switch block.Type {
		case "EC PARAMETERS": // openssl writes the curve's name before the key
			continue
		case "EC PRIVATE KEY":
			k, err = x509.ParseECPrivateKey(block.Bytes)
		case "PRIVATE KEY":
			k, err = x509.ParsePKCS8PrivateKey(block.Bytes)
		default:
			err = fmt.Errorf("is a %s, want a private key that is not encrypted", block.Type)
		}
		if err != nil {
			return nil, &Error{path, err.Error()}
		}
		if ec, ok := k.(*ecdsa.PrivateKey); ok {
			if _, err := hashOf(ec.Curve); err == nil {
				return ec, nil
			}
		}
		return nil, &Error{path, errKey.Error()}
	}
	return nil, &Error{path, "holds no key in PEM"}
}

func readCertificates(path string) (all []*x509.Certificate, err error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	for block, rest := pem.Decode(b); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			return nil, &Error{path, fmt.Sprintf("holds a %s, want certificates", block.Type)}
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, &Error{path, err.Error()}
		}
		all = append(all, c)
	}
	if all == nil {
		return nil, &Error{path, "holds no certificate in PEM"}
	}
	return all, nil
}

func (s *Signer) sign(text []byte) ([]byte, error) {
	hash, err := hashOf(s.key.Curve)
	if err != nil {
		return nil, err
	}
	h := hash.New()
	h.Write(text)
	return ecdsa.SignASN1(rand.Reader, s.key, h.Sum(nil))
}

// material tells by what the bundle can be checked: the certificates, else a hash of the public key.
func (s *Signer) material(b *bundle) {
	if len(s.chain) == 0 {
		b.Material.PublicKey = &struct {
			Hint string `json:"hint"`
		}{hint(&s.key.PublicKey)}
		return
	}
	b.Material.Chain = &struct {
		Certificates []certificate `json:"certificates"`
	}{}
	for _, c := range s.chain {
		b.Material.Chain.Certificates = append(b.Material.Chain.Certificates, certificate{c.Raw})
	}
}

// publicPEM is a public key as it stands in a file.
func publicPEM(k *ecdsa.PublicKey) []byte {
	der, err := x509.MarshalPKIXPublicKey(k)
	if err != nil {
		panic("sign: a public key on a known curve: " + err.Error())
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

// hint names a public key: the sha256 of its file.
func hint(k *ecdsa.PublicKey) string {
	sum := sha256.Sum256(publicPEM(k))
	return hex.EncodeToString(sum[:])
}

// NewKey writes a new private key on P-256 to path, which must not be there, and its public key to path.pub.
func NewKey(path string) error {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.WriteFile(path+".pub", publicPEM(&k.PublicKey), 0o666)
}

// Verifier knows whose signatures hold: those of one public key, or those by certificates that lead to a root.
type Verifier struct {
	public *ecdsa.PublicKey
	roots  *x509.CertPool
}

// ByKey trusts the public key (PEM) of a file.
func ByKey(path string) (*Verifier, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(b)
	if block == nil || block.Type != "PUBLIC KEY" {
		return nil, &Error{path, "holds no public key in PEM"}
	}
	k, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, &Error{path, err.Error()}
	}
	ec, ok := k.(*ecdsa.PublicKey)
	if !ok {
		return nil, &Error{path, errKey.Error()}
	}
	if _, err := hashOf(ec.Curve); err != nil {
		return nil, &Error{path, err.Error()}
	}
	return &Verifier{public: ec}, nil
}

// ByRoots trusts certificates that lead to one of the files' (PEM).
func ByRoots(paths ...string) (*Verifier, error) {
	v := &Verifier{roots: x509.NewCertPool()}
	for _, path := range paths {
		all, err := readCertificates(path)
		if err != nil {
			return nil, err
		}
		for _, c := range all {
			v.roots.AddCert(c)
		}
	}
	return v, nil
}

// key is the public key that a bundle must have been signed with.
func (v *Verifier) key(b *bundle) (*ecdsa.PublicKey, error) {
	if v.public != nil {
		switch {
		case b.Material.PublicKey == nil:
			return nil, errors.New("was signed with a certificate; give the roots that it must lead to")
		case b.Material.PublicKey.Hint != "" && b.Material.PublicKey.Hint != hint(v.public): // bundles of model-signing before 1.1 have none
			return nil, fmt.Errorf("was signed with another key: hint %s, this one's is %s", b.Material.PublicKey.Hint, hint(v.public))
		}
		return v.public, nil
	}
	if b.Material.Chain == nil || len(b.Material.Chain.Certificates) == 0 {
		return nil, errors.New("was signed without a certificate; give the public key")
	}
	var chain []*x509.Certificate
	between := x509.NewCertPool()
	for i, raw := range b.Material.Chain.Certificates {
		c, err := x509.ParseCertificate(raw.Raw)
		if err != nil {
			return nil, fmt.Errorf("certificate %d: %v", i, err)
		}
		if chain = append(chain, c); i > 0 {
			between.AddCert(c)
		}
	}
	// There is no time stamp, so, as in the format's own tool, all that can be asked is whether the chain held when the certificate was made.
	leaf := chain[0]
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: v.roots, Intermediates: between, CurrentTime: leaf.NotBefore, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}); err != nil {
		return nil, fmt.Errorf("its certificate leads to no root that is trusted: %v", err)
	}
	if leaf.KeyUsage&x509.KeyUsageDigitalSignature == 0 && !slices.Contains(leaf.ExtKeyUsage, x509.ExtKeyUsageCodeSigning) {
		return nil, errors.New("its certificate is not for signing")
	}
	ec, ok := leaf.PublicKey.(*ecdsa.PublicKey)
	if !ok {
		return nil, errKey
	}
	return ec, nil
}

func check(k *ecdsa.PublicKey, text, sig []byte) error {
	hash, err := hashOf(k.Curve)
	if err != nil {
		return err
	}
	h := hash.New()
	h.Write(text)
	if !ecdsa.VerifyASN1(k, h.Sum(nil), sig) {
		return errors.New("the signature does not fit what is signed: one of them was changed, or it was made with another key")
	}
	return nil
}
