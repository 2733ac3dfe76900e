package gguf_test

import (
	"encoding/binary"
	"math"
	"strings"
	"testing"

	"github.com/freehold-slm/freehold/kernels"
	"github.com/freehold-slm/freehold/models/gguf"
)

// The scan names the first bad value of a tensor wherever it lies, over rows and over pieces of a row.
func TestCheckFinite(t *testing.T) {
	f32 := func(at int, bits uint32) []byte {
		data := make([]byte, 4*1500*3)
		binary.LittleEndian.PutUint32(data[4*at:], bits)
		return data
	}
	q8 := make([]byte, 34*40*2) // rows of 1280
	binary.LittleEndian.PutUint16(q8[34*(40+33):], 0xfc00)
	q8[34*(40+33)+2] = 1 // -Inf x 1; the codes after it are 0, so NaN
	for _, c := range []struct {
		typ   kernels.Type
		width int
		data  []byte
		want  string
	}{
		{kernels.F32, 1500, f32(0, 0), ""},
		{kernels.F32, 1500, f32(4499, math.Float32bits(math.MaxFloat32)), ""},
		{kernels.F32, 1500, f32(0, 0x7f800000), "+Inf in row 0, column 0"},
		{kernels.F32, 1500, f32(2*1500+1200, 0xff800000), "-Inf in row 2, column 1200"},
		{kernels.F32, 1500, f32(4499, 0x7fa00001), "NaN in row 2, column 1499"},
		{kernels.Q8_0, 1280, q8, "-Inf in row 1, column 1056"},
		{kernels.I32, 1500, f32(0, 0x7f800000), ""},
	} {
		w := gguf.NewWriter()
		rows := 3
		if c.typ == kernels.Q8_0 {
			rows = 2
		}
		w.AddTensor("w", c.typ, []int{c.width, rows}, c.data)
		f, err := gguf.Parse("finite.gguf", encode(t, w))
		if err != nil {
			t.Fatal(err)
		}
		err = f.Tensors[0].CheckFinite()
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.HasPrefix(err.Error(), `finite.gguf: tensor "w": got `+c.want)) {
			t.Errorf("type %d: got %v, want %q", c.typ, err, c.want)
		}
	}
}
