package kernels

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math"
	"testing"
)

// bf16Probes are the first bytes of the hash of what each unit makes of a fixed product.
var bf16Probes = map[string]string{
	"amx_bf16":    "69f965131b6413ea",
	"avx512_bf16": "400158c77f8fa968",
}

// TestBF16Probe says when a unit's results have changed: models trained in bf16 before and after are then not the same. A
// unit's order is its own, so the hash is too; a new CPU that gives another one needs another name (Level.BF16Unit).
func TestBF16Probe(t *testing.T) {
	const m, k = 45, 96
	a, b := make([]uint16, (m+15)&^15*k), make([]uint16, k*BF16Cols)
	fill := func(x []uint16, lane uint32) {
		for i := range x {
			r := Philox(11, [4]uint32{lane, uint32(i), 0, 0})
			x[i] = uint16(r[0]&0x807f | (120+r[1]%16)<<7) // of either sign, 2^-7 to 2^8
		}
	}
	fill(a, 1)
	fill(b, 2)
	for _, l := range Levels() {
		if l.GemmBF16 == nil {
			continue
		}
		c := make([]float32, m*BF16Cols)
		l.GemmBF16(c, BF16Cols, a, k, b, m, BF16Cols, k, false)
		l.GemmBF16(c, BF16Cols, a, k, b, m, BF16Cols, k, true)
		h := sha256.New()
		for _, v := range c {
			h.Write(binary.LittleEndian.AppendUint32(nil, math.Float32bits(v))) //nolint:errcheck // never fails
		}
		got := hex.EncodeToString(h.Sum(nil))[:16]
		want, known := bf16Probes[l.BF16Unit]
		if !known || got != want {
			t.Errorf("%s: the probe gives %s, want %s: results of bf16 training changed; a run begun before cannot be repeated bit for bit", l.BF16Unit, got, want)
		}
	}
}
