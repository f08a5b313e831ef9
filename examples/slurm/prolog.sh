#!/bin/bash
# Slurm prolog (slurm.conf: Prolog=/etc/slurm/prolog.d/lanswarm.sh): before a job starts, every node of it has the models
# named in the job's comment, as in  sbatch --comment "models=org/a,org/b@v2" job.sh
# The nodes run `swarm daemon` (examples/systemd); they fetch each model once and fill in from each other. A model that
# cannot be had delays the job by TIMEOUT at most and does not fail it: a prolog that fails drains the node.
TIMEOUT=30m
export SWARM_HOME=/var/lib/lanswarm HF_HUB_CACHE=/var/lib/lanswarm/hub
comment=$(scontrol show job "$SLURM_JOB_ID" --oneliner | grep -o 'models=[^ ]*')
for model in $(tr ',' ' ' <<<"${comment#models=}"); do
  timeout "$TIMEOUT" /opt/lanswarm/bin/swarm get --quiet "$model" >/dev/null || logger -t lanswarm "$model: exit $?"
done
exit 0
