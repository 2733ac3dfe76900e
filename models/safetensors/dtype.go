package safetensors

import (
	"strings"

	"github.com/freehold-slm/freehold/kernels"
)

// DType is the type of a tensor's elements, by its name in the header.
type DType string

type dtype struct {
	name DType
	size int          // bytes an element
	ggml kernels.Type // the same type in GGUF files, if has
	has  bool
}

// dtypes are the known ones. Types of less than a byte are not read.
var dtypes = []dtype{
	{"F64", 8, kernels.F64, true}, {"F32", 4, kernels.F32, true}, {"F16", 2, kernels.F16, true}, {"BF16", 2, kernels.BF16, true},
	{"I64", 8, kernels.I64, true}, {"I32", 4, kernels.I32, true}, {"I16", 2, kernels.I16, true}, {"I8", 1, kernels.I8, true},
	{"U64", 8, 0, false}, {"U32", 4, 0, false}, {"U16", 2, 0, false}, {"U8", 1, 0, false}, {"BOOL", 1, 0, false},
	{"F8_E4M3", 1, 0, false}, {"F8_E5M2", 1, 0, false}, {"F8_E8M0", 1, 0, false},
}

// Size is the bytes of one element; false for an unknown type.
func (d DType) Size() (bytes int, ok bool) {
	for _, t := range dtypes {
		if t.name == d {
			return t.size, true
		}
	}
	return 0, false
}

// GGML is the type of GGUF files with the same bytes; false where there is none.
func (d DType) GGML() (t kernels.Type, ok bool) {
	for _, t := range dtypes {
		if t.name == d {
			return t.ggml, t.has
		}
	}
	return 0, false
}

// OfGGML is the type with the same bytes as a type of GGUF files; false where there is none (quantised types).
func OfGGML(g kernels.Type) (d DType, ok bool) {
	for _, t := range dtypes {
		if t.has && t.ggml == g {
			return t.name, true
		}
	}
	return "", false
}

func knownDTypes() string {
	var names []string
	for _, t := range dtypes {
		names = append(names, string(t.name))
	}
	return strings.Join(names, " ")
}
