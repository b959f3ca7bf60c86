#!/usr/bin/env bash
# A study over the nodes of a SLURM job: sbatch deploy/slurm.sh study.yaml /shared/my-study
# The study directory must lie on storage that every node shares. Preempted or out of time, submit the same
# line again: it goes on where it was.
#SBATCH --job-name=setsum
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=8
#SBATCH --time=24:00:00
#SBATCH --signal=B:TERM@180
#SBATCH --requeue
set -euo pipefail

study=${1:?usage: sbatch deploy/slurm.sh STUDY.yaml OUT}
out=${2:?usage: sbatch deploy/slurm.sh STUDY.yaml OUT}
head=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)

# Whoever reaches a Ray port without this token is turned away. It lives as long as the job.
RAY_AUTH_TOKEN=$(head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n')
export RAY_AUTH_TOKEN RAY_AUTH_MODE=token RAY_USAGE_STATS_ENABLED=0

if [[ -f $out/study.yaml ]]; then
  command=(setsum resume "$out")
else
  command=(setsum run "$study" --out "$out" --address auto)
fi

# TERM three minutes before the end saves every running trial; the study goes on with the next job.
srun ray symmetric-run --address "$head:6379" --min-nodes "$SLURM_JOB_NUM_NODES" \
  --num-cpus="$SLURM_CPUS_PER_TASK" -- "${command[@]}" &
trap 'kill -TERM $!' TERM
wait $!
