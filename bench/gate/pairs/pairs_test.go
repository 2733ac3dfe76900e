package pairs

import (
	"bytes"
	"encoding/json"
	"fmt"
	"runtime"
	"slices"
	"testing"
)

var sink uint32

// spin is work that takes n times as long.
func spin(n int) func() {
	return func() {
		x := sink | 1
		for range n {
			x ^= x << 13
			x ^= x >> 17
			x ^= x << 5
		}
		sink = x
	}
}

func TestServe(t *testing.T) {
	if runtime.GOOS != "linux" {
		if err := Serve(bytes.NewReader([]byte("{}")), &bytes.Buffer{}, nil, nil); err == nil {
			t.Error("no error where context switches are not counted")
		}
		return
	}
	side := func(slower int) Side {
		return func(name, _ string) (func(), error) {
			switch name {
			case "work":
				return spin(1000 * slower), nil
			case "head only":
				if slower == 2 {
					return spin(1), nil
				}
			case "broken":
				return nil, fmt.Errorf("broken")
			}
			return nil, nil
		}
	}
	run := func(names ...string) ([]Result, error) {
		req, err := json.Marshal(Request{Names: names, Pairs: 21})
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		if err := Serve(bytes.NewReader(req), &out, side(1), side(2)); err != nil {
			return nil, err
		}
		var all []Result
		for d := json.NewDecoder(&out); d.More(); {
			var r Result
			if err := d.Decode(&r); err != nil {
				t.Fatal(err)
			}
			all = append(all, r)
		}
		return all, nil
	}
	all, err := run("work", "head only", "neither")
	if err != nil || len(all) != 3 {
		t.Fatalf("%v, %v", all, err)
	}
	r := all[0]
	if r.Name != "work" || r.Missing != "" || len(r.Base) != len(r.Head) || len(r.Base) < 10 || r.Calls < 2 {
		t.Fatalf("%+v", r)
	}
	var ratios []float64
	for i := range r.Base {
		if r.Base[i] > float64(maxSlice) || r.Head[i] > float64(maxSlice) {
			t.Errorf("slices of %v and %v ns were kept", r.Base[i], r.Head[i])
		}
		ratios = append(ratios, r.Head[i]/r.Base[i])
	}
	slices.Sort(ratios)
	if m := ratios[len(ratios)/2]; m < 1.8 || m > 2.2 {
		t.Errorf("twice the work takes %.2f times as long", m)
	}
	if all[1].Missing != "base" || all[2].Missing != "both" {
		t.Errorf("%+v", all[1:])
	}
	if _, err := run("broken"); err == nil {
		t.Error("a case that breaks is no error")
	}
}
