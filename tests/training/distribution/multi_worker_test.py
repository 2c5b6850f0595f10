"""Two worker processes of one device each, against one process with the whole batch."""

import contextlib
import json
import random
import socket
import types

import numpy as np
import pytest
import tensorflow as tf

from tests.commands import started_module
from tests.training.distribution import worker
from tests.training.toys import assert_close, assert_equal
from tf_diffseg.training.distribution import multi_worker


def _slurm(task, first_port):
    """Variables that srun sets for a task of a job that has these ports."""
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
    """Two ports that nothing listens on; a SLURM job has eight in a row."""
    while True:
        first = 10000 + 8 * random.randrange(2500) if by_slurm else 0
        with socket.socket() as one, socket.socket() as other:
            try:
                one.bind(("localhost", first))
                other.bind(("localhost", first and first + 1))
            except OSError:
                continue
            return [one.getsockname()[1], other.getsockname()[1]]


def _environment(task, ports, by_slurm):
    if by_slurm:
        return _slurm(task, ports[0]) | {"TF_CONFIG": None}
    cluster = {"worker": [f"localhost:{port}" for port in ports]}
    task = {"type": "worker", "index": task}
    return {"TF_CONFIG": json.dumps({"cluster": cluster, "task": task})}


@contextlib.contextmanager
def _two_workers(folder, names, deaths=(-1, -1), by_slurm=False):
    """Starts two workers, which save their results in files of these names."""
    ports = _free_ports(by_slurm)
    with contextlib.ExitStack() as stack:
        yield [
            stack.enter_context(
                started_module(
                    worker.__name__,
                    folder,
                    folder.with_name(names[task]),
                    deaths[task],
                    environment=_environment(task, ports, by_slurm)
                    | {"CUDA_VISIBLE_DEVICES": ""},
                )
            )
            for task in (0, 1)
        ]


def _assert_ended_well(workers):
    for started in workers:
        completed = started.completed()
        assert completed.returncode == 0, completed.stderr


def _saved_arrays(path):
    with np.load(path) as file:
        return list(file.values())


def test_two_workers_train_as_one_device(tmp_path):
    names = ["first.npz", "second.npz"]
    with _two_workers(tmp_path / "two", names) as workers:
        expected = worker.train(tmp_path / "one")
        _assert_ended_well(workers)
    for name in names:
        assert_close(_saved_arrays(tmp_path / name), expected, atol=1e-5)
    lines = [
        [json.loads(line) for line in (tmp_path / run / "metrics.jsonl").open()]
        for run in ("one", "two")
    ]
    # Only the chief writes: there is one line for each epoch.
    assert [line["epoch"] for line in lines[1]] == [1, 2]
    for expected, found in zip(*lines, strict=True):
        assert found == pytest.approx(expected, rel=1e-4)


@pytest.mark.slow
def test_a_worker_that_dies_ends_the_other_and_both_go_on(tmp_path):
    with _two_workers(tmp_path / "two", ["first.npz", "second.npz"]) as workers:
        _assert_ended_well(workers)
    # The second worker is killed in the second epoch. Then both are started again, by
    # SLURM, and find each other by SLURM's variables.
    killed = tmp_path / "killed"
    with _two_workers(killed, ["lost_1.npz", "lost_2.npz"], (-1, 7)) as workers:
        first, second = (started.completed() for started in workers)
    assert (first.returncode, second.returncode) == (76, -9), first.stderr
    assert "worker 0 stops: another worker ended or cannot be reached" in first.stderr
    with _two_workers(killed, ["again_1.npz", "again_2.npz"], by_slurm=True) as workers:
        _assert_ended_well(workers)
        for task, started in enumerate(workers):
            assert f"SLURM: worker {task} of 2, localhost:" in started.output()[0]
    undisturbed = _saved_arrays(tmp_path / "first.npz")
    assert_equal(_saved_arrays(tmp_path / "again_1.npz"), undisturbed)


@pytest.mark.parametrize("message, reason", [("", ""), ("gone\nsince", ": gone")])
def test_a_lost_worker_is_told_in_one_line(monkeypatch, message, reason):
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
