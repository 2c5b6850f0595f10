"""Runs that are stopped within an epoch or a validation."""

import functools
import json
import os
import shutil
import signal

import keras
import numpy as np
import pytest

from tests.training.toys import (
    assert_equal,
    batches_from,
    toy_model,
    validation_batches,
)
from tf_diffseg.training.fit import fit
from tf_diffseg.training.interruptions import TrainingStopped
from tf_diffseg.training.optimizer import KernelDecayAdamW
from tf_diffseg.training.saving import checkpoints
from tf_diffseg.training.saving.trained_model import load_trained_model

STEPS = 3


def _fit(folder, *callbacks, **kwargs):
    """Trains for two epochs, with everything that a step can depend on."""
    model = toy_model(
        KernelDecayAdamW(1e-2, use_ema=True, ema_momentum=0.9),
        dropout=0.1,
        timestep_sampling="loss",
    )
    fit(
        model,
        functools.partial(batches_from, steps_per_epoch=STEPS),
        folder,
        2,
        STEPS,
        2,
        validation_dataset=validation_batches(2),
        callbacks=callbacks,
        **kwargs,
    )
    return model


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
    assert_equal(_state(resumed), _state(whole))
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
    assert_equal(_state(model), _state(undisturbed[0]))
    dice = [line["val_dice"] for line in _lines(tmp_path)]
    best = tmp_path / "checkpoints" / checkpoints.BEST
    state = checkpoints.read_training_state(best)
    assert state["epoch"] == 1 + int(np.argmax(dice))
    assert state["score"] == max(dice)


def test_a_loaded_model_has_the_averaged_weights(undisturbed):
    whole, folder = undisturbed
    path = folder / "checkpoints" / "epoch-00002.keras"
    loaded = load_trained_model(path)
    raw = keras.saving.load_model(path)
    averages = [v for v in raw.optimizer.variables if v.name.endswith("_average")]
    assert_equal(loaded.trainable_variables, averages)
    # Like Keras, `fit` ends with the averages in place of the weights.
    assert_equal(whole.trainable_variables, averages)
    head, averaged_head = (each.get_layer("head").kernel for each in (raw, loaded))
    assert np.any(np.asarray(head) != np.asarray(averaged_head))
    # The validation was of the averages.
    scores = loaded.evaluate(validation_batches(2), verbose=0, return_dict=True)
    # Older versions of Keras give tensors.
    assert float(scores["dice"]) == pytest.approx(
        _lines(folder)[-1]["val_dice"], abs=1e-6
    )


def test_a_damaged_checkpoint_gives_way_to_the_one_before(
    undisturbed, tmp_path, capsys
):
    shutil.copytree(undisturbed[1], tmp_path, dirs_exist_ok=True)
    newest = tmp_path / "checkpoints" / "epoch-00002.keras"
    data = bytearray(newest.read_bytes())
    data[len(data) // 2] ^= 1
    newest.write_bytes(data)
    resumed = _fit(tmp_path)
    output = capsys.readouterr().out
    assert "epoch-00002.keras is damaged; going on from epoch-00001.keras" in output
    assert_equal(_state(resumed), _state(undisturbed[0]))
    assert [line["epoch"] for line in _lines(tmp_path)] == [1, 2]
