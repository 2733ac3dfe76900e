package kernels

// portable is the specification as a level. Its Codes entries are filled by the init of each block_*.go.
var portable = Level{
	Name:     "portable",
	F16ToF32: f16ToF32, F32ToF16: f32ToF16, BF16ToF32: bf16ToF32,
	Quantize: quantizeTokens(quantize), PackTile: packTile, GemmInt8: gemmInt8,
	GemvFloat: [NumTypes]func(dst []float32, w []byte, x []float32, s *Scratch){
		F32: gemvFloat(F32), F16: gemvFloat(F16), BF16: gemvFloat(BF16)},
	UnpackFloat: [NumTypes]func(dst []float32, ldd int, w []byte, stride, rows, k int){
		F32: unpackFloat(F32), F16: unpackFloat(F16), BF16: unpackFloat(BF16)},
	GemmF32: gemmF32, BF16Row: bf16Row, BF16Pairs: bf16Pairs, Transpose: transpose,
	AttendPage: attendPage, AttendMerge: attendMerge,
	Exp: vexp, SwiGLU: swiGLU, SwiGLUBack: swiGLUBack, GeGLU: geGLU,
	RMSNorm: rmsNorm, RMSNormBack: rmsNormBack, Rope: rope,
	Scan: scan,
	Add:  add, Mul: mul, Axpy: axpy, MulAdd: mulAdd, Scale: scale, Div: div, Max: vmax,
	SumSq: sumSq, Dot: dot, Sum: sum, SoftmaxExp: softmaxExp, AllFinite: allFinite,
	AdamW:     adamW,
	FitAffine: fitAffine, FitSymmetric: fitSymmetric, RoundCodes: roundCodes, PeakCodes: peakCodes, PeakCodes8: peakCodes8, SpanCodes: spanCodes,
}
