//go:build !purego

#include "textflag.h"
#include "transpose_avx512_amd64.h"
#include "unpack_avx512_amd64.h"

// Unpack of Q2_K and Q3_K, see unpack_avx512_amd64.h.

// SCALED stores d (Z8) times the lower nibble of byte i of q, and Z9 times the upper one.
#define SCALED(g, i, q) \
	VPSRLD $(8*i), q, Z4             \
	VPSRLD $(8*i+4), q, Z5           \
	VPANDD Z29, Z4, Z4               \
	VPANDD Z29, Z5, Z5               \
	PRODUCT(Z4, Z8, (128*(g+i))(SI)) \
	PRODUCT(Z5, Z9, (128*(g+i))(DX))

#define SCALED4(g, q) \
	SCALED(g, 0, q) \
	SCALED(g, 1, q) \
	SCALED(g, 2, q) \
	SCALED(g, 3, q)

// CRUMBS stores bits 0-1, 2-3, 4-5 and 6-7 of q, 32 weights apart.
#define CRUMBS(o, q) \
	VPSRLD     $2, q, Z4           \
	VPSRLD     $4, q, Z5           \
	VPSRLD     $6, q, Z6           \
	VPTERNLOGD $0x6a, Z31, Z30, q  \
	VPTERNLOGD $0x6a, Z31, Z30, Z4 \
	VPTERNLOGD $0x6a, Z31, Z30, Z5 \
	VPTERNLOGD $0x6a, Z31, Z30, Z6 \
	VMOVDQU32  q, o(DI)            \
	VMOVDQU32  Z4, (o+512)(DI)     \
	VMOVDQU32  Z5, (o+1024)(DI)    \
	VMOVDQU32  Z6, (o+1536)(DI)

// HALF2: 16 of each 32 weights of half h.
#define HALF2(h, u) \
	FETCH6                           \
	ADDQ $336, R13                   \
	COLUMNS(16+32*h+16*u)            \
	CRUMBS((2048*h+256*u), Z0)       \
	CRUMBS((2048*h+256*u+64), Z1)    \
	CRUMBS((2048*h+256*u+128), Z2)   \
	CRUMBS((2048*h+256*u+192), Z3)

// func unpackQ2_KAVX512(w *byte, s, m *float32, src *byte, rowBytes, blocks int, flip uint32)
TEXT ·unpackQ2_KAVX512(SB), 0, $136-52
	ARGS
	BROADCAST(0x03030303, Z30)
	BROADCAST(0x0000000f, Z29)
	BROADCAST(0x80000000, Z28)
loop:
	LOAD(68) // which ends with d and dmin
	VPUNPCKHDQ  Z1, Z0, Z4
	VPUNPCKHDQ  Z3, Z2, Z5
	VPUNPCKHQDQ Z5, Z4, Z4
	VPSRLD      $16, Z4, Z5
	VPMOVDW     Z4, Y4
	VPMOVDW     Z5, Y5
	VCVTPH2PS   Y4, Z8
	VCVTPH2PS   Y5, Z9
	VPXORD      Z28, Z9, Z9
	COLUMNS(0)
	SCALED4(0, Z0)
	SCALED4(4, Z1)
	SCALED4(8, Z2)
	SCALED4(12, Z3)
	HALF2(0, 0)
	HALF2(0, 1)
	HALF2(1, 0)
	HALF2(1, 1)
	NEXT_K(84, 16)

// THREE stores bits 2r and 2r+1 of q with bit 4h+r of high, less 4.
#define THREE(o, q, high, h, r) \
	VPSRLD     $(2*r), q, Z4               \
	VPRORD     $((4*h+r+30)%32), high, Z5  \
	VPANDD     Z30, Z4, Z4                 \
	VPTERNLOGD $0xf8, Z29, Z5, Z4          \
	VPADDB     Z31, Z4, Z4                 \
	VMOVDQU32  Z4, (o+512*r)(DI)

#define THREE4(o, q, high, h) \
	THREE(o, q, high, h, 0) \
	THREE(o, q, high, h, 1) \
	THREE(o, q, high, h, 2) \
	THREE(o, q, high, h, 3)

#define HALF3(h, u, a, b, c, d) \
	FETCH7                                 \
	ADDQ $440, R13                         \
	COLUMNS(32+32*h+16*u)                  \
	THREE4((2048*h+256*u), Z0, a, h)       \
	THREE4((2048*h+256*u+64), Z1, b, h)    \
	THREE4((2048*h+256*u+128), Z2, c, h)   \
	THREE4((2048*h+256*u+192), Z3, d, h)

#define KEEP(a, b, c, d) \
	VMOVDQA64 Z0, a \
	VMOVDQA64 Z1, b \
	VMOVDQA64 Z2, c \
	VMOVDQA64 Z3, d

// SIX: four scales of lower bits low and upper bits high, less 32.
#define SIX(low, high, to) \
	VPANDD     Z26, low, to        \
	VPTERNLOGD $0xf8, Z25, high, to \
	VPADDB     Z27, to, to

// func unpackQ3_KAVX512(w *byte, s, m *float32, src *byte, rowBytes, blocks int, flip uint32)
TEXT ·unpackQ3_KAVX512(SB), 0, $136-52
	ARGS
	BROADCAST(0x03030303, Z30)
	BROADCAST(0x04040404, Z29)
	BROADCAST(0xfcfcfcfc, Z28)
	BROADCAST(0xe0e0e0e0, Z27)
	BROADCAST(0x0f0f0f0f, Z26)
	BROADCAST(0x30303030, Z25)
	VPXORD Z28, Z31, Z31
loop:
	LOAD(94) // the 12 bytes of the scales and d end the block
	VPSRLDQ   $2, Z0, Z0
	VPSRLDQ   $2, Z1, Z1
	VPSRLDQ   $2, Z2, Z2
	VPSRLDQ   $2, Z3, Z3
	TRANSPOSE4(Z0, Z1, Z2, Z3, Z4, Z5, Z6, Z7)
	VPMOVDW   Z3, Y8
	VCVTPH2PS Y8, Z8
	VPSLLD    $4, Z2, Z4
	VPSLLD    $2, Z2, Z5
	VPSRLD    $2, Z2, Z6
	VPSRLD    $4, Z0, Z3
	VPSRLD    $4, Z1, Z7
	SIX(Z0, Z4, Z9)
	SIX(Z1, Z5, Z10)
	SIX(Z3, Z2, Z11)
	SIX(Z7, Z6, Z12)
	SIGNED4(0, Z9)
	SIGNED4(4, Z10)
	SIGNED4(8, Z11)
	SIGNED4(12, Z12)
	COLUMNS(0)
	KEEP(Z16, Z17, Z18, Z19)
	COLUMNS(16)
	KEEP(Z20, Z21, Z22, Z23)
	HALF3(0, 0, Z16, Z17, Z18, Z19)
	HALF3(0, 1, Z20, Z21, Z22, Z23)
	HALF3(1, 0, Z16, Z17, Z18, Z19)
	HALF3(1, 1, Z20, Z21, Z22, Z23)
	NEXT_K(110, 16)
