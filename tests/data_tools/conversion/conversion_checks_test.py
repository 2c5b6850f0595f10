"""The warnings of a conversion are those of verification, and it refuses the same."""

import nibabel as nib
import numpy as np
import pytest

from data_tools.conversion.preprocessing_choice import Choice
from data_tools.conversion.worker_pool import InProcess
from data_tools.datasets.open_dataset import read_dataset
from data_tools.datasets.problems import Severity
from data_tools.inspection.preprocessing_trial import preprocessing_problems
from data_tools.inspection.shard_inspection import examples
from data_tools.inspection.verification import verify
from tests.data_tools.in_process import convert_by_flags, convert_here, split
from tf_diffseg.data.manifest import read_manifest
from tf_diffseg.errors import InputError, as_flags

SHAPE = (12, 12, 12)
_ALL = {"train": 1.0}


def _image(seed=0):
    return np.random.default_rng(seed).normal(100, 10, SHAPE).astype(np.float32)


def _label(thickness=1):
    """A block of class 1 (value 2) and a plane of class 2 (value 7) beside it."""
    label = np.zeros(SHAPE, np.uint8)
    label[1:7, 1:11, 1:11] = 2
    label[8 : 8 + thickness, 1:11, 1:11] = 7
    return label


def _add(folder, uid, seed=0, **arrays):
    arrays = {"image": _image(seed), "label": _label(), **arrays}
    folder.add_case(uid, seed, affine=np.eye(4), **arrays)


@pytest.fixture
def convert(msd_folder, tmp_path):
    """Function of preprocessing settings: converts to "out", returns the manifest."""

    def convert(fractions=_ALL, **settings):
        return convert_here(msd_folder.folder, tmp_path / "out", fractions, settings)

    return convert


def _of_kind(manifest, kind):
    return [warning for warning in manifest.warnings if warning["kind"] == kind]


def _triples(manifest):
    """`(uid, check, message)` of each warning, sorted."""
    warnings = [(of["case"], of["kind"], of["text"]) for of in manifest.warnings]
    return sorted(warnings, key=str)


def _triples_of(problems):
    triples = [(p.uid, p.check, as_flags(p.message)) for p in problems]
    return sorted(triples, key=str)


def test_warning_counts_what_resampling_removes(msd_folder, tmp_path, convert):
    for seed, uid in enumerate("abc"):
        _add(msd_folder, uid, seed)
    _add(msd_folder, "d", 3, label=_label(thickness=4))
    manifest = convert(spacing_mm=(4.0, 4.0, 4.0))
    dataset_warning, *case_warnings = _of_kind(manifest, "class lost")
    assert dataset_warning["case"] is None
    assert dataset_warning["counts"] == {
        "class": "vessel",
        "lost_cases": 3,
        "cases": 4,
        "source_voxels": 300,
    }
    text = dataset_warning["text"]
    assert "(--spacing_mm=4,4,4) in 3 of 4 cases that have it, 300" in text
    assert [warning["case"] for warning in case_warnings] == ["a", "b", "c"]
    counts = case_warnings[0]["counts"]
    assert (counts["source_voxels"], counts["stored_voxels"]) == (100, 0)
    assert counts["source_ml"] == pytest.approx(0.1)
    assert read_manifest(tmp_path / "out") == manifest
    statistics = manifest.split("train").statistics
    assert statistics["voxels_per_class"][2] == 3 * 100 + 400
    assert statistics["cases_per_class"][1:] == [4, 4]
    assert statistics["stored_cases_per_class"][1:] == [4, 1]
    assert statistics["ml_per_class"][1] == pytest.approx(4 * 0.6)
    stored = statistics["stored_voxels_per_class"][1]
    assert statistics["stored_ml_per_class"][1] == pytest.approx(stored * 0.064)


def test_warning_of_a_class_that_shrinks(msd_folder, convert):
    label = _label()
    label[8:12, 1:11, 1:11] = 0
    label[8:10, 1:9, 0:10:4] = 7  # three planes, of which about one is left
    _add(msd_folder, "a", label=label)
    manifest = convert(volume_shape=(12, 12, 2))
    warnings = _of_kind(manifest, "class lost") + _of_kind(manifest, "class shrunk")
    kept = manifest.split("train").statistics["stored_voxels_per_class"]
    assert kept[2] < 48 / 2
    classes = {warning["counts"]["class"] for warning in warnings}
    assert classes == {"organ", "vessel"}


@pytest.mark.parametrize(
    "settings, words",
    [
        ({"volume_shape": (2, 2, 2)}, "by the crop to --volume_shape=2,2,2"),
        ({"spacing_mm": (4.0, 4.0, 4.0)}, "preprocessing (--spacing_mm=4,4,4)"),
    ],
)
def test_warning_of_a_case_that_loses_its_foreground(
    msd_folder, convert, settings, words
):
    small = np.zeros(SHAPE, np.uint8)
    small[0, 0, 0] = 2
    _add(msd_folder, "a", label=small)
    _add(msd_folder, "b", 1, label=np.full(SHAPE, 2, np.uint8))
    (lost,) = _of_kind(convert(**settings), "foreground lost")
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
def test_error_if_no_case_keeps_foreground(
    msd_folder, tmp_path, convert, settings, words
):
    label = np.zeros(SHAPE, np.uint8)
    label[0, 0, :2] = 2
    image = _image()
    image[0] = image.min() - 1  # a crop to the foreground removes this plane
    for uid in "ab":
        _add(msd_folder, uid, image=image + ord(uid), label=label)
    with pytest.raises(InputError, match="leaves no labelled voxel in all case") as e:
        convert(**settings)
    assert words in str(e.value) and "of 4 in the files of 2 case(s)" in str(e.value)
    assert not (tmp_path / "out").exists()
    dataset = split(read_dataset(msd_folder.folder), _ALL)
    choice = Choice(channel_names=("MRI",), **settings)
    (problem,) = preprocessing_problems(dataset, choice, InProcess())
    assert (problem.severity, problem.message) == (Severity.ERROR, str(e.value))


def test_error_if_the_training_split_has_no_foreground(msd_folder, convert):
    _add(msd_folder, "a")  # its name puts it into the split test
    _add(msd_folder, "b", 1, label=np.zeros(SHAPE, np.uint8))
    with pytest.raises(InputError, match="split train .1. has a labelled voxel"):
        convert(fractions=None)


def test_error_if_no_label_map_has_a_labelled_voxel(msd_folder, convert):
    for seed, uid in enumerate("ab"):
        _add(msd_folder, uid, seed, label=np.zeros(SHAPE, np.uint8))
    problems = verify(read_dataset(msd_folder.folder))
    (error,) = [p.message for p in problems if p.severity is Severity.ERROR]
    with pytest.raises(InputError, match="no label map of its 2 case.s. has a") as e:
        convert()
    assert error == str(e.value)


def test_error_if_all_images_become_constant(msd_folder, convert):
    for seed, uid in enumerate("ab"):
        _add(msd_folder, uid, seed)
    settings = {"intensity": "ct_window", "ct_window": (1000.0, 2000.0)}
    with pytest.raises(InputError, match="`intensity=ct_window` `ct_window=1000,2000`"):
        convert(**settings)
    _add(msd_folder, "c", image=_image() * 15)
    warnings = _of_kind(convert(**settings), "voxels")
    assert [warning["case"] for warning in warnings] == ["a", "b"]
    counts = warnings[0]["counts"]
    assert counts["channel"] == 0 and counts["min"] < 100 < counts["max"]


@pytest.mark.parametrize(
    "background, spacing_mm", [(0.0, (0.9, 1.1, 1.0)), (100.1, None)]
)
def test_sparse_images_keep_their_signal(
    msd_folder, tmp_path, convert, background, spacing_mm
):
    image = np.full((24, 24, 24), background, np.float32)
    image[5, 5, 5:7] += 50
    label = np.zeros(image.shape, np.uint8)
    label[2:9, 2:9, 2:9] = 2
    _add(msd_folder, "a", image=image, label=label)
    manifest = convert(intensity="percentile", spacing_mm=spacing_mm)
    (warning,) = _of_kind(manifest, "intensity")
    assert warning["counts"] == {
        "channel": 0,
        "min": pytest.approx(background),
        "max": pytest.approx(background + 50),
    }
    (path,) = manifest.shard_paths(tmp_path / "out", "train")
    (example,) = examples(path, manifest)
    stored = example["image"].numpy()
    np.testing.assert_allclose((stored.min(), stored.max()), (-1.0, 1.0), rtol=1e-5)
    assert np.isclose(stored, -1.0).mean() > 0.9  # background, not rounding noise


def test_warning_of_volumes_that_no_case_uses(msd_folder, convert):
    for seed, uid in enumerate("abc"):
        _add(msd_folder, uid, seed)
    listed = msd_folder.fields["training"]
    msd_folder.write(training=listed[:2], numTraining=3)
    (msd_folder.folder / "imagesTr" / "notes.txt").touch()
    (msd_folder.folder / "imagesTr" / "._a.nii.gz").touch()
    manifest = convert()
    images, labels = _of_kind(manifest, "left out")
    assert images["counts"] == labels["counts"] == {"files": 1}
    assert "imagesTr holds 1 volume(s) that no case of" in images["text"]
    assert images["text"].endswith("uses: 'c.nii.gz'")
    (warning,) = _of_kind(manifest, "dataset")
    assert "has 2 cases, its 'numTraining' is 3" in warning["text"]


def test_warning_of_folders_that_no_case_of_a_table_uses(tmp_path):
    rows = ["image,label"]
    for seed, uid in enumerate("abc"):
        folder = tmp_path / "data" / f"patient_{uid}"
        folder.mkdir(parents=True)
        nib.save(nib.Nifti1Image(_image(seed), np.eye(4)), folder / f"{uid}.nii.gz")
        nib.save(nib.Nifti1Image(_label(), np.eye(4)), folder / "seg.nii.gz")
        rows.append(f"patient_{uid}/{uid}.nii.gz,patient_{uid}/seg.nii.gz")
    table = tmp_path / "data" / "cases.csv"

    def problems(rows):
        table.write_text("\n".join(rows))
        labels = {0: "background", 2: "organ", 7: "vessel"}
        return verify(read_dataset(table, labels))

    (message,) = [p.message for p in problems(rows[:3]) if p.check == "left out"]
    assert "patient_c holds 2 volume(s)" in message
    assert [p.check for p in problems(rows)] == ["duplicate", "duplicate"]


def _add_oddities(folder):
    """Adds cases with every oddity that verification warns of."""
    _add(folder, "plain", 1)
    _add(folder, "constant", 2, image=np.full(SHAPE, 3.0, np.float32))
    _add(folder, "empty", 3, label=np.zeros(SHAPE, np.uint8))
    _add(folder, "rounded", 4, label=_label() * np.float32(1.00001))
    _add(folder, "shifted", 5)
    affine = np.eye(4)
    affine[2, 3] = 0.05
    path = folder.folder / "labelsTr" / "shifted.nii.gz"
    nib.save(nib.Nifti1Image(_label(), affine), path)
    _add(folder, "again", 6, image=_image(1))
    _add(folder, "header", 7)
    affine = np.eye(4)
    affine[0, 1] = 0.2  # sheared
    for name in ("imagesTr", "labelsTr"):
        path = folder.folder / name / "header.nii.gz"
        volume = nib.Nifti1Image(np.asarray(nib.load(path).dataobj), np.eye(4))
        volume.set_sform(affine, 1)
        nib.save(volume, path)
    folder.write(numTraining=99, labels={**folder.labels, "9": "absent"})
    (folder.folder / "imagesTr" / "unlisted.nii.gz").touch()


def test_manifest_has_every_warning_of_verification(msd_folder, convert):
    _add_oddities(msd_folder)
    problems = verify(split(read_dataset(msd_folder.folder), _ALL))
    assert {problem.severity for problem in problems} == {Severity.WARNING}
    assert {problem.check for problem in problems} == {
        *("dataset", "left out", "labels", "voxels", "foreground", "origin"),
        *("header", "duplicate"),
    }
    assert _triples(convert()) == _triples_of(problems)


@pytest.mark.parametrize(
    "settings",
    [
        {"spacing_mm": (4.0, 4.0, 4.0)},
        {"spacing_mm": "median", "volume_shape": (2, 12, 12)},
    ],
)
def test_verification_warns_of_the_same_losses(msd_folder, convert, settings):
    _add_oddities(msd_folder)
    dataset = split(read_dataset(msd_folder.folder), _ALL)
    choice = Choice(channel_names=("MRI",), **settings)
    losses = preprocessing_problems(dataset, choice, InProcess())
    assert losses
    warnings = [
        triple for triple in _triples(convert(**settings)) if triple[1] != "crop"
    ]
    assert warnings == _triples_of(verify(dataset) + losses)


def test_warnings_outlive_a_stop(msd_folder, tmp_path, convert):
    _add_oddities(msd_folder)
    good = list(msd_folder.fields["training"])
    _add(msd_folder, "stop", 8, image=np.full(SHAPE, np.nan, np.float32))
    settings = {"spacing_mm": "median", "volume_shape": (8, 8, 8)}
    with pytest.raises(InputError, match="case 'stop': "):
        convert(**settings)
    for name in ("imagesTr", "labelsTr"):
        (msd_folder.folder / name / "stop.nii.gz").unlink()
    msd_folder.write(training=good)
    manifest = convert(**settings)
    at_once = convert_here(msd_folder.folder, tmp_path / "at_once", _ALL, settings)
    assert manifest.warnings == at_once.warnings
    kinds = {warning["kind"] for warning in manifest.warnings}
    assert {"header", "origin", "voxels", "crop"} <= kinds


def test_files_of_skipped_cases_cause_no_warning(msd_folder, tmp_path):
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
