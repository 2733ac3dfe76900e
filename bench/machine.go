package bench

import (
	"bufio"
	"os"
	"runtime"
	"strconv"
	"strings"

	"github.com/klauspost/cpuid/v2"
)

// Machine is what is known about the machine without measuring. 0 and "" = unknown.
type Machine struct {
	CPU          string `json:"cpu"`
	OS           string `json:"os"`
	Arch         string `json:"arch"`
	Cores        int    `json:"cores"`      // physical
	Processors   int    `json:"processors"` // logical, those this process may use
	L2Bytes      int    `json:"l2_bytes"`
	L3Bytes      int    `json:"l3_bytes"`
	RAMBytes     int64  `json:"ram_bytes"`
	RAMFreeBytes int64  `json:"ram_available_bytes"`
	RAMLimit     int64  `json:"ram_limit_bytes"` // of the control group; 0 = none
	Virtual      bool   `json:"virtual"`
}

// ThisMachine describes the machine.
func ThisMachine() Machine {
	c := &cpuid.CPU
	m := Machine{CPU: strings.TrimSpace(c.BrandName), OS: runtime.GOOS, Arch: runtime.GOARCH, Cores: max(0, c.PhysicalCores),
		Processors: runtime.GOMAXPROCS(0), L2Bytes: max(0, c.Cache.L2), L3Bytes: max(0, c.Cache.L3), Virtual: c.VM()}
	m.RAMBytes, m.RAMFreeBytes = meminfo("/proc/meminfo")
	if b, err := os.ReadFile("/sys/fs/cgroup/memory.max"); err == nil {
		m.RAMLimit, _ = strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64) // "max" = no limit, 0
	}
	return m
}

// RAM is how many bytes of memory this process may have in all and now, its control group's limit counted; 0 = unknown.
func (m *Machine) RAM() (total, available int64) {
	total, available = m.RAMBytes, m.RAMFreeBytes
	if m.RAMLimit > 0 {
		total, available = min(total, m.RAMLimit), min(available, m.RAMLimit)
	}
	return total, available
}

// meminfo reads Linux's table of memory figures; elsewhere there is none.
func meminfo(path string) (total, available int64) {
	f, err := os.Open(path)
	if err != nil {
		return 0, 0
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		fields := strings.Fields(s.Text())
		if len(fields) < 2 {
			continue
		}
		kb, err := strconv.ParseInt(fields[1], 10, 64)
		if err != nil {
			continue
		}
		switch fields[0] {
		case "MemTotal:":
			total = kb << 10
		case "MemAvailable:":
			available = kb << 10
		}
	}
	return total, available
}

// LoadAverage is the machine's of one minute, empty where the system does not tell.
func LoadAverage() []float64 {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return nil
	}
	one, _, _ := strings.Cut(string(b), " ")
	v, err := strconv.ParseFloat(one, 64)
	if err != nil {
		return nil
	}
	return []float64{v}
}
