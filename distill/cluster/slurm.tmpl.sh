#!/bin/bash
# {{.Name}} on Slurm, written by "freehold slurm". Run this file on a login node: it submits itself. All nodes must see the recipe's folder, the program and the models at the same paths.
# {{if .Adapts}}The teacher's adapter, then labelling{{else}}Labelling{{end}} as an array of {{.Tasks}} tasks, each with its part of the rows; all else in one job after it{{if .Helpers}}, beside which {{.Helpers}} tasks train its replicas with it{{end}}. A job whose time is nearly over saves and queues itself again.
#SBATCH --nodes=1
#SBATCH --ntasks=1
#SBATCH --cpus-per-task={{.CPUs}}
#SBATCH --mem={{.MiB}}M
#SBATCH --time={{.Time}}
#SBATCH --signal=B:TERM@120
#SBATCH --requeue
#SBATCH --open-mode=append
{{- range .Options}}
#SBATCH {{.}}
{{- end}}
set -euo pipefail
name={{quote .Name}}
folder={{quote .Folder}}
recipe={{quote .Recipe}}
freehold=${FREEHOLD:-{{quote .Program}}}

# run ARGUMENTS: freehold, which is told of the signal that Slurm sends to this shell alone. Where it could go on (exit code 75) and nobody has cancelled the job, it is queued again.
run() {
	cd "$folder"
	"$freehold" "$@" --offline --threads "$SLURM_CPUS_PER_TASK" &
	child=$! stopped=
	trap 'stopped=1; kill -TERM "$child" 2>/dev/null || true' TERM
	while :; do
		code=0
		wait "$child" || code=$?
		if [ -z "$stopped" ] || [ "$code" -le 128 ]; then break; fi
		stopped= # the signal ended the waiting, not freehold
	done
	if [ "$code" -eq 75 ] && [ "$(squeue --noheader --jobs "$SLURM_JOB_ID" --format %T)" = RUNNING ]; then
		scontrol requeue "$SLURM_JOB_ID"
		sleep 120 # Slurm ends this script: had it ended by itself, what depends on it would be cancelled
	fi
	exit "$code"
}

# submit STAGE OPTIONS: prints the job's id.
submit() {
	sbatch --parsable --job-name="$name-$1" "${@:2}" "$script" "$1" | cut -d ';' -f 1
}

case "${1:-submit}" in
{{- if .Adapts}}
adapt) run apply "$recipe" --only adapt ;;
{{- end}}
label) run worker "$recipe" --part "$SLURM_ARRAY_TASK_ID/{{.Tasks}}" ;;
{{- if .Helpers}}
train) run worker "$recipe" ;;
{{- end}}
rest) run apply "$recipe" ;;
submit)
	script=$(realpath "$0")
{{- if .Adapts}}
	adapt=$(submit adapt)
	label=$(submit label --array=0-{{.Last}} --kill-on-invalid-dep=yes --dependency="afterok:$adapt")
{{- else}}
	label=$(submit label --array=0-{{.Last}})
{{- end}}
{{- if .Helpers}}
	submit train --array=0-{{.LastHelper}} --kill-on-invalid-dep=yes --dependency="afterok:$label" >/dev/null
{{- end}}
	rest=$(submit rest --kill-on-invalid-dep=yes --dependency="afterok:$label")
	echo "submitted $name: labelling is job $label, the rest job $rest" ;;
*) echo "$0: unknown stage $1" >&2; exit 2 ;;
esac
