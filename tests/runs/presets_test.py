"""Presets are listed, made of runs, and loaded as KerasHub loads them."""

import pathlib
import re
import shutil
import warnings

import keras
import nibabel as nib
import numpy as np
import pytest

import tf_diffseg
from tests.runs.toy_run import MANIFEST, TWO_LEVELS, WINDOW, toy_run
from tests.serving.exported_toy import ExportedToy
from tf_diffseg import DiffusionUNet3D, SegmentationUNet3D, shipped_models
from tf_diffseg.errors import InputError
from tf_diffseg.runs import RunFolder, load_pretrained
from tf_diffseg.runs.train_config import TrainConfig
from tf_diffseg.runs.trained_models import is_run
from tf_diffseg.training.saving.trained_network import path_of

_IMAGE = np.random.default_rng(0).normal(size=WINDOW).astype(np.float32)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    return toy_run(folder / "run", epochs=(1, 2), **TWO_LEVELS)


@pytest.fixture(scope="module")
def preset(run):
    """A preset of the run, which is then moved away."""
    tf_diffseg.save_to_preset(run, run.parent / "preset")
    return (run.parent / "preset").rename(run.parent / "moved")


def _assert_same_weights(found, expected):
    for one, other in zip(found.weights, expected.weights, strict=True):
        assert one.path == other.path
        np.testing.assert_array_equal(one, other, err_msg=one.path)


def test_a_preset_of_a_run_segments_alike(run, preset):
    assert sorted(path.name for path in preset.iterdir()) == [
        "config.json",
        "manifest.json",
        "model.keras",
    ]
    image = nib.Nifti1Image(_IMAGE, np.eye(4))
    labels = [
        np.asarray(tf_diffseg.load_segmenter(path)(image).dataobj)
        for path in (run, preset, preset / "model.keras")
    ]
    assert len(np.unique(labels[0])) > 1
    np.testing.assert_array_equal(labels[1], labels[0])
    np.testing.assert_array_equal(labels[2], labels[0])


def test_the_lines_of_the_docs_run(run, tmp_path, monkeypatch):
    page = pathlib.Path(__file__).parents[2] / "docs" / "training.md"
    if not page.is_file():
        pytest.skip("Bazel builds no documents")
    (section,) = re.findall(
        r"^## Presets\n(.*?)^## ", page.read_text(encoding="utf-8"), re.M | re.S
    )
    (code,) = re.findall(r"^```python\n(.*?)^```", section, re.M | re.S)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "RUN").symlink_to(run)
    scope = {}
    exec(code, scope)
    assert (scope["model"].num_classes, scope["other_head"].num_classes) == (3, 4)


def test_a_class_loads_a_preset_of_its_own(run, preset):
    expected = load_pretrained(run)
    for source in (preset, str(preset), run):
        _assert_same_weights(DiffusionUNet3D.from_preset(source), expected)
    _assert_same_weights(load_pretrained(preset), expected)
    message = "moved: is a DiffusionUNet3D, not a SegmentationUNet3D; use DiffusionU"
    with pytest.raises(ValueError, match=message):
        SegmentationUNet3D.from_preset(preset)


def test_without_weights_the_network_is_new(preset):
    trained = DiffusionUNet3D.from_preset(preset)
    model = DiffusionUNet3D.from_preset(preset, load_weights=False)
    assert {**model.get_config(), "name": ""} == {**trained.get_config(), "name": ""}
    stem, other = (m.get_layer("stem").kernel for m in (model, trained))
    assert np.any(np.asarray(stem) != np.asarray(other))


def test_other_arguments_keep_the_weights_that_fit(preset):
    trained = DiffusionUNet3D.from_preset(preset)
    model = DiffusionUNet3D.from_preset(preset, num_classes=5, dropout=0.2)
    assert (model.num_classes, model.dropout) == (5, 0.2)
    for name, is_same in (("encoder_0_0", True), ("head", False)):
        found, expected = (
            np.concatenate([w.ravel() for w in m.get_layer(name).get_weights()])
            for m in (model, trained)
        )
        assert (found.shape == expected.shape) == is_same
        if is_same:
            np.testing.assert_array_equal(found, expected)
    with pytest.raises(ValueError, match="DiffusionUNet3D has no argument num_clases"):
        DiffusionUNet3D.from_preset(preset, num_clases=5)


def test_only_untrained_inner_layers_give_a_warning(preset):
    message = (
        "only .* of .* parameters fit .* are not trained: those of down_0, bottom_0"
    )
    with pytest.warns(UserWarning, match=message):
        DiffusionUNet3D.from_preset(preset, num_channels=(4, 12))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        DiffusionUNet3D.from_preset(
            preset, image_channels=2, num_classes=2, dropout=0.1
        )


def test_a_network_alone_is_a_preset(tmp_path):
    model = SegmentationUNet3D(2, num_channels=(4,), num_heads=0)
    model.compile(keras.optimizers.AdamW(0.1))
    model.train_on_batch(np.zeros([1, 4, 4, 4, 1]), np.zeros([1, 4, 4, 4], np.int32))
    model.save_to_preset(tmp_path / "preset")
    assert [path.name for path in (tmp_path / "preset").iterdir()] == ["model.keras"]
    loaded = SegmentationUNet3D.from_preset(tmp_path / "preset")
    _assert_same_weights(loaded, model)
    assert not loaded.compiled  # It has no state of an optimizer.
    message = "preset: is a SegmentationUNet3D, not a DiffusionUNet3D; use Segmentati"
    with pytest.raises(ValueError, match=message):
        DiffusionUNet3D.from_preset(tmp_path / "preset")


def test_a_network_alone_replaces_the_classes_too(preset, tmp_path):
    shutil.copytree(preset, tmp_path / "preset")
    model = SegmentationUNet3D(2, num_channels=(4,), num_heads=0)
    model.save_to_preset(tmp_path / "preset")
    assert [path.name for path in (tmp_path / "preset").iterdir()] == ["model.keras"]
    for name in ("preset", "preset/model.keras"):
        with pytest.raises(InputError, match="holds a preset of a network alone, with"):
            tf_diffseg.load_segmenter(tmp_path / name)


def test_files_of_two_presets_are_refused(preset, tmp_path):
    shutil.copytree(preset, tmp_path / "preset")
    SegmentationUNet3D(2, num_channels=(4,), num_heads=0).save_to_preset(tmp_path / "a")
    shutil.copy(tmp_path / "a" / "model.keras", tmp_path / "preset")
    with pytest.raises(InputError, match=r"has 1 channel\(s\) and 2 classes, but conf"):
        tf_diffseg.load_segmenter(tmp_path / "preset")


def test_a_damaged_preset_is_refused_with_advice(preset, tmp_path):
    shutil.copytree(preset, tmp_path / "preset")
    network, manifest = (
        tmp_path / "preset" / name for name in ("model.keras", "manifest.json")
    )
    network.write_bytes(network.read_bytes()[:1000])
    with pytest.raises(InputError, match=r"model\.keras is damaged; copy the preset"):
        tf_diffseg.load_segmenter(tmp_path / "preset")
    manifest.unlink()
    with pytest.raises(
        InputError, match=r"no manifest\.json, so it is no whole run or"
    ):
        tf_diffseg.load_segmenter(tmp_path / "preset")


@pytest.mark.parametrize("source", ["", None, 3])
def test_what_is_no_path_is_refused(source):
    message = f"^expected the path or the name of a model, got {source!r}"
    for load in (DiffusionUNet3D.from_preset, tf_diffseg.load_segmenter):
        with pytest.raises(ValueError, match=message):
            load(source)


def test_a_folder_that_hides_a_model_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(shipped_models, "MODELS_DIR", tmp_path / "models")
    (tmp_path / "models" / "toy" / "1").mkdir(parents=True)
    (tmp_path / "toy").mkdir()
    monkeypatch.chdir(tmp_path)
    for load in (DiffusionUNet3D.from_preset, tf_diffseg.load_segmenter):
        with pytest.raises(ValueError, match=r": toy\. Here, \./toy hides the model"):
            load("toy")


def test_all_loaders_see_the_same_in_a_folder_of_several_things(preset, tmp_path):
    mixed = tmp_path / "mixed"
    shutil.copytree(preset, mixed)
    (mixed / "epoch-00001.keras").write_text("")
    assert path_of(mixed) == RunFolder(mixed).newest_checkpoint()
    (mixed / "saved_model.pb").write_text("")
    assert path_of(mixed) == mixed
    assert not is_run(mixed)


def test_shipped_models_are_listed_and_loaded_by_name(tmp_path, monkeypatch):
    monkeypatch.setattr(shipped_models, "MODELS_DIR", tmp_path / "models")
    assert tf_diffseg.presets() == {}
    toy = ExportedToy(tmp_path / "models" / "toy")
    page = tmp_path / "models" / "toy" / "README.md"
    page.write_text("# toy\n\nSegments\nphantoms.\n\nFor tests.\n")
    (preset,) = tf_diffseg.presets().values()
    assert preset["path"] == str(toy.path)
    assert preset["metadata"]["description"] == "Segments phantoms."
    assert preset["metadata"]["class_names"] == ["background", "one", "two"]
    _assert_same_weights(DiffusionUNet3D.from_preset("toy"), toy.model)
    with pytest.raises(ValueError, match="^tox: .* come with the package: toy"):
        DiffusionUNet3D.from_preset("tox")


@pytest.mark.parametrize("name", tf_diffseg.presets())
def test_each_shipped_model_says_what_it_is(name, tmp_path, monkeypatch):
    # A folder of the same name does not come with the package.
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).mkdir()
    (tmp_path / "README.md").write_text("# Another\n\nAnother project.\n")
    metadata = tf_diffseg.presets()[name]["metadata"]
    assert metadata["description"] != "Another project."
    for field in ("description", "license", "attribution", "class_names"):
        assert metadata[field], field
    assert 0 < metadata["mean_foreground_dice"] < 1


def test_no_run_is_overwritten_and_no_preset_goes_on_as_a_run(run, preset):
    for save in (tf_diffseg.save_to_preset, SegmentationUNet3D.save_to_preset):
        with pytest.raises(InputError, match="^preset_dir=.*/run holds something else"):
            save(run, run)
    with pytest.raises(InputError, match=r"holds no config\.json"):
        tf_diffseg.save_to_preset(run.parent, run.parent / "other")
    config = TrainConfig.from_json(preset / "config.json")
    with pytest.raises(InputError, match="holds a preset, which does not go on as a"):
        RunFolder(preset).check(config, MANIFEST)
    tf_diffseg.save_to_preset(run, preset)  # A preset is replaced.
    # A file of that name in a run does not stop it.
    begun = toy_run(run.parent / "begun")
    (begun / "model.keras").write_text("")
    RunFolder(begun).check(RunFolder(begun).config(), MANIFEST)
