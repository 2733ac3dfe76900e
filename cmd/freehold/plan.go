package main

type planCmd struct{ recipeFlags }

func (c *planCmd) Run(a *app) error {
	j, err := c.job(a, c.Recipe)
	if err != nil {
		return err
	}
	p, err := j.Plan(a.ctx)
	if err != nil {
		return err
	}
	if a.json {
		return a.emit(p)
	}
	a.write("%s", p.Text())
	return nil
}
