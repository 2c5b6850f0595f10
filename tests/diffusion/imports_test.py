"""The package needs TensorFlow and numpy, but not Keras."""

import pathlib
import subprocess
import sys

_ROOT = pathlib.Path(__file__).resolve().parents[2]

# TensorFlow imports Keras if it is installed, and works without it.
_SAMPLE_WITHOUT_KERAS = """
import sys
sys.modules["keras"] = None  # From here on "import keras" fails.
import tensorflow as tf
from tf_diffseg.diffusion import DDPMSampler, GaussianDiffusion, initial_noise
x_T = initial_noise(1, [1, 2, 2, 2, 3])
x_0 = DDPMSampler(GaussianDiffusion()).sample(lambda x_t, t: tf.tanh(x_t), x_T, 1)
assert x_0.shape == x_T.shape
assert not [name for name in sys.modules if name.startswith("keras.")]
"""


def test_sampling_needs_no_keras():
    result = subprocess.run(
        [sys.executable, "-c", _SAMPLE_WITHOUT_KERAS],
        cwd=_ROOT,
        capture_output=True,
        encoding="utf-8",
    )
    assert result.returncode == 0, result.stderr
