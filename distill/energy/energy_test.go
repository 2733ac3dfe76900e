package energy

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// zone writes a counter as Linux shows it.
func zone(t *testing.T, root, folder, name string, uj, most uint64) (set func(uint64)) {
	t.Helper()
	dir := filepath.Join(root, folder)
	if err := os.MkdirAll(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	put := func(file, text string) {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text+"\n"), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	put("name", name)
	put("max_energy_range_uj", fmt.Sprint(most))
	put("energy_uj", fmt.Sprint(uj))
	return func(uj uint64) { put("energy_uj", fmt.Sprint(uj)) }
}

// Packages and memory are added up, each once, also where a counter comes round; their parts, the whole machine and the second view of a package are not.
func TestMeter(t *testing.T) {
	root := t.TempDir()
	one := zone(t, root, "intel-rapl:0", "package-0", 900e6, 1000e6)
	two := zone(t, root, "intel-rapl:1", "package-1", 0, 1000e6)
	dram := zone(t, root, "intel-rapl:0:1", "dram", 5e6, 1000e6)
	for i, other := range []func(uint64){zone(t, root, "intel-rapl:0:0", "core", 0, 1e9), zone(t, root, "intel-rapl:2", "psys", 0, 1e9), zone(t, root, "intel-rapl-mmio:0", "package-0", 0, 1e9)} {
		defer other(uint64(i) * 77e6)
	}
	if err := os.MkdirAll(filepath.Join(root, "intel-rapl"), 0o777); err != nil {
		t.Fatal(err)
	}
	m, err := Open(root)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if got := strings.Join(m.Counters(), " "); got != "dram package-0 package-1" {
		t.Errorf("%s", got)
	}
	want := func(j float64) {
		t.Helper()
		if got, err := m.Joules(); err != nil || math.Abs(got-j) > 1e-9 {
			t.Errorf("%v J %v, want %v", got, err, j)
		}
	}
	want(0)
	one(950e6)
	want(50)
	one(30e6) // round: 50 to the end, 30 from the beginning
	two(7e6)
	dram(6e6)
	want(50 + 80 + 7 + 1)
	used, err := m.Of(func() error { two(9e6); return nil })
	if err != nil || used == nil || math.Abs(*used-2) > 1e-9 {
		t.Errorf("%v %v", used, err)
	}
	if used, err := m.Of(func() error { return nil }); used != nil || err != nil {
		t.Errorf("counters that stand still: %v %v", used, err)
	}
	if _, err := m.Of(func() error { two(10e6); return os.ErrClosed }); err != os.ErrClosed {
		t.Errorf("%v", err)
	}
	if err := os.Remove(filepath.Join(root, "intel-rapl:1", "energy_uj")); err != nil {
		t.Fatal(err)
	}
	if used, err := m.Of(func() error { return nil }); used != nil || err != nil {
		t.Errorf("a counter that went away: %v %v", used, err)
	}
	if _, err := m.Joules(); err == nil || !strings.Contains(err.Error(), "intel-rapl:1") {
		t.Errorf("a counter that went away: %v", err)
	}
}

// Where nothing can be measured an error says why, and there is no number.
func TestNoMeter(t *testing.T) {
	empty, parts, damaged := t.TempDir(), t.TempDir(), t.TempDir()
	zone(t, parts, "intel-rapl:0:0", "core", 1, 10)
	zone(t, damaged, "intel-rapl:0", "package-0", 1, 10)
	if err := os.Remove(filepath.Join(damaged, "intel-rapl:0", "energy_uj")); err != nil {
		t.Fatal(err)
	}
	for dir, want := range map[string]string{filepath.Join(empty, "none"): "is not there", empty: "holds no counter", parts: "holds no counter", damaged: "root may read it"} {
		if m, err := Open(dir); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v %v", dir, m, err)
		}
	}
	var none *Meter
	ran := false
	if used, err := none.Of(func() error { ran = true; return nil }); used != nil || err != nil || !ran {
		t.Errorf("without a meter: %v %v", used, err)
	}
	none.Close()
}

// 1000 tokens a second are a million in 1000 seconds; 0.36 J each are 0.1 kWh together.
func TestPerMillion(t *testing.T) {
	hour, kwh, joules := 0.9, 0.3, 0.36
	c := Prices{&hour, &kwh}.PerMillion(1000, &joules)
	if c.Hour == nil || math.Abs(*c.Hour-0.25) > 1e-12 || c.Energy == nil || math.Abs(*c.Energy-0.03) > 1e-12 {
		t.Errorf("%v %v", *c.Hour, *c.Energy)
	}
	if c := (Prices{&hour, &kwh}).PerMillion(0, nil); c.Hour != nil || c.Energy != nil {
		t.Errorf("nothing was measured: %+v", c)
	}
	if c := (Prices{}).PerMillion(1000, &joules); c.Hour != nil || c.Energy != nil || (Prices{}).Given() {
		t.Errorf("no prices: %+v", c)
	}
	for _, bad := range []float64{-1, math.NaN(), math.Inf(1)} {
		if (Prices{Hour: &bad}).Check() == nil || (Prices{KWh: &bad}).Check() == nil {
			t.Errorf("%v is a price", bad)
		}
	}
}
