"""The package stands on TensorFlow and numpy alone, and loads them late."""

import pathlib
import subprocess
import sys

import tf_diffseg.diffusion

_ROOT = pathlib.Path(__file__).resolve().parents[2]

_LIST_HEAVY_MODULES = """
import sys
import tf_diffseg.diffusion
print([name for name in ("keras", "numpy", "tensorflow") if name in sys.modules])
"""

# TensorFlow itself imports Keras where it is installed, and does without elsewhere.
_SAMPLE_WITHOUT_KERAS = """
import sys
sys.modules["keras"] = None  # From here on "import keras" fails.
import tensorflow as tf
from tf_diffseg.diffusion import DDPMSampler, GaussianDiffusion, initial_noise
x_T = initial_noise(1, [1, 2, 2, 2, 3])
x_0 = DDPMSampler(GaussianDiffusion()).sample(lambda x_t, t: tf.tanh(x_t), x_T, 1)
assert x_0.shape == x_T.shape
print([name for name in sys.modules if name.startswith("keras.")])
"""


def output_of(program):
    """Runs a program in a fresh interpreter and returns what it prints."""
    result = subprocess.run(
        [sys.executable, "-c", program],
        cwd=_ROOT,
        capture_output=True,
        encoding="utf-8",
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


def test_importing_the_package_loads_neither_keras_nor_tensorflow():
    assert output_of(_LIST_HEAVY_MODULES) == "[]"


def test_sampling_needs_no_keras():
    assert output_of(_SAMPLE_WITHOUT_KERAS) == "[]"


def test_every_public_name_loads():
    assert "GaussianDiffusion" in tf_diffseg.diffusion.__all__
    for name in tf_diffseg.diffusion.__all__:
        exported = getattr(tf_diffseg.diffusion, name)
        assert getattr(exported, "__name__", name) == name
