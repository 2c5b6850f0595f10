"""What an earlier version wrote is read by this one, to the same values.

`make_golden.py` says which version that was and how it made the files.
"""

import dataclasses
import json
import pathlib
import shutil
import tarfile

import numpy as np
import pytest

from tests.commands import run_module
from tests.golden import reading

_FOLDER = pathlib.Path(__file__).parent
# On the machine that wrote the files, later code gives the same bits. Another CPU adds
# the terms of a convolution in another order, which changes a feature by some roundings
# of 32 bits (6e-8 of it). The network and five reverse steps carry them on: features
# are of the order of 10, hence 2e-5 for what comes out, which is of the order of 1.
_ROUNDINGS = {"rtol": 2e-5, "atol": 2e-5}
# By as much a voxel may lie on the border between two classes; more are a fault.
_UNDECIDED_VOXELS = 2
# AdamW divides by the size of the gradient, so that a weight of hardly any gradient
# moves by the sign of roundings; the loss of the next steps hardly depends on it.
_AFTER_STEPS = {"rtol": 1e-3, "atol": 1e-3}


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("written")
    with tarfile.open(_FOLDER / "written.tar.xz") as archive:
        archive.extractall(folder, filter="data")
    return folder


@pytest.fixture(scope="module")
def exact(written):
    return json.loads((written / "expected.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def expected():
    with np.load(_FOLDER / "expected.npz") as arrays:
        return dict(arrays)


@pytest.fixture
def scan(written):
    return written / "volumes" / "imagesTr" / "case5.nii.gz"


def _assert_same_labels(label, expected):
    assert label.shape == expected.shape
    assert len(np.unique(expected)) > 1
    assert np.count_nonzero(label != expected) <= _UNDECIDED_VOXELS


def test_shards_hold_what_they_held(written, exact):
    assert reading.cases(written / "shards") == exact["cases"]


def test_the_manifest_says_what_it_said(written):
    path = written / "shards" / "manifest.json"
    fields = json.loads(path.read_text(encoding="utf-8"))
    found = dataclasses.asdict(reading.read_manifest(path.parent))
    # Later versions may add fields.
    assert {name: found[name] for name in fields} == fields


@pytest.mark.parametrize("name", reading.MODELS)
def test_a_keras_file_has_its_weights_and_predicts_the_same(
    written, exact, expected, name
):
    model = reading.load_model(written / "models" / f"{name}.keras")
    assert reading.weights(model) == exact["weights"][f"{name}.keras"]
    np.testing.assert_allclose(
        reading.probabilities(model),
        expected[f"probabilities/{name}.keras"],
        **_ROUNDINGS,
    )
    losses, before = reading.losses(model), exact["losses"][f"{name}.keras"]
    for key, value in before.items():
        np.testing.assert_allclose(losses[key], value, **_ROUNDINGS, err_msg=key)


def test_a_file_of_weights_fits_a_new_model(written, exact):
    model = reading.model("recycling")
    assert reading.weights(model) != exact["weights"]["recycling.keras"]
    model.load_weights(written / "models" / "recycling.weights.h5")
    assert reading.weights(model) == exact["weights"]["recycling.keras"]


def test_a_run_segments_with_its_averaged_weights(written, exact, expected, scan):
    run = written / "run"
    assert reading.weights(reading.load_network(run)) == exact["weights"]["run"]
    _assert_same_labels(reading.label_map(run, scan), expected["run/label"])
    np.testing.assert_allclose(
        reading.entropy(run, scan), expected["run/entropy"], **_ROUNDINGS
    )


def test_a_run_goes_on_where_it_stopped(written, exact, tmp_path):
    run = shutil.copytree(written / "run", tmp_path / "run")
    folders = {"data_dir": written / "shards", "model_dir": run}
    values = {**folders, **reading.TRAINING, "epochs": 3}
    process = run_module(
        "experiments.train", *(f"--{name}={value}" for name, value in values.items())
    )
    assert process.returncode == 0, process.stdout + process.stderr
    assert "going on after epoch 2" in process.stdout + process.stderr
    metrics = reading.last_metrics(run)
    for name, value in exact["resumed"].items():
        np.testing.assert_allclose(metrics[name], value, **_AFTER_STEPS, err_msg=name)


def test_an_export_segments_and_serves_the_same(written, exact, expected, scan):
    export = written / "export" / "1"
    assert reading.weights(reading.load_network(export)) == exact["weights"]["run"]
    _assert_same_labels(reading.label_map(export, scan), expected["export/label"])
    np.testing.assert_allclose(
        reading.served_probabilities(export),
        expected["export/probabilities"],
        **_ROUNDINGS,
    )
