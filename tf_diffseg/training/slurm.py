"""The workers that SLURM started, as TensorFlow wants to hear of them."""

import os

import tensorflow as tf

# Jobs that share a machine should not share ports: eight for each of 2500 jobs.
_FIRST_PORT = 10000
_PORTS_OF_JOB = 8
_JOBS = 2500


def slurm_tf_config():
    """TF_CONFIG for this task of a job step, out of SLURM's environment variables.

    Returns:
        Dict of `cluster` and `task`, every task a worker; None where `srun` did not
        start this process, or no other.

    Raises:
        ValueError: a variable of SLURM is missing or is not what it should be.
    """
    if os.environ.get("SLURM_STEP_NUM_TASKS", "1") == "1":
        return None
    try:
        num_tasks = int(os.environ["SLURM_STEP_NUM_TASKS"])
        job = int(os.environ["SLURM_JOB_ID"])
        port = _FIRST_PORT + _PORTS_OF_JOB * (job % _JOBS)
        resolver = tf.distribute.cluster_resolver.SlurmClusterResolver(
            port_base=port,
            # It would count tasks by GPUs. SLURM itself says which GPUs are whose, and
            # there may be none.
            gpus_per_node=num_tasks,
            gpus_per_task=1,
            auto_set_gpu=False,
        )
        workers = resolver.cluster_spec().as_dict()["worker"]
        # Not by the resolver's rank: it sorts hosts as text, n10 before n9, and then
        # takes SLURM's rank, which has them the other way round.
        host, place = os.environ["SLURMD_NODENAME"], int(os.environ["SLURM_LOCALID"])
        index = workers.index(f"{host}:{port + place}")
    except (KeyError, ValueError, RuntimeError) as error:
        what = f"{error} is missing" if isinstance(error, KeyError) else error
        raise ValueError(f"SLURM's environment variables: {what}") from error
    return {
        "cluster": {"worker": workers},
        "task": {"type": "worker", "index": index},
    }
