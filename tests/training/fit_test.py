import contextlib
import functools
import io
import json
import signal

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.training.toys import (
    assert_equal,
    batches_from,
    toy_model,
    validation_batches,
)
from tf_diffseg.training.callbacks.progress import Progress
from tf_diffseg.training.fit import fit
from tf_diffseg.training.saving import checkpoints
from tf_diffseg.training.saving.checkpointing import Checkpointing, restore
from tf_diffseg.training.saving.checkpoints import Place

STEPS_PER_EPOCH = 2
_make_dataset = functools.partial(batches_from, steps_per_epoch=STEPS_PER_EPOCH)


def _model(strategy="supervised", **average):
    optimizer = keras.optimizers.AdamW(1e-2, **average)
    return toy_model(optimizer, strategy=strategy)


def _fit(model, folder, epochs, **kwargs):
    return fit(model, _make_dataset, folder, epochs, STEPS_PER_EPOCH, 2, **kwargs)


def test_a_resumed_run_ends_with_the_weights_of_an_undisturbed_one(tmp_path):
    whole, resumed = _model("recycling"), _model("recycling")
    assert _fit(whole, tmp_path / "whole", 4) == 4
    assert _fit(_model("recycling"), tmp_path / "stopped", 2) == 2
    assert _fit(resumed, tmp_path / "stopped", 4) == 2
    assert_equal(resumed.weights, whole.weights)
    assert int(resumed.optimizer.iterations.numpy()) == 4 * STEPS_PER_EPOCH


def test_a_complete_run_is_left_alone_and_ends_with_its_averaged_weights(tmp_path):
    one, other = (_model(use_ema=True, ema_momentum=0.5) for _ in range(2))
    assert _fit(one, tmp_path, 2) == 2
    before = (tmp_path / "metrics.jsonl").read_text()
    assert _fit(other, tmp_path, 2) == 0
    assert (tmp_path / "metrics.jsonl").read_text() == before
    assert_equal(other.weights, one.weights)


def test_writes_metrics_and_logs(tmp_path):
    cases = validation_batches(1)
    _fit(_model(), tmp_path, 2, validation_dataset=cases, validation_frequency=2)
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").open()]
    assert [line["epoch"] for line in lines] == [1, 2]
    assert "val_dice" not in lines[0]
    assert 0.0 <= lines[1]["val_dice"] <= 1.0
    assert list((tmp_path / "logs").rglob("events.out.tfevents*"))


@pytest.mark.parametrize(
    "epochs, frequency, expected", [(5, 2, [2, 4, 5]), (3, 3, [3]), (2, 3, [])]
)
def test_the_last_epoch_is_validated_too(tmp_path, epochs, frequency, expected):
    cases = validation_batches(1)
    how = {"validation_dataset": cases, "validation_frequency": frequency}
    _fit(_model(), tmp_path, epochs, **how)
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").open()]
    assert [line["epoch"] for line in lines if "val_dice" in line] == expected
    assert (tmp_path / "checkpoints" / "best.keras").exists() == bool(expected)


def _epochs(folder):
    kept = checkpoints.list_checkpoints(folder)
    return [checkpoints.checkpoint_place(path).epoch for path in kept]


def test_keeps_the_newest_checkpoints(tmp_path):
    assert _epochs(tmp_path / "none") == []
    for epoch in (1, 2, 10):
        checkpoints.save_checkpoint(_model(), tmp_path, epoch, keep=2)
    assert _epochs(tmp_path) == [2, 10]


def test_a_half_written_checkpoint_is_not_one(tmp_path, monkeypatch):
    model = _model()
    checkpoints.save_checkpoint(model, tmp_path, 1)

    def write_half(path):
        path.write_bytes(b"PK")
        raise KeyboardInterrupt

    monkeypatch.setattr(model, "save", write_half)
    with pytest.raises(KeyboardInterrupt):
        checkpoints.save_checkpoint(model, tmp_path, 2)
    assert _epochs(tmp_path) == [1]


def _progress(stream):
    progress = Progress(batch_size=2, seconds_between_lines=0.0, stream=stream)
    progress.set_params({"epochs": 3, "steps": 4})
    progress.on_epoch_begin(1)
    for batch in range(3):
        progress.on_train_batch_begin(batch)
        progress.on_train_batch_end(batch, {"loss": 0.5})
    progress.on_epoch_end(1, {"loss": 0.25})
    return stream.getvalue()


def test_progress_shows_loss_rate_and_time_left():
    lines = _progress(io.StringIO()).splitlines()
    # The first step traces the graph: no rate yet.
    assert lines[0] == "epoch 2/3  step 1/4  loss 0.5000"
    assert lines[1].startswith("epoch 2/3  step 2/4  loss 0.5000")
    assert "examples/s" in lines[1] and lines[1].endswith(" left")
    assert lines[-1].startswith("epoch 2/3  step 4/4  loss 0.2500")


def test_progress_keeps_one_line_on_a_terminal():
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    text = _progress(Terminal())
    assert text.count("\n") == 1
    assert text.startswith("\r")


def test_a_loss_that_is_no_number_leaves_the_good_checkpoint(tmp_path):
    _fit(_model(), tmp_path, 1)
    model = _model()

    def with_nan(*place):
        nan = tf.constant(np.nan)
        return _make_dataset(*place).map(lambda b: b | {"image": b["image"] * nan})

    with pytest.raises(FloatingPointError) as caught:
        fit(
            model,
            with_nan,
            tmp_path,
            3,
            STEPS_PER_EPOCH,
            2,
            uids_of=lambda epoch, step: [f"case_{epoch}", f"case_{step}"],
        )
    good = tmp_path / "checkpoints" / "epoch-00001.keras"
    assert str(caught.value).startswith(
        "the loss is nan from step 1 of epoch 2 on, whose batch is of case_1, case_0. "
        f"The last good checkpoint is {good};"
    )
    assert _epochs(tmp_path / "checkpoints") == [1]


def test_sigterm_is_left_alone_after_an_interrupt(tmp_path):
    class Interrupt(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            raise KeyboardInterrupt

    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt):
        _fit(_model(), tmp_path, 1, callbacks=[Interrupt()])
    assert signal.getsignal(signal.SIGTERM) is before


class _Lower(keras.callbacks.Callback):
    """Lowers the learning rate; may then die in the next epoch."""

    def __init__(self, dies=False):
        super().__init__()
        self.dies = dies

    def on_epoch_end(self, epoch, logs=None):
        self.model.optimizer.learning_rate = 1e-3

    def on_train_batch_begin(self, batch, logs=None):
        if self.dies and float(self.model.optimizer.learning_rate) < 2e-3:
            raise KeyboardInterrupt


def _fit_by_hand(model, folder, lower, epochs=1):
    model.fit(
        _make_dataset(0, 0, None),
        steps_per_epoch=1,
        epochs=epochs,
        callbacks=[Checkpointing(folder), lower],
        verbose=0,
    )


@pytest.mark.parametrize("dies", [False, True])
def test_a_rate_that_is_lowered_last_is_not_lost(dies, tmp_path):
    with contextlib.suppress(KeyboardInterrupt):
        _fit_by_hand(_model(use_ema=dies), tmp_path, _Lower(dies), 2 if dies else 1)
    again = _model(use_ema=dies)
    assert restore(again, tmp_path) == Place(1, 0)
    assert float(again.optimizer.learning_rate) == pytest.approx(1e-3)


def test_a_rate_that_is_lowered_after_averages_are_taken_is_told(tmp_path):
    with pytest.warns(UserWarning, match="put that callback before Checkpointing"):
        _fit_by_hand(_model(use_ema=True), tmp_path, _Lower())


def test_several_steps_at_once_leave_no_place_to_resume_from(tmp_path):
    model = toy_model(compiled={"steps_per_execution": 2})
    with pytest.raises(ValueError, match="steps_per_execution must be 1 in a run that"):
        _fit(model, tmp_path, 1)
    assert not list(tmp_path.iterdir())
