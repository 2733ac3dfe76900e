package models

import "fmt"

// What a layer is by its number: with a window or not, with rotary embedding or not.

// Windowed tells whether a layer's attention has the window.
func (s *Spec) Windowed(layer int) bool {
	return s.Window > 0 && (s.WindowPeriod == 0 || layer%s.WindowPeriod < s.WindowPeriod-1)
}

// Rotates tells whether a layer has rotary embedding.
func (s *Spec) Rotates(layer int) bool {
	return s.Rope.Dims > 0 && (s.NoRope == 0 || (layer+1)%s.NoRope != 0) && (!s.NearRope || s.Windowed(layer))
}

// window reads the sliding window, if the file has one. Its pattern is a period, or one bool a layer.
func (r *reader) window(s *Spec, period int) {
	if !r.has("attention.sliding_window") {
		return
	}
	v, err := r.f.Uint(r.key("attention.sliding_window"))
	r.note(err)
	s.Window, s.WindowPeriod = int(min(v, 1<<30)), period
	const key = "attention.sliding_window_pattern"
	if s.Window == 0 || !r.has(key) {
		return
	}
	if bools, err := r.f.Bools(r.key(key)); err == nil {
		if len(bools) != s.Layers {
			r.note(fmt.Errorf("%s: %s has %d values, want one for each of %d layers", r.f.Name, r.key(key), len(bools), s.Layers))
		} else if !s.setWindows(func(l int) bool { return bools[l] }) {
			r.note(fmt.Errorf("%s: %s repeats with no period; such patterns are not supported", r.f.Name, r.key(key)))
		}
		return
	}
	v, err = r.f.Uint(r.key(key))
	r.note(err)
	s.WindowPeriod = int(min(v, maxLayers))
}

// setWindows finds the period that gives layer l a window where windowed(l); false when there is none.
func (s *Spec) setWindows(windowed func(l int) bool) bool {
	periods := []int{s.WindowPeriod, 0}
	for p := 1; p <= s.Layers; p++ {
		periods = append(periods, p)
	}
	for _, s.WindowPeriod = range periods {
		same := true
		for l := 0; l < s.Layers && same; l++ {
			same = s.Windowed(l) == windowed(l)
		}
		if same {
			return true
		}
	}
	return false
}

// Keep is the Spec of the model that keeps only the given layers, rising. What a layer is by its number (window, rotary
// embedding) must be what it was, as readers of the file go by the number.
func (s *Spec) Keep(layers []int) (*Spec, error) {
	small := *s
	small.Layers = len(layers)
	if !small.setWindows(func(l int) bool { return s.Windowed(layers[l]) }) {
		return nil, fmt.Errorf("student layers %v: of these, layers with a window of %d and without follow in no period (each %d-th of the model has none); choose layers so that each n-th has none", layers, s.Window, s.WindowPeriod)
	}
	small.DenseLead = 0
	for _, from := range layers { // they rise, so those without experts come first
		if s.Experts > 0 && !s.Sparse(from) {
			small.DenseLead++
		}
	}
	for l, from := range layers {
		if small.Rotates(l) != s.Rotates(from) {
			return nil, fmt.Errorf("student layers %v: some layers of %s do without rotary embedding, by their number, so layer %d cannot become layer %d", layers, s.Arch, from, l)
		}
	}
	return &small, nil
}
