"""Runs that are stopped in the middle of an epoch, or of a validation."""

import json
import os
import signal

import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_diffseg.training.diffusion_unet_3d import DiffusionUNet3D
from tf_diffseg.training.fit import fit
from tf_diffseg.training.interruptions import TrainingStopped
from tf_diffseg.training.optimizer import KernelDecayAdamW
from tf_diffseg.training.saving import checkpoints

STEPS = 3


def _fit(folder, *callbacks, **kwargs):
    """Trains for two epochs, with everything that a step can depend on."""
    keras.utils.set_random_seed(1)
    model = DiffusionUNet3D(
        2, num_channels=(4,), num_heads=0, dropout=0.1, timestep_sampling="loss"
    )
    model.compile(KernelDecayAdamW(1e-2, use_ema=True, ema_momentum=0.9))

    def make_dataset(epoch, step, context):
        first = epoch * STEPS + step
        return tf.data.Dataset.range(first, tf.int64.max).map(_batch)

    fit(
        model,
        make_dataset,
        folder,
        2,
        STEPS,
        2,
        validation_dataset=tf.data.Dataset.range(2).map(_batch),
        callbacks=callbacks,
        **kwargs,
    )
    return model


def _batch(step):
    seed = tf.stack([step, 0])
    label = tf.random.stateless_uniform([2, 4, 4, 4], seed, 0, 2, tf.int32)
    return {"image": tf.cast(label, tf.float32)[..., tf.newaxis], "label": label}


class _Terminate(keras.callbacks.Callback):
    """Sends SIGTERM to this process at one moment."""

    def __init__(self, hook, epoch, batch):
        super().__init__()
        self.when = (hook, epoch, batch)
        self.epoch = 0

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_begin(self, batch, logs=None):
        self._maybe("train", batch)

    def on_test_batch_begin(self, batch, logs=None):
        self._maybe("test", batch)

    def _maybe(self, hook, batch):
        if (hook, self.epoch, batch) == self.when:
            os.kill(os.getpid(), signal.SIGTERM)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    return _fit(folder), folder


def _state(model):
    return [*model.weights, *model.optimizer.variables]


def _lines(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").open()]


@pytest.mark.parametrize(
    "when, expected, expected_files",
    [
        (("train", 0, 1), (0, 2), ["epoch-00000-step-0000002.keras"]),
        pytest.param(
            ("train", 1, 0),
            (1, 1),
            ["epoch-00001.keras", "epoch-00001-step-0000001.keras"],
            marks=pytest.mark.slow,
        ),
        pytest.param(
            ("test", 0, 0),
            (0, STEPS),
            ["epoch-00000-step-0000003.keras"],
            marks=pytest.mark.slow,
        ),
    ],
)
def test_sigterm_saves_and_the_run_goes_on_bit_for_bit(
    undisturbed, tmp_path, when, expected, expected_files
):
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(TrainingStopped) as stopped:
        _fit(tmp_path, _Terminate(*when))
    assert stopped.value.place == expected
    assert signal.getsignal(signal.SIGTERM) is before
    files = checkpoints.list_checkpoints(tmp_path / "checkpoints")
    assert [path.name for path in files] == expected_files

    resumed = _fit(tmp_path)
    whole, whole_folder = undisturbed
    for ours, theirs in zip(_state(whole), _state(resumed), strict=True):
        np.testing.assert_array_equal(ours, theirs, ours.path)
    assert _lines(tmp_path) == _lines(whole_folder)


def test_checkpoints_within_an_epoch_and_of_the_best(undisturbed, tmp_path):
    model = _fit(tmp_path, checkpoint_steps=2, keep_checkpoints=9)
    names = [p.name for p in checkpoints.list_checkpoints(tmp_path / "checkpoints")]
    assert names == [
        "epoch-00000-step-0000002.keras",
        "epoch-00001.keras",
        "epoch-00001-step-0000002.keras",
        "epoch-00002.keras",
    ]
    for ours, theirs in zip(_state(undisturbed[0]), _state(model), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    dice = [line["val_dice"] for line in _lines(tmp_path)]
    best = tmp_path / "checkpoints" / checkpoints.BEST
    state = checkpoints.read_training_state(best)
    assert state["epoch"] == 1 + int(np.argmax(dice))
    assert state["score"] == max(dice)


def test_a_loaded_model_has_the_averaged_weights(undisturbed):
    whole, folder = undisturbed
    path = folder / "checkpoints" / "epoch-00002.keras"
    loaded = checkpoints.load_trained_model(path)
    raw = keras.saving.load_model(path)
    averages = [v for v in raw.optimizer.variables if v.name.endswith("_average")]
    pairs = zip(loaded.trainable_variables, averages, strict=True)
    for variable, average in pairs:
        np.testing.assert_array_equal(variable, average)
    # `fit` ends with the averages in place, as Keras has it.
    for ours, theirs in zip(
        whole.trainable_variables, loaded.trainable_variables, strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)
    different = [
        np.any(np.asarray(ours) != np.asarray(theirs))
        for ours, theirs in zip(
            raw.trainable_variables, loaded.trainable_variables, strict=True
        )
    ]
    assert any(different)
    # The validation was of the averages.
    scores = loaded.evaluate(
        tf.data.Dataset.range(2).map(_batch), verbose=0, return_dict=True
    )
    assert scores["dice"] == pytest.approx(_lines(folder)[-1]["val_dice"], abs=1e-6)


def test_a_damaged_checkpoint_gives_way_to_the_one_before(
    undisturbed, tmp_path, capsys
):
    _fit(tmp_path)
    for path in (tmp_path / "checkpoints").glob("epoch-00002*"):
        data = path.read_bytes()
        middle = len(data) // 2
        path.write_bytes(data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :])
    resumed = _fit(tmp_path)
    output = capsys.readouterr().out
    assert "epoch-00002.keras is damaged; going on from epoch-00001.keras" in output
    for ours, theirs in zip(_state(undisturbed[0]), _state(resumed), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert [line["epoch"] for line in _lines(tmp_path)] == [1, 2]
