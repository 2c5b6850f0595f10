import json
import os

import pytest
import tensorflow as tf

from tf_diffseg.training.distribution.devices import training_strategy
from tf_diffseg.training.distribution.slurm import slurm_tf_config


def _set(monkeypatch, **variables):
    for name in [name for name in os.environ if name.startswith("SLURM")]:
        monkeypatch.delenv(name)
    for name, value in variables.items():
        monkeypatch.setenv(name, str(value))


def _task(rank, host, place, hosts="n[9-10],gpu1", tasks="2(x2),1"):
    """Variables of a task of job 7; by default it has five tasks on three hosts."""
    return {
        "SLURM_JOB_ID": 7,
        "SLURM_STEP_NUM_TASKS": 5,
        "SLURM_STEP_NODELIST": hosts,
        "SLURM_STEP_TASKS_PER_NODE": tasks,
        "SLURM_PROCID": rank,
        "SLURMD_NODENAME": host,
        "SLURM_LOCALID": place,
    }


def test_every_task_finds_the_same_cluster_and_its_own_place(monkeypatch):
    found = []
    # SLURM counts n9 before n10.
    places = [("n9", 0), ("n9", 1), ("n10", 0), ("n10", 1), ("gpu1", 0)]
    for rank, (host, place) in enumerate(places):
        _set(monkeypatch, **_task(rank, host, place))
        config = slurm_tf_config()
        assert config["task"]["type"] == "worker"
        workers = config["cluster"]["worker"]
        assert workers[config["task"]["index"]] == f"{host}:{10056 + place}"
        found.append((tuple(workers), config["task"]["index"]))
    assert len({workers for workers, _ in found}) == 1
    assert sorted(index for _, index in found) == [0, 1, 2, 3, 4]


def test_two_jobs_on_a_machine_have_ports_of_their_own(monkeypatch):
    addresses = []
    for job in (7, 8):
        _set(monkeypatch, **_task(0, "n9", 0) | {"SLURM_JOB_ID": job})
        addresses += slurm_tf_config()["cluster"]["worker"]
    assert len(set(addresses)) == 10


@pytest.mark.parametrize("variables", [{}, {"SLURM_STEP_NUM_TASKS": 1}], ids=str)
def test_one_task_is_no_cluster(monkeypatch, variables):
    _set(monkeypatch, **variables)
    monkeypatch.delenv("TF_CONFIG", raising=False)
    assert slurm_tf_config() is None
    strategy = training_strategy(report=lambda line: None)
    assert isinstance(strategy, tf.distribute.MirroredStrategy)
    assert "TF_CONFIG" not in os.environ


def test_tf_config_has_priority_over_slurm(monkeypatch):
    _set(monkeypatch, **_task(0, "n9", 0))
    alone = json.dumps({"cluster": {"worker": ["localhost:1"]}})
    monkeypatch.setenv("TF_CONFIG", alone)
    training_strategy(report=lambda line: None)
    assert os.environ["TF_CONFIG"] == alone


@pytest.mark.parametrize(
    "change, message",
    [
        (
            {"SLURMD_NODENAME": "elsewhere"},
            "SLURMD_NODENAME=elsewhere and SLURM_LOCALID=0 are no task of SLURM_STEP_",
        ),
        ({"SLURM_STEP_NODELIST": "n[9"}, r"_NODELIST=n\[9, .*Invalid hostlist"),
        ({"SLURM_STEP_NUM_TASKS": 4}, "_NUM_TASKS=4, .*Requested 4 tasks but only 5"),
        ({"SLURM_STEP_NUM_TASKS": "x"}, "_NUM_TASKS must be a whole number, got 'x'"),
        ({"SLURM_JOB_ID": "-"}, "SLURM_JOB_ID must be a whole number, got '-'"),
    ],
    ids=str,
)
def test_refuses_variables_that_make_no_cluster(monkeypatch, change, message):
    _set(monkeypatch, **_task(0, "n9", 0) | change)
    with pytest.raises(ValueError, match=f"SLURM's environment variables: .*{message}"):
        slurm_tf_config()


def test_names_a_variable_that_is_missing(monkeypatch):
    variables = _task(0, "n9", 0)
    del variables["SLURM_LOCALID"]
    _set(monkeypatch, **variables)
    with pytest.raises(ValueError, match="'SLURM_LOCALID' is missing"):
        slurm_tf_config()
