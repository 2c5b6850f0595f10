import pytest
import tensorflow as tf

from tf_diffseg.training.distribution.devices import training_strategy


@pytest.fixture(autouse=True)
def no_gpu():
    if tf.config.list_physical_devices("GPU"):
        pytest.skip("there is a GPU")


def test_without_a_gpu_one_cpu_trains_and_a_line_says_so():
    lines = []
    strategy = training_strategy(report=lines.append)
    assert strategy.num_replicas_in_sync == 1
    assert isinstance(strategy, tf.distribute.MirroredStrategy)
    assert lines == ["no GPU was found; training on the CPU, as one device"]
    assert training_strategy(1, lines.append).num_replicas_in_sync == 1


@pytest.mark.parametrize("num_devices", [0, 2])
def test_more_devices_than_there_are_is_refused(num_devices):
    with pytest.raises(ValueError, match=f"got {num_devices}: this machine has no GPU"):
        training_strategy(num_devices, lambda line: None)


def test_a_cluster_of_one_worker_is_this_machine(monkeypatch):
    monkeypatch.setenv("TF_CONFIG", '{"cluster": {"worker": ["localhost:1"]}}')
    strategy = training_strategy(report=lambda line: None)
    assert isinstance(strategy, tf.distribute.MirroredStrategy)


_TWO = '{"cluster": {"worker": ["localhost:1", "localhost:2"]}, "task": '


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        '{"cluster": 3}',
        '{"cluster": {"worker": "localhost:1"}}',
        _TWO + "{}}",
        _TWO + '{"type": "worker"}}',
        _TWO + '{"type": "worker", "index": 2}}',
        _TWO + '{"type": "worker", "index": "a"}}',
        _TWO + '{"type": "chief", "index": 0}}',
    ],
)
def test_a_broken_tf_config_is_named(monkeypatch, text):
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(ValueError, match="TF_CONFIG must be JSON"):
        training_strategy(report=lambda line: None)


def test_the_number_of_devices_does_not_go_with_workers(monkeypatch):
    monkeypatch.setenv("TF_CONFIG", _TWO + '{"type": "worker", "index": 0}}')
    with pytest.raises(ValueError, match="num_devices=2 does not go with several"):
        training_strategy(2)
