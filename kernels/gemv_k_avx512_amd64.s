//go:build !purego

#include "go_asm.h"
#include "textflag.h"
#include "transpose_avx512_amd64.h"
#include "gemv_runs_avx512_amd64.h"
#include "gemv_super_avx512_amd64.h"

// Gemv of Q4_K and Q5_K. The lower nibbles of 32 bytes are an even group, the upper ones the odd group after it.
//
//	Z8 Z10 sub-scales of groups 0-3, 4-7, Z9 Z11 sub-minima, a byte each · Z12-Z15 take byte 0-3 of dwords · Z16-Z19 sums of a half
//	Z26 d · Z27 dmin · Z28 Z29 activations of a half, lanes 0 3 4 7 and 1 2 5 6 of 16 · Z31 nibbles of even and odd groups, in turns

DATA pick<>+0(SB)/8, $0x8080800480808000
DATA pick<>+8(SB)/8, $0x8080800c80808008
DATA pick<>+16(SB)/8, $0x8080800580808001
DATA pick<>+24(SB)/8, $0x8080800d80808009
DATA pick<>+32(SB)/8, $0x8080800680808002
DATA pick<>+40(SB)/8, $0x8080800e8080800a
DATA pick<>+48(SB)/8, $0x8080800780808003
DATA pick<>+56(SB)/8, $0x8080800f8080800b
GLOBL pick<>(SB), RODATA|NOPTR, $64

#define PICKS \
	VBROADCASTI32X4 pick<>+0(SB), Z12  \
	VBROADCASTI32X4 pick<>+16(SB), Z13 \
	VBROADCASTI32X4 pick<>+32(SB), Z14 \
	VBROADCASTI32X4 pick<>+48(SB), Z15

DATA bytes<>+0(SB)/4, $0x3f3f3f3f
DATA bytes<>+4(SB)/4, $0x30303030
DATA bytes<>+8(SB)/4, $0x0f0f0f0f
GLOBL bytes<>(SB), RODATA|NOPTR, $12

// SUBSCALES unpacks the 6-bit scales and minima of 16 rows, see ScaleMin.
#define SUBSCALES \
	HEADS(0)                                       \
	VPMOVDW         Z0, Y4                         \
	VPSRLD          $16, Z0, Z0                    \
	VPMOVDW         Z0, Y5                         \
	VCVTPH2PS       Y4, Z26                        \
	VCVTPH2PS       Y5, Z27                        \
	VPANDD.BCST     bytes<>+0(SB), Z1, Z8          \
	VPANDD.BCST     bytes<>+0(SB), Z2, Z9          \
	VPSRLD          $2, Z1, Z10                    \
	VPSRLD          $2, Z2, Z11                    \
	VPSRLD          $4, Z3, Z4                     \
	VPANDD.BCST     bytes<>+4(SB), Z10, Z10        \
	VPANDD.BCST     bytes<>+4(SB), Z11, Z11        \
	VPTERNLOGD.BCST $0xf8, bytes<>+8(SB), Z3, Z10  \
	VPTERNLOGD.BCST $0xf8, bytes<>+8(SB), Z4, Z11

// ACTS: Z28, Z29 = the 128 activations at o in the order of ROW's codes.
#define ACTS(o) \
	VMOVDQU32  o(R11), Z4           \
	VMOVDQU32  (o+64)(R11), Z5      \
	VSHUFI64X2 $0xcc, Z5, Z4, Z28   \
	VSHUFI64X2 $0x99, Z5, Z4, Z29

// ROW4 takes upper nibbles where they stand: sums of odd groups come 16 times too large, see UNSHIFT.
#define ROW4(codes, none, acc) \
	VMOVDQU32  codes, Z4          \
	VSHUFI64X2 $0xb1, Z4, Z4, Z5  \
	VPANDD     Z31, Z4, Z4        \
	VPANDD     Z31, Z5, Z5        \
	VPXORD     acc, acc, acc      \
	VPDPBUSD   Z28, Z4, acc       \
	VPDPBUSD   Z29, Z5, acc

// GROUP: acc = fma(float32(isum), (d*sc)*dx, acc); acc = fma(-(dmin*mn), sx, acc)
#define GROUP(isum, scales, minima, pick, i) \
	VPSHUFB           pick, scales, Z4       \
	VPSHUFB           pick, minima, Z5       \
	VCVTDQ2PS         Z4, Z4                 \
	VCVTDQ2PS         Z5, Z5                 \
	VCVTDQ2PS         isum, isum             \
	VMULPS            Z26, Z4, Z4            \
	VMULPS            Z27, Z5, Z5            \
	VMULPS.BCST       (4*(i))(R13), Z4, Z4     \
	VFMADD231PS       Z4, isum, Z30          \
	VFNMADD231PS.BCST (4*(i))(R14), Z5, Z30

#define UNSHIFT \
	VPSRAD $4, Z17, Z17 \
	VPSRAD $4, Z19, Z19

#define HALF(o, h, xo, ROW, AFTER, scales, minima, i) \
	ACTS(xo)                                                \
	ROWS4(o, h, SI, ROW, Z16)                               \
	ROWS4(o, h, R8, ROW, Z17)                               \
	ROWS4(o, h, R9, ROW, Z18)                               \
	ROWS4(o, h, R12, ROW, Z19)                              \
	BYGROUP(Z16, Z17, Z18, Z19, Z16, Z17, Z18, Z19)         \
	AFTER                                                   \
	GROUP(Z16, scales, minima, Z12, i)                      \
	GROUP(Z17, scales, minima, Z13, i+1)                    \
	GROUP(Z18, scales, minima, Z14, i+2)                    \
	GROUP(Z19, scales, minima, Z15, i+3)

// Q4_K is the body of its two kernels. Invariants: at row, rows-8(SP) > 0 rows of each run are left, the next at SI; at block, Z30 holds the chains
// of all blocks before the one at SI, CX > 0 are left.
#define Q4_K \
	MOVQ $0xf0f0f0f0f0f0f0f0, AX                 \
	VPBROADCASTQ AX, Z31                         \
	MOVL $0x33, AX                               \
	KMOVW AX, K2                                 \
	VPSRLQ $4, Z31, K2, Z31                      \
	PICKS                                        \
	BEGINRUNS(144)                               \
row:                                                 \
	BEGINROW                                     \
block:                                               \
	SUBSCALES                                    \
	HALF(16, 0, 0, ROW4, UNSHIFT, Z8, Z9, 0)     \
	HALF(80, 0, 128, ROW4, UNSHIFT, Z10, Z11, 4) \
	NEXTBLOCK(144, 256)                          \
	TURNED(144, near)                            \
	ADDQ $32, R14                                \
	DECQ CX                                      \
	JNZ  block                                   \
	ENDROW(row)

// ROW5 also takes the fifth bits, which SHIFT with Z21 brings to bit 4.
#define ROW5(codes, bits, acc, SHIFT) \
	VMOVDQU32       codes, Z4          \
	VBROADCASTI64X4 bits, Z6           \
	VSHUFI64X2      $0xb1, Z4, Z4, Z5  \
	VSHUFI64X2      $0xb1, Z6, Z6, Z7  \
	VPSRLVQ         Z20, Z4, Z4        \
	VPSRLVQ         Z20, Z5, Z5        \
	SHIFT           Z21, Z6, Z6        \
	SHIFT           Z21, Z7, Z7        \
	VPANDD          Z31, Z4, Z4        \
	VPANDD          Z31, Z5, Z5        \
	VPTERNLOGD      $0xf8, Z23, Z6, Z4 \
	VPTERNLOGD      $0xf8, Z23, Z7, Z5 \
	VPXORD          acc, acc, acc      \
	VPDPBUSD        Z28, Z4, acc       \
	VPDPBUSD        Z29, Z5, acc

#define ROW5LEFT(codes, bits, acc) ROW5(codes, bits, acc, VPSLLVQ)
#define ROW5RIGHT(codes, bits, acc) ROW5(codes, bits, acc, VPSRLVQ)
#define NOTHING

// Shifts for each eight bytes: nibbles to the right, fifth bits of the first half to the left, of the second to the right.
DATA shifts<>+0(SB)/8, $0x0404000004040000
DATA shifts<>+8(SB)/8, $0x0101020203030404
DATA shifts<>+16(SB)/8, $0x0303020201010000
GLOBL shifts<>(SB), RODATA|NOPTR, $24

// Q5_K is the body of its two kernels. Invariants: at row, rows-8(SP) > 0 rows of each run are left, the next at SI; at block, Z30 holds the chains
// of all blocks before the one at SI, CX > 0 are left.
#define Q5_K \
	MOVQ $0x0f0f0f0f0f0f0f0f, AX                        \
	VPBROADCASTQ AX, Z31                                \
	MOVQ $0x1010101010101010, AX                        \
	VPBROADCASTQ AX, Z23                                \
	VPMOVZXBQ shifts<>+0(SB), Z20                       \
	PICKS                                               \
	BEGINRUNS(176)                                      \
row:                                                        \
	BEGINROW                                            \
block:                                                      \
	SUBSCALES                                           \
	VPMOVZXBQ shifts<>+8(SB), Z21                       \
	HALF(48, 16, 0, ROW5LEFT, NOTHING, Z8, Z9, 0)       \
	VPMOVZXBQ shifts<>+16(SB), Z21                      \
	HALF(112, 16, 128, ROW5RIGHT, NOTHING, Z10, Z11, 4) \
	NEXTBLOCK(176, 256)                                 \
	TURNED(176, near)                                   \
	ADDQ $32, R14                                       \
	DECQ CX                                             \
	JNZ  block                                          \
	ENDROW(row)

#define FETCH PREFETCHT0

// func gemvQ4_KAVX512(p *runs)
TEXT ·gemvQ4_KAVX512(SB), 0, $136-8
	Q4_K

// func gemvQ5_KAVX512(p *runs)
TEXT ·gemvQ5_KAVX512(SB), 0, $136-8
	Q5_K

#undef FETCH
#define FETCH PREFETCHT1

// func gemvQ4_KAVX512AMD(p *runs)
TEXT ·gemvQ4_KAVX512AMD(SB), 0, $136-8
	Q4_K

// func gemvQ5_KAVX512AMD(p *runs)
TEXT ·gemvQ5_KAVX512AMD(SB), 0, $136-8
	Q5_K
