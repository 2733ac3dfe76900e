// BROADCAST: every lane of y, whose low half is x, = bits. AX is overwritten.
#define BROADCAST(bits, x, y) \
	MOVL         bits, AX; \
	VMOVD        AX, x;    \
	VBROADCASTSS x, y

// BYTES: eight whole numbers in [0, 255], as floats in y, become the low eight bytes of its low half x. t is another half.
#define BYTES(x, y, t) \
	VCVTPS2DQ    y, y;     \
	VEXTRACTI128 $1, y, t; \
	VPACKUSDW    t, x, x;  \
	VPACKUSWB    x, x, x
