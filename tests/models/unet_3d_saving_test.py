"""The U-Net is saved and loaded, also by another backend in another process."""

import importlib.util
import os
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest

from tests.models.toy_network import outputs_of, random_unet, toy_inputs

_ROOT = pathlib.Path(__file__).absolute().parents[2]
_SLICE_WISE = {
    "kernel_size": (3, 3, 1),
    "scale_factor": (2, 2, 1),
    "patch_size": (2, 1, 1),
    "skip": "concat",
}

# The lazy package registers its classes on the first use of one of its names.
_LOAD_AND_RUN = """
import sys
import keras
import numpy as np
from tf_diffseg.models import UNet3D
folder = sys.argv[1]
network = keras.saving.load_model(f"{folder}/network.keras")
assert type(network) is UNet3D
# One compilation; a plain call would compile each operation by itself.
logits = network.predict_on_batch(dict(np.load(f"{folder}/inputs.npz")))
np.save(f"{folder}/logits.npy", logits)
assert keras.backend.backend() == "jax" and "jax" in sys.modules
assert "tensorflow" not in sys.modules
"""


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"dtype": "mixed_float16"},
        {"dtype": "mixed_bfloat16", **_SLICE_WISE},
        {"mask_branch": (4,), "deep_supervision": 1},
    ],
    ids=["float32", "mixed_float16", "mixed_bfloat16_slice_wise", "deep"],
)
def test_a_loaded_network_gives_the_same_bits(changes, tmp_path):
    network, inputs = random_unet(**changes), toy_inputs((4, 5, 6))
    network.save(tmp_path / "network.keras")
    loaded = keras.saving.load_model(tmp_path / "network.keras")
    assert loaded.dtype_policy.name == changes.get("dtype", "float32")
    np.testing.assert_array_equal(
        outputs_of(loaded, inputs), outputs_of(network, inputs)
    )
    for one, other in zip(loaded.weights, network.weights, strict=True):
        np.testing.assert_array_equal(one, other, err_msg=one.path)


@pytest.mark.parametrize(
    "changes",
    [_SLICE_WISE, pytest.param({}, marks=pytest.mark.slow)],
    ids=["slice_wise", "3d"],
)
def test_jax_gives_the_logits_of_tensorflow_without_it(changes, tmp_path):
    if importlib.util.find_spec("jax") is None:
        pytest.skip("jax is not installed; it is in the extra [test]")
    network, inputs = random_unet(**changes), toy_inputs((9, 6, 5), batch_size=2)
    network.save(tmp_path / "network.keras")
    np.savez(tmp_path / "inputs.npz", **inputs)
    environment = os.environ | {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
    result = subprocess.run(
        [sys.executable, "-c", _LOAD_AND_RUN, str(tmp_path)],
        cwd=_ROOT,
        # Optimizing takes several times longer than running this small network.
        env=environment | {"JAX_DISABLE_MOST_OPTIMIZATIONS": "1"},
        capture_output=True,
        encoding="utf-8",
    )
    assert result.returncode == 0, result.stderr
    logits = np.load(tmp_path / "logits.npy")
    assert logits.dtype == np.float32
    expected = outputs_of(network, inputs)
    np.testing.assert_allclose(logits, expected, atol=1e-4, rtol=1e-4)
