package data

import (
	"encoding/hex"
	"math/big"
	"strings"
)

// Fractions say how large the parts are that are set apart from the rows of one file.
type Fractions struct {
	Valid float64 `yaml:"valid" json:"valid,omitempty"`
	Test  float64 `yaml:"test" json:"test,omitempty"`
}

// Split sets rows apart for validation and test, by a hash of their group or else of their words: a row's place does not
// depend on the other rows, and a group or a repeated text is never torn apart. A row without a label cannot be a test
// row: without a group it is learnt from, with one that is tested it is left out.
func (s *Set) Split(rows []Row, f Fractions) {
	for _, row := range rows {
		key := "group " + row.Group
		if row.Group == "" {
			key = "text " + strings.Join(wordsOf(row.Text), " ")
		}
		switch u := unit(key); {
		case u < f.Test && (row.Gold >= 0 || row.Query != ""): // a pair is held against the teacher too
			s.Test = append(s.Test, row)
		case u < f.Test && row.Group != "":
			s.Report.LeaveOut("test", "no label", 1, row.ID)
		case u >= f.Test && u < f.Test+f.Valid:
			s.Valid = append(s.Valid, row)
		default:
			s.Train = append(s.Train, row)
		}
	}
}

// unit maps a key to a number from 0 to below 1.
func unit(key string) float64 {
	b, _ := hex.DecodeString(hashOf("split", key)[:12])
	return float64(new(big.Int).SetBytes(b).Uint64()) / (1 << 48)
}
