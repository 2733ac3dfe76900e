// Package energy reads what a machine's processors and memory used, from the counters that the CPU keeps (RAPL), and reckons what work costs at
// given prices. Where there are no counters it says why, and gives no number.
package energy

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// powercap is where Linux shows the counters.
const powercap = "/sys/class/powercap"

// Meter tells what was used since it was opened.
type Meter struct {
	counters []string // their names
	joules   func() (float64, error)
	close    func()
}

// NewMeter is a meter of any other source: joules gives what was used since some time.
func NewMeter(counters []string, joules func() (float64, error)) *Meter {
	return &Meter{counters, joules, func() {}}
}

// Joules is what was used since the meter was opened. Of no meter it is an error.
func (m *Meter) Joules() (float64, error) {
	if m == nil {
		return 0, errors.New("there is no meter")
	}
	return m.joules()
}

// Counters names what it reads, such as package-0 and dram.
func (m *Meter) Counters() []string { return m.counters }

// Close ends the meter.
func (m *Meter) Close() {
	if m != nil {
		m.close()
	}
}

// Of measures what work uses; nil = unknown: there is no meter, a counter went away, or none moved, as in some virtual machines.
func (m *Meter) Of(work func() error) (joules *float64, err error) {
	before, unread := m.Joules()
	if err := work(); err != nil || unread != nil {
		return nil, err
	}
	after, unread := m.Joules()
	if unread != nil || after <= before {
		return nil, nil
	}
	used := after - before
	return &used, nil
}

// rapl adds up the counters of all packages (the processors, whole, with whatever else they do) and of memory.
type rapl struct {
	domains []*domain
	stop    chan struct{}

	mu     sync.Mutex
	joules float64
	err    error // of a counter that can no longer be read
}

// domain is one counter, in microjoules; it begins again at 0 after most.
type domain struct {
	name, path string
	most, last uint64
}

// readEvery is short against the minute and more in which a counter comes round.
const readEvery = 10 * time.Second

// Open finds the counters in a folder ("" = the kernel's). An error says why there is nothing to measure with.
func Open(dir string) (*Meter, error) {
	if dir == "" {
		dir = powercap
	}
	zones, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s is not there: this kernel, virtual machine or container shows no energy counters", dir)
	} else if err != nil {
		return nil, fmt.Errorf("%s cannot be read: %w", dir, reason(err))
	}
	m, names := &rapl{stop: make(chan struct{})}, []string{}
	packages := 0
	for _, z := range zones {
		if !strings.HasPrefix(z.Name(), "intel-rapl:") { // AMD's have this name too; intel-rapl-mmio shows the same packages once more
			continue
		}
		d := &domain{path: filepath.Join(dir, z.Name(), "energy_uj")}
		name, err := os.ReadFile(filepath.Join(dir, z.Name(), "name"))
		if err != nil {
			continue
		}
		d.name = strings.TrimSpace(string(name))
		switch { // cores and the like are parts of a package, psys holds packages
		case strings.HasPrefix(d.name, "package-"):
			packages++
		case d.name != "dram":
			continue
		}
		if d.most, err = number(filepath.Join(dir, z.Name(), "max_energy_range_uj")); err == nil {
			d.last, err = number(d.path)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w (root may read it, or whom root lets)", d.path, reason(err))
		}
		m.domains, names = append(m.domains, d), append(names, d.name)
	}
	if packages == 0 {
		return nil, fmt.Errorf("%s holds no counter of a package (intel-rapl)", dir)
	}
	go m.watch()
	slices.Sort(names)
	return &Meter{names, m.used, func() { close(m.stop) }}, nil
}

// reason is an error without the path that it repeats.
func reason(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

func number(path string) (uint64, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	return strconv.ParseUint(strings.TrimSpace(string(b)), 10, 64)
}

// watch reads the counters before they come round.
func (m *rapl) watch() {
	tick := time.NewTicker(readEvery)
	defer tick.Stop()
	for {
		select {
		case <-m.stop:
			return
		case <-tick.C:
			m.mu.Lock()
			m.read()
			m.mu.Unlock()
		}
	}
}

// read adds what the counters have moved by.
func (m *rapl) read() {
	for _, d := range m.domains {
		now, err := number(d.path)
		if err != nil {
			m.err = fmt.Errorf("%s: %w", d.path, reason(err))
			return
		}
		moved := now - d.last
		if now < d.last {
			moved = now + d.most - d.last
		}
		d.last = now
		m.joules += float64(moved) / 1e6
	}
}

// used is what was used since Open.
func (m *rapl) used() (float64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.read()
	return m.joules, m.err
}
