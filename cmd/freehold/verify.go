package main

import (
	"github.com/freehold-slm/freehold/distill"
)

type verifyCmd struct {
	Run_ string `arg:"" name:"run" optional:"" default:"runs/latest" help:"Run folder."`
}

// verified is freehold/verify/1.
type verified struct {
	Schema string `json:"schema"`
	Dir    string `json:"dir"`
	Ok     bool   `json:"ok"`
	*distill.Verification
}

func (c *verifyCmd) Run(a *app) error {
	dir := c.Run_
	v, err := distill.Verify(dir)
	if err != nil {
		return err
	}
	bad := v.Bad()
	if a.json {
		if err := a.emit(verified{"freehold/verify/1", dir, len(bad) == 0, v}); err != nil {
			return err
		}
	} else {
		rows := [][]string{}
		good := 0
		for _, f := range v.Files {
			if f.State == "ok" {
				good++
				continue
			}
			rows = append(rows, []string{f.State, f.Name, f.Note})
		}
		a.columns(rows)
		a.note("%s: %d files are as the run wrote them, %d are not", dir, good, len(bad))
	}
	if len(bad) > 0 {
		return quietError(exitVerify)
	}
	return nil
}
