"""Models that come with the package are found by name, and segment well."""

import dataclasses
import json
import pathlib

import nibabel as nib
import numpy as np
import pytest
import tensorflow as tf

import tf_diffseg
from tf_diffseg import shipped_models
from tf_diffseg.errors import InputError
from tf_diffseg.preprocessing.crop_pad import crop_or_pad
from tf_diffseg.runs.segmentation.segmenter import check_model, load_segmenter
from tf_diffseg.runs.train_config import TrainConfig
from tf_diffseg.shipped_models import find_model, model_names
from tf_diffseg.training.flat_network import flat_network

_LARGEST_BYTES = 12e6
_SCANS = pathlib.Path(__file__).parents[1] / "docs" / "scans" / "hippocampus"


@pytest.fixture
def hub(tmp_path, monkeypatch):
    monkeypatch.setattr(shipped_models, "MODELS_DIR", tmp_path / "models")
    for name in ("heart/1", "heart/10", "heart/9", "none"):
        (tmp_path / "models" / name).mkdir(parents=True)
        (tmp_path / "models" / name / "saved_model.pb").touch()
    return tmp_path / "models"


def test_a_name_stands_for_the_newest_version(hub, tmp_path, monkeypatch):
    assert model_names() == ["heart"]
    assert find_model("heart") == hub / "heart" / "10"
    check_model("heart")
    assert find_model("none") == "none"
    with pytest.raises(InputError, match="^model=liver: .* with tf_diffseg: heart"):
        check_model("liver")
    # A folder of that name takes precedence.
    monkeypatch.chdir(tmp_path)
    (tmp_path / "heart").mkdir()
    assert find_model("heart") == "heart"


@pytest.fixture(scope="module")
def hippocampus():
    if "hippocampus" not in model_names():
        pytest.skip("no model in experiments/hub/hippocampus")
    return find_model("hippocampus")


@pytest.fixture(scope="module")
def card(hippocampus):
    return json.loads((hippocampus / "assets" / "model_card.json").read_text())


@pytest.fixture(scope="module")
def model(hippocampus):
    return tf_diffseg.load_pretrained(hippocampus)


def test_its_files_are_small_and_its_card_is_complete(hippocampus, card):
    files = [path for path in hippocampus.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= _LARGEST_BYTES
    assert card["class_names"] == ["background", "Anterior", "Posterior"]
    spacing_mm = card["training_data"]["fingerprint"]["spacing_mm"]
    assert spacing_mm["min"] == spacing_mm["max"] == [1.0, 1.0, 1.0]
    assert card["training_data"]["num_cases"]["train"] >= 150
    assert card["metrics"]["num_cases"] >= 20
    assert card["metrics"]["mean_foreground_dice"] >= 0.88
    assert "CC BY-SA 4.0" in card["attribution"]


@pytest.mark.usefixtures("hippocampus")
def test_it_segments_a_scan(hippocampus_dir):
    path = sorted((hippocampus_dir / "imagesTr").glob("hippocampus_*.nii.gz"))[0]
    truth = np.asarray(
        nib.load(hippocampus_dir / "labelsTr" / path.name).dataobj, np.int32
    )
    label = np.asarray(load_segmenter("hippocampus")(nib.load(path)).dataobj)
    for value in (1, 2):
        both = np.count_nonzero((label == value) & (truth == value))
        sizes = np.count_nonzero(label == value) + np.count_nonzero(truth == value)
        assert 2 * both / sizes > 0.8


def test_its_config_is_that_of_its_training(card, model):
    in_training = TrainConfig(**card["training"])
    # An export computes in float32, which runs on any machine.
    trained = dataclasses.replace(in_training, precision="float32")
    expected = flat_network(
        len(card["class_names"]), **trained.model_arguments()
    ).get_config()
    of_data = {"name": "", "class_frequencies": None}
    assert model.get_config() | of_data == expected | of_data


def test_it_predicts_what_the_export_predicts(hippocampus, model):
    scan = sorted(_SCANS.glob("images/*.nii.gz"))[0]
    image = np.asarray(nib.load(scan).dataobj, np.float32)
    image = (image - image.mean()) / image.std()
    image = crop_or_pad(image, (40, 56, 40), image.min())[tf.newaxis, ..., tf.newaxis]
    inputs = {
        "image": image,
        "seed": tf.constant([3], tf.int32),
    }
    serve = tf.saved_model.load(str(hippocampus)).signatures["serving_default"]
    expected = serve(**inputs)["probabilities"].numpy()
    found = model.sample(**inputs).numpy()
    assert (expected.max(axis=(0, 1, 2, 3)) > 0.5).all()
    # Five steps of 32-bit rounding, in which each feeds the next one.
    np.testing.assert_allclose(found, expected, atol=5e-4)
    assert (found.argmax(-1) != expected.argmax(-1)).mean() < 1e-4
