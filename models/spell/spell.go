// Package spell finds the known word that an unknown one is probably a misspelling of.
package spell

import (
	"fmt"
	"strings"
)

// Unknown says that word is no known word of its kind in a place, and what was probably meant or what there is.
func Unknown(kind, word, where string, known []string) string {
	msg := fmt.Sprintf("unknown %s %.60q in %s", kind, word, where)
	if s := Nearest(word, known); s != "" {
		return msg + fmt.Sprintf("; did you mean %q?", s)
	}
	return msg + "; known: " + strings.Join(known, ", ")
}

// Nearest finds the known word that word is probably a misspelling of: at most two letters off, and no more than a
// third of the word. "" = none.
func Nearest(word string, known []string) string {
	if len(word) > 60 {
		return ""
	}
	best, at := 3, ""
	for _, k := range known {
		if d := Distance(word, k); d < best && 3*d <= max(len(word), len(k))+1 {
			best, at = d, k
		}
	}
	return at
}

// Distance is Levenshtein's: how many bytes to insert, delete or replace lead from a to b.
func Distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diag := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diag
			if a[i] != b[j] {
				cost++
			}
			diag = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
