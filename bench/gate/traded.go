package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
)

const tradedFile = "bench/gate/traded.json"

// trade is a slowdown that was chosen, for a gain elsewhere that is larger. It excuses one case, up to a ratio, against bases from before it
// was made alone: once a base has it, the case is held to 3 % again.
type trade struct {
	Since string  `json:"since"` // the commit that made it
	Case  string  `json:"case"`
	Most  float64 `json:"most"` // head/base
	Why   string  `json:"why"`  // the gain, and where it is measured
}

// readTrades gives the trades that base does not have yet, by case.
func readTrades(file, base string) (map[string]trade, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var all []trade
	if err := json.Unmarshal(b, &all); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	open := map[string]trade{}
	for _, t := range all {
		if len(t.Since) != 40 || t.Case == "" || t.Why == "" || t.Most <= 1 || t.Most > 1.5 {
			return nil, fmt.Errorf("%s: %+v: want a commit of 40 digits, a case, a reason, and a ratio above 1 and up to 1.5", file, t)
		}
		err := exec.Command("git", "merge-base", "--is-ancestor", t.Since, base).Run()
		var exit *exec.ExitError
		switch {
		case err == nil: // base has paid for it
		case errors.As(err, &exit) && exit.ExitCode() == 1:
			open[t.Case] = t
		default:
			return nil, fmt.Errorf("%s: is %.12s an ancestor of %.12s? git cannot tell: %w", file, t.Since, base, err)
		}
	}
	return open, nil
}
