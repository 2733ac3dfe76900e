package distill

import (
	"archive/tar"
	"compress/gzip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/freehold-slm/freehold/distill/data"
)

// A mail's text is its first plain part, decoded, without headers and markup; what is damaged or odd gives what there is.
func TestMailText(t *testing.T) {
	for raw, want := range map[string]string{
		"From a@b Mon\nSubject: Free money\nReceived: x\n\nHello\n  you\r\nthere\n":                                                                                   "Hello you there",
		"Subject: x\nContent-Type: text/html\n\n<html><head><title>T</title><style>p{}</style></head><p>5 &lt; 6 <b>now</b>!":                                         "5 < 6 now !",
		"Content-Transfer-Encoding: quoted-printable\n\nna=EFve =3D a=\nb":                                                                                            "naïve = ab",
		"Content-Transfer-Encoding: base64\n\naGVsbG8=\n":                                                                                                             "hello",
		"Content-Transfer-Encoding: base64\n\naGVsbG8!!":                                                                                                              "hel",
		"Content-Type: multipart/alternative; boundary=\"q\"\n\nskip\n--q\nContent-Type: text/html\n\n<p>markup</p>\n--q\nContent-Type: text/plain\n\nplain\n--q--\n": "plain",
		"Content-Type: multipart/mixed; boundary=q\n\n--q\nContent-Type: text/html\n\n<p>only</p>\n--q\nContent-Type: image/png\n\nPNG\n--q--\n":                      "only",
		"no header at all\n\nbody \xe9t\xe9":                                                                                                                          "body été",
		"Content-Type: image/png\n\nPNG":                                                                                                                              "",
		"":                                                                                                                                                            "",
	} {
		if got := mailText([]byte(raw)); got != want {
			t.Errorf("%q: %q, want %q", raw, got, want)
		}
	}
	for _, c := range [][2]string{{"one two three", "one two"}, {"one two", "one two"}, {"onetwothree", "onetwoth"}, {"one two  x", "one two "}} {
		if got := cutAt(c[0], 8); got != c[1] {
			t.Errorf("%q cut at 8: %q, want %q", c[0], got, c[1])
		}
	}
}

// The archive of mails: labels by folder, mails without text left out, long ones cut, both counted.
func TestMails(t *testing.T) {
	path := filepath.Join(t.TempDir(), "mails.tgz")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	z := gzip.NewWriter(f)
	w := tar.NewWriter(z)
	for _, m := range [][2]string{{"spam-1/2.txt", "Subject: s\n\nbuy " + strings.Repeat("now ", 200)}, {"hard-ham-1/1.txt", "Subject: h\n\nlunch?"}, {"spam-2/3.txt", "Subject: e\n\n\n"},
		{"easy-ham-1/readme.md", "no mail"}, {"other/4.txt", "a: b\n\nno mail"}} {
		if err := w.WriteHeader(&tar.Header{Name: "package/data/" + m[0], Typeflag: tar.TypeReg, Size: int64(len(m[1])), Mode: 0o644}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(m[1])); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []interface{ Close() error }{w, z, f} {
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
	var report data.Report
	rows, err := readMails(path, 2, &report)
	if err != nil || len(rows) != 2 || rows[0].ID != "hard-ham-1/1.txt" || rows[0].Text != "lunch?" || rows[0].Gold != 0 || rows[1].Gold != 1 || len(rows[1].Text) > mailChars || !strings.HasSuffix(rows[1].Text, " now") {
		t.Fatalf("%+v: %v", rows, err)
	}
	if got := report.String(); got != "1 source rows left out (mail without text); 1 texts of the source cut at 600 characters" {
		t.Errorf("report: %s", got)
	}
	if _, err := readMails(path, 3, &report); err == nil || !strings.Contains(err.Error(), "two labels") {
		t.Errorf("three labels: %v", err)
	}
	write(t, path, "no archive")
	if _, err := readMails(path, 2, &report); err == nil || !strings.Contains(err.Error(), "mails.tgz") {
		t.Errorf("no archive: %v", err)
	}
}
