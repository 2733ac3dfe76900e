package main

import "github.com/freehold-slm/freehold/distill"

// clusterFlags say how a recipe is spread over machines.
type clusterFlags struct {
	Recipe string `arg:"" optional:"" default:"freehold.yaml" env:"FREEHOLD_RECIPE" help:"Recipe, or its folder."`
	Tasks  int    `default:"8" help:"Tasks that label, each a part of the rows; default 8." placeholder:"N"`
	CPUs   int    `name:"cpus" default:"8" help:"Cores of each task, and of the job for the rest; default 8." placeholder:"N"`
}

type slurmCmd struct {
	clusterFlags
	Time   string   `default:"04:00:00" help:"Time limit of each job, as sbatch takes it, default 04:00:00; a job that needs longer queues itself again." placeholder:"TIME"`
	Sbatch []string `sep:"none" help:"One more option of sbatch, such as --sbatch=--partition=cpu; may be given again." placeholder:"OPTION"`
}

func (*slurmCmd) Help() string {
	return "Prints one script: freehold slurm > job.sh, then bash job.sh on a login node. It labels in an array of tasks, each with --part; training and the rest follow in one job (afterok). " +
		"Two minutes before a job's time is over it saves, ends with 75 and is queued again. docs/howto/several-machines.md"
}

func (c *slurmCmd) Run(a *app) error {
	o := distill.Cluster{Tasks: c.Tasks, CPUs: c.CPUs, Time: c.Time, Options: c.Sbatch}
	if err := o.CheckSlurm(); err != nil {
		return usagef("%v", err)
	}
	j, err := (&jobFlags{}).job(a, c.Recipe)
	if err != nil {
		return err
	}
	text, err := j.Slurm(a.ctx, o)
	return a.print(text, err)
}

type k8sCmd struct {
	clusterFlags
	Image string `default:"freehold:1" help:"Image of the program (docs/deploy.md); default freehold:1." placeholder:"NAME"`
	Claim string `default:"freehold-work" help:"Volume claim (ReadWriteMany) that holds the recipe's folder; default freehold-work." placeholder:"NAME"`
}

func (*k8sCmd) Help() string {
	return "Prints a manifest: freehold k8s | kubectl apply -f -. An Indexed Job labels, a pod a part; another Job does the rest, and labels with them. docs/howto/several-machines.md"
}

func (c *k8sCmd) Run(a *app) error {
	o := distill.Cluster{Tasks: c.Tasks, CPUs: c.CPUs, Image: c.Image, Claim: c.Claim}
	if err := o.CheckKubernetes(); err != nil {
		return usagef("%v", err)
	}
	j, err := (&jobFlags{}).job(a, c.Recipe)
	if err != nil {
		return err
	}
	text, err := j.Kubernetes(a.ctx, o)
	return a.print(text, err)
}

// clusterFile is freehold/cluster/1.
type clusterFile struct {
	Schema string `json:"schema"`
	Text   string `json:"text"`
}

// print writes a file for a scheduler.
func (a *app) print(text []byte, err error) error {
	if err != nil {
		return err
	}
	if a.json {
		return a.emit(clusterFile{"freehold/cluster/1", string(text)})
	}
	_, err = a.out.Write(text)
	return err
}
