//go:build amd64 && !purego

package kernels

import (
	"fmt"
	"go/constant"
	"go/token"
	"go/types"
	"maps"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// vex encodes a VEX.128 instruction of map 0F38, W0 (Intel SDM volume 2, 2.3.5), operands in the low eight registers:
// pp is the prefix (0 none, 1 66, 2 F3, 3 F2), v the register in vvvv.
func vex(pp, v int, op byte, rest ...byte) []byte {
	return append([]byte{0xc4, 0xe2, byte(^v&15<<3 | pp), op}, rest...)
}

// TestAMXBytes checks the bytes of the tile instructions against the encoding rules, and those against what the GNU
// assembler gives for one instruction of each kind.
func TestAMXBytes(t *testing.T) {
	const rax, rcx, rdx, rbx, rsi, rdi = 0, 1, 2, 3, 6, 7
	modrm := func(mod, reg, rm int) byte { return byte(mod<<6 | reg<<3 | rm) }
	sib := func(base, index int) byte { return byte(index<<3 | base) }
	double := func(base, index int) byte { return 0x40 | sib(base, index) }
	for _, c := range []struct {
		asm, want string
		got       []byte
	}{
		{"ldtilecfg (rax)", "c4e2784900", vex(0, 0, 0x49, modrm(0, 0, rax))},
		{"prefetchw (rdi)", "0f0d0f", []byte{0x0f, 0x0d, modrm(0, 1, rdi)}},
		{"tilerelease", "c4e27849c0", vex(0, 0, 0x49, 0xc0)},
		{"tilezero tmm0", "c4e27b49c0", vex(3, 0, 0x49, modrm(3, 0, 0))},
		{"tileloadd (rax,rcx,1), tmm0", "c4e27b4b0408", vex(3, 0, 0x4b, modrm(0, 0, 4), sib(rax, rcx))},
		{"tileloadd (rbx,rdx,2), tmm3", "c4e27b4b1c53", vex(3, 0, 0x4b, modrm(0, 3, 4), double(rbx, rdx))},
		{"tilestored tmm2, (rdi,rbx,1)", "c4e27a4b141f", vex(2, 0, 0x4b, modrm(0, 2, 4), sib(rdi, rbx))},
		{"tdpbf16ps tmm0 += tmm1*tmm2", "c4e26a5cc1", vex(2, 2, 0x5c, modrm(3, 0, 1))},
		{"tdpbssd tmm0 += tmm1*tmm2", "c4e26b5ec1", vex(3, 2, 0x5e, modrm(3, 0, 1))},
	} {
		if got := fmt.Sprintf("%x", c.got); got != c.want {
			t.Errorf("rule for %s gives %s, GNU as %s", c.asm, got, c.want)
		}
	}
	common := map[string]func(x []int) []byte{
		"LDTILECFG":   func([]int) []byte { return vex(0, 0, 0x49, modrm(0, 0, rax)) },
		"TILERELEASE": func([]int) []byte { return vex(0, 0, 0x49, 0xc0) },
		"ZERO(t)":     func(x []int) []byte { return vex(3, 0, 0x49, modrm(3, x[0], 0)) },
	}
	for file, own := range map[string]map[string]func(x []int) []byte{
		"gemm_int8_amx_amd64.s": {
			"PREFETCHW":        func([]int) []byte { return []byte{0x0f, 0x0d, modrm(0, 1, rdx)} },
			"LOADA(t)":         func(x []int) []byte { return vex(3, 0, 0x4b, modrm(0, x[0], 4), sib(rax, rdx)) },
			"LOADB(t)":         func(x []int) []byte { return vex(3, 0, 0x4b, modrm(0, x[0], 4), double(rbx, rdx)) },
			"TDPBSSD(c, a, b)": func(x []int) []byte { return vex(3, x[2], 0x5e, modrm(3, x[0], x[1])) },
			"STORED(t, slot)": func(x []int) []byte {
				d := 1024 * x[1]
				return append(vex(2, 0, 0x4b, modrm(2, x[0], 4), double(rdi, rdx)), byte(d), byte(d>>8), byte(d>>16), byte(d>>24))
			},
		},
		"gemm_bf16_amx_amd64.s": {
			"PREFETCHW":          func([]int) []byte { return []byte{0x0f, 0x0d, modrm(0, 1, rbx)} },
			"PREFETCHW64":        func([]int) []byte { return []byte{0x0f, 0x0d, modrm(1, 1, rbx), 64} },
			"TDPBF16PS(c, a, b)": func(x []int) []byte { return vex(2, x[2], 0x5c, modrm(3, x[0], x[1])) },
			"LOADA(t)":           func(x []int) []byte { return vex(3, 0, 0x4b, modrm(0, x[0], 4), sib(rax, rcx)) },
			"LOADB(t)":           func(x []int) []byte { return vex(3, 0, 0x4b, modrm(0, x[0], 4), sib(rbx, rdx)) },
			"LOADC(t)":           func(x []int) []byte { return vex(3, 0, 0x4b, modrm(0, x[0], 4), sib(rdi, rsi)) },
			"STOREC(t)":          func(x []int) []byte { return vex(2, 0, 0x4b, modrm(0, x[0], 4), sib(rdi, rsi)) },
		},
	} {
		maps.Copy(own, common)
		var small [][]int // every triple of the eight tile registers
		for n := range 512 {
			small = append(small, []int{n & 7, n >> 3 & 7, n >> 6})
		}
		checkMacros(t, file, own, small)
	}
}

// TestBF16Bytes does the same for VDPBF16PS: EVEX.512.F3.0F38.W0 52 (Intel SDM volume 2, 2.7), vvvv = Z30.
func TestBF16Bytes(t *testing.T) {
	evex := func(dst, src2, src3 int) []byte {
		not := func(x, bit int) byte { return byte(^x >> bit & 1) }
		return []byte{0x62, not(dst, 3)<<7 | not(src3, 4)<<6 | not(src3, 3)<<5 | not(dst, 4)<<4 | 2,
			byte(^src2&15)<<3 | 1<<2 | 2, 2<<5 | not(src2, 4)<<3, 0x52, byte(0xc0 | dst&7<<3 | src3&7)}
	}
	// GNU as, vdpbf16ps zmm9, zmm30, zmm29
	if got := fmt.Sprintf("%x", evex(9, 30, 29)); got != "62120e4052cd" {
		t.Errorf("rule gives %s, GNU as 62120e4052cd", got)
	}
	var all [][]int
	for c := range 28 {
		all = append(all, []int{28, c}, []int{29, c})
	}
	checkMacros(t, "gemm_bf16_avx512_amd64.s", map[string]func(x []int) []byte{
		"VDPBF16PS(b, c)": func(x []int) []byte { return evex(x[1], 30, x[0]) },
	}, all)
}

// checkMacros compares every macro of a file that is made of bytes with its rule, for all operands.
func checkMacros(t *testing.T, file string, macros map[string]func(x []int) []byte, operands [][]int) {
	src, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	define := regexp.MustCompile(`(?m)^#define (\w+(?:\([^)]*\))?) (BYTE.*?)(?://.*)?$`)
	seen := 0
	for _, m := range define.FindAllStringSubmatch(string(src), -1) {
		want := macros[m[1]]
		if want == nil {
			t.Errorf("%s: macro %s has bytes but no rule here", file, m[1])
			continue
		}
		seen++
		var params []string
		if _, list, ok := strings.Cut(strings.TrimSuffix(m[1], ")"), "("); ok {
			params = strings.Split(list, ", ")
		}
		for _, x := range operands {
			scope := types.NewPackage("p", "p")
			for i, p := range params {
				scope.Scope().Insert(types.NewConst(0, scope, p, types.Typ[types.UntypedInt], constant.MakeInt64(int64(x[i]))))
			}
			var got []byte
			for _, b := range strings.Split(m[2], ";") {
				kind, expr, _ := strings.Cut(strings.TrimSpace(b), " $")
				v, err := types.Eval(token.NewFileSet(), scope, 0, expr)
				if err != nil {
					t.Fatal(err)
				}
				value, _ := strconv.ParseUint(v.Value.ExactString(), 0, 32)
				for range map[string]int{"BYTE": 1, "LONG": 4}[kind] {
					got, value = append(got, byte(value)), value>>8
				}
			}
			if string(got) != string(want(x)) {
				t.Fatalf("%s: %s with %v is %x, want %x", file, m[1], x[:len(params)], got, want(x))
			}
		}
	}
	if seen != len(macros) {
		t.Errorf("%s: %d of %d macros found", file, seen, len(macros))
	}
}
