package main

type planCmd struct {
	recipeArg
	jobFlags
	Exit  bool `name:"exit-code" help:"Leave with exit code 9 where apply would do something, 0 where there is nothing to do."`
	Probe int  `help:"Ask the teacher about this many validation rows: which prompt is best, is a linear model enough, which rows to label by hand." placeholder:"N"`
}

func (c *planCmd) Run(a *app) error {
	if c.Probe < 0 {
		return usagef("--probe is %d, want 0 (none) or more rows", c.Probe)
	}
	j, err := c.job(a, c.Recipe)
	if err != nil {
		return err
	}
	p, err := j.Plan(a.ctx)
	if err == nil && c.Probe > 0 {
		p.Probe, err = j.Probe(a.ctx, c.Probe)
		a.progress.clear()
	}
	if err != nil {
		return err
	}
	if a.json {
		err = a.emit(p)
	} else {
		a.write("%s", p.Text())
	}
	if err == nil {
		err = j.MaySend()
	}
	if err == nil && c.Exit && p.ToDo {
		err = quietError(exitToDo)
	}
	return err
}
