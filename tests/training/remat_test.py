"""Training that computes features again rather than keeping them."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.commands import run_module
from tests.training.toys import arrays, assert_close, toy_model, toy_volumes


def _train(**arguments):
    """Gradients of two examples, and the loss."""
    # SGD with a rate of 1: a step is the gradient, not divided by rounding errors.
    model = toy_model(keras.optimizers.SGD(1.0), 3, **arguments)
    before = arrays(model.trainable_variables)
    history = model.fit(*toy_volumes(), verbose=0).history
    after = arrays(model.trainable_variables)
    return [a - b for a, b in zip(before, after, strict=True)], history["loss"]


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param({"dropout": 0.5, "num_heads": 2}, marks=pytest.mark.slow),
        {"strategy": "supervised"},  # No time embedding.
        pytest.param(
            {"dtype": "mixed_bfloat16", "num_channels": (4, 8), "num_blocks": (1, 1)},
            marks=pytest.mark.slow,
        ),
    ],
    ids=str,
)
def test_gradients_are_those_of_features_that_are_kept(arguments):
    gradients, loss = _train(remat=False, **arguments)
    gradients_again, loss_again = _train(remat=True, **arguments)
    assert loss_again == pytest.approx(loss, rel=1e-5)
    assert max(np.abs(kept).max() for kept in gradients) > 1e-3
    assert_close(gradients_again, gradients)


def _peak_growth(*arguments):
    process = run_module("tests.training.step_peak", *arguments)
    assert process.returncode == 0, process.stderr
    return int(process.stdout.splitlines()[-1])


@pytest.mark.slow
def test_the_peak_memory_of_a_step_is_lower():
    if tf.config.list_physical_devices("GPU"):
        pytest.skip("the memory of a GPU is not the process's")
    assert _peak_growth("remat") < 0.75 * _peak_growth()


@pytest.mark.slow
def test_a_batch_in_parts_takes_little_more_memory_than_one_of_them():
    if tf.config.list_physical_devices("GPU"):
        pytest.skip("the memory of a GPU is not the process's")
    one, whole = _peak_growth(), _peak_growth("4")
    assert whole > 2.5 * one
    assert _peak_growth("4", "parts") < 1.4 * one
