"""The ignore label, from what declares it to shards, checks and pictures."""

import dataclasses
import json

import numpy as np
import pytest
import tensorflow as tf

from data_tools.conversion.case_conversion import to_class_ids
from data_tools.conversion.converter import Options, convert
from data_tools.conversion.preprocessing_choice import Choice
from data_tools.datasets.nnunet_dataset import nnunet_dataset
from data_tools.datasets.open_dataset import read_dataset
from data_tools.datasets.problems import Severity
from data_tools.inspection import manifest_text, shard_inspection
from data_tools.inspection.verification import verify
from tests.data_tools.in_process import InProcess, open_dataset, split
from tf_diffseg.data.example_schema import parse_example
from tf_diffseg.data.manifest import read_manifest
from tf_diffseg.errors import InputError
from tf_diffseg.reports.overlay import save_overlay
from tf_diffseg.volumes.volume import Volume

HALF = {"train": 0.5, "test": 0.5}


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
    expected = [*range(num_classes), num_classes, 0]
    np.testing.assert_array_equal(found.ravel(), expected)
    # The smallest type that has room for it: 256 classes leave none in a byte.
    assert found.dtype == (np.uint16 if num_classes == 256 else np.uint8)


def test_other_values_are_refused_beside_it():
    with pytest.raises(
        InputError, match="254, the data set declares 0, 1 and ignores 2"
    ):
        to_class_ids(_volume([0, 254]), [0, 1], 255)


@pytest.mark.parametrize("convention", ["name", "key", "flag", "both"])
def test_is_declared_in_msd_layout(msd_folder, convention):
    msd_folder.add_case("case")
    labels = dict(msd_folder.labels)
    if convention in ("name", "both"):
        labels["255"] = "Ignore"
    msd_folder.write(labels=labels)
    if convention in ("key", "both"):
        msd_folder.write(ignore_label=255)
    dataset = open_dataset(msd_folder.dataset_json)
    if convention == "flag":
        assert dataset.ignore_label is None
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
def test_refuses_what_cannot_be_ignored(msd_folder, changes, message):
    msd_folder.write(**changes)
    with pytest.raises(InputError, match=message):
        open_dataset(msd_folder.dataset_json)


def test_the_flag_cannot_ignore_a_class(msd_folder):
    msd_folder.add_case("case")
    dataset = open_dataset(msd_folder.dataset_json)
    with pytest.raises(InputError, match="`ignore_label` is 7, which .* 'vessel'"):
        dataset.with_ignore_label(7)


def _nnunet(tmp_path, **fields):
    case = {"images": ["a.nii.gz"], "label": "b.nii.gz"}
    fields = {
        "channel_names": {"0": "CT"},
        "dataset": {"case": case},
        "labels": {"background": 0, "organ": 1, "ignore": 2},
        **fields,
    }
    return nnunet_dataset(tmp_path / "dataset.json", fields)


def test_is_declared_as_nnunet_has_it(tmp_path):
    dataset = _nnunet(tmp_path)
    assert (dataset.ignore_label, dataset.label_values) == (2, [0, 1])
    labels = {"background": 0, "whole": [1, 2], "core": [2], "ignore": 3}
    dataset = _nnunet(tmp_path, labels=labels, regions_class_order=[1, 2])
    assert (dataset.ignore_label, dataset.label_values) == (3, [0, 1, 2])
    assert [region.name for region in dataset.regions] == ["whole", "core"]
    dataset = _nnunet(tmp_path, labels={"background": 0, "organ": 1}, ignore_label=255)
    assert dataset.ignore_label == 255


def test_is_declared_among_the_labels_of_a_table(tmp_path):
    path = tmp_path / "cases.csv"
    path.write_text("image,label\na.nii.gz,b.nii.gz\n")
    dataset = read_dataset(path, {0: "background", 1: "organ", 255: "ignore"})
    assert (dataset.ignore_label, dataset.label_values) == (255, [0, 1])


@pytest.fixture
def ignoring(msd_folder):
    """Four cases: of the first two a third of the voxels, of the last all."""
    rng = np.random.default_rng(0)
    for index in range(4):
        label = rng.choice((0, 2, 7), (8, 9, 10)).astype(np.uint8)
        if index < 2:
            label[rng.random(label.shape) < 0.3] = 255
        if index == 3:
            label[:] = 255
        msd_folder.add_case(f"case_{index}", index, label=label)
    msd_folder.write(ignore_label=255)
    return msd_folder


def _convert(dataset, output, **preprocessing):
    choice = Choice(channel_names=tuple(dataset.channel_names), **preprocessing)
    return convert(split(dataset, HALF), output, choice, InProcess(), Options())


def _examples(folder, manifest):
    paths = [
        path
        for split in manifest.splits
        for path in manifest.shard_paths(folder, split)
    ]
    found = map(parse_example, tf.data.TFRecordDataset(paths))
    return {example["uid"].numpy().decode(): example for example in found}


def _source(folder, uid):
    import nibabel as nib

    image = nib.load(folder.folder / "labelsTr" / f"{uid}.nii.gz")
    return np.asarray(image.dataobj)


def test_shards_hold_it_and_figures_leave_it_out(ignoring, tmp_path):
    output = tmp_path / "out"
    _convert(open_dataset(ignoring.dataset_json), output)
    manifest = read_manifest(output)
    assert (manifest.ignore_label, manifest.ignored_id) == (255, 3)
    assert json.loads((output / "manifest.json").read_text())["ignore_label"] == 255
    examples = _examples(output, manifest)
    table = np.full(256, -1)
    table[[0, 2, 7, 255]] = [0, 1, 2, 3]
    total = np.zeros(4, int)
    for uid, example in examples.items():
        expected = table[_source(ignoring, uid)]
        np.testing.assert_array_equal(example["source_label"], expected)
        total += np.bincount(expected.ravel(), minlength=4)
        np.testing.assert_array_equal(
            np.bincount(np.ravel(example["label"]), minlength=4),
            np.bincount(expected.ravel(), minlength=4),
        )
    statistics = [split.statistics for split in manifest.splits.values()]
    voxels = np.sum([of["voxels_per_class"] for of in statistics], axis=0)
    np.testing.assert_array_equal(voxels, total[:3])
    assert sum(of["ignored_voxels"] for of in statistics) == total[3]
    assert sum(of["ignored_cases"] for of in statistics) == 3
    fingerprint = manifest.fingerprint
    train = manifest.splits["train"]
    assert fingerprint["ignored_cases"] == train.statistics["ignored_cases"]
    assert fingerprint["cases_per_class"] == train.statistics["cases_per_class"]
    if fingerprint["ignored_cases"]:
        assert "ignored in ml" in manifest_text.fingerprint_table(
            fingerprint, manifest.class_names, manifest.channel_names
        )
    found = shard_inspection.verify(output, manifest)
    assert (found.num_cases, found.problems) == (4, [])
    described = manifest_text.describe(output, manifest)
    assert f"ignored        label value 255, {total[3]} voxels" in described


def test_without_ignored_voxels_the_shards_are_the_same(msd_folder, tmp_path):
    for index in range(4):
        msd_folder.add_case(f"case_{index}", index)
    plain = open_dataset(msd_folder.dataset_json)
    first = _convert(plain, tmp_path / "plain")
    second = _convert(plain.with_ignore_label(255), tmp_path / "with")
    assert second.splits == first.splits  # SHA-256 and statistics among them.
    (told,) = (of for of in second.warnings if of not in first.warnings)
    assert "the ignore label 255 is on 0 voxels of 0 of 4 cases" in told["text"]
    assert (
        dataclasses.replace(second, ignore_label=None, warnings=first.warnings) == first
    )


def test_padding_is_background(ignoring, tmp_path):
    """As darkest image: nothing is there, which is known."""
    output = tmp_path / "out"
    dataset = open_dataset(ignoring.dataset_json)
    manifest = _convert(dataset, output, volume_shape=(20, 20, 20))
    examples = _examples(output, manifest)
    label = examples["case_3"]["label"].numpy()
    assert np.count_nonzero(label == 3) == 8 * 9 * 10
    assert np.count_nonzero(label == 0) == label.size - 8 * 9 * 10


def test_cropped_away_it_is_no_labelled_voxel(ignoring, tmp_path):
    dataset = open_dataset(ignoring.dataset_json)
    manifest = _convert(dataset, tmp_path / "out", volume_shape=(2, 2, 2))
    examples = _examples(tmp_path / "out", manifest)
    lost = 0
    for example in examples.values():
        before, after = (np.ravel(example[key]) for key in ("source_label", "label"))
        lost += np.isin(before, (1, 2)).sum() - np.isin(after, (1, 2)).sum()
    statistics = [split.statistics for split in manifest.splits.values()]
    assert sum(of["cropped_voxels"] for of in statistics) == lost
    assert sum(of["cropped_cases"] for of in statistics) == 3


def test_resampled_it_is_one_more_class(ignoring, tmp_path):
    dataset = open_dataset(ignoring.dataset_json)
    manifest = _convert(dataset, tmp_path / "out", spacing_mm=(2.0, 2.0, 2.0))
    for uid, example in _examples(tmp_path / "out", manifest).items():
        ids = set(np.unique(example["label"]))
        assert ids <= ({3} if uid == "case_3" else {0, 1, 2, 3})


def test_verification_counts_it(ignoring):
    dataset = open_dataset(ignoring.dataset_json)
    problems = verify(dataset)
    assert not [one for one in problems if one.severity is Severity.ERROR]
    count = sum((_source(ignoring, f"case_{i}") == 255).sum() for i in range(4))
    notes = [one.message for one in problems if one.severity is Severity.NOTE]
    (note,) = notes
    assert f"the ignore label 255 is on {count} voxels of 3 of 4 cases" in note
    alone = [one for one in problems if one.check == "foreground"]
    assert [one.uid for one in alone] == ["case_3"]
    assert "has no foreground" in alone[0].message
    # Undeclared, it is an error as before.
    plain = dataclasses.replace(dataset, ignore_label=None)
    errors = [one for one in verify(plain) if one.severity is Severity.ERROR]
    assert len(errors) == 3 and "undeclared label value 255" in errors[0].message


def test_an_ignore_label_that_no_case_has_is_told(msd_folder):
    msd_folder.add_case("case")
    msd_folder.write(ignore_label=255)
    problems = verify(open_dataset(msd_folder.dataset_json))
    (found,) = [one for one in problems if one.check == "ignored"]
    assert found.severity is Severity.WARNING
    assert "255 is on 0 voxels of 0 of 1 cases" in found.message


def test_a_manifest_of_before_has_none(ignoring, tmp_path):
    output = tmp_path / "out"
    _convert(open_dataset(ignoring.dataset_json), output)
    path = output / "manifest.json"
    fields = json.loads(path.read_text())
    del fields["ignore_label"]
    path.write_text(json.dumps(fields))
    manifest = read_manifest(output)
    assert (manifest.ignore_label, manifest.ignored_id) == (None, None)


def test_pictures_shade_it_and_outline_it_not(tmp_path):
    image = np.random.default_rng(0).normal(size=(8, 8, 8))
    label = np.zeros(image.shape, int)
    label[2:6, 2:6, 2:6] = 1
    label[:, :, 6:] = 2

    def drawn(name, **options):
        save_overlay(
            tmp_path / name,
            image,
            label,
            class_names=["background", "organ"],
            **options,
        )
        return (tmp_path / name).read_bytes()

    marked = drawn("marked.png", ignored_id=2)
    label[label == 2] = 0
    assert marked != drawn("none.png", ignored_id=2) == drawn("as_before.png")
