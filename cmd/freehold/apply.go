package main

import (
	"slices"
	"strings"

	"github.com/freehold-slm/freehold/distill"
)

type applyCmd struct {
	recipeArg
	stageFlags
	priceFlags
	takeOverFlag
	Only string `help:"Run this stage alone: adapt, augment, label, train, eval, quantize or report." placeholder:"STAGE"`
	From string `help:"Begin with this stage; those before it must be done." placeholder:"STAGE"`
}

func (c *applyCmd) Run(a *app) error {
	if c.Only != "" && c.From != "" {
		return usagef("--only and --from are both given; keep one")
	}
	for _, s := range []string{c.Only, c.From} {
		if known := distill.StageNames(); s != "" && !slices.Contains(known, s) {
			return usagef("unknown stage %q, want one of: %s", s, strings.Join(known, ", "))
		}
	}
	var err error
	if c.at, err = c.prices(); err != nil {
		return err
	}
	if err = c.check(); err != nil {
		return err
	}
	c.wait = c.TakeOver
	return c.stages(a, c.Recipe, distill.Stages{Only: c.Only, From: c.From})
}

// The commands of single stages.
type (
	labelCmd struct {
		recipeArg
		stageFlags
		takeOverFlag
	}
	trainCmd struct {
		recipeArg
		stageFlags
	}
	evalCmd struct {
		recipeArg
		stageFlags
		priceFlags
	}
)

func (c *labelCmd) Run(a *app) error {
	if err := c.check(); err != nil {
		return err
	}
	c.wait = c.TakeOver
	return c.stages(a, c.Recipe, distill.Stages{Only: "label"})
}
func (c *trainCmd) Run(a *app) error { return c.stages(a, c.Recipe, distill.Stages{Only: "train"}) }
func (c *evalCmd) Run(a *app) (err error) {
	if c.at, err = c.prices(); err != nil {
		return err
	}
	return c.stages(a, c.Recipe, distill.Stages{Only: "eval"})
}
