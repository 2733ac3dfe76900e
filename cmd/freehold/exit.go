package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"github.com/freehold-slm/freehold/distill"
	"github.com/freehold-slm/freehold/distill/policy"
	"github.com/freehold-slm/freehold/distill/remote"
	"github.com/freehold-slm/freehold/engine"
	"github.com/freehold-slm/freehold/models"
	"github.com/freehold-slm/freehold/models/egress"
	"github.com/freehold-slm/freehold/models/gguf"
	"github.com/freehold-slm/freehold/models/licence"
)

// Exit codes.
const (
	exitOK           = 0
	exitInternal     = 1
	exitUsage        = 2   // command line or recipe
	exitInput        = 3   // a file is missing, not pulled or corrupt
	exitGate         = 4   // the student did not pass its gate
	exitPolicy       = 5   // licence, policy or network use refused
	exitVerify       = 6   // a checksum differs
	exitResources    = 7   // disk full, a run's folder that went away, too little memory
	exitInconclusive = 8   // a measurement is too noisy to judge, or a run cannot be compared on this CPU
	exitToDo         = 9   // plan --exit-code: apply would do something
	exitInterrupted  = 75  // stopped by a signal or a spent budget, resumable
	exitKilled       = 130 // stopped by a signal, nothing to resume
)

// usageError is a mistake in the command line.
type usageError struct{ msg string }

func (e *usageError) Error() string { return e.msg }

func usagef(format string, args ...any) error { return &usageError{fmt.Sprintf(format, args...)} }

// inputError is a file that cannot be used as what it was given for.
type inputError struct{ err error }

func (e *inputError) Error() string { return e.err.Error() }
func (e *inputError) Unwrap() error { return e.err }

func inputf(format string, args ...any) error { return &inputError{fmt.Errorf(format, args...)} }

// asInput makes err an inputError, nil stays nil.
func asInput(err error) error {
	if err == nil {
		return nil
	}
	return &inputError{err}
}

// noisyError is a measurement that is too noisy.
type noisyError struct{ msg string }

func (e *noisyError) Error() string { return e.msg }

// resourceError is a job that this machine is too small for.
type resourceError struct{ msg string }

func (e *resourceError) Error() string { return e.msg }

// quietError gives an exit code where everything has been said.
type quietError int

func (e quietError) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

func is[E error](err error) bool {
	var e E
	return errors.As(err, &e)
}

// exitCode finds the exit code of an error. What stopped the work comes before what it stopped at.
func (a *app) exitCode(err error) int {
	var quiet quietError
	switch {
	case errors.As(err, &quiet):
		return int(quiet)
	case errors.Is(err, distill.ErrInterrupted), is[*remote.BudgetError](err):
		return exitInterrupted
	case errors.Is(err, errSignal), errors.Is(err, context.Canceled):
		if a.resumable {
			return exitInterrupted
		}
		return exitKilled
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.ENOMEM), is[*models.SpaceError](err), is[*resourceError](err), is[*distill.FolderError](err):
		return exitResources
	case is[*models.ChecksumError](err), is[*distill.ChangedError](err):
		return exitVerify
	case is[*models.LicenceError](err), is[*licence.Error](err), is[*policy.Error](err), is[*distill.PolicyChangedError](err), is[*models.OfflineError](err), is[*egress.HostError](err), is[*distill.EgressError](err):
		return exitPolicy
	case is[*distill.GateError](err):
		return exitGate
	case is[*noisyError](err), is[*distill.IncomparableError](err):
		return exitInconclusive
	case is[*usageError](err), is[*distill.RecipeError](err), is[*policy.ReadError](err), is[*engine.ContextError](err):
		return exitUsage
	case is[*inputError](err), is[*gguf.Error](err), is[*distill.DataError](err), is[*engine.NumberError](err),
		is[*models.NotPulledError](err), is[*models.UnknownNameError](err), is[*models.SourceError](err), is[*remote.Error](err),
		errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission):
		return exitInput
	}
	return exitInternal
}
