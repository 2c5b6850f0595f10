"""What `restore` takes from a checkpoint, and what it leaves as `compile` set it."""

import re

import keras
import numpy as np
import pytest

from tests.training.toys import SMALL, assert_equal, toy_model
from tf_diffseg.training.optimizer import KernelDecayAdamW
from tf_diffseg.training.saving.checkpointing import restore
from tf_diffseg.training.saving.checkpoints import CheckpointError, save_checkpoint
from tf_diffseg.training.segmentation_unet_3d import SegmentationUNet3D

optimizers = keras.optimizers
SCHEDULE = optimizers.schedules.PolynomialDecay(1e-2, 10, 0.0)


def _model(optimizer):
    return toy_model(optimizer, strategy="supervised")


def _saved(optimizer, folder):
    """Saves a model with random optimizer state, as if after five steps."""
    model = _model(optimizer)
    model.optimizer.build(model.trainable_variables)
    rng = np.random.default_rng(0)
    for variable in model.optimizer.variables:
        if variable.name == "iteration":
            variable.assign(5)
        elif len(variable.shape):
            variable.assign(rng.normal(size=variable.shape))
    save_checkpoint(model, folder, 1)
    return model


def _restored(optimizer, folder, lines=None):
    model = _model(optimizer)
    assert restore(model, folder, (lines if lines is not None else []).append) == (1, 0)
    return model


def _rate(model):
    return float(np.asarray(model.optimizer.learning_rate))


def _assert_same_state(model, other):
    state, others = (
        [np.asarray(v) for v in each.optimizer.variables if v.name != "learning_rate"]
        for each in (model, other)
    )
    assert_equal(state, others)
    assert int(other.optimizer.iterations) == 5


def _scaled(rate):
    return optimizers.LossScaleOptimizer(KernelDecayAdamW(rate, use_ema=True))


@pytest.mark.parametrize("make", [optimizers.AdamW, optimizers.RMSprop, _scaled])
@pytest.mark.parametrize(
    "before, asked, expected, line",
    [
        (1e-2, 1e-4, 1e-4, ["the learning rate is 0.0001 from here on; it was 0.01"]),
        (1e-2, 1e-2, 1e-2, []),
        (SCHEDULE, 1e-4, 1e-4, ["the learning rate is 0.0001 .* it was a schedule"]),
        # The schedule goes on at the step that the run has come to.
        (1e-2, SCHEDULE, 0.5e-2, []),
        (SCHEDULE, SCHEDULE, 0.5e-2, []),
    ],
    ids=["rate", "same", "no schedule", "schedule", "same schedule"],
)
def test_compile_decides_the_rate_and_the_checkpoint_the_rest(
    make, before, asked, expected, line, tmp_path
):
    saved = _saved(make(before), tmp_path)
    lines = []
    model = _restored(make(asked), tmp_path, lines)
    assert _rate(model) == pytest.approx(expected, rel=1e-6)
    assert len(lines) == len(line)
    if line:
        assert pytest.approx(asked) == model.asked_rate
        assert re.fullmatch(line[0], lines[0])
    _assert_same_state(saved, model)


def test_a_rate_that_a_callback_lowered_goes_on_lowered(tmp_path):
    model = _saved(optimizers.Adam(1e-2), tmp_path)
    model.optimizer.learning_rate = 1e-3
    save_checkpoint(model, tmp_path, 2)
    again = _model(optimizers.Adam(1e-2))
    lines = []
    assert restore(again, tmp_path, lines.append) == (2, 0)
    assert _rate(again) == pytest.approx(1e-3)
    assert lines == []
    # A checkpoint of the resumed run does the same; another asked rate is taken.
    save_checkpoint(again, tmp_path, 3)
    for asked, expected in {1e-2: 1e-3, 2e-2: 2e-2}.items():
        third = _model(optimizers.Adam(asked))
        assert restore(third, tmp_path, lines.append) == (3, 0)
        assert _rate(third) == pytest.approx(expected)


def test_a_rate_set_after_compile_is_asked_for_too(tmp_path):
    _saved(optimizers.Adam(1e-2), tmp_path)
    model = _model(optimizers.Adam(1e-2))
    model.optimizer.learning_rate = 1e-5
    restore(model, tmp_path, lambda line: None)
    assert _rate(model) == pytest.approx(1e-5)


def test_other_options_are_those_of_compile(tmp_path):
    _saved(KernelDecayAdamW(1e-2, weight_decay=0.1, use_ema=True), tmp_path)
    asked = {"weight_decay": 0.3, "ema_momentum": 0.5, "beta_1": 0.7, "clipnorm": 2.0}
    model = _restored(KernelDecayAdamW(1e-2, use_ema=True, **asked), tmp_path)
    config = model.optimizer.get_config()
    assert {name: config[name] for name in asked} == asked


@pytest.mark.parametrize(
    "saved, asked, message",
    [
        (
            optimizers.Adam(),
            optimizers.SGD(),
            "with the optimizer Adam, and the model is compiled with SGD",
        ),
        # Both keep the same variables, but with another meaning.
        (optimizers.Adam(), optimizers.AdamW(), "the optimizer Adam, .*with AdamW"),
        (KernelDecayAdamW(), optimizers.AdamW(), "optimizer KernelDecayAdamW, and"),
        (
            _scaled(1e-2),
            KernelDecayAdamW(1e-2, use_ema=True),
            "LossScaleOptimizer of KernelDecayAdamW, .*with KernelDecayAdamW",
        ),
        (
            optimizers.Adam(use_ema=True),
            optimizers.Adam(),
            "keeps average, momentum, velocity of each .*model momentum, velocity",
        ),
        # Both keep as many variables, of the same shapes.
        (
            optimizers.Adam(use_ema=True),
            optimizers.Adam(amsgrad=True),
            "average, momentum, velocity of .* model momentum, velocity, velocity_hat",
        ),
        (
            optimizers.SGD(),
            optimizers.SGD(momentum=0.9),
            "keeps nothing of each weight, that of the model momentum",
        ),
    ],
)
def test_an_optimizer_that_does_not_fit_is_an_error(saved, asked, message, tmp_path):
    saved = saved.from_config(saved.get_config())
    asked = asked.from_config(asked.get_config())
    _saved(saved, tmp_path)
    with pytest.raises(CheckpointError, match=message):
        restore(_model(asked), tmp_path)


def test_a_checkpoint_without_an_optimizer_is_an_error(tmp_path):
    model = SegmentationUNet3D(2, **SMALL)
    save_checkpoint(model, tmp_path, 1)
    with pytest.raises(CheckpointError, match="holds no optimizer"):
        restore(_model("adam"), tmp_path)


def test_a_checkpoint_of_a_model_before_its_first_step_is_restored(tmp_path):
    save_checkpoint(_model(optimizers.Adam(1e-2)), tmp_path, 1)
    model = _model(optimizers.Adam(1e-3))
    assert restore(model, tmp_path, lambda line: None) == (1, 0)
    assert int(model.optimizer.iterations) == 0
    assert _rate(model) == pytest.approx(1e-3)
