package distill

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"errors"
	"fmt"
	"html"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/freehold-slm/freehold/distill/data"
)

// mailChars is where readMails cuts a text, at the last space before it: what a mail is shows at its beginning, and the
// teacher's time goes with the length.
const mailChars = 600

// mailFolders are the folders of the archive; those of unwanted mail have the second label.
var mailFolders = map[string]int{"easy-ham-1": 0, "easy-ham-2": 0, "hard-ham-1": 0, "spam-1": 1, "spam-2": 1}

// readMails reads a package's archive of raw mails, a file a mail. A row's text is the mail's first text part, decoded, without
// markup and headers: those tell the lists and machines that a mail came by, and with them where the collector got it from.
func readMails(path_ string, labels int, report *data.Report) (rows []Row, err error) {
	if labels != 2 {
		return nil, &DataError{File: path_, Msg: fmt.Sprintf("this source has two labels (wanted mail, spam), the recipe has %d", labels)}
	}
	f, err := os.Open(path_)
	if err != nil {
		return nil, &DataError{File: path_, Msg: errText(err)}
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, &DataError{File: path_, Msg: err.Error()}
	}
	for t := tar.NewReader(z); ; {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, &DataError{File: path_, Msg: err.Error()}
		}
		folder, name := path.Split(h.Name)
		label, ok := mailFolders[path.Base(folder)]
		if !ok || h.Typeflag != tar.TypeReg || path.Ext(name) != ".txt" || path.Base(path.Dir(path.Clean(folder))) != "data" {
			continue
		}
		raw, err := io.ReadAll(io.LimitReader(t, 4<<20))
		if err != nil {
			return nil, &DataError{File: path_, Msg: h.Name + ": " + err.Error()}
		}
		row := Row{ID: path.Join(path.Base(folder), name), Text: mailText(raw), Gold: label, File: path_}
		if row.Text == "" {
			report.LeaveOut("source", "mail without text", 1, row.ID)
			continue
		}
		if short := cutAt(row.Text, mailChars); short != row.Text {
			row.Text = short
			report.CutAt = mailChars
			report.Cut++
		}
		rows = append(rows, row)
	}
	slices.SortFunc(rows, func(a, b Row) int { return strings.Compare(a.ID, b.ID) })
	return rows, nil
}

// cutAt shortens a text to at most n characters, at a space where there is one.
func cutAt(s string, n int) string {
	r := []rune(s)
	if len(r) <= n {
		return s
	}
	s = string(r[:n])
	if i := strings.LastIndexByte(s, ' '); i > 0 && r[n] != ' ' {
		s = s[:i]
	}
	return s
}

// mailText is the text of a raw mail; what cannot be parsed is taken as plain text after the first empty line.
func mailText(raw []byte) string {
	if bytes.HasPrefix(raw, []byte("From ")) { // a mailbox's line before the headers
		_, raw, _ = bytes.Cut(raw, []byte("\n"))
	}
	raw = bytes.ReplaceAll(raw, []byte("\r\n"), []byte("\n"))
	text := ""
	if m, err := mail.ReadMessage(bytes.NewReader(raw)); err == nil {
		body, _ := io.ReadAll(m.Body)
		text, _ = partText(m.Header.Get("Content-Type"), m.Header.Get("Content-Transfer-Encoding"), body, 0)
	} else {
		_, body, _ := bytes.Cut(raw, []byte("\n\n"))
		text = asUTF8(body)
	}
	return strings.Join(strings.Fields(text), " ")
}

// partText is the text of a part of a mail: of several the first plain one that has any, else the first with markup.
// Damaged encodings give what could be decoded. plain tells that it had no markup.
func partText(contentType, encoding string, body []byte, depth int) (text string, plain bool) {
	kind, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		kind = "text/plain"
	}
	if strings.HasPrefix(kind, "multipart/") && depth < 4 {
		first := ""
		for r := multipart.NewReader(bytes.NewReader(body), params["boundary"]); ; {
			p, err := r.NextRawPart()
			if err != nil {
				return first, false
			}
			inner, _ := io.ReadAll(p)
			text, plain := partText(p.Header.Get("Content-Type"), p.Header.Get("Content-Transfer-Encoding"), inner, depth+1)
			if strings.TrimSpace(text) == "" {
				continue
			}
			if plain {
				return text, true
			}
			if first == "" {
				first = text
			}
		}
	}
	if !strings.HasPrefix(kind, "text/") {
		return "", false
	}
	switch strings.ToLower(strings.TrimSpace(encoding)) {
	case "base64":
		body, _ = io.ReadAll(base64.NewDecoder(base64.StdEncoding, bytes.NewReader(body)))
	case "quoted-printable":
		body, _ = io.ReadAll(quotedprintable.NewReader(bytes.NewReader(body)))
	}
	text = asUTF8(body)
	if kind == "text/html" || strings.Contains(strings.ToLower(text[:min(len(text), 2000)]), "<html") {
		return withoutMarkup(text), false
	}
	return text, true
}

// asUTF8 takes bytes that are not UTF-8 for Latin-1, which old mails are.
func asUTF8(b []byte) string {
	if utf8.Valid(b) {
		return strings.ReplaceAll(string(b), "\x00", " ")
	}
	r := make([]rune, len(b))
	for i, c := range b {
		if r[i] = rune(c); c == 0 {
			r[i] = ' '
		}
	}
	return string(r)
}

// unseen is what a page does not show, tag is the rest of its markup.
var (
	unseen = regexp.MustCompile(`(?is)<!--.*?(-->|$)|<(style|script|title)\b.*?</(style|script|title)\s*>`)
	tag    = regexp.MustCompile(`(?s)</?[A-Za-z!][^<>]*>`)
)

func withoutMarkup(page string) string {
	return html.UnescapeString(tag.ReplaceAllString(unseen.ReplaceAllString(page, " "), " "))
}
