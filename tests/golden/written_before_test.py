"""This version reads files of an earlier version, with the same values.

`make_golden.py` says which version that was and how it made the files.
"""

import dataclasses
import json
import pathlib
import shutil
import tarfile

import keras
import numpy as np
import pytest

from tests.golden import reading
from tf_diffseg import (
    DiffusionUNet3D,
    SegmentationUNet3D,
    TrainConfig,
    load_pretrained,
    train,
)

_FOLDER = pathlib.Path(__file__).parent
# On the machine that wrote the files, later code gives the same bits. Another CPU adds
# the terms of a convolution in another order, which changes a feature by some roundings
# of float32 (6e-8 of its value). The network and five reverse steps amplify them:
# features are of the order of 10, and the outputs, of the order of 1, differ by 2e-5.
_ROUNDINGS = {"rtol": 2e-5, "atol": 2e-5}
# Roundings may decide the class of this many voxels.
_MAX_OTHER_VOXELS = 2
# AdamW divides by the size of the gradient, so a weight with almost no gradient moves
# by the sign of roundings; the loss of the next steps hardly depends on such weights.
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
    assert np.count_nonzero(label != expected) <= _MAX_OTHER_VOXELS


def test_shards_hold_what_they_held(written, exact):
    assert reading.cases(written / "shards") == exact["cases"]


def test_the_manifest_holds_what_it_held(written):
    path = written / "shards" / "manifest.json"
    fields = json.loads(path.read_text(encoding="utf-8"))
    found = dataclasses.asdict(reading.read_manifest(path.parent))
    assert _of_fields(found, fields) == fields


def _of_fields(found, fields):
    """The values of `fields`, also in dicts in them: later versions may add others."""
    if not isinstance(fields, dict):
        return found
    return {name: _of_fields(found[name], fields[name]) for name in fields}


def test_a_supervised_network_is_a_preset_of_its_class_of_today(written):
    """It was a `DiffusionUNet3D` of the strategy "supervised"."""
    path = written / "models" / "supervised.keras"
    model = SegmentationUNet3D.from_preset(path)
    assert type(model) is SegmentationUNet3D
    with pytest.raises(ValueError, match=r"use SegmentationUNet3D\.from_preset"):
        DiffusionUNet3D.from_preset(path)


@pytest.mark.parametrize("name", reading.MODELS)
def test_a_keras_file_has_its_weights_and_predicts_the_same(
    written, exact, expected, name
):
    model = keras.models.load_model(written / "models" / f"{name}.keras")
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
    assert reading.weights(load_pretrained(run)) == exact["weights"]["run"]
    segmentation = reading.segmentation(run, scan)
    _assert_same_labels(segmentation.label, expected["run/label"])
    np.testing.assert_allclose(
        segmentation.entropy, expected["run/entropy"], **_ROUNDINGS
    )


def test_a_run_goes_on_where_it_stopped(written, exact, tmp_path, capfd):
    run = shutil.copytree(written / "run", tmp_path / "run")
    config = TrainConfig.from_json(run / "config.json")
    train(dataclasses.replace(config, epochs=3), written / "shards", run)
    assert "going on after epoch 2" in "".join(capfd.readouterr())
    metrics = reading.last_metrics(run)
    for name, value in exact["resumed"].items():
        np.testing.assert_allclose(metrics[name], value, **_AFTER_STEPS, err_msg=name)


def test_an_export_segments_and_serves_the_same(written, exact, expected, scan):
    export = written / "export" / "1"
    assert reading.weights(load_pretrained(export)) == exact["weights"]["run"]
    _assert_same_labels(reading.label_map(export, scan), expected["export/label"])
    np.testing.assert_allclose(
        reading.served_probabilities(export),
        expected["export/probabilities"],
        **_ROUNDINGS,
    )
