package data

import (
	"fmt"
	"strings"
	"testing"
)

func rowsOf(split string, texts ...string) []Row {
	var rows []Row
	for i, text := range texts {
		rows = append(rows, Row{ID: fmt.Sprint(split, i), Text: text, Gold: i % 2})
	}
	return rows
}

func textsOf(rows []Row) string {
	var all []string
	for _, r := range rows {
		all = append(all, r.Text)
	}
	return strings.Join(all, "|")
}

// What is tested on is never learnt from, and what is left out is counted.
func TestTidyRepeats(t *testing.T) {
	long := "the quick brown fox jumps over the lazy dog and then goes home to sleep for the rest of the long winter night"
	near := strings.Replace(long, "lazy", "sleepy", 1)
	far := strings.Replace(strings.Replace(strings.Replace(strings.Replace(long, "lazy", "a", 1), "home", "b", 1), "rest", "c", 1), "quick", "d", 1)
	for _, c := range []struct{ duplicates, train, valid string }{
		{"keep", "Same  words!|same words|x|" + near + "|" + far, "same Words|y|y"},
		{"exact", "x|" + near + "|" + far, "same Words|y"},
		{"near", "x|" + far, "same Words|y"},
	} {
		s := &Set{Train: rowsOf("a", "Same  words!", "same words", "x", near, far), Valid: rowsOf("b", "same Words", "y", "y"), Test: rowsOf("c", long)}
		s.Tidy(TidyOptions{Labels: twoLabels, Duplicates: c.duplicates, Near: 0.7})
		if textsOf(s.Train) != c.train || textsOf(s.Valid) != c.valid || textsOf(s.Test) != long {
			t.Errorf("%s: train %s, valid %s, test %s", c.duplicates, textsOf(s.Train), textsOf(s.Valid), textsOf(s.Test))
		}
		out := map[string]string{"keep": "", "exact": "1 valid rows left out (repeats a valid text); 2 train rows left out (repeats a valid text); 2 texts stand there twice with different labels",
			"near": "1 valid rows left out (repeats a valid text); 2 train rows left out (repeats a valid text); 1 train rows left out (repeats a test text); 3 texts stand there twice with different labels"}
		if got := s.Report.String(); got != out[c.duplicates] {
			t.Errorf("%s: %s", c.duplicates, got)
		}
	}
}

// Near repetitions are found among many texts, in scripts without spaces too, and others are let be.
func TestNear(t *testing.T) {
	var words []string
	for i := range 400 {
		words = append(words, fmt.Sprintf("w%d", i*i%401))
	}
	text := func(i int) string { return strings.Join(words[i%350:i%350+40], " ") + fmt.Sprint(" tail", i) }
	var texts, again []string
	for i := 0; i < 350; i += 50 {
		texts = append(texts, text(i))
		again = append(again, strings.Replace(text(i), words[i+20], "other", 1))
	}
	s := &Set{Test: rowsOf("t", texts...), Train: rowsOf("a", append(again, "今日はとても良い天気なので公園を散歩しました。", "今日はとても良い天気なので公園を散歩した。", "明日は雨が降るでしょう。")...)}
	s.Tidy(TidyOptions{Duplicates: "near", Near: 0.6})
	if len(s.Test) != len(texts) || len(s.Train) != 2 {
		t.Errorf("%d test rows, want %d; train rows %s, want 2", len(s.Test), len(texts), textsOf(s.Train))
	}
}

func TestTidyLengths(t *testing.T) {
	s := &Set{Train: rowsOf("a", "ä", "äö", "äöü", "äöüß"), Test: rowsOf("b", "test")}
	s.Tidy(TidyOptions{MinChars: 2, MaxChars: 3, Labels: twoLabels})
	if got := textsOf(s.Train); got != "äö|äöü" {
		t.Errorf("train: %s", got)
	}
	if r := s.Report.String(); r != "1 test rows left out (over 3 characters); 1 train rows left out (under 2 characters); 1 train rows left out (over 3 characters)" {
		t.Error(r)
	}
	if d := s.Report.Splits[0]; d.Rows != 2 || d.Labels["up"] != 1 || d.Labels["down"] != 1 || d.Chars != [3]int{2, 3, 3} {
		t.Errorf("%+v", d)
	}
}

func TestMask(t *testing.T) {
	for text, want := range map[string]string{
		"mail jo.doe+x@exämple.co.uk now":              "mail [EMAIL] now",
		"see https://example.org/a?b=c, or www.x.org.": "see [URL] or [URL]",
		"pay to DE89 3704 0044 0532 0130 00 today":     "pay to [IBAN] today",
		"not DE89 3704 0044 0532 0130 07":              "not DE89 3704 0044 0532 0130 07",
		"card 4111 1111 1111 1111.":                    "card [CARD].",
		"number 4111 1111 1111 1112":                   "number 4111 1111 1111 1112",
		"host 192.168.0.1 up, version 1.2.3":           "host [IP] up, version 1.2.3",
		"call +49 (0)30 1234567 or 030 1234567":        "call [PHONE] or [PHONE]",
		"on 2024-10-31 or 31.10.2024, 10 of 25":        "on 2024-10-31 or 31.10.2024, 10 of 25",
		"nothing to hide, 3.5 %":                       "nothing to hide, 3.5 %",
	} {
		var r Report
		if got := masker(Masks())(text, &r); got != want {
			t.Errorf("%s\nbecomes %s\nwant    %s", text, got, want)
		} else if again := masker(Masks())(got, &r); again != got {
			t.Errorf("%s\nthe second time %s", got, again)
		}
		if got := masker(nil)(text, &r); got != text {
			t.Errorf("masked without being asked: %s", got)
		}
	}
}

// A row's split depends on its group or words alone; groups and repeated texts stay together, unlabelled rows are not
// tested on.
func TestSplit(t *testing.T) {
	var rows []Row
	for i := range 3000 {
		r := Row{ID: fmt.Sprint(i), Text: fmt.Sprintf("text %d", i/2), Gold: i % 3 / 2}
		if i >= 1500 {
			r.Group = fmt.Sprint("g", i%100)
		}
		if i%10 == 9 {
			r.Gold = -1
		}
		rows = append(rows, r)
	}
	part := func(rows []Row) map[string]string {
		var s Set
		s.Split(rows, Fractions{Valid: 0.1, Test: 0.2})
		at := map[string]string{}
		for _, p := range s.parts() {
			for _, r := range *p.rows {
				at[r.ID] = p.name
			}
		}
		return at
	}
	at := part(rows)
	counts, place := map[string]int{}, map[string]string{}
	for _, r := range rows {
		key := r.Group
		if key == "" {
			key = r.Text
		}
		p, ok := at[r.ID]
		switch {
		case !ok && (r.Gold >= 0 || r.Group == ""):
			t.Fatalf("row %+v is nowhere", r)
		case !ok:
			continue
		case p == "test" && r.Gold < 0:
			t.Fatalf("row %+v is tested on", r)
		case place[key] != "" && place[key] != p && r.Gold >= 0:
			t.Fatalf("%s is in %s and %s", key, place[key], p)
		}
		if r.Gold >= 0 {
			place[key] = p
		}
		counts[p]++
	}
	if counts["test"] < 400 || counts["test"] > 680 || counts["valid"] < 200 || counts["valid"] > 400 {
		t.Errorf("%v", counts)
	}
	for id, p := range part(rows[1000:]) {
		if at[id] != p {
			t.Fatalf("row %s is in %s among all rows and in %s among some", id, at[id], p)
		}
	}
}
