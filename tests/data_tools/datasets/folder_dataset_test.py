import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from data_tools.datasets.dataset_check import check_cases, dataset_warnings
from data_tools.datasets.folder_dataset import folder_dataset
from tests.data_tools.in_process import convert_by_flags
from tf_diffseg.data.manifest import read_manifest
from tf_diffseg.errors import InputError


@pytest.fixture
def write(tmp_path):
    """`write("images/a.nii")` writes a volume; a label map holds the given values."""

    def write(name, values=None, shape=(9, 8, 7)):
        rng = np.random.default_rng(list(name.encode()))
        volume = rng.normal(size=shape).astype(np.float32)
        if values is not None:
            volume = np.resize(np.array(values, np.int16), shape)
        path = tmp_path / "Knees" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        nib.save(nib.Nifti1Image(volume, np.eye(4)), path)
        return path

    return write


@pytest.fixture
def folders(tmp_path):
    return tmp_path / "Knees" / "images", tmp_path / "Knees" / "labels"


def test_files_of_one_name_are_a_case_and_values_are_classes(write, folders):
    for name in ("b.nii.gz", "a_0001.nii", "only_image.nii"):
        write(f"images/{name}")
    write("labels/b.nii", [0, 7])
    write("labels/a_0001.nii.gz", [0, 2, 7])  # A name that ends as a channel does.
    dataset = folder_dataset(*folders)
    check_cases(dataset)
    assert [case.uid for case in dataset.cases] == ["a_0001", "b"]
    assert dataset.label_values == [0, 2, 7]
    assert dataset.class_names == ["background", "class_2", "class_7"]
    assert (dataset.name, dataset.channel_names) == ("knees", ["image"])
    messages = [problem.message for problem in dataset_warnings(dataset)]
    assert any("the values [0, 2, 7]" in message for message in messages)
    assert any("only_image.nii" in message for message in messages)


def test_folders_may_hold_pictures(write, folders):
    for folder, values in zip(folders, (range(0, 250, 5), [0, 0, 3]), strict=True):
        folder.mkdir(parents=True)
        array = np.resize(np.array(values, np.uint8), (9, 8))
        Image.fromarray(array).save(folder / "a.png")
    dataset = folder_dataset(*folders)
    check_cases(dataset)
    assert (dataset.cases[0].uid, dataset.label_values) == ("a", [0, 3])
    # Beside volumes they are previews.
    write("images/a.nii")
    write("labels/a.nii", [0, 2])
    assert folder_dataset(*folders).label_values == [0, 2]


def test_the_ignore_label_is_no_class_that_was_found(write, folders):
    write("images/a.nii")
    write("labels/a.nii", [0, 1, 255])
    dataset = folder_dataset(*folders, ignore_label=255)
    assert dataset.with_ignore_label(255) == dataset
    assert (dataset.label_values, dataset.ignore_label) == ([0, 1], 255)


def test_names_of_classes_may_be_given(write, folders):
    write("images/a.nii")
    write("labels/a.nii", [0, 1, 9])
    names = {0: "background", 1: "bone", 9: "ignore"}
    dataset = folder_dataset(*folders, names)
    assert dataset.class_names == ["background", "bone"]
    assert dataset.ignore_label == 9 and not dataset.notes


@pytest.mark.parametrize(
    "names, shape, expected",
    [
        (["a_0000", "a_0001"], (9, 8, 7), ["channel_0", "channel_1"]),
        (["a_0000"], (9, 8, 7), ["image"]),
        (["a"], (9, 8, 7, 3), ["channel_0", "channel_1", "channel_2"]),
    ],
)
def test_channels_are_files_or_lie_in_one(write, folders, names, shape, expected):
    for name in names:
        write(f"images/{name}.nii", shape=shape)
    write("labels/a.nii", [0, 1])
    dataset = folder_dataset(*folders)
    check_cases(dataset)
    assert dataset.channel_names == expected
    assert len(dataset.cases[0].image_paths) == len(names)


@pytest.mark.parametrize(
    "files, message",
    [
        ({}, "images cannot be listed: No such file or directory"),
        (
            {"images/a.nii": None, "labels/a_seg.nii": [0, 1]},
            r"expected such as a.nii.gz in both, got 'a' and 'a_seg'$",
        ),
        (
            {"images/a_0000.nii": None, "images/a_0002.nii": None},
            r"'a' has the files a_0000.nii, a_0002.nii, expected 2 channel",
        ),
        ({"images/a.nii": None, "labels/a.nii": [0]}, "labels hold no class, only 0"),
        ({"images/a.nii": None, "labels/a.nii": range(300)}, "more than 256 values"),
    ],
)
def test_what_is_no_data_set_is_refused(write, folders, files, message):
    for name, values in files.items():
        write(name, values)
    if files and not folders[1].exists():
        write("labels/a.nii", [0, 1])
    if not files:
        folders[1].mkdir(parents=True)
    with pytest.raises(InputError, match=message):
        folder_dataset(*folders)


def test_a_damaged_label_map_is_named_by_the_checks(write, folders):
    for name in "ab":
        write(f"images/{name}.nii")
        write(f"labels/{name}.nii", [0, 1])
    (folders[1] / "a.nii").write_bytes(b"no volume")
    dataset = folder_dataset(*folders)
    assert dataset.label_values == [0, 1]
    assert [case.uid for case in dataset.cases] == ["a", "b"]


def test_the_flags_convert_them(write, folders, tmp_path):
    for name in "abcd":
        write(f"images/{name}.nii")
        write(f"labels/{name}.nii", [0, 1])
    given = {"images": folders[0], "labels": folders[1], "split": "train=0.5,test=0.5"}
    named = {"name": "My Knees", "license": "CC0", "class_names": "0=background,1=bone"}
    convert_by_flags(**given, **named, output_dir=tmp_path / "named")
    manifest = read_manifest(tmp_path / "named")
    assert manifest.dataset == "my_knees" and manifest.license == "CC0"
    assert manifest.class_names == ["background", "bone"]
    convert_by_flags(**given, output_dir=tmp_path / "found")
    assert read_manifest(tmp_path / "found").class_names == ["background", "class_1"]


@pytest.mark.parametrize(
    "values, message",
    [
        ({"images": "x"}, "--images=x needs --labels, the folder of label maps"),
        ({"dataset_json": "x", "class_names": "0=a"}, "--class_names=0=a is for"),
        ({"images": "x", "labels": "y", "class_names": ""}, "--class_names=: expected"),
        ({"images": "x", "labels": "y", "class_names": "z"}, "--class_names=z: expec"),
        ({"images": "x", "labels": "y"}, "y cannot be listed: No such file"),
    ],
)
def test_flags_that_contradict_one_another_are_refused(values, message, tmp_path):
    with pytest.raises(InputError, match=message):
        convert_by_flags(**values, output_dir=tmp_path / "out")
