package main

import (
	"bytes"
	"fmt"
	"go/constant"
	"go/token"
	"go/types"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

func TestHeaderIsGenerated(t *testing.T) {
	got, err := os.ReadFile("../neon_arm64.h")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, header()) {
		t.Error("kernels/neon_arm64.h is not what its table gives; run: go generate ./kernels")
	}
}

// samples are registers and indices that between them set and clear every bit of every field.
var samples = []struct{ d, n, m, i int }{{0, 0, 0, 0}, {31, 31, 31, 3}, {21, 10, 5, 1}, {10, 21, 26, 2}, {1, 2, 4, 0}, {16, 8, 17, 3}}

// TestEncodings evaluates each macro of the committed header and holds it against LLVM's assembler.
func TestEncodings(t *testing.T) {
	llvm, err := exec.LookPath("llvm-mc")
	if err != nil {
		t.Skip("SKIPPED: llvm-mc is missing (package llvm); the encodings are not compared")
	}
	text, err := os.ReadFile("../neon_arm64.h")
	if err != nil {
		t.Fatal(err)
	}
	macros := map[string][]string{} // name -> parameters, expression
	for _, m := range regexp.MustCompile(`(?m)^#define (\w+)\(([^)]*)\) WORD \$\((.*)\)$`).FindAllStringSubmatch(string(text), -1) {
		macros[m[1]] = m[2:]
	}
	if len(macros) != len(table) {
		t.Fatalf("read %d macros from the header, the table has %d", len(macros), len(table))
	}
	var asm strings.Builder
	var got []string
	for _, in := range table {
		for _, s := range samples {
			regs := map[string]int{"d": s.d, "n": s.n, "m": s.m, "i": s.i}
			line := in.asm
			for name, x := range regs {
				reg := "v" + strconv.Itoa(x)
				if name == "i" {
					reg = strconv.Itoa(x)
				} else if strings.HasPrefix(in.asm, "umaxv") && name == "d" {
					reg = "s" + strconv.Itoa(x)
				}
				line = strings.ReplaceAll(line, "$"+name, reg)
			}
			fmt.Fprintln(&asm, line)
			got = append(got, fmt.Sprintf("%-34s %08x", line, evaluate(t, macros[in.name], regs)))
		}
	}
	cmd := exec.Command(llvm, "-triple=aarch64", "-mattr=+dotprod,+i8mm", "-show-encoding")
	cmd.Stdin = strings.NewReader(asm.String())
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("llvm-mc: %v", err)
	}
	encodings := regexp.MustCompile(`encoding: \[0x(..),0x(..),0x(..),0x(..)\]`).FindAllStringSubmatch(string(out), -1)
	if len(encodings) != len(got) {
		t.Fatalf("llvm-mc gave %d encodings for %d lines", len(encodings), len(got))
	}
	for i, e := range encodings {
		if want := e[4] + e[3] + e[2] + e[1]; !strings.HasSuffix(got[i], want) {
			t.Errorf("%s, LLVM gives %s", got[i], want)
		}
	}
}

// evaluate gives the value of a macro's expression with its parameters set.
func evaluate(t *testing.T, macro []string, args map[string]int) uint64 {
	t.Helper()
	pkg := types.NewPackage("p", "p")
	for _, p := range strings.Split(macro[0], ", ") {
		pkg.Scope().Insert(types.NewConst(0, pkg, p, types.Typ[types.UntypedInt], constant.MakeInt64(int64(args[p]))))
	}
	v, err := types.Eval(token.NewFileSet(), pkg, token.NoPos, macro[1])
	if err != nil {
		t.Fatal(err)
	}
	w, _ := constant.Uint64Val(v.Value)
	return w
}
