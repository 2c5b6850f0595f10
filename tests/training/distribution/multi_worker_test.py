"""Two worker processes of one device each, against one process with the whole batch."""

import json
import os
import pathlib
import random
import socket
import subprocess
import sys
import types

import numpy as np
import pytest
import tensorflow as tf

from tf_diffseg.training.distribution import multi_worker

_SCRIPT = """
import json, os, signal, sys
import keras, numpy as np, tensorflow as tf
from tf_diffseg.training.distribution.devices import training_strategy

strategy = training_strategy(report=print)
from tf_diffseg.training import KernelDecayAdamW
from tf_diffseg.training.diffusion_unet_3d import DiffusionUNet3D
from tf_diffseg.training.fit import fit
from tf_diffseg.training.distribution.multi_worker import WorkerLost, is_chief

folder, result, dies_at = sys.argv[1], sys.argv[2], int(sys.argv[3])
keras.utils.set_random_seed(1)
with strategy.scope():
    model = DiffusionUNet3D(3, num_channels=(4,), num_heads=0, timestep_sampling="loss")
    model.compile(
        # A large epsilon: Adam divides by gradients, and blows up their rounding.
        KernelDecayAdamW(
            1e-2, epsilon=1e-2, global_clipnorm=0.1, use_ema=True, ema_momentum=0.5
        )
    )

def batch(step):
    seed = tf.stack([step, 0])
    label = tf.random.stateless_uniform([4, 4, 4, 4], seed, 0, 3, tf.int32)
    return {"image": tf.cast(label, tf.float32)[..., tf.newaxis], "label": label}

def make_dataset(epoch, step, context):
    data = tf.data.Dataset.range(epoch * 5 + step, tf.int64.max).map(batch)
    if context is None:
        return data
    share = 4 // context.num_input_pipelines
    first = context.input_pipeline_id * share
    return data.map(
        lambda each: {name: v[first : first + share] for name, v in each.items()}
    )

def validation(context):
    # Three cases: two for the first of two workers, one for the other.
    cases = tf.data.Dataset.range(3).map(
        lambda step: {name: values[:1] for name, values in batch(step).items()}
    )
    if context is None:
        return cases
    empty = cases.take(1).map(
        lambda case: {name: values[:0] for name, values in case.items()}
    )
    return cases.concatenate(empty).shard(2, context.input_pipeline_id)

class Die(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        if int(np.asarray(model.optimizer.iterations)) == dies_at:
            os.kill(os.getpid(), signal.SIGKILL)

try:
    fit(
        model, make_dataset, folder, 2, 5, 4,
        validation_dataset=validation,
        callbacks=[Die()],
    )
except WorkerLost as error:
    print(error, file=sys.stderr, flush=True)
    os._exit(76)
np.savez(result, *map(np.asarray, [*model.weights, *model.optimizer.variables]))
"""


def _slurm(task, first_port):
    """What srun gives the tasks of a job whose ports these are."""
    return {
        "SLURM_JOB_ID": str((first_port - 10000) // 8),
        "SLURM_STEP_NUM_TASKS": "2",
        "SLURM_STEP_NODELIST": "localhost",
        "SLURM_STEP_TASKS_PER_NODE": "2",
        "SLURM_PROCID": str(task),
        "SLURMD_NODENAME": "localhost",
        "SLURM_LOCALID": str(task),
    }


def _free_ports(by_slurm):
    """Two ports that nothing listens on; SLURM's jobs have eight in a row each."""
    while True:
        first = 10000 + 8 * random.randrange(2500) if by_slurm else 0
        with socket.socket() as one, socket.socket() as other:
            try:
                one.bind(("localhost", first))
                other.bind(("localhost", first and first + 1))
            except OSError:
                continue
            return [one.getsockname()[1], other.getsockname()[1]]


def _start(folder, result, task=None, ports=(), dies_at=-1, by_slurm=False):
    root = str(pathlib.Path(__file__).resolve().parents[3])
    paths = os.pathsep.join([root, os.environ.get("PYTHONPATH", "")])
    environment = os.environ | {"PYTHONPATH": paths, "TF_CPP_MIN_LOG_LEVEL": "2"}
    environment.pop("TF_CONFIG", None)
    environment |= _slurm(task, ports[0]) if by_slurm else {}
    if task is not None and not by_slurm:
        cluster = {"worker": [f"localhost:{port}" for port in ports]}
        environment["TF_CONFIG"] = json.dumps(
            {"cluster": cluster, "task": {"type": "worker", "index": task}}
        )
    if task is not None:
        environment["CUDA_VISIBLE_DEVICES"] = ""
    return subprocess.Popen(
        [sys.executable, "-c", _SCRIPT, str(folder), str(result), str(dies_at)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
    )


def _run_two(folder, results, deaths=(-1, -1), by_slurm=False):
    """Runs two workers; returns their exit codes and what they printed."""
    ports = _free_ports(by_slurm)
    processes = [
        _start(folder, results[task], task, ports, deaths[task], by_slurm)
        for task in (0, 1)
    ]
    try:
        outputs = [process.communicate(timeout=500)[0] for process in processes]
    finally:
        for process in processes:
            process.kill()
    return [process.returncode for process in processes], outputs


def _arrays(path):
    with np.load(path) as file:
        return [file[name] for name in file.files]


def test_two_workers_train_as_one_device(tmp_path):
    one = _start(tmp_path / "one", tmp_path / "one.npz")
    output = one.communicate()[0]
    assert one.returncode == 0, output
    results = [tmp_path / "first.npz", tmp_path / "second.npz"]
    codes, outputs = _run_two(tmp_path / "two", results)
    assert codes == [0, 0], outputs
    for path in results:
        for found, expected in zip(
            _arrays(path), _arrays(tmp_path / "one.npz"), strict=True
        ):
            np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    lines = [
        [json.loads(line) for line in (tmp_path / run / "metrics.jsonl").open()]
        for run in ("one", "two")
    ]
    # The chief alone writes: a line an epoch.
    assert [line["epoch"] for line in lines[1]] == [1, 2]
    for expected, found in zip(*lines, strict=True):
        assert found == pytest.approx(expected, rel=1e-4)


@pytest.mark.slow
def test_a_worker_that_dies_ends_the_other_and_both_go_on(tmp_path):
    results = [tmp_path / "first.npz", tmp_path / "second.npz"]
    codes, outputs = _run_two(tmp_path / "two", results)
    assert codes == [0, 0], outputs

    # The second worker is killed in the second epoch, and both are started again, as
    # by SLURM, which both find one another by as well.
    lost = [tmp_path / "first_lost.npz", tmp_path / "second_lost.npz"]
    codes, outputs = _run_two(tmp_path / "killed", lost, (-1, 7))
    assert codes == [76, -9], outputs
    assert "worker 0 stops: another worker ended or cannot be reached" in outputs[0]
    again = [tmp_path / "first_again.npz", tmp_path / "second_again.npz"]
    codes, outputs = _run_two(tmp_path / "killed", again, by_slurm=True)
    assert codes == [0, 0], outputs
    for task, output in enumerate(outputs):
        assert f"SLURM: worker {task} of 2, localhost:" in output
    undisturbed = _arrays(results[0])  # Of the two that nothing happened to.
    for found, expected in zip(_arrays(again[0]), undisturbed, strict=True):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("message, reason", [("", ""), ("gone\nsince", ": gone")])
def test_a_loss_is_one_line_whatever_the_reason(monkeypatch, message, reason):
    monkeypatch.setattr(multi_worker, "is_multi_worker", lambda strategy: True)
    resolver = types.SimpleNamespace(task_type="worker", task_id=1)
    strategy = types.SimpleNamespace(cluster_resolver=resolver)
    with (
        pytest.raises(multi_worker.WorkerLost) as caught,
        multi_worker.named_worker_loss(strategy),
    ):
        raise tf.errors.UnavailableError(None, None, message)
    assert str(caught.value) == (
        "worker 1 stops: another worker ended or cannot be reached "
        f"(UnavailableError{reason})"
    )
