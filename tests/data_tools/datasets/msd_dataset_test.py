"""dataset.json of the Decathlon is read whole and checked before any work."""

import pytest

from tests.data_tools.conftest import MsdFolder
from tests.data_tools.in_process import open_dataset
from tf_diffseg.errors import InputError


def test_toy_data(toy_folder):
    dataset = open_dataset(toy_folder.dataset_json)
    assert (dataset.name, dataset.license) == ("toy_data", "CC0")
    assert dataset.modality == "MRI"
    assert dataset.label_values == [0, 2, 7]
    assert dataset.class_names == ["background", "organ", "vessel"]
    assert [case.uid for case in dataset.cases] == [f"toy_{i:02d}" for i in range(9)]
    assert open_dataset(toy_folder.folder) == dataset


def test_real_data(hippocampus_dir):
    dataset = open_dataset(hippocampus_dir)
    assert dataset.name == "hippocampus"
    assert dataset.class_names == ["background", "Anterior", "Posterior"]
    assert dataset.license == "CC-BY-SA 4.0"
    assert dataset.cases[0].uid == "hippocampus_004"


def test_channels_and_labels_are_sorted_as_integers(msd_folder):
    msd_folder.add_case("a")
    names = [f"echo {index}" for index in range(11)]
    msd_folder.write(
        modality={str(index): names[index] for index in reversed(range(11))},
        labels={str(value): f"class {value}" for value in (10, 2, 0, 1)},
    )
    dataset = open_dataset(msd_folder.folder)
    assert dataset.channel_names == names
    assert dataset.modality == ", ".join(names)
    assert dataset.label_values == [0, 1, 2, 10]
    assert dataset.class_names == ["class 0", "class 1", "class 2", "class 10"]
    (case,) = dataset.cases
    assert case.image_paths == (str(msd_folder.folder / "imagesTr" / "a.nii.gz"),)


@pytest.mark.parametrize("name", ["dataset.json", ""])
def test_missing_file_is_named(tmp_path, name):
    with pytest.raises(InputError, match="no dataset.json at .*dataset.json"):
        open_dataset(tmp_path / name)


def test_every_missing_file_of_a_case_is_listed(msd_folder):
    for uid in "abc":
        msd_folder.add_case(uid)
    (msd_folder.folder / "labelsTr" / "b.nii.gz").unlink()
    (msd_folder.folder / "imagesTr" / "c.nii.gz").unlink()
    message = (
        r"dataset.json: case 'b': .*labelsTr/b.nii.gz does not exist; "
        r"case 'c': .*imagesTr/c.nii.gz does not exist$"
    )
    with pytest.raises(InputError, match=message):
        open_dataset(msd_folder.folder)


_CHANNELS_IN_LIST = {"image": [["a.nii"]], "label": "l.nii"}


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"labels": ["background", "organ"]}, "has no 'labels', expected an object"),
        ({"labels": {"background": 0}}, "keys of 'labels' must be whole numbers"),
        ({"labels": {"1": "organ", "2": "b"}}, r"must hold 0, .* got \[1, 2\]"),
        ({"labels": {"0": "background"}}, r"got \[0\]"),
        ({"labels": {"0": "b", "1": "a", "2": "a"}}, "several values the name 'a'"),
        ({"labels": {"0": "b", "1": "a", "01": "c"}}, "one value several times"),
        ({"labels": {"-1": "x", "0": "y"}}, r"got \[-1, 0\]"),
        ({"labels": {"0": "b", "9999999999": "a"}}, "must not exceed 2147483647, got"),
        (
            {"modality": {"1": "MRI", "2": "CT"}},
            r"the keys of 'modality' must be 0 to 1, got \['1', '2'\]",
        ),
        ({"modality": ["MRI"]}, r"'modality' must be an object .* got \['MRI'\]"),
        ({"name": "  "}, "expected 1 to 100 letters or digits"),
        ({"name": "a" * 101}, "expected 1 to 100 letters or digits"),
        ({"labels": {"0": "b", "1": "\ud800"}}, r"has the name '\\ud800'"),
        ({"labels": {"0": "b", "1": " "}}, "has the name '', expected printable"),
        ({"training": []}, "'training' lists no case"),
        ({"training": [{"image": "a.nii"}]}, "entry 0 .* must name an image and a lab"),
        ({"training": ["a.nii"]}, "must name an image and a label, got 'a.nii'"),
        ({"training": [_CHANNELS_IN_LIST]}, "list of files, one for each channel"),
        ({"training": None}, "has no 'training'"),
    ],
)
def test_wrong_field_is_named(msd_folder, changes, message):
    msd_folder.add_case("a")
    msd_folder.write(**changes)
    with pytest.raises(InputError, match=message):
        open_dataset(msd_folder.folder)


def test_json_of_something_else_is_refused(tmp_path):
    (tmp_path / "dataset.json").write_text("[1, 2]")
    with pytest.raises(InputError, match="holds a JSON list, expected an object"):
        open_dataset(tmp_path)


def test_byte_order_mark_is_skipped(msd_folder):
    msd_folder.add_case("a")
    text = msd_folder.dataset_json.read_text()
    msd_folder.dataset_json.write_text(text, encoding="utf-8-sig")
    assert len(open_dataset(msd_folder.folder).cases) == 1


@pytest.mark.parametrize(
    "fields, notes",
    [
        ({"numTraining": 1, "test": ["t.nii"], "numTest": 1}, []),
        (
            {"numTraining": 2, "test": ["t.nii"], "numTest": 5},
            [
                "has 1 cases, its 'numTraining' is 2",
                "has 1 test images, its 'numTest' is 5",
            ],
        ),
    ],
)
def test_wrong_numbers_of_cases_are_noted(msd_folder, fields, notes):
    msd_folder.add_case("a")
    msd_folder.write(**fields)
    found = open_dataset(msd_folder.folder).notes
    assert [note.partition("dataset.json ")[2] for note in found] == notes


def test_repeated_case_is_refused_with_its_whole_path(tmp_path):
    folder = tmp_path / ("f" * 150) / ("g" * 150)
    folder.mkdir(parents=True)
    msd_folder = MsdFolder(folder)
    msd_folder.add_case("a")
    msd_folder.add_case("a")
    with pytest.raises(InputError, match="2 cases have the uid 'a': .*a.nii.gz'$"):
        open_dataset(msd_folder.folder)


@pytest.mark.parametrize(
    "modality, channel_names",
    [
        ({"modality": {"0": "T1", "1": "T2"}}, ["T1", "T2"]),
        ({}, ["channel 0", "channel 1"]),
    ],
)
def test_list_of_files_has_one_channel_each(msd_folder, modality, channel_names):
    """Data lists of MONAI have such lists."""
    del msd_folder.fields["modality"]
    for uid in ("x_0000", "x_0001"):
        msd_folder.add_case(uid)
    names = ["imagesTr/x_0000.nii.gz", "imagesTr/x_0001.nii.gz"]
    entry = {"image": names, "label": ["labelsTr/x_0000.nii.gz"], "fold": 3}
    msd_folder.write(training=[entry], **modality)
    dataset = open_dataset(msd_folder.folder)
    assert dataset.channel_names == channel_names
    (case,) = dataset.cases
    assert (case.uid, case.columns) == ("x", (("fold", "3"),))
    assert case.image_paths == tuple(str(msd_folder.folder / name) for name in names)
