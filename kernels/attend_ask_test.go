//go:build (amd64 || arm64) && !purego

package kernels

import (
	"fmt"
	"testing"
	"unsafe"
)

// TestAsked: what the tiles of a head ask for while they read it is the next head's memory, each line of f16 once, and of q8_0 (whose
// scales no step reads) all but its sixteenth; a page that is read in part asks for its share and nothing outside.
func TestAsked(t *testing.T) {
	for _, cols := range []int{32, 64} {
		for _, hd := range []int{64, 128, 192} {
			for _, kv := range []kvType{kv16, kv8} {
				for _, span := range [][2]int{{0, PageKeys}, {64, 200}, {0, 67}} {
					t.Run(fmt.Sprintf("cols%d/hd%d/%v/%v", cols, hd, kv, span), func(t *testing.T) {
						few, lo, hi := &fewTiles{cols: cols}, span[0], span[1]
						a := &AttnPage{HeadDim: hd, Q: make([]float32, hd), Next: make([]uint16, 4*PageKeys*hd/2)}
						each := 2 * cols
						if a.K16 = a.Next; kv == kv8 {
							a.K16, a.Next, each = nil, make([]uint16, Q8HeadWords(hd)), cols
						}
						count := make([]int, 2*len(a.Next)/32)
						follow := func(o asked, steps int) {
							at := int(o.at - uintptr(unsafe.Pointer(&a.Next[0])))
							for left := steps; left > 0; {
								if at < 0 || at >= 2*len(a.Next) {
									t.Fatalf("byte %d of %d is asked for", at, 2*len(a.Next))
								}
								for b := 0; b < each; b += 32 {
									count[(at+b)/32]++
								}
								at += o.run
								if left--; left%8 == 0 { // as the assembly has it
									at += o.back
								}
							}
						}
						for j := lo; j+cols <= hi; j += cols {
							if kv == kv16 {
								follow(few.ask(a, 0, j/cols*hd, hd), hd)
								continue
							}
							for d := 0; d < hd; d += 32 {
								follow(few.ask(a, 0, j/cols*hd+d, 32), 32)
							}
						}
						for d := 0; d+cols <= hd; d += cols {
							follow(few.ask(a, 0, PageKeys*(hd+d)/cols+lo, hi-lo), hi-lo)
						}
						missed, twice := 0, 0
						for _, n := range count {
							if n == 0 {
								missed++
							}
							if n > 1 {
								twice++
							}
						}
						if hi-lo == PageKeys && (twice > 0 || kv == kv16 && missed > 0 || missed > len(count)/16) {
							t.Errorf("of %d pieces of 32 bytes %d were not asked for and %d more than once", len(count), missed, twice)
						}
						if o := few.ask(a, 4, 0, 64); o.run != 0 || o.back != 0 {
							t.Errorf("later queries ask again: %+v", o)
						}
					})
				}
			}
		}
	}
}
