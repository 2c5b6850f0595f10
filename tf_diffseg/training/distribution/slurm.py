"""TF_CONFIG for workers that SLURM started."""

import os

import tensorflow as tf

# Jobs on one machine need different ports: each of 2500 jobs has eight.
_FIRST_PORT = 10000
_PORTS_OF_JOB = 8
_JOBS = 2500
_OF_CLUSTER = (
    "SLURM_STEP_NUM_TASKS",
    "SLURM_STEP_NODELIST",
    "SLURM_STEP_TASKS_PER_NODE",
)


def slurm_tf_config():
    """TF_CONFIG for this task of a job step, from SLURM's environment variables.

    Returns:
        Dict of `cluster` and `task`, every task a worker; None if `srun` did not start
        this process, or only this one.

    Raises:
        ValueError: a variable of SLURM is missing or invalid.
    """
    if os.environ.get("SLURM_STEP_NUM_TASKS", "1") == "1":
        return None
    try:
        port = _FIRST_PORT + _PORTS_OF_JOB * (_whole_number("SLURM_JOB_ID") % _JOBS)
        workers = _workers(port)
        # Not by SLURM's rank: the resolver sorts hosts as text, so n10 before n9.
        host, place = os.environ["SLURMD_NODENAME"], _whole_number("SLURM_LOCALID")
        if f"{host}:{port + place}" not in workers:
            raise ValueError(
                f"SLURMD_NODENAME={host} and SLURM_LOCALID={place} are no task of "
                f"{_named(*_OF_CLUSTER)}"
            )
    except (KeyError, ValueError) as error:
        what = f"{error} is missing" if isinstance(error, KeyError) else error
        raise ValueError(f"SLURM's environment variables: {what}") from error
    return {
        "cluster": {"worker": workers},
        "task": {"type": "worker", "index": workers.index(f"{host}:{port + place}")},
    }


def _workers(port):
    """Addresses of all tasks of the job step, the first of a host at `port`."""
    num_tasks = _whole_number("SLURM_STEP_NUM_TASKS")
    try:
        resolver = tf.distribute.cluster_resolver.SlurmClusterResolver(
            port_base=port,
            # The resolver counts tasks by GPUs, but there may be none.
            gpus_per_node=num_tasks,
            gpus_per_task=1,
            auto_set_gpu=False,
        )
        return resolver.cluster_spec().as_dict()["worker"]
    except (ValueError, RuntimeError) as error:
        raise ValueError(f"{_named(*_OF_CLUSTER)}: {error}") from error


def _named(*names):
    return ", ".join(f"{name}={os.environ[name]}" for name in names)


def _whole_number(name):
    value = os.environ[name]
    if not value.isdecimal():
        raise ValueError(f"{name} must be a whole number, got {value!r}")
    return int(value)
