package gguf

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"unsafe"
)

// Guard runs fn, which reads tensor data, and turns the fault of reading past the end of a file that was cut short
// while mapped (SIGBUS) into an error. Without it such a fault kills the process.
//
// It covers the goroutine that calls it and no other: every worker that reads weights runs its loop inside a
// Guard of its own, or inside debug.SetPanicOnFault and recover with Fault. Assembly kernels are covered. Panics
// that are not faults within this file's mapping go on. A call costs tens of nanoseconds and no allocation.
//
// A file cut inside its last page reads as zeros to the page's end; only pages wholly past the end fault.
func (f *File) Guard(fn func() error) (err error) {
	before := debug.SetPanicOnFault(true)
	defer func() {
		debug.SetPanicOnFault(before)
		if r := recover(); r != nil {
			if err = f.Fault(r); err == nil {
				panic(r)
			}
		}
	}()
	return fn()
}

// Fault tells whether a recovered panic is a memory fault within f's mapping: an error that says so, else nil.
func (f *File) Fault(recovered any) error {
	for _, p := range f.parts {
		if err := p.Fault(recovered); err != nil {
			return err
		}
	}
	fault, ok := recovered.(interface {
		runtime.Error
		Addr() uintptr
	})
	if !ok || len(f.data) == 0 {
		return nil
	}
	start := uintptr(unsafe.Pointer(unsafe.SliceData(f.data)))
	at := fault.Addr() - start
	if at >= uintptr(len(f.data)) {
		return nil
	}
	return &Error{
		File:  f.Name,
		Field: "file",
		Got:   fmt.Sprintf("no data at byte %d of %d: it was cut short or its disk failed while in use", at, len(f.data)),
		Want:  "a file that stays as it is while it is open",
	}
}
