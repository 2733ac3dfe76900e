// DPBUSD: Yd += dot products of four unsigned bytes of Yu with four signed bytes of Ys, in its VEX form (AVX-VNNI),
// which the assembler lacks: VEX.256.66.0F38.W0 50 /r. Arguments are register numbers 0..15, in the assembler's order.
#define DPBUSD(s, u, d) \
	BYTE $0xc4 \
	BYTE $(0x42 | ((1-(d>>3))<<7) | ((1-(s>>3))<<5)) \
	BYTE $(0x05 | ((15-u)<<3)) \
	BYTE $0x50 \
	BYTE $(0xc0 | ((d&7)<<3) | (s&7))
