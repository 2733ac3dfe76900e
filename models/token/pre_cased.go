package token

// Words that end where a capital follows a small letter. llama.cpp tells the two apart in ASCII only: any other letter counts
// as both.

// casedSuffix matches a word as cased does, and a contraction after it.
func casedSuffix(letters uint8) func(s string) int {
	return func(s string) int {
		end := cased(s, letters)
		if end == 0 {
			return 0
		}
		return end + contraction(s[end:], true)
	}
}

// cased matches, where U is a letter that is no small ASCII letter and W one that is no ASCII capital:
//
//	[^\r\n\p{L}\p{N}]?U*W+|[^\r\n\p{L}\p{N}]?U+W*
func cased(s string, letters uint8) int {
	before := prefix(s)
	if end := upperLower(s[before:], letters); end > 0 {
		return before + end
	}
	if before > 0 {
		if end := upperLower(s, letters); end > 0 {
			return end
		}
	}
	// Without a W among them, U+W* is a run of ASCII capitals. (With one, the first part has matched.)
	end := before
	for end < len(s) && 'A' <= s[end] && s[end] <= 'Z' {
		end++
	}
	if end == before {
		return 0
	}
	return end
}

// upperLower matches U*W+.
func upperLower(s string, letters uint8) int {
	i, lastW := 0, 0 // lastW: the end of the last rune so far that is both
	for i < len(s) {
		c := s[i]
		if 'A' <= c && c <= 'Z' {
			i++
			continue
		}
		if c < 0x80 {
			break
		}
		r, n := decode(s[i:])
		if class(r)&letters == 0 {
			break
		}
		i += n
		lastW = i
	}
	if i == len(s) || s[i] < 'a' || 'z' < s[i] {
		return lastW // U* gives back until W+ has one
	}
	for i < len(s) {
		c := s[i]
		if 'a' <= c && c <= 'z' {
			i++
			continue
		}
		if c < 0x80 {
			break
		}
		r, n := decode(s[i:])
		if class(r)&letters == 0 {
			break
		}
		i += n
	}
	return i
}
