package server

import (
	"bufio"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"regexp"
	"slices"
	"strings"
)

// leastKey is how many characters a key has at least.
const leastKey = 16

// Keys are the keys that a server takes. They are kept as hashes, all of which each comparison looks at.
type Keys struct {
	sums    [][32]byte
	names   []string
	lengths []int // that keys have
}

// ReadKeys reads a file of keys: one a line, after its name and a blank where it has a name; empty lines and those that begin
// with # are left out.
func ReadKeys(r io.Reader) (*Keys, error) {
	k := &Keys{}
	sc := bufio.NewScanner(r)
	for n := 1; sc.Scan(); n++ {
		words := strings.Fields(sc.Text())
		if len(words) == 0 || strings.HasPrefix(words[0], "#") {
			continue
		}
		key := words[len(words)-1]
		switch {
		case len(words) > 2:
			return nil, fmt.Errorf("line %d has %d words, want a key, or a name and a key", n, len(words))
		case len(key) < leastKey:
			return nil, fmt.Errorf("line %d: the key has %d characters, want at least %d", n, len(key), leastKey)
		}
		sum := sha256.Sum256([]byte(key))
		name := "key-" + hex.EncodeToString(sum[:4])
		if len(words) == 2 {
			name = words[0]
		}
		if slices.Contains(k.sums, sum) {
			return nil, fmt.Errorf("line %d: the key is there already", n)
		}
		k.sums, k.names = append(k.sums, sum), append(k.names, name)
		if !slices.Contains(k.lengths, len(key)) {
			k.lengths = append(k.lengths, len(key))
		}
	}
	if err := sc.Err(); err != nil {
		return nil, err
	}
	if len(k.sums) == 0 {
		return nil, fmt.Errorf("holds no key; write one a line, of at least %d characters", leastKey)
	}
	return k, nil
}

// find gives the name of the key in an Authorization header, and what tells it from all other keys, also of the same name.
func (k *Keys) find(header string) (name, owner string, ok bool) {
	kind, key, _ := strings.Cut(header, " ")
	sum := sha256.Sum256([]byte(strings.TrimSpace(key)))
	at := -1
	for i := range k.sums { // all of them, so that the time tells nothing
		at = subtle.ConstantTimeSelect(subtle.ConstantTimeCompare(sum[:], k.sums[i][:]), i, at)
	}
	if at < 0 || !strings.EqualFold(kind, "Bearer") {
		return "", "", false
	}
	return k.names[at], k.names[at] + " " + hex.EncodeToString(sum[:8]), true
}

// hostAllowed tells whether a Host header names one of hosts; nil hosts are all.
func hostAllowed(hosts []string, header string) bool {
	if hosts == nil {
		return true
	}
	host := header
	if h, _, err := net.SplitHostPort(header); err == nil {
		host = h
	}
	host = strings.Trim(host, "[]")
	return slices.ContainsFunc(hosts, func(h string) bool { return strings.EqualFold(h, host) })
}

// keyLike is what a key may stand in: a run without blanks.
var keyLike = regexp.MustCompile(fmt.Sprintf(`\S{%d,}`, leastKey))

// hide takes the keys out of a text, wherever in it they stand.
func (k *Keys) hide(text string) string {
	return keyLike.ReplaceAllStringFunc(text, func(run string) string {
		for _, n := range k.lengths {
			for at := 0; at+n <= len(run); at++ {
				if slices.Contains(k.sums, sha256.Sum256([]byte(run[at:at+n]))) {
					run = run[:at] + "[KEY]" + run[at+n:]
				}
			}
		}
		return run
	})
}
