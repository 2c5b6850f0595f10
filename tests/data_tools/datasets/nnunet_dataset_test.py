"""Raw data sets of nnU-Net v2: recognised by content, read by their file names."""

import json

import nibabel as nib
import numpy as np
import pytest

from data_tools.datasets.dataset import Region
from data_tools.datasets.dataset_check import dataset_warnings
from tests.data_tools.in_process import convert_here, open_dataset
from tf_diffseg.data.manifest import read_manifest
from tf_diffseg.errors import InputError
from tf_diffseg.volumes.volume_files import read_case


@pytest.fixture
def folder(tmp_path):
    """A data set of two cases with two channels in a file each."""
    root = tmp_path / "Dataset007_Toy"
    rng = np.random.default_rng(0)
    for sub in ("imagesTr", "labelsTr"):
        (root / sub).mkdir(parents=True)
    for uid in ("case_2", "case_10"):
        for channel in range(2):
            image = rng.normal(size=(4, 3, 2)).astype(np.float32)
            path = root / "imagesTr" / f"{uid}_{channel:04d}.nii.gz"
            nib.save(nib.Nifti1Image(image, np.eye(4)), path)
        label = rng.integers(0, 4, (4, 3, 2)).astype(np.uint8)
        path = root / "labelsTr" / f"{uid}.nii.gz"
        nib.save(nib.Nifti1Image(label, np.eye(4)), path)
    _write(root)
    return root


def _write(root, **changes):
    fields = {
        "channel_names": {"0": "T2", "1": "ADC"},
        "labels": {"background": 0, "core": 1, "edge": 3, "rim": 2},
        "numTraining": 2,
        "file_ending": ".nii.gz",
        **changes,
    }
    (root / "dataset.json").write_text(json.dumps(fields))


def test_data_set_is_recognised_and_read(folder):
    dataset = open_dataset(folder)
    assert "follows nnU-Net v2: 2 cases, 2 channel(s) (T2, ADC)" in dataset.describe()
    assert dataset.name == "dataset007_toy"
    assert dataset.channel_names == ["T2", "ADC"]
    assert dataset.label_values == [0, 1, 2, 3]
    assert dataset.class_names == ["background", "core", "rim", "edge"]
    assert dataset.regions == dataset.notes == ()
    assert [case.uid for case in dataset.cases] == ["case_10", "case_2"]
    image, label = read_case(dataset.cases[0], num_channels=2)
    for channel in range(2):
        path = folder / "imagesTr" / f"case_10_{channel:04d}.nii.gz"
        expected = np.asarray(nib.load(path).dataobj)
        np.testing.assert_array_equal(image.array[..., channel], expected)
    expected = np.asarray(nib.load(folder / "labelsTr" / "case_10.nii.gz").dataobj)
    np.testing.assert_array_equal(label.array, expected)


def test_regions_and_channels_reach_the_manifest(folder, tmp_path):
    labels = {"background": 0, "whole": [1, 2, 3], "core": [2, 3], "enhancing": 3}
    _write(folder, labels=labels, regions_class_order=[1, 2, 3])
    regions = (
        Region("whole", (1, 2, 3), 1),
        Region("core", (2, 3), 2),
        Region("enhancing", (3,), 3),
    )
    assert open_dataset(folder).regions == regions
    convert_here(folder, tmp_path / "out", {"all": 1.0})
    manifest = read_manifest(tmp_path / "out")
    assert manifest.channel_names == ["T2", "ADC"]
    assert manifest.label_values == [0, 1, 2, 3]
    assert manifest.class_names == ["background", "label 1", "label 2", "enhancing"]
    found = [
        Region(**r | {"label_values": (*r["label_values"],)}) for r in manifest.regions
    ]
    assert tuple(found) == regions


def test_files_listed_in_the_json(folder):
    (folder / "imagesTr").rename(folder / "elsewhere")
    images = [f"elsewhere/case_2_{channel:04d}.nii.gz" for channel in (1, 0)]
    entry = {"images": images, "label": "labelsTr/case_2.nii.gz"}
    _write(folder, dataset={"a b": entry}, numTraining=1)
    (case,) = open_dataset(folder).cases
    assert case.uid == "a b"
    assert case.image_paths == tuple(str(folder / name) for name in images)


@pytest.mark.parametrize(
    "removed, message",
    [
        (["imagesTr/case_2_0001"], "imagesTr/case_2_0001.nii.gz does not exist$"),
        (["labelsTr/case_2"], "labelsTr/case_2.nii.gz does not exist$"),
        (
            ["imagesTr/case_2_0000", "imagesTr/case_2_0001"],
            "case_2_0000.nii.gz does not exist; case 'case_2': .*0001",
        ),
    ],
)
def test_missing_file_is_named(folder, removed, message):
    for name in removed:
        (folder / f"{name}.nii.gz").unlink()
    with pytest.raises(InputError, match=f"case 'case_2': .*{message}"):
        open_dataset(folder)


@pytest.mark.parametrize("name", ["case_2_0002.nii.gz", "case_3.nii.gz"])
def test_image_of_undeclared_channel_is_refused(folder, name):
    (folder / "imagesTr" / name).touch()
    with pytest.raises(InputError, match=f"{name}: expected .* _0000.* to _0001"):
        open_dataset(folder)


_REGIONS = {"background": 0, "whole": [1, 2, 3], "core": [2, 3]}


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"channel_names": ["T2"]}, "'channel_names' must be an object"),
        ({"labels": ["a"]}, "'labels' must be an object such as"),
        ({"labels": {"0": "background", "1": "a"}}, "gives '0' the value 'backgr"),
        ({"labels": {"background": 0, "a": True}}, "gives 'a' the value True"),
        ({"labels": {"background": 0, "a": []}}, r"gives 'a' the value \[\]"),
        ({"labels": {"background": 0, "a": 1, "ignore": 1}}, "ignores the value 1"),
        ({"labels": {"background": 0, "a": 1, "ignore": [2, 3]}}, "expected one"),
        ({"labels": _REGIONS}, "for each of the 2 regions, got None"),
        (
            {"labels": _REGIONS, "regions_class_order": [1, 7]},
            r"that 'labels' declares, got \[7",
        ),
        ({"file_ending": ".gif"}, "'file_ending' must be one of .nii.gz.* '.gif'"),
        ({"file_ending": ".nii"}, r"there is no \*_0000.nii in .*imagesTr"),
        ({"dataset": {"a": {"images": []}}}, "'dataset' must give each case a list"),
        ({"dataset": [1]}, "'dataset' must give each case a list"),
    ],
)
def test_wrong_field_is_named(folder, changes, message):
    _write(folder, **changes)
    with pytest.raises(InputError, match=message):
        open_dataset(folder)


def test_missing_folder_is_named(folder):
    (folder / "labelsTr").rename(folder / "labels")
    with pytest.raises(InputError, match="labelsTr cannot be listed: No such file"):
        open_dataset(folder)


@pytest.mark.parametrize("declared, num_notes", [(1, 0), (4, 1)])
def test_wrong_number_of_test_cases_is_noted(folder, declared, num_notes):
    (folder / "imagesTs").mkdir()
    for channel in range(2):
        (folder / "imagesTs" / f"t_{channel:04d}.nii.gz").touch()
    _write(folder, numTest=declared)
    notes = open_dataset(folder).notes
    assert len(notes) == num_notes
    assert all("has 1 test cases, its 'numTest' is 4" in note for note in notes)


@pytest.mark.parametrize("ending", [".nii", ".mha"])
def test_files_of_another_ending_are_reported(folder, ending):
    for name in (f"imagesTr/case_3_0000{ending}", f"labelsTr/case_3{ending}"):
        (folder / name).touch()
    images, labels = dataset_warnings(open_dataset(folder))
    assert images.message.endswith(f"uses: 'case_3_0000{ending}'")
    assert labels.message.endswith(f"uses: 'case_3{ending}'")
    assert images.counts == {"files": 1}
