//go:build !purego

#include "textflag.h"
#include "transpose_avx512_amd64.h"
#include "unpack_avx512_amd64.h"

// Unpack of the K formats, see unpack_avx512_amd64.h.

#define SUBSCALE(g, i, sc, mn) \
	BYTEOF(i, sc, Z6)                \
	BYTEOF(i, mn, Z7)                \
	PRODUCT(Z6, Z4, (128*(g+i))(SI)) \
	PRODUCT(Z7, Z5, (128*(g+i))(DX))

// SUBSCALES stores d*sc and -dmin*mn of eight groups, see ScaleMin. Z29 = 0xff, Z28 = sign bits.
#define SUBSCALES \
	COLUMNS(0)                         \
	VPMOVDW    Z0, Y4                  \
	VPSRLD     $16, Z0, Z0             \
	VPMOVDW    Z0, Y5                  \
	VCVTPH2PS  Y4, Z4                  \
	VCVTPH2PS  Y5, Z5                  \
	VPXORD     Z28, Z5, Z5             \
	VPANDD     Z27, Z1, Z8             \
	VPANDD     Z27, Z2, Z9             \
	SUBSCALE(0, 0, Z8, Z9)             \
	SUBSCALE(0, 1, Z8, Z9)             \
	SUBSCALE(0, 2, Z8, Z9)             \
	SUBSCALE(0, 3, Z8, Z9)             \
	VPSRLD     $2, Z1, Z1              \
	VPSRLD     $2, Z2, Z2              \
	VPSRLD     $4, Z3, Z9              \
	VPANDD     Z26, Z1, Z1             \
	VPANDD     Z26, Z2, Z2             \
	VPTERNLOGD $0xf8, Z30, Z3, Z1      \
	VPTERNLOGD $0xf8, Z30, Z9, Z2      \
	SUBSCALE(4, 0, Z1, Z2)             \
	SUBSCALE(4, 1, Z1, Z2)             \
	SUBSCALE(4, 2, Z1, Z2)             \
	SUBSCALE(4, 3, Z1, Z2)

#define CONSTANTS \
	BROADCAST(0x0f0f0f0f, Z30) \
	BROADCAST(0x000000ff, Z29) \
	BROADCAST(0x80000000, Z28) \
	BROADCAST(0x3f3f3f3f, Z27) \
	BROADCAST(0x30303030, Z26)

// NIBBLES stores the lower nibbles of q at o and the upper ones 32 weights later.
#define NIBBLES(o, q) \
	VPSRLD     $4, q, Z4           \
	VPTERNLOGD $0x6a, Z31, Z30, q  \
	VPTERNLOGD $0x6a, Z31, Z30, Z4 \
	VMOVDQU32  q, o(DI)            \
	VMOVDQU32  Z4, (o+512)(DI)

// HALF4: 16 of each 32 weights of groups 2j and 2j+1.
#define HALF4(j, h) \
	FETCH5                             \
	ADDQ $288, R13                     \
	COLUMNS(16+32*j+16*h)              \
	NIBBLES((1024*j+256*h), Z0)        \
	NIBBLES((1024*j+256*h+64), Z1)     \
	NIBBLES((1024*j+256*h+128), Z2)    \
	NIBBLES((1024*j+256*h+192), Z3)

// func unpackQ4_KAVX512(w *byte, s, m *float32, src *byte, rowBytes, blocks int, flip uint32)
TEXT ·unpackQ4_KAVX512(SB), 0, $136-52
	ARGS
	CONSTANTS
loop:
	SUBSCALES
	HALF4(0, 0)
	HALF4(0, 1)
	HALF4(1, 0)
	HALF4(1, 1)
	HALF4(2, 0)
	HALF4(2, 1)
	HALF4(3, 0)
	HALF4(3, 1)
	NEXT_K(144, 8)

// FIVE is NIBBLES with the fifth bits, which are bits 4 and 5 of high; high moves on to those of the next pair of groups.
#define FIVE(o, q, high) \
	VPSRLD     $4, q, Z4             \
	VPSRLD     $1, high, Z5          \
	VPTERNLOGD $0x6a, Z31, Z30, q    \
	VPTERNLOGD $0x6a, Z31, Z30, Z4   \
	VPTERNLOGD $0x78, Z25, high, q   \
	VPTERNLOGD $0x78, Z25, Z5, Z4    \
	VPRORD     $2, high, high        \
	VMOVDQU32  q, o(DI)              \
	VMOVDQU32  Z4, (o+512)(DI)

#define HALF5(j, h, a, b, c, d) \
	FETCH6                              \
	ADDQ $352, R13                      \
	COLUMNS(48+32*j+16*h)               \
	FIVE((1024*j+256*h), Z0, a)         \
	FIVE((1024*j+256*h+64), Z1, b)      \
	FIVE((1024*j+256*h+128), Z2, c)     \
	FIVE((1024*j+256*h+192), Z3, d)

// HIGH keeps 16 bytes of the fifth bits of all rows, turned by 4 so that those of the first pair are bits 4 and 5.
#define HIGH(o, a, b, c, d) \
	COLUMNS(o)        \
	VPROLD $4, Z0, a  \
	VPROLD $4, Z1, b  \
	VPROLD $4, Z2, c  \
	VPROLD $4, Z3, d

// func unpackQ5_KAVX512(w *byte, s, m *float32, src *byte, rowBytes, blocks int, flip uint32)
TEXT ·unpackQ5_KAVX512(SB), 0, $136-52
	ARGS
	CONSTANTS
	BROADCAST(0x10101010, Z25)
loop:
	SUBSCALES
	HIGH(16, Z16, Z17, Z18, Z19)
	HIGH(32, Z20, Z21, Z22, Z23)
	HALF5(0, 0, Z16, Z17, Z18, Z19)
	HALF5(0, 1, Z20, Z21, Z22, Z23)
	HALF5(1, 0, Z16, Z17, Z18, Z19)
	HALF5(1, 1, Z20, Z21, Z22, Z23)
	HALF5(2, 0, Z16, Z17, Z18, Z19)
	HALF5(2, 1, Z20, Z21, Z22, Z23)
	HALF5(3, 0, Z16, Z17, Z18, Z19)
	HALF5(3, 1, Z20, Z21, Z22, Z23)
	NEXT_K(176, 8)

// TWO stores, less 32, the codes of nibbles q at o, with bits n and n+1 of high, and at o+1024, with bits n+4 and n+5.
#define TWO(o, q, high, n) \
	VPSRLD     $4, q, Z4           \
	VPANDD     Z30, q, q           \
	VPANDD     Z30, Z4, Z4         \
	VPSLLD     $(4-n), high, Z5    \
	VPSRLD     $n, high, Z6        \
	VPTERNLOGD $0xf8, Z26, Z5, q   \
	VPTERNLOGD $0xf8, Z26, Z6, Z4  \
	VPADDB     Z31, q, q           \
	VPADDB     Z31, Z4, Z4         \
	VMOVDQU32  q, o(DI)            \
	VMOVDQU32  Z4, (o+1024)(DI)

// RUN6: 16 of each 32 weights of runs a and a+2 of half h; Z16-Z19 = the upper bits.
#define RUN6(h, a, u) \
	FETCH7                                         \
	ADDQ $420, R13                                 \
	COLUMNS(64*h+32*a+16*u)                        \
	TWO((2048*h+512*a+256*u), Z0, Z16, 2*a)        \
	TWO((2048*h+512*a+256*u+64), Z1, Z17, 2*a)     \
	TWO((2048*h+512*a+256*u+128), Z2, Z18, 2*a)    \
	TWO((2048*h+512*a+256*u+192), Z3, Z19, 2*a)

#define HALF6(h, u) \
	COLUMNS(128+32*h+16*u) \
	VMOVDQA64 Z0, Z16      \
	VMOVDQA64 Z1, Z17      \
	VMOVDQA64 Z2, Z18      \
	VMOVDQA64 Z3, Z19      \
	RUN6(h, 0, u)          \
	RUN6(h, 1, u)

// func unpackQ6_KAVX512(w *byte, s, m *float32, src *byte, rowBytes, blocks int, flip uint32)
TEXT ·unpackQ6_KAVX512(SB), 0, $136-52
	ARGS
	BROADCAST(0x0f0f0f0f, Z30)
	BROADCAST(0x30303030, Z26)
	BROADCAST(0xe0e0e0e0, Z29)
	VPXORD Z29, Z31, Z31
loop:
	LOAD(194) // which ends with d
	VPUNPCKHDQ  Z1, Z0, Z4
	VPUNPCKHDQ  Z3, Z2, Z5
	VPUNPCKHQDQ Z5, Z4, Z4
	VPSRLD      $16, Z4, Z4
	VPMOVDW     Z4, Y4
	VCVTPH2PS   Y4, Z8
	COLUMNS(192)
	SIGNED4(0, Z0)
	SIGNED4(4, Z1)
	SIGNED4(8, Z2)
	SIGNED4(12, Z3)
	HALF6(0, 0)
	HALF6(0, 1)
	HALF6(1, 0)
	HALF6(1, 1)
	NEXT_K(210, 16)
