package distill

// An adaptive binary range coder (Martin 1979; the form is LZMA's): each bit costs what it was worth by the bits seen
// before in its place. It is exact integer arithmetic, so the same input gives the same bytes everywhere.

// bitModel guesses a bit from those that stood in its place before.
type bitModel struct {
	zero uint16 // chance of a 0, in 65536ths
	seen uint16
}

const (
	rangeTop    = 1 << 24
	chanceBits  = 12
	chanceFloor = 32 // of 4096: no bit is cheaper than 0.011, which bounds what a few bytes can unfold to
	mostSeen    = 126
)

// chance of a 0, in 4096ths.
func (m *bitModel) chance() uint32 {
	if m.seen == 0 {
		return 1 << (chanceBits - 1)
	}
	return min(max(uint32(m.zero)>>(16-chanceBits), chanceFloor), 1<<chanceBits-chanceFloor)
}

// learn counts a bit.
func (m *bitModel) learn(bit uint32) {
	if m.seen == 0 {
		m.zero = 1 << 15
	}
	rate := uint32(m.seen) + 2
	if bit == 0 {
		m.zero += uint16((65535 - uint32(m.zero)) / rate)
	} else {
		m.zero -= uint16(uint32(m.zero) / rate)
	}
	if m.seen < mostSeen {
		m.seen++
	}
}

// rangeEncoder appends to out. The zero value is not ready; use newRangeEncoder.
type rangeEncoder struct {
	out    []byte
	low    uint64
	width  uint32
	cached byte
	held   int // bytes that a carry may still change
}

func newRangeEncoder() *rangeEncoder { return &rangeEncoder{width: 1<<32 - 1, held: 1} }

func (e *rangeEncoder) bit(m *bitModel, bit uint32) {
	bound := (e.width >> chanceBits) * m.chance()
	if bit == 0 {
		e.width = bound
	} else {
		e.low += uint64(bound)
		e.width -= bound
	}
	m.learn(bit)
	for e.width < rangeTop {
		e.shift()
		e.width <<= 8
	}
}

func (e *rangeEncoder) shift() {
	if uint32(e.low) < 0xff000000 || e.low>>32 != 0 {
		b, carry := e.cached, byte(e.low>>32)
		for ; e.held > 0; e.held-- {
			e.out = append(e.out, b+carry)
			b = 0xff
		}
		e.cached = byte(e.low >> 24)
	}
	e.held++
	e.low = uint64(uint32(e.low) << 8)
}

// number codes the lowest bits of v, the highest first, by a tree of 1<<bits models.
func (e *rangeEncoder) number(tree []bitModel, bits int, v uint32) {
	at := uint32(1)
	for i := bits - 1; i >= 0; i-- {
		b := v >> i & 1
		e.bit(&tree[at], b)
		at = at<<1 | b
	}
}

// finish gives all that was coded.
func (e *rangeEncoder) finish() []byte {
	for range 5 {
		e.shift()
	}
	return e.out[1:] // the first byte is always 0
}

// rangeDecoder reads what rangeEncoder wrote. Past the end it reads zeros and says so in short.
type rangeDecoder struct {
	in    []byte
	code  uint32
	width uint32
	short int // bytes read past the end
}

func newRangeDecoder(in []byte) *rangeDecoder {
	d := &rangeDecoder{in: in, width: 1<<32 - 1}
	for range 4 {
		d.next()
	}
	return d
}

func (d *rangeDecoder) next() {
	d.code <<= 8
	if len(d.in) == 0 {
		d.short++
		return
	}
	d.code |= uint32(d.in[0])
	d.in = d.in[1:]
}

func (d *rangeDecoder) bit(m *bitModel) (bit uint32) {
	bound := (d.width >> chanceBits) * m.chance()
	if d.code < bound {
		d.width = bound
	} else {
		d.code -= bound
		d.width -= bound
		bit = 1
	}
	m.learn(bit)
	for d.width < rangeTop {
		d.next()
		d.width <<= 8
	}
	return bit
}

func (d *rangeDecoder) number(tree []bitModel, bits int) uint32 {
	at := uint32(1)
	for range bits {
		at = at<<1 | d.bit(&tree[at])
	}
	return at - 1<<bits
}
