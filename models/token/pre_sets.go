package token

// runeSet is a sorted list of ranges of runes, both ends in.
type runeSet [][2]rune

// setOf reads the inside of a regular expression's brackets: runes and ranges, in rising order. Runs of white space beyond
// ASCII are left out by has, not here.
func setOf(list string) (set runeSet) {
	runes := []rune(list)
	for i := 0; i < len(runes); i++ {
		lo, hi := runes[i], runes[i]
		if i+2 < len(runes) && runes[i+1] == '-' {
			hi = runes[i+2]
			i += 2
		}
		set = append(set, [2]rune{lo, hi})
	}
	return set
}

// has reports whether r is in the set. White space beyond ASCII is in none: llama.cpp makes it a vertical tab before it
// compares.
func (set runeSet) has(r rune) bool {
	lo, hi := 0, len(set)
	for lo < hi {
		mid := (lo + hi) / 2
		if set[mid][1] < r {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo < len(set) && set[lo][0] <= r && class(r)&space == 0
}

var (
	casedLetters = setOf("A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚ" +
		"Ḁ-ἕἘ-Ἕἠ-ὅὈ-Ὅὐ-ὗὙὛὝὟ-\u1f7dᾀ-ᾴᾶ-ᾼ\u1fbeῂ-ῄῆ-ῌῐ-\u1fd3ῖ-\u1fdbῠ-Ῥῲ-ῴῶ-ῼℂℇℊ-ℓℕℙ-ℝℤ\u2126ℨ\u212a-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄ" +
		"Ⰰ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃")
	widePunct    = setOf("!-/:-~‘-‟\u3000-。！-／：-～")
	eastAsianSet = setOf("ࠀ-龥가-\ud7ff")
	hanKanaSet   = setOf("\u3040-ヿ一-龥")
	// Thai, Lao, Myanmar, Hangul, Khmer, radicals, Kana, Han. The last but one begins at U+8C48, which is what a normalisation
	// has made of U+F900 in the published list, and so swallows others.
	asianSet = runeSet{{0x0E40, 0x0EFF}, {0x1000, 0x109F}, {0x1100, 0x11FF}, {0x1780, 0x17FF}, {0x2F00, 0x2FDF},
		{0x3040, 0x30FF}, {0x3400, 0x4DBF}, {0x4E00, 0xFAFF}, {0xFF65, 0xFF9F}}

	hangulSet      = setOf("ㄱ-ㆎ가-힣")
	widePunctYoutu = setOf("—‘’“”…、-\u303f︰-﹏！，：；")
	bopomofoSet    = setOf("ㄅ-ㄯ")
)
