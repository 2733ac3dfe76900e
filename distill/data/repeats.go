package data

import (
	"hash/fnv"
	"math"
	"slices"
	"strings"
	"unicode"
)

// seen finds texts that repeat an earlier one.
type seen struct {
	near  float64 // similarity of a repetition; 1 = the same words, over 1 = nothing is one
	exact map[string]int
	rows  []Row
	where []string // split of rows[i]
	sets  [][]uint64
	bands map[band][]int
}

// band is one group of a signature's smallest hashes: texts that share one are compared.
type band struct {
	number int
	hash   uint64
}

// bands of bandRows hashes: texts of similarity s share one with probability 1 - (1 - s^bandRows)^bands, 0.87 at 0.5
// and over 0.999 from 0.7 (Broder 1997; Leskovec, Rajaraman, Ullman, Mining of Massive Datasets, 3.4).
const (
	bands    = 32
	bandRows = 4
	shingle  = 3 // words
)

func repeats(o TidyOptions) *seen {
	s := &seen{near: 2, exact: map[string]int{}, bands: map[band][]int{}}
	switch o.Duplicates {
	case "exact":
		s.near = 1
	case "near":
		s.near = o.Near
	}
	return s
}

// looks is what repetitions of a text are known by, as far as they are looked for.
type looks struct {
	words string
	set   []uint64
	bands []band
}

func (s *seen) look(text string) (l looks) {
	if s.near <= 1 {
		words := wordsOf(text)
		l.words = strings.Join(words, " ")
		if s.near < 1 {
			l.set = shingles(words)
			l.bands = bandsOf(l.set)
		}
	}
	return l
}

// find returns the kept row that a text repeats and its split; "" = none.
func (s *seen) find(l looks) (Row, string) {
	if s.near > 1 {
		return Row{}, ""
	}
	if i, ok := s.exact[l.words]; ok {
		return s.rows[i], s.where[i]
	}
	best, at := s.near, -1
	checked := map[int]bool{}
	for _, b := range l.bands {
		for _, i := range s.bands[b] {
			if !checked[i] {
				checked[i] = true
				if j := jaccard(l.set, s.sets[i]); j >= best && (at < 0 || j > best || i < at) {
					best, at = j, i
				}
			}
		}
	}
	if at < 0 {
		return Row{}, ""
	}
	return s.rows[at], s.where[at]
}

// add keeps a row to find repetitions of.
func (s *seen) add(row Row, where string, l looks) {
	if s.near > 1 {
		return
	}
	s.exact[l.words] = len(s.rows)
	for _, b := range l.bands {
		s.bands[b] = append(s.bands[b], len(s.rows))
	}
	s.sets = append(s.sets, l.set)
	s.rows, s.where = append(s.rows, row), append(s.where, where)
}

// wordsOf are a text's runs of letters and digits in small letters; a text without any is its own word.
func wordsOf(text string) []string {
	words := strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r) })
	if len(words) == 0 {
		return []string{strings.TrimSpace(text)}
	}
	return words
}

// shingles are the hashes of a text's runs of three words, sorted; of scripts without spaces, of three runes.
func shingles(words []string) []uint64 {
	if len(words) < 2*shingle { // few spaces: perhaps none are written
		if text := strings.Join(words, " "); len([]rune(text)) > 8*len(words) {
			words = strings.Split(text, "")
		}
	}
	var set []uint64
	for i := range max(1, len(words)-shingle+1) {
		h := fnv.New64a()
		for _, w := range words[i:min(i+shingle, len(words))] {
			h.Write([]byte(w))
			h.Write([]byte{0})
		}
		set = append(set, h.Sum64())
	}
	slices.Sort(set)
	return slices.Compact(set)
}

// bandsOf cuts a set's MinHash signature into bands.
func bandsOf(set []uint64) []band {
	out := make([]band, bands)
	for b := range out {
		h := fnv.New64a()
		for r := range bandRows {
			least := uint64(math.MaxUint64)
			for _, x := range set {
				least = min(least, mix(x+uint64(b*bandRows+r+1)*0x9e3779b97f4a7c15))
			}
			var le [8]byte
			for i := range le {
				le[i] = byte(least >> (8 * i))
			}
			h.Write(le[:])
		}
		out[b] = band{b, h.Sum64()}
	}
	return out
}

// mix is the finaliser of SplitMix64 (Steele, Lea, Flood 2014).
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// jaccard is the share of two sorted sets that both have.
func jaccard(a, b []uint64) float64 {
	both := 0
	for i, j := 0, 0; i < len(a) && j < len(b); {
		switch {
		case a[i] < b[j]:
			i++
		case a[i] > b[j]:
			j++
		default:
			both, i, j = both+1, i+1, j+1
		}
	}
	return float64(both) / float64(len(a)+len(b)-both)
}
