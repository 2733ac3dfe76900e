package energy

import (
	"fmt"
	"math"
)

// Prices are what somebody pays, in whatever currency; nil = not given, and then nothing is reckoned with it.
type Prices struct {
	Hour *float64 `json:"hour,omitempty"` // of the machine
	KWh  *float64 `json:"kwh,omitempty"`  // of electricity
}

// Given tells whether there is any.
func (p Prices) Given() bool { return p.Hour != nil || p.KWh != nil }

// Check refuses what is no price.
func (p Prices) Check() error {
	for _, x := range []struct {
		name string
		v    *float64
	}{{"an hour", p.Hour}, {"a kWh", p.KWh}} {
		if x.v != nil && !(*x.v >= 0 && !math.IsInf(*x.v, 0)) {
			return fmt.Errorf("the price of %s is %v, want 0 or more", x.name, *x.v)
		}
	}
	return nil
}

// Cost is what a million of something cost, each part by itself: who rents a machine by the hour seldom pays its electricity too. nil = unknown: no
// price was given, or nothing was measured.
type Cost struct {
	Hour   *float64 `json:"hour"`
	Energy *float64 `json:"energy"`
}

// PerMillion reckons from a measured speed and, where it was measured, energy.
func (p Prices) PerMillion(perSecond float64, joules *float64) Cost {
	var c Cost
	if p.Hour != nil && perSecond > 0 {
		v := *p.Hour * 1e6 / perSecond / 3600
		c.Hour = &v
	}
	if p.KWh != nil && joules != nil {
		v := *p.KWh * *joules * 1e6 / 3.6e6
		c.Energy = &v
	}
	return c
}
