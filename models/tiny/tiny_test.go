package tiny

import (
	"bytes"
	"slices"
	"testing"

	"github.com/freehold-slm/freehold/models"
	"github.com/freehold-slm/freehold/models/gguf"
)

// Every model of the table is one that is known, and has the same bytes each time.
func TestModels(t *testing.T) {
	all := append(slices.Clone(Models), Encoders...)
	for i := range all {
		m := &all[i]
		t.Run(m.Name, func(t *testing.T) {
			var a, b bytes.Buffer
			for _, out := range []*bytes.Buffer{&a, &b} {
				if err := m.Writer().Encode(out); err != nil {
					t.Fatal(err)
				}
			}
			if !bytes.Equal(a.Bytes(), b.Bytes()) {
				t.Error("written twice, the bytes differ")
			}
			f, err := gguf.Parse(m.Name, a.Bytes())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := models.NewSpec(f); err != nil {
				t.Error(err)
			}
		})
	}
}
