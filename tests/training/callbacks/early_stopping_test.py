import functools
import json

import keras
import numpy as np
import pytest

from tests.training.toys import batches_from, toy_model, validation_batches
from tf_diffseg.training.callbacks.early_stopping import (
    EarlyStopping,
    Gain,
    gain_so_far,
)
from tf_diffseg.training.fit import fit, has_stopped_early
from tf_diffseg.training.saving import checkpoints
from tf_diffseg.training.saving.checkpoints import Place


def _fit(folder, epochs, early_stopping, validation_frequency=1):
    """A run that never gets better: its learning rate is 0."""
    compiled = {"run_eagerly": True}
    return fit(
        toy_model(keras.optimizers.SGD(0.0), compiled=compiled, strategy="supervised"),
        functools.partial(batches_from, steps_per_epoch=1),
        folder,
        epochs,
        1,
        2,
        validation_dataset=validation_batches(1),
        validation_frequency=validation_frequency,
        early_stopping=early_stopping,
    )


def test_the_count_goes_on_when_a_run_goes_on(tmp_path, capsys):
    assert _fit(tmp_path / "whole", 9, early_stopping=2) == 3
    printed = capsys.readouterr().out
    assert "stopped early, 2 validation(s) without a gain after epoch 3" in printed
    assert "of epoch 1" in printed
    best = tmp_path / "whole" / "checkpoints" / checkpoints.BEST
    assert checkpoints.read_training_state(best)["epoch"] == 1
    # This run begins with two epochs and then goes on.
    assert _fit(tmp_path / "resumed", 2, early_stopping=2) == 2
    assert _fit(tmp_path / "resumed", 9, early_stopping=2) == 1
    logs = [(tmp_path / run / "metrics.jsonl").open() for run in ("whole", "resumed")]
    assert logs[0].read() == logs[1].read()


def test_a_run_that_was_stopped_early_stays_so_until_asked_for_more(tmp_path):
    assert _fit(tmp_path, 9, early_stopping=1) == 2
    assert _fit(tmp_path, 9, early_stopping=1) == 0
    assert has_stopped_early(tmp_path, 1, Place(2))
    assert not has_stopped_early(tmp_path, 0, Place(2))
    assert _fit(tmp_path, 9, early_stopping=3) == 2
    assert _fit(tmp_path, 6, early_stopping=0) == 2


def test_epochs_without_a_validation_do_not_count(tmp_path):
    assert _fit(tmp_path, 9, early_stopping=1, validation_frequency=2) == 4


@pytest.mark.parametrize(
    "scores, expected",
    [
        ([], Gain()),
        ([0.5], Gain(0.5, 1, 1, 0)),
        ([0.5, 0.4, 0.5], Gain(0.5, 1, 3, 2)),  # As good is not better.
        ([0.5, 0.4, 0.6, None], Gain(0.6, 3, 3, 0)),
        ([0.5, None, 0.4], Gain(0.5, 1, 3, 1)),
    ],
)
def test_gain_by_the_metrics_log(tmp_path, scores, expected):
    path = tmp_path / "metrics.jsonl"
    lines = [
        {"epoch": epoch} | ({} if score is None else {"val_dice": score})
        for epoch, score in enumerate(scores, 1)
    ]
    lines.append({"epoch": 9, "val_dice": 1.0})  # Of an epoch that is done again.
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert gain_so_far(path, num_epochs=8) == expected


def test_without_a_log_nothing_was_gained(tmp_path):
    assert gain_so_far(tmp_path / "none") == Gain(-np.inf, 0, 0, 0)


def test_refuses_a_patience_of_none(tmp_path):
    with pytest.raises(ValueError, match="patience must be at least 1, got 0"):
        EarlyStopping(0, tmp_path / "metrics.jsonl")


def test_lines_that_are_no_epochs_are_passed_over(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text('3\n[]\n{"val_dice": 0.9}\n{"epoch": 1, "val_dice": 0.5}\n{"ep')
    assert gain_so_far(path) == Gain(0.5, 1, 1, 0)


def test_a_validation_that_gives_no_score_does_not_count(tmp_path):
    callback = EarlyStopping(1, tmp_path / "metrics.jsonl", report=pytest.fail)
    callback.on_train_begin()
    for epoch, score in enumerate([0.5, np.nan, np.float32(np.nan), 0.6]):
        callback.on_epoch_end(epoch, {"val_dice": score})
