"""The lines of "Fine-tuning" in docs/training.md run as they are written there."""

import os
import pathlib
import re
import shlex
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from tests.data_tools.cube_shards import cube_shards
from tf_diffseg.runs.run_folder import RunFolder
from tf_diffseg.shipped_models import model_names
from tf_diffseg.training import load_trained_model

ROOT = pathlib.Path(__file__).parents[2]
# Few voxels and steps; everything else is as the lines have it.
_SMALL = ["--patch_shape=8,8,8", "--epochs=1", "--validation_pictures=0"]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        "hippocampus" not in model_names(),
        reason="no model in experiments/hub/hippocampus",
    ),
]


def _blocks(kind):
    """The blocks of code of a kind in the section."""
    text = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
    (section,) = re.findall(r"^## Fine-tuning\n(.*?)^## ", text, re.M | re.S)
    fence = "`" * 3
    return re.findall(rf"^{fence}{kind}\n(.*?)^{fence}$", section, re.M | re.S)


def _commands():
    lines = "".join(_blocks("bash")).replace("\\\n", " ").splitlines()
    return [shlex.split(line)[1:] for line in lines if line.startswith("python ")]


@pytest.fixture
def shards(tmp_path):
    """Three small cubes, converted into the folder that the lines name."""
    cube_shards(tmp_path, tmp_path / "SHARDS", {"train": 1.0}, num_cases=3)


def _run(command, folder):
    paths = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    process = subprocess.run(
        [sys.executable, *command, *_SMALL],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": paths},
        capture_output=True,
        encoding="utf-8",
    )
    assert process.returncode == 0, process.stderr
    return process.stdout


def test_the_commands_train(shards, tmp_path):
    plain, frozen, thawed = _commands()
    shipped = _weights("hippocampus")
    printed = _run(frozen, tmp_path)
    assert "hippocampus/1 (as exported)" in printed
    decoder = _weights(tmp_path / "DECODER")
    for name in ("down_0", "encoder_1_0", "bottom_1"):
        np.testing.assert_array_equal(decoder[name], shipped[name])
    assert (decoder["decoder_0_0"] != shipped["decoder_0_0"]).any()
    # It begins where the first stage came to.
    printed = _run([*thawed, "--learning_rate=0", "--weight_decay=0"], tmp_path)
    assert "DECODER/checkpoints/epoch-00001.keras" in printed
    assert "frozen" not in printed and "shape there" not in printed
    after = _weights(tmp_path / "WHOLE")
    for name, value in decoder.items():
        np.testing.assert_array_equal(after[name], value, err_msg=name)
    assert "hippocampus/1 (as exported)" in _run(plain, tmp_path)
    assert RunFolder(tmp_path / "RUN").config().init_from == "hippocampus"


def _weights(source):
    """The first weight of each layer of a model."""
    import tf_diffseg

    if source == "hippocampus":
        model = tf_diffseg.load_pretrained(source)
    else:
        model = load_trained_model(RunFolder(source).existing_checkpoint())
    return {
        layer.name: layer.get_weights()[0] for layer in model.layers if layer.weights
    }


def test_the_python_lines_train():
    rng = np.random.default_rng(0)
    image = rng.normal(size=(2, 8, 8, 8, 2)).astype(np.float32)
    label = rng.integers(0, 4, (2, 8, 8, 8)).astype(np.int32)
    batches = tf.data.Dataset.from_tensor_slices((image, label)).batch(2)
    (lines,) = _blocks("python")
    scope = {"training_batches": batches}
    exec(lines, scope)
    found, shipped = scope["model"], _weights("hippocampus")
    np.testing.assert_array_equal(
        found.get_layer("down_0").get_weights()[0], shipped["down_0"]
    )
    assert (found.get_layer("up_0").get_weights()[0] != shipped["up_0"]).any()
