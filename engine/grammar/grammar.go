// Package grammar restricts a text to a language while it is generated: JSON of a schema, a grammar in GBNF, a regular
// expression, a choice. It knows bytes and tokens, no model.
//
// A Grammar is compiled into a small machine over bytes whose rules may call each other, as in llama.cpp's and XGrammar's
// grammars (Dong et al. 2024). A Matcher is a text's place in it: a set of stacks, made deterministic as it goes, so that
// a byte costs one look into a table once its state has been met. Which tokens may follow (Masks) is found by walking a
// tree of the vocabulary's bytes, once for every state up to what no token can tell apart.
package grammar

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
)

// Expr is a part of a grammar.
type Expr interface{ isExpr() }

// Kinds of Expr. A Bytes set matches one byte, Ref another rule.
type (
	Bytes  [256 / 64]uint64
	Seq    []Expr
	Alt    []Expr
	Repeat struct {
		Of       Expr
		Min, Max int // Max < 0 = without end
	}
	Ref string
)

func (Bytes) isExpr()  {}
func (Seq) isExpr()    {}
func (Alt) isExpr()    {}
func (Repeat) isExpr() {}
func (Ref) isExpr()    {}

// Has tells whether the set holds b.
func (s *Bytes) Has(b byte) bool { return s[b/64]>>(b%64)&1 != 0 }

func (s *Bytes) add(lo, hi byte) {
	for b := int(lo); b <= int(hi); b++ {
		s[b/64] |= 1 << (b % 64)
	}
}

// Literal matches a text.
func Literal(text string) Expr {
	var s Seq
	for i := range len(text) {
		var b Bytes
		b.add(text[i], text[i])
		s = append(s, b)
	}
	return s
}

// root is the rule that a text must match.
const root = "root"

// Limits of a grammar, far above any real one.
const (
	maxNodes  = 1 << 20
	maxRepeat = 1 << 24

	maxEmptyRounds = 100 // of what may be empty: all are followed at once
)

type opKind uint8

const (
	opByte   opKind = iota // one byte of set, then next
	opSplit                // next or alt
	opCall                 // rule alt, then next
	opReturn               // back to the caller
	opLoop                 // body alt min to max times, then next
	opAgain                // end of a loop's body
)

// returnNode is where every rule ends: the first node.
const returnNode = 0

// node is one instruction of the machine.
type node struct {
	kind      opKind
	next, alt int32
	set       int32 // of opByte
	min, max  int32 // of opLoop
}

// Grammar is a compiled grammar; it may be used by many at once.
type Grammar struct {
	nodes   []node
	sets    []Bytes
	class   [256]uint8 // of a byte; bytes of one class are in the same sets
	classes int
	start   int32
	id      uint64 // no other grammar's

	making sync.Mutex // of views: one at a time, by the probe
	probe  *Matcher
}

var grammars atomic.Uint64

// Bytes is how much memory the compiled grammar takes, without the masks that vocabularies keep of it.
func (g *Grammar) Bytes() int { return 1<<10 + 24*cap(g.nodes) + 32*cap(g.sets) }

// classify finds the bytes that no set tells apart, so that a step is made once for all of them.
func (g *Grammar) classify() {
	g.classes = 1
	for i := range g.sets {
		var in, out [256]bool // of each class: has bytes in the set, and not in it
		for b, c := range g.class {
			has := g.sets[i].Has(byte(b))
			in[c], out[c] = in[c] || has, out[c] || !has
		}
		split := g.class
		for c := range g.classes {
			if !in[c] || !out[c] {
				continue
			}
			for b := range split {
				if int(g.class[b]) == c && g.sets[i].Has(byte(b)) {
					split[b] = uint8(g.classes)
				}
			}
			g.classes++
		}
		g.class = split
	}
}

// compiler turns rules into nodes.
type compiler struct {
	g        *Grammar
	rules    map[string]Expr
	entry    map[string]int32
	nullable map[string]bool
	ends     map[string]bool // rules that can end: all of them, once checked
	sets     map[Bytes]int32
	nested   int
}

// Compile makes a grammar of rules, of which "root" is the one that a text must match.
func Compile(rules map[string]Expr) (*Grammar, error) {
	c := &compiler{g: &Grammar{}, rules: rules, entry: map[string]int32{}, nullable: map[string]bool{}, sets: map[Bytes]int32{}}
	if err := c.check(); err != nil {
		return nil, err
	}
	c.add(node{kind: opReturn})
	// Entries first, for rules call each other.
	names := sortedRules(rules)
	for _, name := range names {
		c.entry[name] = c.add(node{kind: opSplit, next: -1, alt: -1})
	}
	for _, name := range names {
		at, err := c.expr(rules[name], returnNode)
		if err != nil {
			return nil, fmt.Errorf("grammar: rule %s: %w", name, err)
		}
		c.g.nodes[c.entry[name]].next = at
	}
	c.g.start = c.entry[root]
	c.g.classify()
	c.g.id = grammars.Add(1)
	return c.g, nil
}

func sortedRules(rules map[string]Expr) []string {
	names := make([]string, 0, len(rules))
	for name := range rules {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func (c *compiler) add(n node) int32 {
	c.g.nodes = append(c.g.nodes, n)
	return int32(len(c.g.nodes) - 1)
}

// check refuses rules that are missing, call themselves before they take a byte, or can never end.
func (c *compiler) check() error {
	if c.rules[root] == nil {
		return fmt.Errorf("grammar: there is no rule %q, which is what a text must match", root)
	}
	for _, name := range sortedRules(c.rules) {
		for _, ref := range refs(c.rules[name], nil, nil) {
			if c.rules[ref] == nil {
				return fmt.Errorf("grammar: rule %s calls %s, which is not defined", name, ref)
			}
		}
	}
	ends := map[string]bool{}
	c.ends = ends
	for again := true; again; {
		again = false
		for name, e := range c.rules {
			if !c.nullable[name] && nullable(e, c.nullable) {
				c.nullable[name], again = true, true
			}
			if !ends[name] && canEnd(e, ends) {
				ends[name], again = true, true
			}
		}
	}
	for _, name := range sortedRules(c.rules) {
		if !ends[name] {
			return fmt.Errorf("grammar: rule %s can never end: each of its alternatives calls it again, or takes a character of an empty class", name)
		}
	}
	const open, done = 1, 2
	state := map[string]int{}
	var visit func(name string) error
	visit = func(name string) error {
		if state[name] == open {
			return fmt.Errorf("grammar: rule %s calls itself before it takes a byte (left recursion); write it as a repetition", name)
		} else if state[name] == done {
			return nil
		}
		state[name] = open
		for _, ref := range refs(c.rules[name], c.nullable, []string{}) {
			if err := visit(ref); err != nil {
				return err
			}
		}
		state[name] = done
		return nil
	}
	for _, name := range sortedRules(c.rules) {
		if err := visit(name); err != nil {
			return err
		}
	}
	return nil
}

// refs lists the rules that e calls; with nullable only those that it may call before it takes a byte.
func refs(e Expr, null map[string]bool, to []string) []string {
	switch e := e.(type) {
	case Ref:
		to = append(to, string(e))
	case Seq:
		for _, x := range e {
			to = refs(x, null, to)
			if null != nil && !nullable(x, null) {
				break
			}
		}
	case Alt:
		for _, x := range e {
			to = refs(x, null, to)
		}
	case Repeat:
		if e.Max != 0 {
			to = refs(e.Of, null, to)
		}
	}
	return to
}

// nullable tells whether e matches the empty text, as far as is known of the rules.
func nullable(e Expr, rules map[string]bool) bool {
	switch e := e.(type) {
	case Ref:
		return rules[string(e)]
	case Seq:
		return !slices.ContainsFunc(e, func(x Expr) bool { return !nullable(x, rules) })
	case Alt:
		return slices.ContainsFunc(e, func(x Expr) bool { return nullable(x, rules) })
	case Repeat:
		return e.Min <= 0 || nullable(e.Of, rules)
	}
	return false
}

// canEnd tells whether e matches any text, as far as is known of the rules.
func canEnd(e Expr, rules map[string]bool) bool {
	switch e := e.(type) {
	case Ref:
		return rules[string(e)]
	case Seq:
		return !slices.ContainsFunc(e, func(x Expr) bool { return !canEnd(x, rules) })
	case Alt:
		return slices.ContainsFunc(e, func(x Expr) bool { return canEnd(x, rules) })
	case Repeat:
		return e.Min <= 0 || canEnd(e.Of, rules)
	case Bytes:
		return e != Bytes{}
	}
	return false
}

// expr compiles e so that it goes on with next; it returns where to begin.
func (c *compiler) expr(e Expr, next int32) (int32, error) {
	if len(c.g.nodes) > maxNodes {
		return 0, fmt.Errorf("has more than %d parts", maxNodes)
	}
	if c.nested++; c.nested > 1000 {
		return 0, fmt.Errorf("is nested more than 1000 deep")
	}
	defer func() { c.nested-- }()
	switch e := e.(type) {
	case Bytes:
		set, ok := c.sets[e]
		if !ok {
			set = int32(len(c.g.sets))
			c.g.sets, c.sets[e] = append(c.g.sets, e), set
		}
		return c.add(node{kind: opByte, next: next, set: set}), nil
	case Ref:
		return c.add(node{kind: opCall, next: next, alt: c.entry[string(e)]}), nil
	case Seq:
		for _, x := range slices.Backward(e) {
			var err error
			if next, err = c.expr(x, next); err != nil {
				return 0, err
			}
		}
		return next, nil
	case Alt:
		if len(e) == 0 {
			return 0, fmt.Errorf("has an alternation of nothing")
		}
		at := int32(-1)
		for _, x := range slices.Backward(e) {
			if !canEnd(x, c.ends) { // a text would go in and never come out
				continue
			}
			one, err := c.expr(x, next)
			if err != nil {
				return 0, err
			}
			if at >= 0 {
				one = c.add(node{kind: opSplit, next: one, alt: at})
			}
			at = one
		}
		if at < 0 {
			return 0, fmt.Errorf("has an alternation that can never end")
		}
		return at, nil
	case Repeat:
		return c.repeat(e, next)
	}
	return 0, fmt.Errorf("holds a %T", e)
}

func (c *compiler) repeat(e Repeat, next int32) (int32, error) {
	switch {
	case e.Min < 0 || e.Max >= 0 && e.Max < e.Min || e.Max > maxRepeat || e.Min > maxRepeat:
		return 0, fmt.Errorf("repeats %d to %d times, want 0 to %d and not less at most than at least", e.Min, e.Max, maxRepeat)
	case e.Max == 0, e.Min == 0 && !canEnd(e.Of, c.ends):
		return next, nil
	case e.Min == 1 && e.Max == 1:
		return c.expr(e.Of, next)
	case e.Min == 0 && e.Max == 1:
		at, err := c.expr(e.Of, next)
		return c.add(node{kind: opSplit, next: at, alt: next}), err
	}
	least := e.Min
	if nullable(e.Of, c.nullable) {
		if least = 0; e.Max > maxEmptyRounds { // what is missing may be empty
			return 0, fmt.Errorf("repeats what may be empty up to %d times, want at most %d, without end, or a round that takes a byte", e.Max, maxEmptyRounds)
		}
	}
	loop := c.add(node{kind: opLoop, next: next, min: int32(least), max: int32(e.Max)})
	again := c.add(node{kind: opAgain, next: loop})
	body, err := c.expr(e.Of, again)
	c.g.nodes[loop].alt = body
	return loop, err
}
