"""Models that come with the package are found by name, and segment what they should."""

import json

import nibabel as nib
import numpy as np
import pytest

from tf_diffseg.errors import InputError
from tf_diffseg.runs import shipped_models
from tf_diffseg.runs.segmentation.segmenter import check_model, load_segmenter
from tf_diffseg.runs.shipped_models import find_model, model_names

_LARGEST_BYTES = 12e6


@pytest.fixture
def hub(tmp_path, monkeypatch):
    monkeypatch.setattr(shipped_models, "MODELS_DIR", tmp_path / "models")
    for name in ("heart/1", "heart/10", "heart/9", "none"):
        (tmp_path / "models" / name).mkdir(parents=True)
        (tmp_path / "models" / name / "saved_model.pb").touch()
    return tmp_path / "models"


def test_a_name_is_the_newest_version(hub):
    assert model_names() == ["heart"]
    assert find_model("heart") == hub / "heart" / "10"
    check_model("heart")


def test_what_is_there_goes_before_a_name(hub, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "heart").mkdir()
    assert find_model("heart") == "heart"


def test_other_names_are_refused_with_those_there_are(hub):
    assert find_model("none") == "none"
    with pytest.raises(InputError, match="^model=liver: .* with tf_diffseg: heart"):
        check_model("liver")


@pytest.fixture
def hippocampus():
    if "hippocampus" not in model_names():
        pytest.skip("no model in experiments/hub/hippocampus")
    return find_model("hippocampus")


def test_the_hippocampus_model_is_small_and_says_what_it_is(hippocampus):
    files = [path for path in hippocampus.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= _LARGEST_BYTES
    card = json.loads((hippocampus / "assets" / "model_card.json").read_text())
    assert card["class_names"] == ["background", "Anterior", "Posterior"]
    spacing_mm = card["training_data"]["fingerprint"]["spacing_mm"]
    assert spacing_mm["min"] == spacing_mm["max"] == [1.0, 1.0, 1.0]
    assert card["metrics"]["mean_foreground_dice"] >= 0.88
    assert "CC BY-SA 4.0" in card["attribution"]


def test_the_hippocampus_model_segments_a_scan(hippocampus, hippocampus_dir):
    card = json.loads((hippocampus / "assets" / "model_card.json").read_text())
    assert card["training_data"]["num_cases"]["test"] > 0
    path = sorted((hippocampus_dir / "imagesTr").glob("hippocampus_*.nii.gz"))[0]
    truth = np.asarray(
        nib.load(hippocampus_dir / "labelsTr" / path.name).dataobj, np.int32
    )
    label = np.asarray(load_segmenter("hippocampus")(nib.load(path)).dataobj)
    for value in (1, 2):
        both = np.count_nonzero((label == value) & (truth == value))
        sizes = np.count_nonzero(label == value) + np.count_nonzero(truth == value)
        assert 2 * both / sizes > 0.8
