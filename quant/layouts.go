package quant

import "github.com/freehold-slm/freehold/kernels"

// Formats whose size is known, so that a file that holds them can be read and
// its other tensors used, but which cannot be decoded.
var _ = []*Format{
	define(Format{Name: "Q8_1", Type: kernels.Q8_1, Block: 32, Bytes: 36}, nil, nil),
	define(Format{Name: "Q2_K", Type: kernels.Q2_K, Block: 256, Bytes: 84}, nil, nil),
	define(Format{Name: "Q3_K", Type: kernels.Q3_K, Block: 256, Bytes: 110}, nil, nil),
	define(Format{Name: "Q8_K", Type: kernels.Q8_K, Block: 256, Bytes: 292}, nil, nil),
	define(Format{Name: "IQ2_XXS", Type: kernels.IQ2_XXS, Block: 256, Bytes: 66}, nil, nil),
	define(Format{Name: "IQ2_XS", Type: kernels.IQ2_XS, Block: 256, Bytes: 74}, nil, nil),
	define(Format{Name: "IQ3_XXS", Type: kernels.IQ3_XXS, Block: 256, Bytes: 98}, nil, nil),
	define(Format{Name: "IQ1_S", Type: kernels.IQ1_S, Block: 256, Bytes: 50}, nil, nil),
	define(Format{Name: "IQ4_NL", Type: kernels.IQ4_NL, Block: 32, Bytes: 18}, nil, nil),
	define(Format{Name: "IQ3_S", Type: kernels.IQ3_S, Block: 256, Bytes: 110}, nil, nil),
	define(Format{Name: "IQ2_S", Type: kernels.IQ2_S, Block: 256, Bytes: 82}, nil, nil),
	define(Format{Name: "IQ4_XS", Type: kernels.IQ4_XS, Block: 256, Bytes: 136}, nil, nil),
	define(Format{Name: "IQ1_M", Type: kernels.IQ1_M, Block: 256, Bytes: 56}, nil, nil),
	define(Format{Name: "TQ1_0", Type: kernels.TQ1_0, Block: 256, Bytes: 54}, nil, nil),
	define(Format{Name: "TQ2_0", Type: kernels.TQ2_0, Block: 256, Bytes: 66}, nil, nil),
	define(Format{Name: "MXFP4", Type: kernels.MXFP4, Block: 32, Bytes: 17}, nil, nil),
	define(Format{Name: "NVFP4", Type: kernels.NVFP4, Block: 64, Bytes: 36}, nil, nil),
	define(Format{Name: "Q1_0", Type: kernels.Q1_0, Block: 128, Bytes: 18}, nil, nil),
	define(Format{Name: "Q2_0", Type: kernels.Q2_0, Block: 64, Bytes: 18}, nil, nil),
}
