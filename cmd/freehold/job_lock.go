package main

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/freehold-slm/freehold/distill/lineage"
	"github.com/freehold-slm/freehold/engine/server/lock"
)

// lockFlags are those of commands that run stages.
type lockFlags struct {
	NoLock bool `help:"Do not lock the process; otherwise it opens no connections, starts no programs and changes no files but in the folder of runs (Linux)."`
}

// lock takes from the process what running stages needs not, and says what holds. The folder is the only one that files are changed in; it is made where it is not there. network is why the
// stages need connections, "" = they do not.
func (f *lockFlags) lock(a *app, folder, network string) (*lineage.Enforced, error) {
	e := &lineage.Enforced{Offline: a.offline, Interfaces: interfaces()}
	if f.NoLock {
		e.Connections, e.Writes = "not denied (--no-lock)", "not denied (--no-lock)"
		return e, nil
	}
	if err := os.MkdirAll(folder, 0o777); err != nil {
		return nil, err
	}
	_ = time.Local.String() // the time zone's file is read with the first use
	state, err := lock.Process(lock.Folders{Read: []string{"/"}, Own: []string{folder}, Network: network})
	if err != nil {
		return nil, fmt.Errorf("%w; --no-lock goes on without", err)
	}
	e.Connections, e.Writes = state.Connections, state.Files
	return e, nil
}

// interfaces are the names of the network interfaces that the process can see, nil where the system has no such file. No socket is needed to read it.
func interfaces() (names []string) {
	f, err := os.Open("/proc/self/net/dev")
	if err != nil {
		return nil
	}
	defer f.Close() //nolint:errcheck // read-only
	for s := bufio.NewScanner(f); s.Scan(); {
		if name, _, ok := strings.Cut(s.Text(), ":"); ok {
			names = append(names, strings.TrimSpace(name))
		}
	}
	return names
}
