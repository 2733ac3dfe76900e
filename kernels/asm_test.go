package kernels

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

var (
	asmText  = regexp.MustCompile(`^TEXT ·(\w+)(?:<>)?\(SB\), ([\w|]+), \$(\d+)`)
	asmWide  = regexp.MustCompile(`\b(Z\d+|[XY](1[6-9]|2\d|3[01])|K[0-7])\b|\bVMOVDQ[UA](8|16|32|64)\b`)
	asmVex   = regexp.MustCompile(`\bV[A-Z0-9]+\b.*\b[YZ]\d+\b`)
	asmMacro = regexp.MustCompile(`^\s*#define\b`)

	armNewer = map[string]*regexp.Regexp{ // instructions that a level's files may not hold
		"neon": regexp.MustCompile(`\b(SDOT|SMMLA)`), "dotprod": regexp.MustCompile(`\bSMMLA`)}
	armReserved = regexp.MustCompile(`\bR(1[678]|2[6-9]|30)\b`) // linker's, platform's, assembler's, closure's, g's, links
	armWord     = regexp.MustCompile(`\bWORD\b`)
)

// TestAssemblyRules reads the assembly of every architecture. A function that the stack check does not enter (NOSPLIT,
// or a small frame) cannot be preempted in a loop of calls, and the garbage collector then waits for seconds; a missing
// VZEROUPPER slows the Go code that follows; an AVX-512 instruction in a file of AVX2 kills older machines, as SDOT in
// one of NEON does; on arm64 some registers are not a kernel's, and words come from the generated table.
func TestAssemblyRules(t *testing.T) {
	files, err := filepath.Glob("*.[sh]")
	if err != nil || len(files) == 0 {
		t.Fatalf("found no assembly: %v", err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		avx2 := strings.Contains(file, "avx2") || strings.Contains(file, "avxvnni")
		fn, upper := "", false
		for i, line := range strings.Split(string(data), "\n") {
			code, _, _ := strings.Cut(line, "//")
			at := file + ":" + strconv.Itoa(i+1)
			if m := asmText.FindStringSubmatch(code); m != nil {
				fn, upper = m[1], false
				if frame, _ := strconv.Atoi(m[3]); m[2] != "0" || frame < 136 {
					t.Errorf("%s: %s has flags %s and a frame of %s bytes, want flags 0 and at least 136", at, fn, m[2], m[3])
				}
			} else if strings.HasPrefix(code, "TEXT") {
				t.Errorf("%s: cannot read %q", at, code)
			}
			if avx2 && asmWide.MatchString(code) {
				t.Errorf("%s: an AVX-512 register or instruction in a file of AVX2: %s", at, strings.TrimSpace(code))
			}
			for level, newer := range armNewer {
				if strings.HasSuffix(file, level+"_arm64.s") && newer.MatchString(code) {
					t.Errorf("%s: an instruction that level %s does not have: %s", at, level, strings.TrimSpace(code))
				}
			}
			if strings.Contains(file, "arm64") && armReserved.MatchString(code) {
				t.Errorf("%s: a register that is not a kernel's: %s", at, strings.TrimSpace(code))
			}
			if strings.Contains(file, "arm64") && file != "neon_arm64.h" && armWord.MatchString(code) {
				t.Errorf("%s: a word that is not in gen's table: %s", at, strings.TrimSpace(code))
			}
			switch f := strings.Fields(code); {
			case len(f) == 0 || asmMacro.MatchString(code):
			case f[0] == "VZEROUPPER":
				upper = true
			case f[0] == "RET" && strings.Contains(file, "amd64"):
				if !upper && asmVex.Match(data) {
					t.Errorf("%s: RET without VZEROUPPER before it", at)
				}
				upper = false
			case asmVex.MatchString(code):
				upper = false
			}
		}
	}
}

func TestFloatKernelsDoNotAllocate(t *testing.T) {
	const n, hd = 300, 64
	buf := func(n int) []float32 { return make([]float32, n) }
	x, y, z, u, v, half := buf(n), buf(n), buf(n), buf(n), buf(n), make([]uint16, n)
	bytes, s := make([]byte, 18*35*4), NewScratch(64)
	step := &AdamWStep{Beta1: 0.9, Beta2: 0.99, InvSqrtBias2: 1, Eps: 1e-8, Decay: 1}
	a := &AttnPage{HeadDim: hd, K16: make([]uint16, PageKeys*hd), V16: make([]uint16, PageKeys*hd), NQ: 3, Q: buf(3 * hd),
		Lo: make([]int32, 3), Hi: []int32{5, 17, 256}, P: buf(3 * PageKeys), Out: buf(3 * hd), Max: buf(3), Sum: buf(3)}
	eachLevel(t, func(t *testing.T, l *Level) {
		if got := testing.AllocsPerRun(10, func() {
			l.GemmF32(x, 10, y, 3, 1, z, 10, 3, 10, 3, true)
			l.Transpose(x, 10, y, 30, 10, 30)
			for _, typ := range floatTypes {
				l.GemvFloat[typ](x[:18], bytes, y[:35], s)
				l.UnpackFloat[typ](x, 18, bytes, 35*floatBytes(typ), 18, 16)
			}
			l.AttendPage(a)
			l.AttendMerge(x, 1, 1, y, 1, 1)
			l.F16ToF32(x, half)
			l.F32ToF16(half, x)
			l.BF16ToF32(x, half)
			l.Exp(x, y)
			l.SoftmaxExp(x, y, 1)
			l.SwiGLU(x, y, z)
			l.GeGLU(x, y, z)
			l.SwiGLUBack(x, y, z, u, v)
			l.RMSNorm(x, y, z, 1e-5)
			l.RMSNormBack(x, y, z, u, v, 1e-5)
			l.Rope(x, y[:n/2], z[:n/2], true)
			l.Rope(x, y[:n/2], z[:n/2], false)
			l.Add(x, y)
			l.Mul(x, y)
			l.Axpy(x, 2, y)
			l.Scale(x, 2)
			l.Max(x)
			l.Sum(x)
			l.SumSq(x)
			l.Dot(x, y)
			l.AllFinite(x)
			l.AdamW(x, y, z, u, step)
		}); got != 0 {
			t.Errorf("%g allocations", got)
		}
	}, floatEntries()...)
}
