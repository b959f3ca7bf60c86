#!/usr/bin/env bash
# A study over the nodes of a SLURM job: sbatch deploy/slurm.sh study.yaml /shared/my-study
# The study directory must lie on storage that every node shares. Preempted or out of time, submit the same
# line again: it goes on where it was.
#SBATCH --job-name=setsum
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=8
# With GPUs: --gpus-per-node=4, and `resources: {gpus_per_trial: auto}` in the study file.
# One Ray a node: at its end `ray symmetric-run` stops every Ray of this user on the node.
#SBATCH --exclusive
#SBATCH --time=24:00:00
#SBATCH --signal=B:TERM@180
#SBATCH --requeue
set -euo pipefail

study=${1:?usage: sbatch deploy/slurm.sh STUDY.yaml OUT}
out=${2:?usage: sbatch deploy/slurm.sh STUDY.yaml OUT}
# This script runs on the job's first node, and so will the driver.
read -r head < <(scontrol show hostnames "$SLURM_JOB_NODELIST")

# Whoever reaches a Ray port without this token is turned away. It lives as long as the job.
RAY_AUTH_TOKEN=$(head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n')
export RAY_AUTH_TOKEN RAY_AUTH_MODE=token RAY_USAGE_STATS_ENABLED=0
export RAY_TMPDIR=/tmp/ray-$SLURM_JOB_ID RAY_SYMMETRIC_RUN_CLUSTER_WAIT_TIMEOUT=300
mkdir -p "$RAY_TMPDIR"

if [[ -f $out/study.yaml ]]; then
  command=(setsum resume "$out")
else
  command=(setsum run "$study" --out "$out" --address auto)
fi

# TERM three minutes before the end goes to the driver alone, which saves every running trial; sent to the whole
# step it would end Ray first.
driver=$RAY_TMPDIR/driver.pid
trap '[[ -f $driver ]] && kill -TERM "$(< "$driver")"' TERM
srun ray symmetric-run --address "$head:6379" --min-nodes "$SLURM_JOB_NUM_NODES" \
  --num-cpus="$SLURM_CPUS_PER_TASK" -- \
  bash -c 'echo $$ > "$1"; exec "${@:2}"' setsum "$driver" "${command[@]}" &
step=$! code=0
wait "$step" || code=$?
# The trap ends a `wait`; what is being saved is waited for.
while kill -0 "$step" 2> /dev/null; do
  code=0
  wait "$step" || code=$?
done
exit "$code"
