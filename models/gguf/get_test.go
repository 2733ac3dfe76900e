package gguf_test

import (
	"bytes"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/freehold-slm/freehold/kernels"
	"github.com/freehold-slm/freehold/models/gguf"
)

// encode writes a Writer into memory.
func encode(t testing.TB, w *gguf.Writer) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := w.Encode(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// everyType holds one key of each type.
func everyType() *gguf.Writer {
	w := gguf.NewWriter()
	w.Set("u8", uint8(200))
	w.Set("i8", int8(-3))
	w.Set("u16", uint16(60000))
	w.Set("i16", int16(-300))
	w.Set("u32", uint32(4e9))
	w.Set("i32", int32(-2e9))
	w.Set("f32", float32(0.1))
	w.Set("bool", true)
	w.Set("string", "text")
	w.Set("u64", uint64(math.MaxUint64))
	w.Set("i64", int64(math.MinInt64))
	w.Set("f64", 0.1)
	w.Set("bytes", "\xff\xfe")
	w.Set("strings", []string{"", "a", "\x80", "longer text"})
	w.Set("u8s", []uint8{0, 255})
	w.Set("i8s", []int8{-128, 127})
	w.Set("u16s", []uint16{0, 65535})
	w.Set("i16s", []int16{-32768, 32767})
	w.Set("u32s", []uint32{0, math.MaxUint32})
	w.Set("i32s", []int32{math.MinInt32, math.MaxInt32})
	w.Set("u64s", []uint64{0, math.MaxInt64})
	w.Set("i64s", []int64{math.MinInt64, math.MaxInt64})
	w.Set("u64s big", []uint64{math.MaxUint64})
	w.Set("f32s", []float32{-1.5, 0.1})
	w.Set("f64s", []float64{0.1})
	w.Set("bools", []bool{true, false})
	w.Set("none", []string{})
	return w
}

func all(t testing.TB) *gguf.File {
	t.Helper()
	f, err := gguf.Parse("all.gguf", encode(t, everyType()))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestGetters asks each key for each type: a value where the type fits, else an error that names file, key, type.
func TestGetters(t *testing.T) {
	f := all(t)
	getters := map[string]func(key string) (any, error){
		"String":  func(k string) (any, error) { return f.String(k) },
		"Uint":    func(k string) (any, error) { return f.Uint(k) },
		"Int":     func(k string) (any, error) { return f.Int(k) },
		"Float":   func(k string) (any, error) { return f.Float(k) },
		"Bool":    func(k string) (any, error) { return f.Bool(k) },
		"Strings": func(k string) (any, error) { return f.Strings(k) },
		"Ints":    func(k string) (any, error) { return f.Ints(k) },
		"Floats":  func(k string) (any, error) { return f.Floats(k) },
		"Bools":   func(k string) (any, error) { return f.Bools(k) },
	}
	want := map[string]map[string]any{
		"u8": {"Uint": uint64(200), "Int": int64(200)}, "i8": {"Int": int64(-3)},
		"u16": {"Uint": uint64(60000), "Int": int64(60000)}, "i16": {"Int": int64(-300)},
		"u32": {"Uint": uint64(4e9), "Int": int64(4e9)}, "i32": {"Int": int64(-2e9)},
		"u64": {"Uint": uint64(math.MaxUint64)}, "i64": {"Int": int64(math.MinInt64)},
		"f32": {"Float": float64(float32(0.1))}, "f64": {"Float": 0.1}, "bool": {"Bool": true},
		"string": {"String": "text"}, "bytes": {},
		"strings": {"Strings": []string{"", "a", "\x80", "longer text"}}, "none": {"Strings": []string{}},
		"u8s": {"Ints": []int64{0, 255}}, "i8s": {"Ints": []int64{-128, 127}},
		"u16s": {"Ints": []int64{0, 65535}}, "i16s": {"Ints": []int64{-32768, 32767}},
		"u32s": {"Ints": []int64{0, math.MaxUint32}}, "i32s": {"Ints": []int64{math.MinInt32, math.MaxInt32}},
		"u64s": {"Ints": []int64{0, math.MaxInt64}}, "i64s": {"Ints": []int64{math.MinInt64, math.MaxInt64}}, "u64s big": {},
		"f32s": {"Floats": []float32{-1.5, 0.1}}, "f64s": {}, "bools": {"Bools": []bool{true, false}},
	}
	if len(want) != len(f.KV) {
		t.Fatalf("%d keys expected, the file has %d", len(want), len(f.KV))
	}
	for key, fits := range want {
		for name, get := range getters {
			got, err := get(key)
			expected, ok := fits[name]
			switch {
			case ok && (err != nil || !equal(got, expected)):
				t.Errorf("%s(%q) = %v, %v; want %v", name, key, got, err, expected)
			case !ok && (err == nil || !strings.HasPrefix(err.Error(), `all.gguf: key "`+key+`": got `)):
				t.Errorf("%s(%q) = %v, error %v; want one that names file and key", name, key, got, err)
			}
			if _, err := get("absent"); err == nil || !strings.HasPrefix(err.Error(), `all.gguf: key "absent": got no such key, want `) {
				t.Errorf("%s of an absent key: %v", name, err)
			}
		}
	}
}

// The Or forms give the default where the key is absent and only there.
func TestGettersOr(t *testing.T) {
	f := all(t)
	type result struct {
		got any
		err error
	}
	of := func(got any, err error) result { return result{got, err} }
	for name, c := range map[string]struct {
		absent result
		def    any
		wrong  result
	}{
		"StringOr": {of(f.StringOr("absent", "d")), "d", of(f.StringOr("u8", "d"))},
		"UintOr":   {of(f.UintOr("absent", 7)), uint64(7), of(f.UintOr("i8", 7))},
		"IntOr":    {of(f.IntOr("absent", -7)), int64(-7), of(f.IntOr("f32", -7))},
		"FloatOr":  {of(f.FloatOr("absent", 1.5)), 1.5, of(f.FloatOr("u32", 1.5))},
		"BoolOr":   {of(f.BoolOr("absent", true)), true, of(f.BoolOr("u8", true))},
	} {
		if c.absent.err != nil || c.absent.got != c.def {
			t.Errorf("%s: absent key gives %v, %v; want %v", name, c.absent.got, c.absent.err, c.def)
		}
		if c.wrong.err == nil {
			t.Errorf("%s: wrong type gives %v and no error", name, c.wrong.got)
		}
	}
	if got, err := f.UintOr("u8", 7); got != 200 || err != nil {
		t.Errorf("UintOr of a present key = %v, %v", got, err)
	}
}

func equal(a, b any) bool { return reflect.DeepEqual(a, b) }

// Metadata outlive Close; tensor views are taken away.
func TestClose(t *testing.T) {
	path, f := t.TempDir()+"/f.gguf", gguf.NewWriter()
	f.Set("list", []string{"one", "two"})
	f.AddTensor("w", kernels.F32, []int{2}, make([]byte, 8))
	if err := f.WriteTo(path); err != nil {
		t.Fatal(err)
	}
	opened, err := gguf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	list, _ := opened.Strings("list")
	for range 2 {
		if err := opened.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if again, err := opened.Strings("list"); err != nil || list[1] != "two" || again[0] != "one" {
		t.Errorf("after Close: %q, %q, %v", list, again, err)
	}
	if w, _ := opened.Tensor("w"); w.Data != nil {
		t.Error("tensor data left after Close")
	}
}
