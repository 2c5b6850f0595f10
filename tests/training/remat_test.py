"""Training that computes features again rather than keeping them."""

import os
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_diffseg.training.distribution.devices import mirrored_strategy
from tf_diffseg.training.flat_network import flat_network


def _train(remat, **kwargs):
    """Gradients of a batch of two, and the losses of two steps."""
    keras.utils.set_random_seed(0)
    with mirrored_strategy(["CPU:0"]).scope():
        model = flat_network(3, num_channels=(4, 8), num_heads=2, remat=remat, **kwargs)
        # What it has learnt is then the gradient, and no division made of rounding.
        model.compile(keras.optimizers.SGD(1.0))
    label = np.random.default_rng(0).integers(0, 3, (4, 8, 8, 8))
    dataset = tf.data.Dataset.from_tensor_slices(
        {"image": label[..., np.newaxis].astype(np.float32), "label": label}
    ).batch(2)
    before = [np.asarray(variable) for variable in model.trainable_variables]
    history = model.fit(dataset, shuffle=False, verbose=0).history
    after = [np.asarray(variable) for variable in model.trainable_variables]
    return [a - b for a, b in zip(before, after, strict=True)], history["loss"]


@pytest.mark.parametrize(
    "arguments",
    [
        {"dropout": 0.5},
        {"strategy": "supervised"},  # No time embedding.
        pytest.param({"dtype": "mixed_bfloat16"}, marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_gradients_are_those_of_features_that_are_kept(arguments):
    gradients, loss = _train(remat=False, **arguments)
    gradients_again, loss_again = _train(remat=True, **arguments)
    assert loss_again == pytest.approx(loss, rel=1e-5)
    assert max(np.abs(kept).max() for kept in gradients) > 1e-3
    for kept, again in zip(gradients, gradients_again, strict=True):
        np.testing.assert_allclose(again, kept, rtol=1e-4, atol=1e-6)


_PEAK = """
import sys
import tensorflow as tf
from experiments.benchmarks.peak_memory import peak_bytes
from tf_diffseg.training.segmentation_unet_3d import SegmentationUNet3D

model = SegmentationUNet3D(
    2, num_channels=(16,), num_blocks=(3,), num_heads=0,
    remat=sys.argv[1] == "remat",
)
model.compile("sgd")
batch = {"image": tf.zeros([1, 64, 64, 64, 1]), "label": tf.zeros([1, 64, 64, 64])}
before = peak_bytes()
tf.function(model.train_step)(batch)
print(peak_bytes() - before)
"""


def _peak_growth(mode):
    root = str(pathlib.Path(__file__).resolve().parents[2])
    process = subprocess.run(
        [sys.executable, "-c", _PEAK, mode],
        env=os.environ | {"PYTHONPATH": root, "TF_CPP_MIN_LOG_LEVEL": "2"},
        capture_output=True,
        encoding="utf-8",
    )
    assert process.returncode == 0, process.stderr
    return int(process.stdout.splitlines()[-1])


@pytest.mark.slow
def test_the_peak_memory_of_a_step_is_lower():
    if tf.config.list_physical_devices("GPU"):
        pytest.skip("the memory of a GPU is not the process's")
    assert _peak_growth("remat") < 0.75 * _peak_growth("keep")
