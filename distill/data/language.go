package data

import (
	"maps"
	"slices"
	"strings"
	"unicode"

	"github.com/abadojack/whatlanggo"
)

// What language a text is in is told by its script and by its trigrams (Cavnar and Trenkle 1994, as whatlanggo has them). A text is only ever said to be in
// another language than those that are wanted where that is plain; short ones and mixtures stay.

const (
	leastLetters  = 20      // of a text whose trigrams are looked at
	manyLetters   = 50      // of a text where the wanted languages alone are the others to choose from
	leastSure     = 0.8     // of whatlanggo's confidence
	foreignScript = 0.8     // part of the letters in scripts that no wanted language is written in
	leastForeign  = 3       // letters of such a text
	mostBytes     = 1 << 14 // of a text that is longer
)

// latin are the languages that are known and written in Latin letters, by ISO 639-1.
var latin = strings.Fields("af ak az cs da de en eo es et fi fr ha hr ht hu id ig it jv ku lt lv mg nb nl nn no ny om pl pt rn ro rw sl sn so sr sv tl tr uz vi yo zu")

// scripts are those of the other languages.
var scripts = map[string][]*unicode.RangeTable{
	"am": {unicode.Ethiopic}, "ti": {unicode.Ethiopic},
	"ar": {unicode.Arabic}, "fa": {unicode.Arabic}, "ug": {unicode.Arabic}, "ur": {unicode.Arabic},
	"be": {unicode.Cyrillic}, "bg": {unicode.Cyrillic}, "mk": {unicode.Cyrillic}, "ru": {unicode.Cyrillic}, "sr": {unicode.Cyrillic, unicode.Latin}, "uk": {unicode.Cyrillic},
	"hi": {unicode.Devanagari}, "mr": {unicode.Devanagari}, "ne": {unicode.Devanagari},
	"he": {unicode.Hebrew}, "yi": {unicode.Hebrew},
	"ja": {unicode.Han, unicode.Hiragana, unicode.Katakana}, "ko": {unicode.Hangul}, "zh": {unicode.Han},
	"bn": {unicode.Bengali}, "el": {unicode.Greek}, "gu": {unicode.Gujarati}, "ka": {unicode.Georgian}, "km": {unicode.Khmer}, "kn": {unicode.Kannada}, "ml": {unicode.Malayalam},
	"my": {unicode.Myanmar}, "or": {unicode.Oriya}, "pa": {unicode.Gurmukhi}, "si": {unicode.Sinhala}, "ta": {unicode.Tamil}, "te": {unicode.Telugu}, "th": {unicode.Thai},
}

// kin are written so much alike that trigrams do not tell them apart: a text in one passes where another is wanted.
var kin = [][]string{{"da", "nb", "nn", "no"}, {"hr", "sr"}, {"id", "jv"}, {"hi", "mr", "ne"}}

// Languages lists what a recipe may name.
func Languages() []string {
	all := slices.Clone(latin)
	all = slices.AppendSeq(all, maps.Keys(scripts))
	slices.Sort(all)
	return slices.Compact(all)
}

// wantedLanguages are those that rows may be in.
type wantedLanguages struct {
	codes   []string // with those that cannot be told from them
	scripts []*unicode.RangeTable
	rivals  []whatlanggo.Lang
	unnamed map[whatlanggo.Lang]bool // languages without a code here, which nothing is told to be in
}

func newWanted(codes []string) *wantedLanguages {
	w := &wantedLanguages{codes: slices.Clone(codes), unnamed: map[whatlanggo.Lang]bool{}}
	for _, alike := range kin {
		if slices.ContainsFunc(codes, func(c string) bool { return slices.Contains(alike, c) }) {
			w.codes = append(w.codes, alike...)
		}
	}
	for _, c := range codes {
		w.scripts = append(w.scripts, scriptsOf(c)...)
	}
	for l := range whatlanggo.Langs {
		if code := codeOf(l); code == "" {
			w.unnamed[l] = true
		} else if slices.Contains(w.codes, code) {
			w.rivals = append(w.rivals, l)
		}
	}
	return w
}

// other tells whether a text is plainly in none of the wanted languages: it is written in other letters, or its trigrams are likest those of another
// language and, where there are letters enough to be fair to all, much likelier than those of any wanted one.
func (w *wantedLanguages) other(text string) bool {
	text = prose(text[:min(len(text), mostBytes)])
	letters, foreign := 0, 0
	for _, r := range text {
		if unicode.IsLetter(r) {
			if letters++; !unicode.In(r, w.scripts...) {
				foreign++
			}
		}
	}
	if foreign >= leastForeign && float64(foreign) >= foreignScript*float64(letters) {
		return true
	}
	if letters < leastLetters {
		return false
	}
	told := whatlanggo.DetectWithOptions(text, whatlanggo.Options{Blacklist: w.unnamed})
	code := codeOf(told.Lang)
	if code == "" || slices.Contains(w.codes, code) || !slices.ContainsFunc(scriptsOf(code), w.writes) { // the last is a mixture
		return false
	}
	if letters >= manyLetters {
		against := map[whatlanggo.Lang]bool{told.Lang: true}
		for _, l := range w.rivals {
			against[l] = true
		}
		told = whatlanggo.DetectWithOptions(text, whatlanggo.Options{Whitelist: against})
	}
	return told.Confidence >= leastSure && !slices.Contains(w.codes, codeOf(told.Lang))
}

// writes tells whether a wanted language is written in a script.
func (w *wantedLanguages) writes(s *unicode.RangeTable) bool { return slices.Contains(w.scripts, s) }

// codeOf is a language's code; "" = one that a recipe cannot name.
func codeOf(l whatlanggo.Lang) string {
	code := l.Iso6391()
	switch l {
	case whatlanggo.Pes:
		code = "fa"
	case whatlanggo.Ydd:
		code = "yi"
	}
	if scripts[code] == nil && !slices.Contains(latin, code) {
		return ""
	}
	return code
}

func scriptsOf(code string) []*unicode.RangeTable {
	if s := scripts[code]; s != nil {
		return s
	}
	return []*unicode.RangeTable{unicode.Latin}
}

// prose is a text without addresses, paths, numbers and what else is in no language.
func prose(text string) string {
	words := slices.DeleteFunc(strings.Fields(text), func(w string) bool {
		return strings.ContainsAny(w, "0123456789@/\\_<>{}[]=#") && strings.IndexFunc(w, func(r rune) bool { return r >= 0x80 }) < 0
	})
	return strings.Join(words, " ")
}
