package distill

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/freehold-slm/freehold/distill/data"
)

// readAddresses reads an AddressCollection of AddressStrings, in which each word stands in an element that names its
// part of the address. The text is that of the whole element; the answer has the words of a part together, without the
// commas around them, parts in the order they first come in.
func readAddresses(path string, report *data.Report) (rows []Row, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, &DataError{File: path, Msg: errText(err)}
	}
	defer f.Close()
	d := xml.NewDecoder(f)
	bad := func(format string, args ...any) ([]Row, error) {
		line, _ := d.InputPos()
		return nil, &DataError{File: path, Line: line, Msg: fmt.Sprintf(format, args...)}
	}
	var text strings.Builder
	var parts []string
	words := map[string][]string{}
	part := ""
	depth := 0
	for {
		t, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return bad("%v", err)
		}
		switch t := t.(type) {
		case xml.StartElement:
			switch depth++; depth {
			case 1:
				if t.Name.Local != "AddressCollection" {
					return bad("begins with %.40q, want AddressCollection", t.Name.Local)
				}
			case 2:
				text.Reset()
				parts = nil
				clear(words)
			case 3:
				part = t.Name.Local
			default:
				return bad("%.40q stands within %.40q", t.Name.Local, part)
			}
		case xml.CharData:
			if depth < 2 {
				continue
			}
			text.Write(t)
			if depth < 3 {
				continue
			}
			if words[part] == nil {
				parts = append(parts, part)
			}
			if word := strings.Trim(string(t), " ,;()\n\t"); word != "" {
				words[part] = append(words[part], word)
			}
		case xml.EndElement:
			if depth--; depth != 1 {
				continue
			}
			line, _ := d.InputPos()
			row := Row{ID: fmt.Sprintf("line-%d", line), Text: strings.Join(strings.Fields(text.String()), " "), File: path, Line: line}
			var b strings.Builder
			for _, p := range parts {
				if len(words[p]) == 0 {
					continue
				}
				key, _ := json.Marshal(p)
				value, _ := json.Marshal(strings.Join(words[p], " "))
				fmt.Fprintf(&b, ",%s:%s", key, value)
			}
			if row.Text == "" || b.Len() == 0 || words["NotAddress"] != nil {
				report.LeaveOut("source", "no address", 1)
				continue
			}
			row.Answer = "{" + b.String()[1:] + "}"
			rows = append(rows, row)
		}
	}
	return rows, nil
}
