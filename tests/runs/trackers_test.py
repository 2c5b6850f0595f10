"""Trackers write the scores of each epoch, read back from their offline files."""

import json

import keras
import pytest
import tensorflow as tf

from tf_diffseg.errors import InputError
from tf_diffseg.runs.trackers import check_tracker, tracking
from tf_diffseg.runs.train_config import TrainConfig
from tf_diffseg.training.diffusion_unet_3d import DiffusionUNet3D


def _fit(folder, tracker, first_epoch, epochs):
    def batch(step):
        label = tf.random.stateless_uniform([2, 4, 4, 4], [step, 0], 0, 3, tf.int32)
        return {"image": tf.cast(label, tf.float32)[..., tf.newaxis], "label": label}

    keras.utils.set_random_seed(1)
    model = DiffusionUNet3D(3, num_channels=(4,), num_heads=0)
    model.compile(keras.optimizers.AdamW(1e-2))
    with tracking(tracker, folder, TrainConfig(epochs=epochs)) as callbacks:
        history = model.fit(
            tf.data.Dataset.range(3).map(batch),
            validation_data=tf.data.Dataset.range(1).map(batch),
            initial_epoch=first_epoch,
            epochs=epochs,
            callbacks=callbacks,
            verbose=0,
        )
    return history.history


def _records(path):
    """The records of an offline run: a LevelDB log behind seven bytes of its own."""
    log, block_size, header = path.read_bytes(), 32768, 7
    place, data = header, b""
    while place + header <= len(log):
        left = block_size - place % block_size
        if left < header:
            place += left
            continue
        size, kind = (
            int.from_bytes(log[place + 4 : place + 6], "little"),
            log[place + 6],
        )
        data += log[place + header : place + header + size]
        place += header + size
        if kind in (1, 4):  # A whole record, or the last part of one.
            yield data
            data = b""


def test_wandb_gets_the_scores_of_each_epoch(tmp_path, monkeypatch):
    pytest.importorskip("wandb")
    from wandb.proto import wandb_internal_pb2

    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    history = _fit(tmp_path, "wandb", 0, 2)
    run_id = json.loads((tmp_path / "tracker.json").read_text())["wandb"]
    (path,) = tmp_path.glob(f"wandb/offline-run-*-{run_id}/*.wandb")
    scores = []
    for data in _records(path):
        record = wandb_internal_pb2.Record()
        record.ParseFromString(data)
        if record.HasField("history"):
            items = record.history.item
            scores.append(
                {i.key or "/".join(i.nested_key): i.value_json for i in items}
            )
    for name in ("loss", "val_dice", "val_dice_step_1"):
        written = [float(line[f"epoch/{name}"]) for line in scores]
        assert written == pytest.approx(history[name])
    assert [float(line["epoch/learning_rate"]) for line in scores] == (
        pytest.approx([1e-2, 1e-2])
    )


def test_mlflow_gets_the_scores_of_each_epoch_and_goes_on(tmp_path, monkeypatch):
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "run"
    folder.mkdir()
    history = _fit(folder, "mlflow", 0, 1)
    more = _fit(folder, "mlflow", 1, 2)
    client = mlflow.MlflowClient()
    (experiment,) = (e for e in client.search_experiments() if e.name == "tf_diffseg")
    (run,) = client.search_runs([experiment.experiment_id])
    assert (
        run.info.run_id == json.loads((folder / "tracker.json").read_text())["mlflow"]
    )
    assert run.info.status == "FINISHED"
    assert run.data.params["learning_rate"] == str(TrainConfig().learning_rate)
    for name in ("loss", "val_dice", "val_dice_step_1"):
        written = client.get_metric_history(run.info.run_id, name)
        assert [metric.step for metric in written] == [0, 1]
        expected = history[name] + more[name]
        assert [metric.value for metric in written] == pytest.approx(expected)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_without_a_tracker_there_is_no_callback(tmp_path):
    check_tracker(None)
    with tracking(None, tmp_path, TrainConfig()) as callbacks:
        assert callbacks == []
    assert not list(tmp_path.iterdir())


def test_a_package_that_is_missing_is_named(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"^tracker=wandb needs the package wandb"):
        check_tracker("wandb")


def test_an_unknown_tracker_is_named():
    with pytest.raises(InputError, match="^tracker must be one of wandb, mlflow, got"):
        check_tracker("json")
