//go:build (amd64 || arm64) && !purego

package kernels

import (
	"fmt"
	"testing"
	"unsafe"
)

// TestAsked: what the kernels ask for while a head is read is all of the next head's memory, no line often; a head that is read in part asks
// for nothing outside.
func TestAsked(t *testing.T) {
	for _, cols := range []int{32, 64} {
		for _, hd := range []int{64, 128, 192} {
			for _, kv := range []kvType{kv16, kv8} {
				for _, span := range [][2]int32{{0, PageKeys}, {64, 200}, {0, 67}, {3, PageKeys}} {
					t.Run(fmt.Sprintf("cols%d/hd%d/%v/%v", cols, hd, kv, span), func(t *testing.T) {
						const nq, line = 4, 64 // two passes of two queries; bytes
						a := &AttnPage{HeadDim: hd, NQ: nq, Q: make([]float32, nq*hd), P: make([]float32, nq*PageKeys), Out: make([]float32, nq*hd),
							Lo: make([]int32, nq), Hi: make([]int32, nq), Max: make([]float32, nq), Sum: make([]float32, nq), D: make([]float32, Q8Room(hd))}
						for i := range nq {
							a.Lo[i], a.Hi[i] = span[0], span[1]
						}
						n := PageKeys * hd
						if kv == kv16 {
							a.Next = make([]uint16, 2*n)
							a.K16, a.V16 = make([]uint16, n), make([]uint16, n)
						} else {
							a.Next = make([]uint16, Q8HeadWords(hd))
							a.KD, a.VD, a.K8, a.V8 = Q8Head(make([]uint16, Q8HeadWords(hd)), hd)
						}
						count := make([]int, (2*len(a.Next)+line-1)/line)
						follow := func(k, lines int, o asked) {
							if o.run == 0 && o.back == 0 {
								return // the second pass
							}
							at := int(o.at - uintptr(unsafe.Pointer(&a.Next[0])))
							for left := k; left > 0; {
								if at < 0 || at >= 2*len(a.Next)+4*line { // rounds are of whole bytes
									t.Fatalf("byte %d of %d is asked for", at, 2*len(a.Next))
								}
								for b := range lines {
									if i := at/line + b; i < len(count) {
										count[i]++
									}
								}
								at += o.run
								if left--; left%8 == 0 { // as the assembly has it
									at += o.back
								}
							}
						}
						tiles := floatTiles{rows: 2, cols: 16,
							f16: func(*float32, int, *float32, int, int, *uint16, int, int, int, int, int, bool) {},
							few: &fewTiles{rows: 2, cols: cols, queries: nq, known: nq * hd,
								f16: func(_ *float32, _ int, _ *float32, _, _ int, _ *uint16, _, _, _, k int, _ bool, o asked) {
									follow(k, cols/32, o)
								}},
							q8: &q8Tiles{rows: 2, cols: cols / 2, round: func(*int16, *float32, *float32, int) {},
								weights: func(_ *int16, _, _, _ *float32, lo, hi int, o asked) { follow((hi+15)/16-lo/16, 2, o) },
								dot: func(_ *float32, _ int, _ *int16, _ int, _ *float32, _ int, _ *int8, _, _ int, _ *float32, _, _, rounds, groups int, o asked) {
									follow(8*rounds*groups, cols/32, o)
								}}}
						tiles.attend(&portable, a, func(_ *float32, lo, hi int, _ float32, o asked) (float32, float32) {
							follow((hi+15)/16-lo/16, 2, o)
							return 0, 1
						})
						missed, all := 0, 0
						for _, n := range count {
							if n == 0 {
								missed++
							}
							all += n
						}
						if all > 2*len(count) {
							t.Errorf("%d lines were asked for %d times", len(count), all)
						}
						if span[1]-span[0] == PageKeys && missed > 0 {
							t.Errorf("of %d lines %d were not asked for", len(count), missed)
						}
					})
				}
			}
		}
	}
}
