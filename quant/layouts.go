package quant

import "github.com/freehold-slm/freehold/kernels"

// Formats whose size is known, so that a file that holds them can be read and
// its other tensors used, but which cannot be decoded.
var _ = []*Format{
	define(Format{Name: "F32", Type: kernels.F32, Block: 1, Bytes: 4, Float: true}),
	define(Format{Name: "F16", Type: kernels.F16, Block: 1, Bytes: 2, Float: true}),
	define(Format{Name: "BF16", Type: kernels.BF16, Block: 1, Bytes: 2, Float: true}),
	define(Format{Name: "F64", Type: kernels.F64, Block: 1, Bytes: 8, Float: true}),
	define(Format{Name: "I8", Type: kernels.I8, Block: 1, Bytes: 1}),
	define(Format{Name: "I16", Type: kernels.I16, Block: 1, Bytes: 2}),
	define(Format{Name: "I32", Type: kernels.I32, Block: 1, Bytes: 4}),
	define(Format{Name: "I64", Type: kernels.I64, Block: 1, Bytes: 8}),
	define(Format{Name: "Q4_0", Type: kernels.Q4_0, Block: 32, Bytes: 18}),
	define(Format{Name: "Q4_1", Type: kernels.Q4_1, Block: 32, Bytes: 20}),
	define(Format{Name: "Q5_0", Type: kernels.Q5_0, Block: 32, Bytes: 22}),
	define(Format{Name: "Q5_1", Type: kernels.Q5_1, Block: 32, Bytes: 24}),
	define(Format{Name: "Q8_0", Type: kernels.Q8_0, Block: 32, Bytes: 34}),
	define(Format{Name: "Q8_1", Type: kernels.Q8_1, Block: 32, Bytes: 36}),
	define(Format{Name: "Q2_K", Type: kernels.Q2_K, Block: 256, Bytes: 84}),
	define(Format{Name: "Q3_K", Type: kernels.Q3_K, Block: 256, Bytes: 110}),
	define(Format{Name: "Q4_K", Type: kernels.Q4_K, Block: 256, Bytes: 144}),
	define(Format{Name: "Q5_K", Type: kernels.Q5_K, Block: 256, Bytes: 176}),
	define(Format{Name: "Q6_K", Type: kernels.Q6_K, Block: 256, Bytes: 210}),
	define(Format{Name: "Q8_K", Type: kernels.Q8_K, Block: 256, Bytes: 292}),
	define(Format{Name: "IQ2_XXS", Type: kernels.IQ2_XXS, Block: 256, Bytes: 66}),
	define(Format{Name: "IQ2_XS", Type: kernels.IQ2_XS, Block: 256, Bytes: 74}),
	define(Format{Name: "IQ3_XXS", Type: kernels.IQ3_XXS, Block: 256, Bytes: 98}),
	define(Format{Name: "IQ1_S", Type: kernels.IQ1_S, Block: 256, Bytes: 50}),
	define(Format{Name: "IQ4_NL", Type: kernels.IQ4_NL, Block: 32, Bytes: 18}),
	define(Format{Name: "IQ3_S", Type: kernels.IQ3_S, Block: 256, Bytes: 110}),
	define(Format{Name: "IQ2_S", Type: kernels.IQ2_S, Block: 256, Bytes: 82}),
	define(Format{Name: "IQ4_XS", Type: kernels.IQ4_XS, Block: 256, Bytes: 136}),
	define(Format{Name: "IQ1_M", Type: kernels.IQ1_M, Block: 256, Bytes: 56}),
	define(Format{Name: "TQ1_0", Type: kernels.TQ1_0, Block: 256, Bytes: 54}),
	define(Format{Name: "TQ2_0", Type: kernels.TQ2_0, Block: 256, Bytes: 66}),
	define(Format{Name: "MXFP4", Type: kernels.MXFP4, Block: 32, Bytes: 17}),
	define(Format{Name: "NVFP4", Type: kernels.NVFP4, Block: 64, Bytes: 36}),
	define(Format{Name: "Q1_0", Type: kernels.Q1_0, Block: 128, Bytes: 18}),
	define(Format{Name: "Q2_0", Type: kernels.Q2_0, Block: 64, Bytes: 18}),
}
