"""What the converter itself tells, and that it tells all that verification does."""

import json

import nibabel as nib
import numpy as np
import pytest

from data_tools.conversion.converter import Options, convert
from data_tools.conversion.preprocessing_choice import Choice
from data_tools.conversion.worker_pool import WorkerPool
from data_tools.datasets.open_dataset import read_dataset
from data_tools.datasets.problems import Severity
from data_tools.inspection.preprocessing_trial import preprocessing_problems
from data_tools.inspection.verification import verify
from tests.data_tools.in_process import (
    InProcess,
    convert_by_flags,
    convert_here,
    open_dataset,
    split,
)
from tf_diffseg.data.manifest import read_manifest
from tf_diffseg.errors import InputError, as_flags

SHAPE = (12, 12, 12)
_ALL = {"train": 1.0}


def _image(seed=0):
    return np.random.default_rng(seed).normal(100, 10, SHAPE).astype(np.float32)


def _label(thickness=1):
    """A block of class 1 (value 2), a plane of class 2 (value 7) beside it."""
    label = np.zeros(SHAPE, np.uint8)
    label[1:7, 1:11, 1:11] = 2
    label[8 : 8 + thickness, 1:11, 1:11] = 7
    return label


def _add(folder, uid, seed=0, **arrays):
    arrays = {"image": _image(seed), "label": _label(), **arrays}
    folder.add_case(uid, seed, affine=np.eye(4), **arrays)


def _warnings(manifest):
    return [(of["case"], of["kind"], of["text"]) for of in manifest.warnings]


def _told(manifest, kind):
    return [of for of in manifest.warnings if of["kind"] == kind]


def test_a_class_that_resampling_removes_is_told_with_counts(msd_folder, tmp_path):
    for seed, uid in enumerate("abc"):
        _add(msd_folder, uid, seed)
    _add(msd_folder, "d", 3, label=_label(thickness=4))
    settings = {"spacing_mm": (4.0, 4.0, 4.0)}
    manifest = convert_here(msd_folder.folder, tmp_path / "out", _ALL, settings)
    of_all, *of_cases = _told(manifest, "class lost")
    assert of_all["case"] is None
    assert of_all["counts"] == {
        "class": "vessel",
        "lost_cases": 3,
        "cases": 4,
        "source_voxels": 300,
    }
    assert "(--spacing_mm=4,4,4) in 3 of 4 cases that have it, 300" in of_all["text"]
    assert [of["case"] for of in of_cases] == ["a", "b", "c"]
    counts = of_cases[0]["counts"]
    assert (counts["source_voxels"], counts["stored_voxels"]) == (100, 0)
    assert counts["source_ml"] == pytest.approx(0.1)
    # The manifest on disk tells the same, and how much there is now.
    assert read_manifest(tmp_path / "out") == manifest
    statistics = manifest.split("train").statistics
    assert statistics["voxels_per_class"][2] == 3 * 100 + 400
    assert statistics["cases_per_class"][1:] == [4, 4]
    assert statistics["stored_cases_per_class"][1:] == [4, 1]
    assert statistics["ml_per_class"][1] == pytest.approx(4 * 0.6)
    stored = statistics["stored_voxels_per_class"][1]
    assert statistics["stored_ml_per_class"][1] == pytest.approx(stored * 0.064)


def test_a_class_of_which_little_is_left_is_told(msd_folder, tmp_path):
    label = _label()
    label[8:12, 1:11, 1:11] = 0
    label[8:10, 1:9, 0:10:4] = 7  # three planes, of which one or so is left
    _add(msd_folder, "a", label=label)
    settings = {"volume_shape": (12, 12, 2)}
    manifest = convert_here(msd_folder.folder, tmp_path / "out", _ALL, settings)
    told = _told(manifest, "class lost") + _told(manifest, "class shrunk")
    kept = manifest.split("train").statistics["stored_voxels_per_class"]
    assert kept[2] < 48 / 2
    assert {of["counts"]["class"] for of in told} == {"organ", "vessel"}


@pytest.mark.parametrize(
    "settings, words",
    [
        ({"volume_shape": (2, 2, 2)}, "by the crop to --volume_shape=2,2,2"),
        ({"spacing_mm": (4.0, 4.0, 4.0)}, "preprocessing (--spacing_mm=4,4,4)"),
    ],
)
def test_a_case_without_foreground_left_is_told(msd_folder, tmp_path, settings, words):
    small = np.zeros(SHAPE, np.uint8)
    small[0, 0, 0] = 2
    _add(msd_folder, "a", label=small)
    _add(msd_folder, "b", 1, label=np.full(SHAPE, 2, np.uint8))
    manifest = convert_here(msd_folder.folder, tmp_path / "out", _ALL, settings)
    (lost,) = _told(manifest, "foreground lost")
    assert lost["case"] == "a"
    assert lost["counts"] == {"source_voxels": 1, "stored_voxels": 0}
    assert words in lost["text"]


@pytest.mark.parametrize(
    "settings, words",
    [
        ({"volume_shape": (2, 2, 2)}, "`volume_shape=2,2,2`"),
        ({"spacing_mm": (6.0, 6.0, 6.0)}, "`spacing_mm=6,6,6`"),
        ({"crop_to_foreground": True}, "`crop_to_foreground=True`"),
    ],
)
def test_no_foreground_left_in_any_case_is_an_error(
    msd_folder, tmp_path, settings, words
):
    label = np.zeros(SHAPE, np.uint8)
    label[0, 0, :2] = 2
    image = _image()
    image[0] = image.min() - 1  # what a crop to the foreground takes away
    for uid in "ab":
        _add(msd_folder, uid, image=image + ord(uid), label=label)
    with pytest.raises(InputError, match="leaves no labelled voxel in all case") as e:
        convert_here(msd_folder.folder, tmp_path / "out", _ALL, settings)
    assert words in str(e.value) and "of 4 in the files of 2 case(s)" in str(e.value)
    assert not (tmp_path / "out").exists()


def test_a_training_split_without_foreground_is_an_error(msd_folder, tmp_path):
    nothing = np.zeros(SHAPE, np.uint8)
    _add(msd_folder, "a")  # in the split test, by its name
    _add(msd_folder, "b", 1, label=nothing)
    with pytest.raises(InputError, match="split train .1. has a labelled voxel"):
        convert_here(msd_folder.folder, tmp_path / "out")


def test_no_label_map_with_a_labelled_voxel_is_an_error_everywhere(
    msd_folder, tmp_path
):
    for seed, uid in enumerate("ab"):
        _add(msd_folder, uid, seed, label=np.zeros(SHAPE, np.uint8))
    errors = [
        problem.message
        for problem in verify(read_dataset(msd_folder.folder))
        if problem.severity is Severity.ERROR
    ]
    with pytest.raises(InputError) as raised:
        convert_here(msd_folder.folder, tmp_path / "out", _ALL)
    assert errors == [str(raised.value)]
    assert "no label map of its 2 case(s) has a labelled voxel" in errors[0]


def test_images_that_all_become_constant_are_an_error(msd_folder, tmp_path):
    for seed, uid in enumerate("ab"):
        _add(msd_folder, uid, seed)
    settings = {"intensity": "ct_window", "ct_window": (1000.0, 2000.0)}
    with pytest.raises(InputError, match="`intensity=ct_window` `ct_window=1000,2000`"):
        convert_here(msd_folder.folder, tmp_path / "out", _ALL, settings)
    _add(msd_folder, "c", image=_image() * 15)
    manifest = convert_here(msd_folder.folder, tmp_path / "out", _ALL, settings)
    assert [of["case"] for of in _told(manifest, "voxels")] == ["a", "b"]
    counts = _told(manifest, "voxels")[0]["counts"]
    assert counts["channel"] == 0 and counts["min"] < 100 < counts["max"]


@pytest.mark.parametrize("background", [0.0, 100.1])
@pytest.mark.parametrize("spacing_mm", [None, (0.9, 1.1, 1.0)])
def test_sparse_images_keep_their_signal(msd_folder, tmp_path, background, spacing_mm):
    image = np.full((24, 24, 24), background, np.float32)
    image[5, 5, 5:7] += 50
    label = np.zeros(image.shape, np.uint8)
    label[2:9, 2:9, 2:9] = 2
    _add(msd_folder, "a", image=image, label=label)
    settings = {"intensity": "percentile", "spacing_mm": spacing_mm}
    manifest = convert_here(msd_folder.folder, tmp_path / "out", _ALL, settings)
    (told,) = _told(manifest, "intensity")
    assert told["counts"] == {
        "channel": 0,
        "min": pytest.approx(background),
        "max": pytest.approx(background + 50),
    }
    stored = _stored_images(tmp_path / "out", manifest)[0]
    np.testing.assert_allclose((stored.min(), stored.max()), (-1.0, 1.0), rtol=1e-5)
    assert np.isclose(stored, -1.0).mean() > 0.9  # background, not rounding noise


def _stored_images(folder, manifest):
    from data_tools.inspection.shard_inspection import examples

    return [
        example["image"].numpy()
        for path in manifest.shard_paths(folder, "train")
        for example in examples(path, manifest)
    ]


def test_volumes_that_no_case_uses_are_told_by_both(msd_folder, tmp_path):
    for seed, uid in enumerate("abc"):
        _add(msd_folder, uid, seed)
    listed = msd_folder.fields["training"]
    msd_folder.write(training=listed[:2], numTraining=3)
    (msd_folder.folder / "imagesTr" / "notes.txt").touch()
    (msd_folder.folder / "imagesTr" / "._a.nii.gz").touch()
    manifest = convert_here(msd_folder.folder, tmp_path / "out", _ALL)
    images, labels = _told(manifest, "left out")
    assert images["counts"] == labels["counts"] == {"files": 1}
    assert "imagesTr holds 1 volume(s) that no case of" in images["text"]
    assert images["text"].endswith("uses: 'c.nii.gz'")
    (of_all,) = _told(manifest, "dataset")
    assert "lists 2 cases, its 'numTraining' is 3" in of_all["text"]


def test_folders_beside_those_of_cases_are_told(tmp_path):
    rows = ["image,label"]
    for seed, uid in enumerate("abc"):
        folder = tmp_path / "data" / f"patient_{uid}"
        folder.mkdir(parents=True)
        nib.save(nib.Nifti1Image(_image(seed), np.eye(4)), folder / f"{uid}.nii.gz")
        nib.save(nib.Nifti1Image(_label(), np.eye(4)), folder / "seg.nii.gz")
        rows.append(f"patient_{uid}/{uid}.nii.gz,patient_{uid}/seg.nii.gz")
    table = tmp_path / "data" / "cases.csv"
    table.write_text("\n".join(rows[:3]))
    dataset = read_dataset(table, {0: "background", 2: "organ", 7: "vessel"})
    found = [p.message for p in verify(dataset) if p.check == "left out"]
    assert len(found) == 1
    assert "patient_c holds 2 volume(s)" in found[0]
    table.write_text("\n".join(rows))
    dataset = read_dataset(table, {0: "background", 2: "organ", 7: "vessel"})
    assert [p.check for p in verify(dataset)] == ["duplicate", "duplicate"]


def _oddities(folder):
    """Cases with every oddity that verification warns of."""
    _add(folder, "plain", 1)
    _add(folder, "constant", 2, image=np.full(SHAPE, 3.0, np.float32))
    _add(folder, "empty", 3, label=np.zeros(SHAPE, np.uint8))
    _add(folder, "rounded", 4, label=_label() * np.float32(1.00001))
    _add(folder, "shifted", 5)
    path = folder.folder / "labelsTr" / "shifted.nii.gz"
    affine = np.eye(4)
    affine[2, 3] = 0.05
    nib.save(nib.Nifti1Image(_label(), affine), path)
    _add(folder, "again", 6, image=_image(1))
    _add(folder, "header", 7)
    path = folder.folder / "imagesTr" / "header.nii.gz"
    volume = nib.load(path)
    affine = np.eye(4)
    affine[0, 1] = 0.2  # sheared
    volume.set_sform(affine, 1)
    nib.save(volume, path)
    volume = nib.Nifti1Image(_label(), affine)
    volume.set_sform(affine, 1)
    nib.save(volume, folder.folder / "labelsTr" / "header.nii.gz")
    folder.write(numTraining=99, labels={**folder.labels, "9": "absent"})
    (folder.folder / "imagesTr" / "unlisted.nii.gz").touch()


def test_every_warning_of_verification_is_in_the_manifest(msd_folder, tmp_path):
    _oddities(msd_folder)
    problems = verify(split(read_dataset(msd_folder.folder), _ALL))
    assert {problem.severity for problem in problems} == {Severity.WARNING}
    expected = [(of.uid, of.check, of.message) for of in problems]
    kinds = {check for _, check, _ in expected}
    assert kinds == {
        *("dataset", "left out", "labels", "voxels", "foreground", "origin"),
        *("header", "duplicate"),
    }
    manifest = convert_here(msd_folder.folder, tmp_path / "out", _ALL)
    assert sorted(_warnings(manifest), key=str) == sorted(expected, key=str)


def test_warnings_outlive_a_stop_and_any_number_of_workers(msd_folder, tmp_path):
    _oddities(msd_folder)
    good = list(msd_folder.fields["training"])
    _add(msd_folder, "stop", 8, image=np.full(SHAPE, np.nan, np.float32))
    settings = {"spacing_mm": "median", "volume_shape": (8, 8, 8)}
    with pytest.raises(InputError, match="case 'stop': "):
        convert_here(msd_folder.folder, tmp_path / "out", _ALL, settings)
    for sub in ("imagesTr", "labelsTr"):
        (msd_folder.folder / sub / "stop.nii.gz").unlink()
    msd_folder.write(training=good)
    manifest = convert_here(msd_folder.folder, tmp_path / "out", _ALL, settings)
    dataset = split(open_dataset(msd_folder.folder), _ALL)
    choice = Choice(channel_names=("MRI",), **settings)
    by_two = convert(dataset, tmp_path / "two", choice, WorkerPool(2), Options())
    assert manifest.warnings == by_two.warnings
    assert {"header", "origin", "voxels", "crop"} <= {
        of["kind"] for of in manifest.warnings
    }


def test_cases_left_out_are_no_files_left_out(msd_folder, tmp_path):
    _add(msd_folder, "good", 1)
    _add(msd_folder, "bad", 2)
    (msd_folder.folder / "labelsTr" / "bad.nii.gz").unlink()
    convert_by_flags(
        dataset_json=msd_folder.folder,
        output_dir=tmp_path / "out",
        split="train=1",
        skip_bad_cases=True,
    )
    manifest = read_manifest(tmp_path / "out")
    assert list(manifest.skipped) == ["bad"]
    assert manifest.warnings == []


def test_an_older_manifest_has_no_warnings(msd_folder, tmp_path):
    _add(msd_folder, "a")
    convert_here(msd_folder.folder, tmp_path / "out", _ALL)
    path = tmp_path / "out" / "manifest.json"
    fields = json.loads(path.read_text())
    del fields["warnings"]
    path.write_text(json.dumps(fields))
    assert read_manifest(tmp_path / "out").warnings == []


@pytest.mark.parametrize(
    "settings",
    [
        {"spacing_mm": (4.0, 4.0, 4.0)},
        {"spacing_mm": "median", "volume_shape": (2, 12, 12)},
    ],
)
def test_verification_with_settings_tells_what_conversion_does(
    msd_folder, tmp_path, settings
):
    _oddities(msd_folder)
    dataset = split(read_dataset(msd_folder.folder), _ALL)
    choice = Choice(channel_names=("MRI",), **settings)
    problems = verify(dataset) + preprocessing_problems(dataset, choice, InProcess())
    expected = [(of.uid, of.check, as_flags(of.message)) for of in problems]
    manifest = convert_here(msd_folder.folder, tmp_path / "out", _ALL, settings)
    told = [of for of in _warnings(manifest) if of[1] != "crop"]
    assert sorted(told, key=str) == sorted(expected, key=str)
    assert len(expected) > len(verify(dataset))


def test_verification_with_settings_finds_the_errors_of_conversion(
    msd_folder, tmp_path
):
    label = np.zeros(SHAPE, np.uint8)
    label[0, 0, 0] = 2
    _add(msd_folder, "a", label=label)
    dataset = split(read_dataset(msd_folder.folder), _ALL)
    choice = Choice(spacing_mm=(4.0, 4.0, 4.0), channel_names=("MRI",))
    (problem,) = preprocessing_problems(dataset, choice, InProcess())
    with pytest.raises(InputError) as raised:
        settings = {"spacing_mm": (4.0, 4.0, 4.0)}
        convert_here(msd_folder.folder, tmp_path / "out", _ALL, settings)
    assert (problem.severity, problem.message) == (Severity.ERROR, str(raised.value))
