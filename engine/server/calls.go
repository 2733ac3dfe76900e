package server

import (
	"regexp"
	"slices"
	"strings"
)

// delta is a piece of an answer: text, or a piece of a call of a tool.
type delta struct {
	text string
	call int    // 1, 2, ... = which call; 0 = text
	id   string // with a call's first piece, as is name
	name string
	args string
}

// splitter tells calls of tools from text as an answer comes in.
type splitter struct {
	f     *toolFormat // nil = all is text
	names []string
	buf   string
	state splitState
	calls int
	began bool // some text was given out

	depth           int // within the arguments
	quoted, escaped bool
}

type splitState int

const (
	inText splitState = iota
	inHead            // behind the tag, before the arguments
	inArgs
	inTail // behind the arguments
)

var callHead = regexp.MustCompile(`^\s*\{\s*"name"\s*:\s*"([a-zA-Z0-9_.-]+)"\s*,\s*"(?:arguments|parameters)"\s*:\s*\{`)

// push takes what comes next; last says that nothing follows.
func (p *splitter) push(text string, last bool) (out []delta) {
	if p.f == nil {
		if text == "" {
			return nil
		}
		return []delta{{text: text}}
	}
	p.buf += text
	for {
		before, state := len(p.buf), p.state
		switch p.state {
		case inText:
			out = p.text(out, last)
		case inHead:
			out = p.head(out, last)
		case inArgs:
			out = p.arguments(out)
		case inTail:
			p.tail(last)
		}
		if p.buf == "" || len(p.buf) == before && p.state == state {
			return out
		}
	}
}

// show gives out text. White space before the first call and between calls is no content.
func (p *splitter) show(out []delta, text string) []delta {
	if text == "" || p.calls > 0 && strings.TrimSpace(text) == "" {
		return out
	}
	p.began = true
	return append(out, delta{text: text})
}

func (p *splitter) text(out []delta, last bool) []delta {
	if p.f.tag == "" { // the whole answer is a call or none
		if !p.began && p.calls == 0 && strings.HasPrefix(strings.TrimSpace(p.buf)+"{", "{") {
			p.state = inHead
			return out
		}
		out, p.buf = p.show(out, p.buf), ""
		return out
	}
	if at := strings.Index(p.buf, p.f.tag); at >= 0 {
		out = p.show(out, strings.TrimRight(p.buf[:at], " \n\r\t"))
		p.buf, p.state = p.buf[at+len(p.f.tag):], inHead
		return out
	}
	keep := 0
	if !last {
		for keep = min(len(p.buf), len(p.f.tag)-1); keep > 0 && !strings.HasSuffix(p.buf, p.f.tag[:keep]); keep-- {
		}
		for keep < len(p.buf) && strings.ContainsRune(" \n\r\t", rune(p.buf[len(p.buf)-keep-1])) {
			keep++ // white space before a tag
		}
	}
	at := len(p.buf) - keep
	out, p.buf = p.show(out, p.buf[:at]), p.buf[at:]
	return out
}

func (p *splitter) head(out []delta, last bool) []delta {
	if m := callHead.FindStringSubmatchIndex(p.buf); m != nil {
		if name := p.buf[m[2]:m[3]]; slices.Contains(p.names, name) {
			p.calls++
			p.buf, p.state, p.depth = p.buf[m[1]-1:], inArgs, 0
			return append(out, delta{call: p.calls, id: newID("call"), name: name})
		}
		return p.noCall(out)
	}
	if last || p.f.tag != "" && strings.Contains(p.buf, shutTag) || !headMayCome(p.buf) {
		return p.noCall(out)
	}
	return out
}

// headMayCome tells whether a text may still become the head of a call.
func headMayCome(text string) bool {
	compact := strings.Join(strings.Fields(text), "")
	const head = `{"name":"`
	return strings.HasPrefix(head, compact) || strings.HasPrefix(compact, head) && len(text) < 200
}

// noCall gives out as text what began like a call and is none.
func (p *splitter) noCall(out []delta) []delta {
	p.state, p.began = inText, true
	out = append(out, delta{text: p.f.tag + p.buf})
	p.buf = ""
	return out
}

// arguments hands on the JSON object that the buffer begins with or goes on with.
func (p *splitter) arguments(out []delta) []delta {
	for i := range len(p.buf) {
		c := p.buf[i]
		switch {
		case p.escaped:
			p.escaped = false
		case p.quoted && c == '\\':
			p.escaped = true
		case c == '"':
			p.quoted = !p.quoted
		case p.quoted:
		case c == '{' || c == '[':
			p.depth++
		case c == '}' || c == ']':
			if p.depth--; p.depth == 0 {
				out = append(out, delta{call: p.calls, args: p.buf[:i+1]})
				p.buf, p.state = p.buf[i+1:], inTail
				return out
			}
		}
	}
	if p.buf != "" {
		out = append(out, delta{call: p.calls, args: p.buf})
	}
	p.buf = ""
	return out
}

// tail passes over what closes a call.
func (p *splitter) tail(last bool) {
	end := "}"
	if p.f.tag != "" {
		end = shutTag
	}
	if at := strings.Index(p.buf, end); at >= 0 {
		p.buf, p.state = p.buf[at+len(end):], inText
	} else if last {
		p.buf = ""
	}
}

// answer is a whole answer, gathered.
type answer struct {
	text  strings.Builder
	calls []toolCall
}

func (a *answer) add(d delta) {
	if d.call == 0 {
		a.text.WriteString(d.text)
		return
	}
	if d.call > len(a.calls) {
		a.calls = append(a.calls, toolCall{ID: d.id, Type: "function", Function: functionCall{Name: d.name}})
	}
	a.calls[d.call-1].Function.Arguments += d.args
}

// content is the text, nil where there are calls and no text.
func (a *answer) content() *string {
	text := a.text.String()
	if text == "" && len(a.calls) > 0 {
		return nil
	}
	return &text
}

// toolNames are the names of tools that a request gives.
func toolNames(tools []tool) []string {
	var names []string
	for _, t := range tools {
		names = append(names, t.Function.Name)
	}
	return names
}
