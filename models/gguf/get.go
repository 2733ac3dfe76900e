package gguf

import "unicode/utf8"

// The typed getters. The plain form fails where the key is absent; the Or form returns def there.
// A key of the wrong type is an error in both.

// Get returns the value of a key as it is.
func (f *File) Get(key string) (Value, bool) {
	i, ok := f.keys[key]
	if !ok {
		return Value{}, false
	}
	return f.KV[i].Value, true
}

// Has reports whether the file holds the key.
func (f *File) Has(key string) bool {
	_, ok := f.keys[key]
	return ok
}

// String returns a string value that is valid UTF-8.
func (f *File) String(key string) (string, error) { return required(f, key, wantText, text) }

// StringOr is String with a default for an absent key.
func (f *File) StringOr(key, def string) (string, error) {
	return optional(f, key, def, wantText, text)
}

// Uint returns an integer that is not negative, of any width.
func (f *File) Uint(key string) (uint64, error) { return required(f, key, wantUint, Value.Uint) }

// UintOr is Uint with a default for an absent key.
func (f *File) UintOr(key string, def uint64) (uint64, error) {
	return optional(f, key, def, wantUint, Value.Uint)
}

// Int returns an integer that fits an int64, of any width.
func (f *File) Int(key string) (int64, error) { return required(f, key, wantInt, Value.Int) }

// IntOr is Int with a default for an absent key.
func (f *File) IntOr(key string, def int64) (int64, error) {
	return optional(f, key, def, wantInt, Value.Int)
}

// Float returns an f32 or f64.
func (f *File) Float(key string) (float64, error) { return required(f, key, wantFloat, Value.Float) }

// FloatOr is Float with a default for an absent key.
func (f *File) FloatOr(key string, def float64) (float64, error) {
	return optional(f, key, def, wantFloat, Value.Float)
}

// Bool returns a bool.
func (f *File) Bool(key string) (bool, error) { return required(f, key, wantBool, Value.Bool) }

// BoolOr is Bool with a default for an absent key.
func (f *File) BoolOr(key string, def bool) (bool, error) {
	return optional(f, key, def, wantBool, Value.Bool)
}

// Strings returns an array of strings; its elements are bytes as in the file, not checked for UTF-8.
func (f *File) Strings(key string) ([]string, error) {
	return required(f, key, "an array of string", Value.Strings)
}

// Ints returns an array of integers of any width.
func (f *File) Ints(key string) ([]int64, error) {
	return required(f, key, "an array of integers", Value.Ints)
}

// Floats returns an array of f32.
func (f *File) Floats(key string) ([]float32, error) {
	return required(f, key, "an array of f32", Value.Floats)
}

// Bools returns an array of bool.
func (f *File) Bools(key string) ([]bool, error) {
	return required(f, key, "an array of bool", Value.Bools)
}

const (
	wantText  = "a string in UTF-8"
	wantUint  = "an integer, not negative"
	wantInt   = "an integer"
	wantFloat = "f32 or f64"
	wantBool  = "bool"
)

func text(v Value) (string, bool) {
	s, ok := v.Text()
	return s, ok && utf8.ValidString(s)
}

func required[T any](f *File, key, want string, decode func(Value) (T, bool)) (T, error) {
	if !f.Has(key) {
		var zero T
		return zero, f.keyError(key, "no such key", want)
	}
	var zero T
	return optional(f, key, zero, want, decode)
}

func optional[T any](f *File, key string, def T, want string, decode func(Value) (T, bool)) (T, error) {
	v, ok := f.Get(key)
	if !ok {
		return def, nil
	}
	x, ok := decode(v)
	if !ok {
		var zero T
		return zero, f.keyError(key, v.TypeName()+" "+v.String(), want)
	}
	return x, nil
}

func (f *File) keyError(key, got, want string) error {
	return &Error{File: f.Name, Field: "key " + Quote(key), Got: got, Want: want}
}
