// Command gen writes ../neon_arm64.h: the arm64 instructions that Go's assembler lacks, and some that other macros need
// by register number, as macros for WORD.
//
// A macro is named for the instruction and its arrangement (FADD4S = FADD Vd.4S, Vn.4S, Vm.4S) and takes register
// numbers in the order of Go's assembler: an element index first where there is one, the second operand, the first
// operand, the destination. FSUB4S(m, n, d) is d = n - m.
//
// Encodings are those of the Arm Architecture Reference Manual (DDI 0487), C4.1 "Data Processing -- Scalar Floating-Point
// and Advanced SIMD": the table gives an instruction's class and the fields that select it.
package main

import (
	"bytes"
	"fmt"
	"log"
	"os"
	"strings"
)

// instruction is one row of the table.
type instruction struct {
	name string
	asm  string // in the manual's syntax: $d, $n, $m registers, $i an element index
	word uint32 // with all registers 0
	doc  string
}

// The classes of encodings: q = 128 bits (or the upper half of a narrow operand), u, size and opcode as the manual has
// them.

func threeSame(q, u, size, opcode uint32) uint32 {
	return 0x0e200400 | q<<30 | u<<29 | size<<22 | opcode<<11
}

func threeSameExtra(q, u, size, opcode uint32) uint32 {
	return 0x0e008400 | q<<30 | u<<29 | size<<22 | opcode<<11
}

func threeDifferent(q, u, size, opcode uint32) uint32 {
	return 0x0e200000 | q<<30 | u<<29 | size<<22 | opcode<<12
}

func twoMisc(q, u, size, opcode uint32) uint32 {
	return 0x0e200800 | q<<30 | u<<29 | size<<22 | opcode<<12
}

func acrossLanes(q, u, size, opcode uint32) uint32 {
	return 0x0e300800 | q<<30 | u<<29 | size<<22 | opcode<<12
}

func byElement(q, u, size, opcode uint32) uint32 {
	return 0x0f000000 | q<<30 | u<<29 | size<<22 | opcode<<12
}

func shiftImmediate(q, u, imm, opcode uint32) uint32 {
	return 0x0f000400 | q<<30 | u<<29 | imm<<16 | opcode<<11
}

var table = []instruction{
	{"FADD4S", "fadd $d.4s, $n.4s, $m.4s", threeSame(1, 0, 0, 0b11010), "d = n + m"},
	{"FSUB4S", "fsub $d.4s, $n.4s, $m.4s", threeSame(1, 0, 2, 0b11010), "d = n - m"},
	{"FMUL4S", "fmul $d.4s, $n.4s, $m.4s", threeSame(1, 1, 0, 0b11011), "d = n * m"},
	{"FDIV4S", "fdiv $d.4s, $n.4s, $m.4s", threeSame(1, 1, 0, 0b11111), "d = n / m"},
	{"FMLA4S", "fmla $d.4s, $n.4s, $m.4s", threeSame(1, 0, 0, 0b11001), "d = fma(n, m, d)"},
	{"FMLS4S", "fmls $d.4s, $n.4s, $m.4s", threeSame(1, 0, 2, 0b11001), "d = fma(-n, m, d)"},
	{"FMULE4S", "fmul $d.4s, $n.4s, $m.s[$i]", byElement(1, 0, 2, 0b1001), "d = n * m[i]"},
	{"FMLAE4S", "fmla $d.4s, $n.4s, $m.s[$i]", byElement(1, 0, 2, 0b0001), "d = fma(n, m[i], d)"},
	{"FSQRT4S", "fsqrt $d.4s, $n.4s", twoMisc(1, 1, 2, 0b11111), "d = square root of n"},
	{"FNEG4S", "fneg $d.4s, $n.4s", twoMisc(1, 1, 2, 0b01111), "d = -n"},
	{"FCMGT4S", "fcmgt $d.4s, $n.4s, $m.4s", threeSame(1, 1, 2, 0b11100), "d = n > m, all bits or none"},

	{"FCVTNS4S", "fcvtns $d.4s, $n.4s", twoMisc(1, 0, 0, 0b11010), "d = int32 of n, ties to even"},
	{"SCVTF4S", "scvtf $d.4s, $n.4s", twoMisc(1, 0, 0, 0b11101), "d = float32 of int32 n"},
	{"FCVTL4S", "fcvtl $d.4s, $n.4h", twoMisc(0, 0, 0, 0b10111), "d = float32 of the lower halves n"},
	{"FCVTL24S", "fcvtl2 $d.4s, $n.8h", twoMisc(1, 0, 0, 0b10111), "d = float32 of the upper halves n"},
	{"FCVTN4H", "fcvtn $d.4h, $n.4s", twoMisc(0, 0, 0, 0b10110), "lower d = half of float32 n"},
	{"XTN4H", "xtn $d.4h, $n.4s", twoMisc(0, 0, 1, 0b10010), "lower d = int16 of int32 n"},
	{"XTN28H", "xtn2 $d.8h, $n.4s", twoMisc(1, 0, 1, 0b10010), "upper d = int16 of int32 n"},
	{"XTN8B", "xtn $d.8b, $n.8h", twoMisc(0, 0, 0, 0b10010), "lower d = int8 of int16 n"},
	{"XTN216B", "xtn2 $d.16b, $n.8h", twoMisc(1, 0, 0, 0b10010), "upper d = int8 of int16 n"},

	{"USHL16B", "ushl $d.16b, $n.16b, $m.16b", threeSame(1, 1, 0, 0b01000), "d = bytes n << m, to the right where m is negative"},
	{"SXTL8H", "sxtl $d.8h, $n.8b", shiftImmediate(0, 0, 8, 0b10100), "d = int16 of the lower int8 n"},
	{"SXTL28H", "sxtl2 $d.8h, $n.16b", shiftImmediate(1, 0, 8, 0b10100), "d = int16 of the upper int8 n"},
	{"SXTL4S", "sxtl $d.4s, $n.4h", shiftImmediate(0, 0, 16, 0b10100), "d = int32 of the lower int16 n"},
	{"SXTL24S", "sxtl2 $d.4s, $n.8h", shiftImmediate(1, 0, 16, 0b10100), "d = int32 of the upper int16 n"},

	{"ORR16B", "orr $d.16b, $n.16b, $m.16b", threeSame(1, 0, 2, 0b00011), "d = n | m"},
	{"AND16B", "and $d.16b, $n.16b, $m.16b", threeSame(1, 0, 0, 0b00011), "d = n & m"},
	{"BIC16B", "bic $d.16b, $n.16b, $m.16b", threeSame(1, 0, 1, 0b00011), "d = n &^ m"},
	{"BIT16B", "bit $d.16b, $n.16b, $m.16b", threeSame(1, 1, 2, 0b00011), "d = n where m, else d"},
	{"ADD4S", "add $d.4s, $n.4s, $m.4s", threeSame(1, 0, 2, 0b10000), "d = n + m"},
	{"ADDP4S", "addp $d.4s, $n.4s, $m.4s", threeSame(1, 0, 2, 0b10111), "d = sums of neighbours in n, then in m"},
	{"SHL4S23", "shl $d.4s, $n.4s, #23", shiftImmediate(1, 0, 32+23, 0b01010), "d = n << 23"},
	{"UMAXV4S", "umaxv $d, $n.4s", acrossLanes(1, 1, 2, 0b01010), "d = largest of uint32 n; $d is S"},

	{"SMULL8H", "smull $d.8h, $n.8b, $m.8b", threeDifferent(0, 0, 0, 0b1100), "d = int16 products of the lower int8"},
	{"SMULL28H", "smull2 $d.8h, $n.16b, $m.16b", threeDifferent(1, 0, 0, 0b1100), "of the upper int8"},
	{"SMLAL8H", "smlal $d.8h, $n.8b, $m.8b", threeDifferent(0, 0, 0, 0b1000), "d += int16 products of the lower int8"},
	{"SMLAL28H", "smlal2 $d.8h, $n.16b, $m.16b", threeDifferent(1, 0, 0, 0b1000), "of the upper int8"},
	{"SMLAL4S", "smlal $d.4s, $n.4h, $m.4h", threeDifferent(0, 0, 1, 0b1000), "d += int32 products of the lower int16"},
	{"SMLAL24S", "smlal2 $d.4s, $n.8h, $m.8h", threeDifferent(1, 0, 1, 0b1000), "of the upper int16"},
	{"SADDLP4S", "saddlp $d.4s, $n.8h", twoMisc(1, 0, 1, 0b00010), "d = int32 sums of neighbours in n"},
	{"SADALP4S", "sadalp $d.4s, $n.8h", twoMisc(1, 0, 1, 0b00110), "d += int32 sums of neighbours in n"},
	{"SDOT4S", "sdot $d.4s, $n.16b, $m.16b", threeSameExtra(1, 0, 2, 0b0010), "d += dots of four int8 (FEAT_DotProd)"},
	{"SDOTE4S", "sdot $d.4s, $n.16b, $m.4b[$i]", byElement(1, 0, 2, 0b1110), "d += dots of n's fours with m[i] (FEAT_DotProd)"},
	{"SMMLA4S", "smmla $d.4s, $n.16b, $m.16b", threeSameExtra(1, 0, 2, 0b0100), "d[i,j] += dot of n's row i and m's row j, rows of eight int8 (FEAT_I8MM)"},
}

// header renders the table.
func header() []byte {
	var b bytes.Buffer
	b.WriteString("// Code generated by gen (go generate ./kernels); DO NOT EDIT.\n\n")
	b.WriteString("// Instructions that Go's assembler lacks, or that macros need by number. Operands are register numbers, destination last.\n\n")
	for _, in := range table {
		var params, fields string
		for _, f := range []struct{ param, field string }{
			{"i", " | ((i)&1)<<21 | ((i)>>1)<<11"}, {"m", " | (m)<<16"}, {"n", " | (n)<<5"}, {"d", " | (d)"},
		} {
			if strings.Contains(in.asm, "$"+f.param) {
				params += ", " + f.param
				fields += f.field
			}
		}
		fmt.Fprintf(&b, "// %s\n#define %s(%s) WORD $(0x%08x%s)\n", in.doc, in.name, params[2:], in.word, fields)
	}
	return b.Bytes()
}

func main() {
	log.SetFlags(0)
	if err := os.WriteFile("neon_arm64.h", header(), 0o644); err != nil {
		log.Fatal(err)
	}
}
