package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A folder and a file are signed with a key that was made here, hold with it, and not with another, nor where a file was changed.
func TestSign(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	put := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(at(name), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(at("m"), 0o777); err != nil {
		t.Fatal(err)
	}
	put("m/a", "a")
	put("m/b", "b")
	for _, k := range []string{"key", "other"} {
		freehold(t, "sign", "--new-key", at(k)).must(t)
	}
	if d := freehold(t, "sign", "--json", at("m"), "--key", at("key")).must(t).document(t, "freehold/sign/1"); d["files"] != 2.0 || d["signature"] != at("m/model.sig") {
		t.Errorf("%v", d)
	}
	freehold(t, "sign", at("m/a"), "--key", at("key"), "--signature", at("a.sig")).must(t)
	d := freehold(t, "verify", "--json", at("m"), "--signature", "-", "--public-key", at("key.pub")).must(t).document(t, "freehold/verify/1")
	if s := d["signature"].(map[string]any); s["valid"] != true || s["good"] != 2.0 || d["ok"] != true {
		t.Errorf("%v", d)
	}
	freehold(t, "verify", at("m/a"), "--signature", at("a.sig"), "--public-key", at("key.pub")).must(t)
	for _, c := range []struct {
		name, want string
		code       int
		args       []string
	}{
		{"another key", "signed with another key", exitVerify, []string{"verify", at("m"), "--signature", "-", "--public-key", at("other.pub")}},
		{"no key", "--public-key or --root", exitUsage, []string{"verify", at("m"), "--signature", "-"}},
		{"a key that signs nothing", "give --signature too", exitUsage, []string{"verify", at("m"), "--public-key", at("key.pub")}},
		{"a private key in its place", "no public key", exitInput, []string{"verify", at("m"), "--signature", "-", "--public-key", at("key")}},
		{"a signature that is none", "no Sigstore bundle", exitVerify, []string{"verify", at("m"), "--signature", at("key"), "--public-key", at("key.pub")}},
		{"no signature", "no such file", exitInput, []string{"verify", at("m"), "--signature", at("none"), "--public-key", at("key.pub")}},
		{"the key again", "not overwritten", exitUsage, []string{"sign", "--new-key", at("key")}},
		{"a file and no signature", "want the folder of a run", exitInput, []string{"verify", at("m/a")}},
		{"nothing", "--key are needed", exitUsage, []string{"sign", at("m")}},
	} {
		if r := freehold(t, c.args...); r.code != c.code || !strings.Contains(r.out+r.err, c.want) {
			t.Errorf("%s: code %d: %s%s", c.name, r.code, r.out, r.err)
		}
	}
	put("m/SHA256SUMS", "87428fc522803d31065e7bce3cf03fe475096631e5e07bbd7a0fde60c4cf25c7  a\n") // as a release has it, which is no run
	freehold(t, "sign", at("m"), "--key", at("key")).must(t)
	freehold(t, "verify", at("m"), "--signature", "-", "--public-key", at("key.pub")).must(t)
	put("m/b", "B")
	if r := freehold(t, "verify", at("m"), "--signature", "-", "--public-key", at("key.pub")); r.code != exitVerify || !strings.Contains(r.out, "changed  b") || strings.Contains(r.out, "  a") {
		t.Errorf("a changed file: code %d: %s%s", r.code, r.out, r.err)
	}
}
