// Package cases holds the pieces of hot path that the regression gate compares between two commits. It is compiled
// twice, once against each commit's rooms, so it speaks to its caller in built-in types only.
package cases

import (
	"fmt"
	"math/rand/v2"
	"unsafe"
)

// piece is one piece of work. ready returns a func that does it once; its work is well under 0.2 ms. A nil func means
// that this CPU level has no such kernel.
type piece struct {
	name  string
	ready func(r *rand.Rand) (func(), error)
}

// pieces is filled by the init of each file.
var pieces []piece

// Names lists the cases in a fixed order.
func Names() []string {
	var all []string
	for _, p := range pieces {
		all = append(all, p.name)
	}
	return all
}

// New makes a case's work ready: inputs are the same in every process. It returns nil where there is no such case, or
// no such kernel on this CPU level. models is the folder of the fixture models.
func New(name, models string) (func(), error) {
	fixtures, rooms = models, 0
	for _, p := range pieces {
		if p.name == name {
			once, err := p.ready(rand.New(rand.NewPCG(1, 1)))
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			return once, nil
		}
	}
	return nil, nil
}

// fixtures is the folder of the fixture models.
var fixtures string

// rooms counts a case's slices.
var rooms int

// room makes a slice whose place within its page depends on its number within the case alone: on which bytes of two
// pages alias depends the speed of short kernels.
func room[T any](n int) []T {
	const page, step = 4096, 5 * 64
	var one T
	size := int(unsafe.Sizeof(one))
	all := make([]T, n+2*page/size)
	skip := (page - int(uintptr(unsafe.Pointer(&all[0]))%page) + rooms*step%page) / size
	rooms++
	return all[skip : skip+n : skip+n]
}

func normals(r *rand.Rand, n int) []float32 {
	x := room[float32](n)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	return x
}
