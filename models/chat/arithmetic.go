package chat

import (
	"fmt"
	"math/big"
	"strings"
)

func (x *negExpr) eval(r *run, sc *scope) (value, error) {
	v, err := r.eval(x.x, sc)
	if err != nil {
		return nil, err
	}
	n, f, isInt, ok := number(v)
	switch {
	case !ok:
		return nil, at(x.line, fmt.Errorf("a %s has no sign", typeName(v)))
	case isInt && x.plus:
		return n, nil
	case isInt:
		return -n, nil
	case x.plus:
		return f, nil
	}
	return -f, nil
}

func (x *binaryExpr) eval(r *run, sc *scope) (value, error) {
	a, err := r.eval(x.a, sc)
	if err != nil {
		return nil, err
	}
	b, err := r.eval(x.b, sc)
	if err != nil {
		return nil, err
	}
	v, err := r.binary(x.op, a, b)
	return v, at(x.line, err)
}

func (r *run) binary(op string, a, b value) (value, error) {
	if op == "~" {
		s, err := r.text(a)
		if err != nil {
			return nil, err
		}
		t, err := r.text(b)
		if err != nil {
			return nil, err
		}
		return s + t, r.make(len(s) + len(t))
	}
	for _, v := range []value{a, b} {
		if u, ok := v.(undefined); ok {
			return nil, missing(u)
		}
	}
	an, af, ai, aok := number(a)
	bn, bf, bi, bok := number(b)
	switch {
	case aok && bok && ai && bi && op != "/":
		return intArithmetic(op, an, bn)
	case aok && bok:
		return floatArithmetic(op, af, bf)
	case op == "+":
		switch a := a.(type) {
		case string:
			if b, ok := b.(string); ok {
				if err := r.make(len(a) + len(b)); err != nil {
					return nil, err
				}
				return a + b, nil
			}
		case *list:
			if b, ok := b.(*list); ok && a.tuple == b.tuple {
				if err := r.make(16 * (len(a.items) + len(b.items))); err != nil {
					return nil, err
				}
				return &list{append(a.items[:len(a.items):len(a.items)], b.items...), a.tuple}, nil
			}
		}
	case op == "*" && aok != bok:
		if aok {
			a, bn, bi = b, an, ai
		}
		if bi {
			return r.repeat(a, bn)
		}
	case op == "%":
		if s, ok := a.(string); ok {
			return r.format(s, b)
		}
	}
	return nil, fmt.Errorf("cannot compute %s %s %s", typeName(a), op, typeName(b))
}

func (r *run) repeat(v value, n int64) (value, error) {
	n = max(n, 0)
	size := 0
	switch v := v.(type) {
	case string:
		size = len(v)
	case *list:
		size = 16 * len(v.items)
	default:
		return nil, fmt.Errorf("cannot repeat a %s", typeName(v))
	}
	if size == 0 {
		return v, nil
	}
	if n > int64(r.bytes/size) {
		n = int64(r.bytes/size) + 1 // over the cap, without overflow
	}
	if err := r.make(size * int(n)); err != nil {
		return nil, err
	}
	if s, ok := v.(string); ok {
		return strings.Repeat(s, int(n)), nil
	}
	l := v.(*list)
	out := &list{make([]value, 0, len(l.items)*int(n)), l.tuple}
	for range n {
		out.items = append(out.items, l.items...)
	}
	return out, nil
}

// intArithmetic computes in unbounded integers and refuses what leaves 64 bits.
func intArithmetic(op string, a, b int64) (value, error) {
	x, y, z := big.NewInt(a), big.NewInt(b), new(big.Int)
	switch op {
	case "+":
		z.Add(x, y)
	case "-":
		z.Sub(x, y)
	case "*":
		z.Mul(x, y)
	case "//", "%":
		if b == 0 {
			return nil, fmt.Errorf("division by zero")
		}
		// Python rounds the quotient down
		m := new(big.Int)
		z.QuoRem(x, y, m)
		if m.Sign() != 0 && m.Sign() != y.Sign() {
			z.Sub(z, big.NewInt(1))
			m.Add(m, y)
		}
		if op == "%" {
			z = m
		}
	case "**":
		if b < 0 || b > 64 && (a > 1 || a < -1) {
			return nil, fmt.Errorf("%d ** %d is not computed here", a, b)
		}
		if b > 64 {
			b = 64 + b%2
		}
		z.Exp(x, big.NewInt(b), nil)
	}
	if !z.IsInt64() {
		return nil, fmt.Errorf("%d %s %d does not fit 64 bits", a, op, b)
	}
	return z.Int64(), nil
}

func floatArithmetic(op string, a, b float64) (value, error) {
	switch op {
	case "+":
		return a + b, nil
	case "-":
		return a - b, nil
	case "*":
		return a * b, nil
	case "/":
		if b == 0 {
			return nil, fmt.Errorf("division by zero")
		}
		return a / b, nil
	}
	return nil, fmt.Errorf("%s is not available for floats", op)
}

// format is Python's "..." % values with the verbs %s, %d and %%.
func (r *run) format(s string, v value) (value, error) {
	values := []value{v}
	if t, ok := v.(*list); ok && t.tuple {
		values = t.items
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			b.WriteByte(s[i])
			continue
		}
		i++
		if i < len(s) && s[i] == '%' {
			b.WriteByte('%')
			continue
		}
		if i == len(s) || s[i] != 's' && s[i] != 'd' {
			return nil, fmt.Errorf("string formatting knows %%s, %%d and %%%% only")
		}
		if len(values) == 0 {
			return nil, fmt.Errorf("not enough values for the format string")
		}
		shown := values[0]
		if n, f, isInt, ok := number(shown); s[i] == 'd' {
			if !ok {
				return nil, fmt.Errorf("%%d needs a number, got %s", typeName(shown))
			}
			if !isInt {
				n = int64(f)
			}
			shown = n
		}
		text, err := r.text(shown)
		if err != nil {
			return nil, err
		}
		if err := r.make(len(text)); err != nil {
			return nil, err
		}
		b.WriteString(text)
		values = values[1:]
	}
	if len(values) > 0 {
		return nil, fmt.Errorf("more values than the format string takes")
	}
	return b.String(), r.make(len(s))
}
