package gguf

import "crypto/sha256"

// SHA256 is the hash of the file's bytes, of all parts in order. It reads them all.
func (f *File) SHA256() (sum [32]byte, err error) {
	h := sha256.New()
	err = f.Guard(func() error {
		if f.parts == nil {
			h.Write(f.data)
		}
		for _, p := range f.parts {
			h.Write(p.data)
		}
		return nil
	})
	return [32]byte(h.Sum(nil)), err
}
