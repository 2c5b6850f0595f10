"""Saved networks, and programs that load them in another process."""

import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from tests.models import toy_network

_ROOT = pathlib.Path(__file__).absolute().parents[2]

# The lazy package registers its classes when one of its names is used.
_LOAD_AND_RUN = """
import sys
import keras
import numpy as np
from tf_diffseg.models import UNet3D
folder = sys.argv[1]
network = keras.saving.load_model(f"{folder}/network.keras")
assert type(network) is UNet3D
inputs = dict(np.load(f"{folder}/inputs.npz"))
if keras.backend.backend() == "jax":
    # One compilation, in place of one for each operation.
    logits = network.predict_on_batch(inputs)
else:
    logits = network(inputs)
np.save(f"{folder}/logits.npy", keras.ops.convert_to_numpy(logits))
print(keras.backend.backend(), *(name for name in sys.modules if "." not in name))
"""


@pytest.fixture(
    scope="module",
    params=[
        {},
        {
            "kernel_size": (3, 3, 1),
            "scale_factor": (2, 2, 1),
            "patch_size": (2, 1, 1),
            "skip": "concat",
        },
    ],
    ids=["3d", "slice_wise"],
)
def saved(request, tmp_path_factory):
    """A network saved in a folder, as (folder, inputs, logits)."""
    folder = tmp_path_factory.mktemp("saved")
    network = toy_network.toy_unet(**request.param)
    toy_network.randomize_weights(network)
    network.save(folder / "network.keras")
    inputs = toy_network.toy_inputs((9, 6, 5), batch_size=2)
    np.savez(folder / "inputs.npz", **inputs)
    return folder, inputs, toy_network.outputs_of(network, inputs)


@pytest.fixture(scope="session")
def run_saved():
    """Function (folder, backend) -> (logits, backend, modules) of a new process."""

    def run(folder, backend):
        environment = {**os.environ, "KERAS_BACKEND": backend, "JAX_PLATFORMS": "cpu"}
        result = subprocess.run(
            [sys.executable, "-c", _LOAD_AND_RUN, str(folder)],
            cwd=_ROOT,
            env=environment,
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        assert result.returncode == 0, result.stderr
        used, *modules = result.stdout.split()
        return np.load(folder / "logits.npy"), used, modules

    return run
