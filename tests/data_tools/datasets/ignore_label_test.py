"""The ignore label, from its declaration to shards, checks and pictures."""

import dataclasses
import json
import shutil

import nibabel as nib
import numpy as np
import pytest
import tensorflow as tf

from data_tools.conversion.case_conversion import to_class_ids
from data_tools.datasets.nnunet_dataset import nnunet_dataset
from data_tools.datasets.open_dataset import read_dataset
from data_tools.datasets.problems import Severity
from data_tools.inspection import manifest_text, shard_inspection
from data_tools.inspection.verification import verify
from tests.data_tools.conftest import MsdFolder
from tests.data_tools.in_process import convert_here, open_dataset
from tf_diffseg.data.example_schema import parse_example
from tf_diffseg.data.manifest import read_manifest
from tf_diffseg.errors import InputError
from tf_diffseg.reports.overlay import save_overlay
from tf_diffseg.volumes.volume import Volume


def _volume(values):
    array = np.array(values).reshape(-1, 1, 1)
    return Volume("label.nii.gz", array, np.eye(4))


@pytest.mark.parametrize(
    "label_values, ignored",
    [([0, 1, 2], 3), ([0, 1, 2], 255), ([0, 2, 7], 5), ([0, 2, 7], -1)]
    + [([0, 1], 2**31 - 1), ([0, 5], 1), (list(range(256)), 256)],
)
def test_ignored_voxels_hold_the_id_after_the_last(label_values, ignored):
    values = [*label_values, ignored, 0]
    found = to_class_ids(_volume(values), label_values, ignored)
    num_classes = len(label_values)
    np.testing.assert_array_equal(found.ravel(), [*range(num_classes + 1), 0])
    # 256 classes leave no room for another id in a byte.
    assert found.dtype == (np.uint16 if num_classes == 256 else np.uint8)


def test_other_undeclared_values_are_refused():
    with pytest.raises(
        InputError, match="254, the data set declares 0, 1 and ignores 2"
    ):
        to_class_ids(_volume([0, 254]), [0, 1], 255)


@pytest.mark.parametrize("convention", ["name", "key", "flag", "both"])
def test_declaration_in_msd_layout(msd_folder, convention):
    msd_folder.add_case("case")
    if convention in ("name", "both"):
        msd_folder.write(labels=msd_folder.labels | {"255": "Ignore"})
    if convention in ("key", "both"):
        msd_folder.write(ignore_label=255)
    dataset = open_dataset(msd_folder.dataset_json)
    if convention == "flag":
        assert dataset.ignore_label is None
        with pytest.raises(InputError, match="`ignore_label` is 7, which .* 'vessel'"):
            dataset.with_ignore_label(7)
        dataset = dataset.with_ignore_label(255)
    assert dataset.ignore_label == 255
    assert dataset.label_values == [0, 2, 7]
    assert dataset.class_names == ["background", "organ", "vessel"]
    assert "voxels of label value 255 are ignored" in dataset.describe()
    assert dataset.with_ignore_label(255) == dataset
    with pytest.raises(InputError, match="declares the ignore label 255"):
        dataset.with_ignore_label(254)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"ignore_label": 2}, "is 2, which it declares as the class 'organ'"),
        ({"ignore_label": 0}, "is 0, which it declares as the class 'background'"),
        ({"ignore_label": "255"}, "whole number"),
        ({"ignore_label": 2.5}, "whole number"),
        ({"ignore_label": 2**31}, "whole number"),
        ({"ignore_label": True}, "whole number"),
        (
            {"ignore_label": 9, "labels": {"0": "a", "1": "b", "8": "ignore"}},
            "several ignore labels, 8, 9",
        ),
    ],
)
def test_wrong_declaration_is_refused(msd_folder, changes, message):
    msd_folder.write(**changes)
    with pytest.raises(InputError, match=message):
        open_dataset(msd_folder.dataset_json)


_ORGAN = {"background": 0, "organ": 1}
_REGIONS = {"background": 0, "whole": [1, 2], "core": [2], "ignore": 3}


@pytest.mark.parametrize(
    "fields, ignored, label_values, regions",
    [
        ({"labels": _ORGAN | {"ignore": 2}}, 2, [0, 1], []),
        ({"labels": _ORGAN, "ignore_label": 255}, 255, [0, 1], []),
        (
            {"labels": _REGIONS, "regions_class_order": [1, 2]},
            3,
            [0, 1, 2],
            ["whole", "core"],
        ),
    ],
)
def test_declaration_in_nnunet(fields, ignored, label_values, regions):
    case = {"images": ["a.nii.gz"], "label": "b.nii.gz"}
    fields |= {"channel_names": {"0": "CT"}, "dataset": {"case": case}}
    dataset = nnunet_dataset("folder/dataset.json", fields)
    assert (dataset.ignore_label, dataset.label_values) == (ignored, label_values)
    assert [region.name for region in dataset.regions] == regions


def test_declaration_among_the_labels_of_a_table(tmp_path):
    path = tmp_path / "cases.csv"
    path.write_text("image,label\na.nii.gz,b.nii.gz\n")
    dataset = read_dataset(path, {0: "background", 1: "organ", 255: "ignore"})
    assert (dataset.ignore_label, dataset.label_values) == (255, [0, 1])


@pytest.fixture(scope="module")
def ignoring(tmp_path_factory):
    """Cases 0 and 1 ignore a third of their voxels, case 2 none and case 3 all."""
    folder = MsdFolder(tmp_path_factory.mktemp("ignoring"))
    rng = np.random.default_rng(0)
    for index in range(4):
        label = rng.choice((0, 2, 7), (8, 9, 10)).astype(np.uint8)
        if index < 2:
            label[rng.random(label.shape) < 0.3] = 255
        if index == 3:
            label[:] = 255
        folder.add_case(f"case_{index}", index, label=label)
    folder.write(ignore_label=255)
    return folder.folder


@pytest.fixture(scope="module")
def converted(ignoring, tmp_path_factory):
    """Shards of `ignoring` with default settings."""
    output = tmp_path_factory.mktemp("converted") / "out"
    convert_here(ignoring, output)
    return output


def _examples(folder):
    manifest = read_manifest(folder)
    splits = manifest.splits
    paths = sum((manifest.shard_paths(folder, split) for split in splits), [])
    found = map(parse_example, tf.data.TFRecordDataset(paths))
    return {example["uid"].numpy().decode(): example for example in found}


def _source(folder, uid):
    image = nib.load(folder / "labelsTr" / f"{uid}.nii.gz")
    return np.asarray(image.dataobj)


def _total(manifest, name):
    return np.sum([each.statistics[name] for each in manifest.splits.values()], axis=0)


def test_shards_hold_it_and_statistics_leave_it_out(ignoring, converted):
    manifest = read_manifest(converted)
    assert (manifest.ignore_label, manifest.ignored_id) == (255, 3)
    table = np.full(256, -1)
    table[[0, 2, 7, 255]] = [0, 1, 2, 3]
    total = np.zeros(4, int)
    for uid, example in _examples(converted).items():
        expected = table[_source(ignoring, uid)]
        np.testing.assert_array_equal(example["source_label"], expected)
        counts = np.bincount(expected.ravel(), minlength=4)
        total += counts
        stored = np.bincount(np.ravel(example["label"]), minlength=4)
        np.testing.assert_array_equal(stored, counts)
    np.testing.assert_array_equal(_total(manifest, "voxels_per_class"), total[:3])
    assert _total(manifest, "ignored_voxels") == total[3]
    assert _total(manifest, "ignored_cases") == 3
    fingerprint, train = manifest.fingerprint, manifest.splits["train"].statistics
    for name in ("ignored_cases", "cases_per_class"):
        assert fingerprint[name] == train[name]
    assert fingerprint["ignored_cases"]
    text = manifest_text.fingerprint_table(
        fingerprint, manifest.class_names, manifest.channel_names
    )
    assert "ignored in ml" in text
    found = shard_inspection.verify(converted, manifest)
    assert (found.num_cases, found.problems) == (4, [])
    text = manifest_text.describe(converted, manifest)
    assert f"ignored        label value 255, {total[3]} voxels" in text


def test_without_ignored_voxels_the_shards_are_the_same(msd_folder, tmp_path):
    for index in range(2):
        msd_folder.add_case(f"case_{index}", index)
    first = convert_here(msd_folder.folder, tmp_path / "plain")
    msd_folder.write(ignore_label=255)
    second = convert_here(msd_folder.folder, tmp_path / "with")
    assert second.splits == first.splits  # with SHA-256 and statistics
    (added,) = (each for each in second.warnings if each not in first.warnings)
    assert "the ignore label 255 is on 0 voxels of 0 of 2 cases" in added["text"]
    plain = dataclasses.replace(second, ignore_label=None, warnings=first.warnings)
    assert plain == first


def test_padding_is_background(ignoring, tmp_path):
    """Padding is as dark as the darkest voxel, so its class is known."""
    settings = {"volume_shape": (20, 20, 20)}
    convert_here(ignoring, tmp_path / "out", preprocessing=settings)
    label = _examples(tmp_path / "out")["case_3"]["label"].numpy()
    assert np.count_nonzero(label == 3) == 8 * 9 * 10
    assert np.count_nonzero(label == 0) == label.size - 8 * 9 * 10


def test_ignored_voxels_are_no_cropped_voxels(ignoring, tmp_path):
    settings = {"volume_shape": (2, 2, 2)}
    manifest = convert_here(ignoring, tmp_path / "out", preprocessing=settings)
    lost = 0
    for example in _examples(tmp_path / "out").values():
        before, after = (np.ravel(example[key]) for key in ("source_label", "label"))
        lost += np.isin(before, (1, 2)).sum() - np.isin(after, (1, 2)).sum()
    assert _total(manifest, "cropped_voxels") == lost
    assert _total(manifest, "cropped_cases") == 3


def test_resampling_treats_it_as_one_more_class(ignoring, tmp_path):
    settings = {"spacing_mm": (2.0, 2.0, 2.0)}
    convert_here(ignoring, tmp_path / "out", preprocessing=settings)
    for uid, example in _examples(tmp_path / "out").items():
        ids = set(np.unique(example["label"]))
        assert ids <= ({3} if uid == "case_3" else {0, 1, 2, 3})


def test_verification_counts_it(ignoring):
    dataset = open_dataset(ignoring)
    problems = verify(dataset)
    assert not [one for one in problems if one.severity is Severity.ERROR]
    count = sum((_source(ignoring, f"case_{i}") == 255).sum() for i in range(4))
    (note,) = [one.message for one in problems if one.severity is Severity.NOTE]
    assert f"the ignore label 255 is on {count} voxels of 3 of 4 cases" in note
    (foreground,) = [one for one in problems if one.check == "foreground"]
    assert foreground.uid == "case_3"
    assert "has no foreground" in foreground.message
    undeclared = dataclasses.replace(dataset, ignore_label=None)
    errors = [one for one in verify(undeclared) if one.severity is Severity.ERROR]
    assert len(errors) == 3 and "undeclared label value 255" in errors[0].message


def test_manifest_of_an_older_version_has_none(converted, tmp_path):
    shutil.copytree(converted, tmp_path / "old")
    path = tmp_path / "old" / "manifest.json"
    fields = json.loads(path.read_text())
    assert fields.pop("ignore_label") == 255
    path.write_text(json.dumps(fields))
    manifest = read_manifest(path.parent)
    assert (manifest.ignore_label, manifest.ignored_id) == (None, None)


def test_pictures_shade_it_without_an_outline(tmp_path):
    image = np.random.default_rng(0).normal(size=(8, 8, 8))
    label = np.zeros(image.shape, int)
    label[2:6, 2:6, 2:6] = 1
    label[:, :, 6:] = 2

    def drawn(name, **options):
        names = ["background", "organ"]
        save_overlay(tmp_path / name, image, label, class_names=names, **options)
        return (tmp_path / name).read_bytes()

    marked = drawn("marked.png", ignored_id=2)
    label[label == 2] = 0
    assert marked != drawn("none.png", ignored_id=2) == drawn("as_before.png")
