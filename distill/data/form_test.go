package data

import (
	"path/filepath"
	"testing"
)

// A test file needs labels where the task is judged by them; pairs and topics need none.
func TestNeedGold(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.csv")
	write(t, path, "query,text\nq,d\n")
	for form, fails := range map[Form]bool{OneLabel: true, OneAnswer: true, SeveralLabels: true, OnePair: false, OneTopic: false} {
		if _, err := Read(path, ReadOptions{Split: "test", Labels: twoLabels, Form: form, NeedGold: true, Columns: Columns{Text: "text"}}); (err != nil) != fails {
			t.Errorf("form %d: %v", form, err)
		}
	}
}
