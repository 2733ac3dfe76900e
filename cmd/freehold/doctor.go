package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/freehold-slm/freehold/bench"
	"github.com/freehold-slm/freehold/kernels"
	"github.com/freehold-slm/freehold/models"
)

type doctorCmd struct{}

// checkup is freehold/doctor/1.
type checkup struct {
	Schema  string        `json:"schema"`
	Machine bench.Machine `json:"machine"`
	Levels  []string      `json:"cpu_levels"`
	Cache   string        `json:"cache"`
	Free    int64         `json:"cache_free_bytes"` // -1 = unknown
	Offline bool          `json:"offline"`
	Checks  []checkRow    `json:"checks"`
}

type checkRow struct {
	Name string `json:"name"`
	OK   bool   `json:"ok"`
	Says string `json:"says"`
	Fix  string `json:"fix,omitempty"`
}

func (*doctorCmd) Help() string {
	return "Looks at this machine and says what freehold will find there. Uses no network. Exit code 7 when something is missing that commands need."
}

func (*doctorCmd) Run(a *app) error {
	d := checkup{Schema: "freehold/doctor/1", Machine: bench.ThisMachine(), Offline: a.offline, Free: -1}
	check := func(name string, ok bool, fix, format string, args ...any) {
		if ok {
			fix = ""
		}
		d.Checks = append(d.Checks, checkRow{name, ok, fmt.Sprintf(format, args...), fix})
	}
	for _, l := range kernels.Levels() {
		d.Levels = append(d.Levels, l.Name)
	}
	m := d.Machine
	check("cpu", true, "", "%s, %d cores, %d threads usable", orUnknown(m.CPU), m.Cores, m.Processors)
	best, err := kernels.Best()
	if err != nil {
		check("cpu level", false, "unset FREEHOLD_CPU or give it one of these levels", "%v", err)
	} else {
		check("cpu level", true, "", "%s (this machine has: %s)", best.Name, strings.Join(d.Levels, " "))
	}
	if best != nil && best.FastBF16 {
		check("numeric fast", true, "", "prompts of files in F32, F16 and BF16 by %s", best.BF16Unit)
	} else if best != nil {
		check("numeric fast", true, "", "the same as normal: this CPU level has nothing faster")
	}
	if best != nil && best.Name == "portable" && runtime.GOARCH == "amd64" {
		check("speed", false, "use a CPU with AVX2, or pass the host's CPU flags on to the virtual machine", "no AVX2: models run slowly")
	}
	if total, free := m.RAM(); total > 0 {
		check("memory", free >= 1<<30, "close other programs; small models need about 1 GB", "%s, %s available", size(total), size(free))
	}
	d.cache(check)
	d.python(a.ctx, check)
	if a.offline {
		check("network", true, "", "forbidden (--offline or FREEHOLD_OFFLINE)")
	} else {
		check("network", true, "", "used by pull, and by a run whose recipe names a remote teacher; nothing else")
	}
	bad := 0
	for _, c := range d.Checks {
		if !c.OK {
			bad++
		}
	}
	if a.json {
		err = a.emit(d)
	} else {
		err = nil
		var rows [][]string
		for _, c := range d.Checks {
			mark := "ok"
			if !c.OK {
				mark = "!!"
			}
			rows = append(rows, []string{mark, c.Name, c.Says})
			if c.Fix != "" {
				rows = append(rows, []string{"", "", "-> " + c.Fix})
			}
		}
		a.columns(rows)
	}
	if err == nil && bad > 0 {
		return quietError(exitResources)
	}
	return err
}

func orUnknown(s string) string {
	if s == "" {
		return "unknown CPU"
	}
	return s
}

type checkFunc func(name string, ok bool, fix, format string, args ...any)

// cache looks at the folder of pulled files.
func (d *checkup) cache(check checkFunc) {
	dir, err := models.CacheDir()
	if err != nil {
		check("cache", false, "set FREEHOLD_HOME to a folder", "%v", err)
		return
	}
	d.Cache = dir
	there := dir // the deepest folder that exists
	for {
		if _, err := os.Stat(there); err == nil || filepath.Dir(there) == there {
			break
		}
		there = filepath.Dir(there)
	}
	f, err := os.CreateTemp(there, ".freehold-*")
	if err != nil {
		check("cache", false, "make the folder writable or set FREEHOLD_HOME to another", "%s: %s", dir, errorText(err))
		return
	}
	err = errors.Join(f.Close(), os.Remove(f.Name()))
	check("cache", err == nil, "", "%s, writable", dir)
	if d.Free, err = models.FreeSpace(there); err != nil || d.Free < 0 {
		d.Free = -1
		return
	}
	check("disk", d.Free >= 2e9, "make room, or set FREEHOLD_HOME to another disk", "%s free for the cache", size(d.Free))
}

// python looks for what pull uses where a model has no other source.
func (d *checkup) python(ctx context.Context, check checkFunc) {
	const fix = "install python3 and pip; pull uses them where a file has no other source"
	path, err := exec.LookPath("python3")
	if err != nil {
		check("python3", false, fix, "not found")
		return
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, path, "-m", "pip", "--version").Output()
	if err != nil {
		check("python3", false, fix, "%s has no working pip", path)
		return
	}
	version, _, _ := strings.Cut(strings.TrimSpace(string(out)), " from ")
	check("python3", true, "", "%s with %s", path, version)
}
