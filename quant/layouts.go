package quant

import "github.com/freehold-slm/freehold/kernels"

// Formats whose size is known, so that a file that holds them can be read, but
// which are not decoded: ggml uses them for activations only.
var (
	_ = define(Format{Name: "Q8_1", Type: kernels.Q8_1, Block: 32, Bytes: 36}, nil, nil)
	_ = define(Format{Name: "Q8_K", Type: kernels.Q8_K, Block: 256, Bytes: 292}, nil, nil)
)
