package data

import (
	"errors"
	"regexp"
	"slices"
	"strings"

	"github.com/freehold-slm/freehold/models/spell"
)

// mask is a kind of personal data: what looks like it and, where that is not enough, is it.
type mask struct {
	name string
	like *regexp.Regexp
	is   func(s string) bool
}

// masks are applied in this order, so that a longer kind is not taken for a shorter one within it. A match becomes its
// name in brackets and capitals: [EMAIL].
var masks = []mask{
	{"url", regexp.MustCompile(`\bhttps?://[^\s<>"']+|\bwww\.[^\s<>"']+`), nil},
	{"email", regexp.MustCompile(`[\p{L}\p{N}._%+-]+@[\p{L}\p{N}-]+(\.[\p{L}\p{N}-]+)+`), nil},
	{"iban", regexp.MustCompile(`\b[A-Z]{2}[0-9]{2}( ?[A-Z0-9]{4}){2,7}( ?[A-Z0-9]{1,4})?\b`), isIBAN},
	{"card", regexp.MustCompile(`\b[0-9](?:[ -]?[0-9]){12,18}\b`), isCard},
	{"ip", regexp.MustCompile(`\b(?:(?:25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])\.){3}(?:25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])\b`), nil},
	{"phone", regexp.MustCompile(`\+[0-9][0-9 ()./-]{6,18}[0-9]\b|\(?\b[0-9]{2,5}\)?[ /.-][0-9][0-9 .-]{4,12}[0-9]\b`), isPhone},
}

// Masks lists the kinds of personal data that can be masked.
func Masks() []string {
	var names []string
	for _, m := range masks {
		names = append(names, m.name)
	}
	return names
}

// Mask makes a func that masks kinds of a text, all where none is named.
func Mask(kinds ...string) (func(text string) string, error) {
	for _, k := range kinds {
		if !slices.Contains(Masks(), k) {
			return nil, errors.New(spell.Unknown("kind", k, "the mask", Masks()))
		}
	}
	if len(kinds) == 0 {
		kinds = Masks()
	}
	mask := masker(kinds)
	return func(text string) string { return mask(text, &Report{}) }, nil
}

// masker makes a func that masks kinds of a text and counts them.
func masker(kinds []string) func(text string, r *Report) string {
	return func(text string, r *Report) string {
		for _, m := range masks {
			for _, k := range kinds {
				if k != m.name {
					continue
				}
				text = m.like.ReplaceAllStringFunc(text, func(s string) string {
					if m.is != nil && !m.is(s) {
						return s
					}
					if r.Masked == nil {
						r.Masked = map[string]int{}
					}
					r.Masked[m.name]++
					return "[" + strings.ToUpper(m.name) + "]"
				})
			}
		}
		return text
	}
}

// isIBAN tells whether the check digits are right (ISO 13616: modulo 97 is 1).
func isIBAN(s string) bool {
	s = strings.ReplaceAll(s, " ", "")
	rest := 0
	for _, c := range s[4:] + s[:4] {
		if c >= 'A' {
			rest = (rest*100 + int(c-'A') + 10) % 97
		} else {
			rest = (rest*10 + int(c-'0')) % 97
		}
	}
	return len(s) >= 15 && rest == 1
}

// isCard tells whether the check digit is right (ISO/IEC 7812: Luhn).
func isCard(s string) bool {
	sum, n := 0, 0
	for i := len(s) - 1; i >= 0; i-- {
		if s[i] < '0' || s[i] > '9' {
			continue
		}
		d := int(s[i] - '0')
		if n%2 == 1 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum, n = sum+d, n+1
	}
	return sum%10 == 0 && sum > 0
}

// isPhone wants as many digits as a telephone number has (E.164: at most 15), and no date.
func isPhone(s string) bool {
	digits := 0
	for _, c := range s {
		if c >= '0' && c <= '9' {
			digits++
		}
	}
	return digits >= 7 && digits <= 15 && !date.MatchString(s)
}

var date = regexp.MustCompile(`^(?:[0-9]{4}[./-][0-9]{1,2}[./-][0-9]{1,2}|[0-9]{1,2}[./-][0-9]{1,2}[./-][0-9]{4})$`)
