package quant

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// fixtureDir finds reference data: FREEHOLD_FIXTURES (relative to the module
// root), ../shared/fixtures where present, else testdata.
func fixtureDir(t testing.TB, name string) string {
	root, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(root, "go.mod")); err == nil {
			break
		}
		up := filepath.Dir(root)
		if up == root {
			t.Fatal("no go.mod above the working directory")
		}
		root = up
	}
	if env := os.Getenv("FREEHOLD_FIXTURES"); env != "" {
		if !filepath.IsAbs(env) {
			env = filepath.Join(root, env)
		}
		return filepath.Join(env, name)
	}
	shared := filepath.Join(root, "..", "shared", "fixtures", name)
	if _, err := os.Stat(shared); err == nil {
		return shared
	}
	return filepath.Join(root, "testdata", name)
}

type b64 []byte

func (b *b64) UnmarshalJSON(text []byte) error {
	var s *string
	if err := json.Unmarshal(text, &s); err != nil || s == nil {
		return err
	}
	raw, err := base64.StdEncoding.DecodeString(*s)
	*b = raw
	return err
}

func (b b64) f32() []float32 {
	v := make([]float32, len(b)/4)
	unpackF32(v, b)
	return v
}

type fixtureInputs struct {
	Rows, Cols int
	Inputs     map[string]b64
}

type fixtureVectors struct {
	Type       string
	TypeID     int `json:"ggml_type_id"`
	BlockSize  int `json:"block_size"`
	TypeSize   int `json:"type_size"`
	Rows, Cols int
	Cases      []struct {
		Input, Importance  string
		Bytes, Dequantised b64
		RMSE               *float64
	}
	Arbitrary *struct {
		Blocks             int
		Bytes, Dequantised b64
	} `json:"arbitrary_bytes"`
}

func readJSON(t testing.TB, path string, v any) {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if strings.HasSuffix(path, ".gz") {
		zr, err := gzip.NewReader(bytes.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		if raw, err = io.ReadAll(zr); err != nil {
			t.Fatal(err)
		}
	}
	if err := json.Unmarshal(raw, v); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// importanceOf makes the weight per column that a case names.
func importanceOf(t *testing.T, kind string, cols int) []float32 {
	w := make([]float32, cols)
	for c := range w {
		switch kind {
		case "none":
			return nil
		case "ones":
			w[c] = 1
		case "x2":
			w[c] = float32(0.1 + float64(c%7))
		default:
			t.Fatalf("unknown importance %q", kind)
		}
	}
	return w
}

// referenceWraps are the cases where the reference converts a float that does
// not fit the integer, on vanishing scales. Ours must decode at least as well.
var referenceWraps = map[string]string{
	"MXFP4/denormal": "exponent below 0 wraps to 249 in the reference, stays 0 here",
	"Q2_0/denormal":  "infinite quotients become code 0 (-d) in the reference, code 1 (zero) here",
}

func TestFixtures(t *testing.T) {
	dir := fixtureDir(t, "quants")
	var in fixtureInputs
	readJSON(t, filepath.Join(dir, "inputs.json"), &in)
	files, _ := filepath.Glob(filepath.Join(dir, "*.json.gz"))
	if len(files) < 20 {
		t.Fatalf("%s holds %d format files, want at least 20", dir, len(files))
	}
	for _, file := range files {
		var v fixtureVectors
		readJSON(t, file, &v)
		t.Run(v.Type, func(t *testing.T) {
			f, err := ByName(v.Type)
			if err != nil {
				t.Fatal(err)
			}
			if int(f.Type) != v.TypeID || f.Block != v.BlockSize || f.Bytes != v.TypeSize {
				t.Fatalf("id %d, block %d, bytes %d; want %d, %d, %d", f.Type, f.Block, f.Bytes, v.TypeID, v.BlockSize, v.TypeSize)
			}
			for _, c := range v.Cases {
				t.Run("unpack/"+c.Input+"/"+c.Importance, func(t *testing.T) {
					if !f.CanUnpack() {
						t.Skipf("%s: no Unpack", f)
					}
					if c.Dequantised == nil {
						t.Skipf("%s: no decoded values in the fixture", f)
					}
					checkUnpack(t, f, c.Bytes, c.Dequantised)
				})
				t.Run("pack/"+c.Input+"/"+c.Importance, func(t *testing.T) {
					if !f.CanPack() {
						t.Skipf("%s: no Pack", f)
					}
					x := in.Inputs[c.Input].f32()
					got := make([]byte, len(c.Bytes))
					f.Pack(got, x, importanceOf(t, c.Importance, v.Cols), v.Cols)
					if bytes.Equal(got, c.Bytes) {
						if why, ok := referenceWraps[v.Type+"/"+c.Input]; ok {
							t.Errorf("equal, yet exempt: %s", why)
						}
						return
					}
					if why, ok := referenceWraps[v.Type+"/"+c.Input]; ok {
						y := make([]float32, len(x))
						f.Unpack(y, got)
						if e := rmse(x, y, nil); !(e <= *c.RMSE) {
							t.Errorf("%s: rmse %g, the reference's %g", why, e, *c.RMSE)
						}
						return
					}
					at, n := -1, 0
					for i := range got {
						if got[i] != c.Bytes[i] {
							if n++; at < 0 {
								at = i
							}
						}
					}
					t.Errorf("%d of %d bytes differ, first: block %d byte %d is %#02x, want %#02x",
						n, len(got), at/f.Bytes, at%f.Bytes, got[at], c.Bytes[at])
				})
			}
			if v.Arbitrary != nil {
				t.Run("arbitrary_bytes", func(t *testing.T) {
					if !f.CanUnpack() {
						t.Skipf("%s: no Unpack", f)
					}
					checkUnpack(t, f, v.Arbitrary.Bytes, v.Arbitrary.Dequantised)
				})
			}
		})
	}
}

func checkUnpack(t *testing.T, f *Format, raw, want []byte) {
	t.Helper()
	got := make([]float32, len(want)/4)
	f.Unpack(got, raw)
	for i, v := range got {
		if w := binary.LittleEndian.Uint32(want[4*i:]); math.Float32bits(v) != w {
			t.Fatalf("value %d of block %d: %v %#08x, want %v %#08x", i%f.Block, i/f.Block,
				v, math.Float32bits(v), math.Float32frombits(w), w)
		}
	}
}
