"""Strategies for the devices that train."""

import json
import os

import tensorflow as tf

from tf_diffseg.training.distribution.slurm import slurm_tf_config


def mirrored_strategy(devices=None):
    """A `MirroredStrategy` over devices, also if there is only one.

    Args:
        devices: names such as "GPU:0"; None for all GPUs, or the CPU if there is none.
    """
    if devices is None:
        gpus = tf.config.list_logical_devices("GPU")
        devices = [device.name for device in gpus] or ["CPU:0"]
    return tf.distribute.MirroredStrategy(devices)


def training_strategy(num_devices=None, report=print):
    """The strategy for the devices of this process.

    These are several machines if the environment variable TF_CONFIG names several
    workers, see `tf.distribute.cluster_resolver.TFConfigClusterResolver`, or if SLURM's
    `srun` started several tasks, for which TF_CONFIG is then set; otherwise the GPUs
    of this machine, or its CPU.

    Args:
        num_devices: number of GPUs of this machine; None for all.
        report: function that is called with a line of text if there is no GPU, or if
            this is a SLURM task.

    Raises:
        ValueError: there are not as many GPUs, the number is given along with several
            workers, or an environment variable is invalid.
    """
    if not os.environ.get("TF_CONFIG"):
        _follow_slurm(report)
    if _num_workers() > 1:
        if num_devices is not None:
            raise ValueError(
                f"num_devices={num_devices} does not go with several workers, "
                "which train on all GPUs that they see; see CUDA_VISIBLE_DEVICES"
            )
        return tf.distribute.MultiWorkerMirroredStrategy()
    gpus = [device.name for device in tf.config.list_logical_devices("GPU")]
    if not gpus:
        report("no GPU was found; training on the CPU, as one device")
    devices = gpus or ["CPU:0"]
    num_devices = len(devices) if num_devices is None else num_devices
    if not 1 <= num_devices <= len(devices):
        found = f"{len(gpus)} GPU(s)" if gpus else "no GPU, so one device, its CPU"
        raise ValueError(
            f"num_devices must be from 1 to {len(devices)}, got {num_devices}: this "
            f"machine has {found}"
        )
    return mirrored_strategy(devices[:num_devices])


def _follow_slurm(report):
    config = slurm_tf_config()
    if config is not None:
        os.environ["TF_CONFIG"] = json.dumps(config)
        index, workers = config["task"]["index"], config["cluster"]["worker"]
        report(f"SLURM: worker {index} of {len(workers)}, {workers[index]}")


def _num_workers():
    """Number of workers that TF_CONFIG names, including the chief."""
    text = os.environ.get("TF_CONFIG", "")
    if not text:
        return 1
    try:
        config = json.loads(text)
        cluster, task = config.get("cluster", {}), config.get("task", {})
        jobs = {job: cluster.get(job, []) for job in ("chief", "worker")}
        if not all(isinstance(addresses, list) for addresses in jobs.values()):
            raise ValueError("the addresses of a job must be a list")
        num_workers = sum(map(len, jobs.values()))
        if num_workers > 1:
            _check_task(task, jobs)
        return num_workers
    except (ValueError, AttributeError, TypeError) as error:
        raise ValueError(
            f"TF_CONFIG must be JSON with a cluster and a task, got {text!r}: {error}"
        ) from error


def _check_task(task, jobs):
    kind, index = task.get("type"), task.get("index")
    if kind not in jobs:
        raise ValueError(f"the task's type must be chief or worker, got {kind!r}")
    last = len(jobs[kind]) - 1
    # TensorFlow also accepts "1".
    if not str(index).isdecimal() or int(index) > last:
        raise ValueError(f"the task's index must be from 0 to {last}, got {index!r}")
