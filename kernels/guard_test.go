package kernels

import (
	"math"
	"math/rand/v2"
	"reflect"
	"testing"
	"unsafe"
)

// guarded returns a slice of n elements that starts off elements after a 64-byte boundary, between guard bands, and a
// check that the bands were not written.
func guarded[T comparable](n, off int, band T) (s []T, check func(t *testing.T, what string)) {
	const g = 64
	buf := make([]T, n+3*g+off)
	for i := range buf {
		buf[i] = band
	}
	size := int(unsafe.Sizeof(band))
	start := g
	for (int(uintptr(unsafe.Pointer(&buf[start])))/size*size)%64 != 0 && start < 2*g {
		start++
	}
	start += off
	s = buf[start : start+n : start+n]
	return s, func(t *testing.T, what string) {
		t.Helper()
		for i := range buf {
			if (i < start || i >= start+n) && buf[i] != band {
				t.Fatalf("%s: wrote outside its slice at element %d (length %d)", what, i-start, n)
			}
		}
	}
}

// eachLevel runs f for every level of this machine but portable, as subtests; it says so loudly when there is none. Where
// f rests on the named entries of Level alone, a level that holds the very funcs of the one before is left out.
func eachLevel(t *testing.T, f func(t *testing.T, l *Level), entries ...string) {
	t.Helper()
	if len(Levels()) == 1 {
		t.Skip("SKIPPED: this machine (or build) has only the portable level; nothing to compare")
	}
	for i, l := range Levels()[1:] {
		if before := Levels()[i]; i > 0 && len(entries) > 0 && sameFuncs(l, before, entries) {
			t.Logf("%s has the funcs of %s", l.Name, before.Name)
			continue
		}
		t.Run(l.Name, func(t *testing.T) { f(t, l) })
	}
}

// sameFuncs reports whether the named entries of a and b, funcs or arrays of funcs, are the same closures: the same code
// with the same captured values.
func sameFuncs(a, b *Level, entries []string) bool {
	closures := func(l *Level, name string) string { // their addresses as bytes
		v := reflect.ValueOf(l).Elem().FieldByName(name)
		return string(unsafe.Slice((*byte)(v.Addr().UnsafePointer()), v.Type().Size()))
	}
	for _, name := range entries {
		if closures(a, name) != closures(b, name) {
			return false
		}
	}
	return true
}

// floatEntries names the entries of Level outside its integer path.
func floatEntries() (names []string) {
	integer := map[string]bool{"Quantize": true, "Gemv": true, "Codes": true, "PackTile": true, "Unpack": true, "GemmInt8": true}
	for _, f := range reflect.VisibleFields(reflect.TypeFor[Level]()) {
		if k := f.Type.Kind(); (k == reflect.Func || k == reflect.Array) && !integer[f.Name] {
			names = append(names, f.Name)
		}
	}
	return names
}

func TestSameFuncs(t *testing.T) {
	scaleBy := func(by float32) func(dst []float32, a float32) {
		return func(dst []float32, a float32) { dst[0] = by * a }
	}
	a := portable
	a.Scale = scaleBy(2)
	b := a
	both := []string{"Codes", "Scale"}
	if !sameFuncs(&a, &b, both) {
		t.Error("a copy of a level has other funcs")
	}
	b.Scale = scaleBy(3)
	if sameFuncs(&a, &b, both) || !sameFuncs(&a, &b, both[:1]) {
		t.Error("the same code with another captured value is taken for the same func")
	}
	b = a
	b.Codes[Q8_0] = a.Codes[Q4_0]
	if sameFuncs(&a, &b, both) {
		t.Error("another func in an array is not seen")
	}
}

// equalBits fails unless got and want are the same bits.
func equalBits(t *testing.T, what string, got, want []float32) {
	t.Helper()
	for i := range want {
		if math.Float32bits(got[i]) != math.Float32bits(want[i]) {
			t.Fatalf("%s: element %d of %d is %v (%08x), portable gives %v (%08x)", what, i, len(want),
				got[i], math.Float32bits(got[i]), want[i], math.Float32bits(want[i]))
		}
	}
}

// fillNormal fills x with normal values of the given spread.
func fillNormal(r *rand.Rand, x []float32, std float32) {
	for i := range x {
		x[i] = float32(r.NormFloat64()) * std
	}
}
