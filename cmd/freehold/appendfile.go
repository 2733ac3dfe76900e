package main

import (
	"errors"
	"os"
	"sync"
)

// appendFile is a file that lines are added to. Opening it again goes on in the file that then has its name, so that somebody may
// move it away.
type appendFile struct {
	path string
	mu   sync.Mutex
	f    *os.File
}

func (a *appendFile) open() error {
	f, err := os.OpenFile(a.path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	old := a.f
	if a.f = f; old != nil {
		return errors.Join(old.Close())
	}
	return nil
}

func (a *appendFile) Write(b []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.f.Write(b)
}
