"""dataset.json is read whole and checked before any work."""

import numpy as np
import pytest

from tests.data_tools.in_process import open_dataset
from tf_diffseg.errors import InputError
from tf_diffseg.volumes.volume_files import read_case


def test_reads_the_toy_data(toy_folder):
    dataset = open_dataset(toy_folder.dataset_json)
    assert (dataset.name, dataset.modality, dataset.license) == (
        "toy_data",
        "MRI",
        "CC0",
    )
    assert dataset.label_values == [0, 2, 7]
    assert dataset.class_names == ["background", "organ", "vessel"]
    assert [case.uid for case in dataset.cases] == [f"toy_{i:02d}" for i in range(9)]
    assert open_dataset(toy_folder.folder) == dataset


def test_reads_real_data(hippocampus_dir):
    dataset = open_dataset(hippocampus_dir)
    assert dataset.name == "hippocampus"
    assert dataset.class_names == ["background", "Anterior", "Posterior"]
    assert dataset.license == "CC-BY-SA 4.0"
    assert dataset.cases[0].uid == "hippocampus_004"


def test_channels_are_those_of_modality(msd_folder):
    msd_folder.add_case("a")
    msd_folder.write(modality={"0": "T1", "1": "T2"})
    dataset = open_dataset(msd_folder.folder)
    assert dataset.channel_names == ["T1", "T2"]
    assert dataset.modality == "T1, T2"
    (case,) = dataset.cases
    assert case.image_paths == (str(msd_folder.folder / "imagesTr" / "a.nii.gz"),)


def test_channels_are_in_the_order_of_their_index(msd_folder):
    msd_folder.add_case("a")
    names = [f"echo {index}" for index in range(11)]
    msd_folder.write(modality={str(i): names[i] for i in reversed(range(11))})
    assert open_dataset(msd_folder.folder).channel_names == names


def test_label_keys_sort_as_integers(msd_folder):
    msd_folder.add_case("a")
    labels = {str(value): f"class {value}" for value in (10, 2, 0, 1)}
    msd_folder.write(labels=labels)
    dataset = open_dataset(msd_folder.folder)
    assert dataset.label_values == [0, 1, 2, 10]
    assert dataset.class_names == ["class 0", "class 1", "class 2", "class 10"]


@pytest.mark.parametrize("name", ["dataset.json", ""])
def test_empty_folder(tmp_path, name):
    with pytest.raises(InputError, match="no dataset.json at .*dataset.json"):
        open_dataset(tmp_path / name)


def test_broken_json(tmp_path):
    (tmp_path / "dataset.json").write_text('{"name": ')
    with pytest.raises(InputError, match="dataset.json cannot be read as JSON"):
        open_dataset(tmp_path)


def test_every_missing_file_is_listed(msd_folder):
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
        (
            {"modality": ["MRI"]},
            r"'modality' must be an object such as .* got \['MRI'\]",
        ),
        ({"name": "  "}, "expected 1 to 100 letters or digits"),
        ({"name": "a" * 101}, "expected 1 to 100 letters or digits"),
        ({"labels": {"0": "b", "1": "\ud800"}}, r"has the name '\\ud800'"),
        ({"labels": {"0": "b", "1": " "}}, "has the name '', expected printable"),
        ({"training": []}, "'training' lists no case"),
        ({"training": [{"image": "a.nii"}]}, "entry 0 .* must name an image and a lab"),
        ({"training": ["a.nii"]}, "must name an image and a label, got 'a.nii'"),
        ({"training": None}, "has no 'training'"),
    ],
)
def test_wrong_fields_are_named(msd_folder, changes, message):
    msd_folder.add_case("a")
    msd_folder.write(**changes)
    with pytest.raises(InputError, match=message):
        open_dataset(msd_folder.folder)


def test_json_of_something_else(tmp_path):
    (tmp_path / "dataset.json").write_text("[1, 2]")
    with pytest.raises(InputError, match="holds a JSON list, expected an object"):
        open_dataset(tmp_path)


def test_byte_order_mark_is_no_content(msd_folder):
    msd_folder.add_case("a")
    text = msd_folder.dataset_json.read_text()
    msd_folder.dataset_json.write_text(text, encoding="utf-8-sig")
    assert len(open_dataset(msd_folder.folder).cases) == 1


def test_number_of_cases_that_differs_is_noted(msd_folder):
    msd_folder.add_case("a")
    msd_folder.write(numTraining=2)
    (note,) = open_dataset(msd_folder.folder).notes
    assert note.endswith("lists 1 cases, its 'numTraining' is 2")


def test_repeated_case(msd_folder):
    msd_folder.add_case("a")
    msd_folder.add_case("a")
    with pytest.raises(InputError, match="2 cases have the uid 'a': .*a.nii.gz"):
        open_dataset(msd_folder.folder)


def test_a_list_of_files_is_one_channel_each(msd_folder):
    """As data lists of MONAI have them; without `modality` too."""
    images = [np.full((3, 4, 5), value, np.float32) for value in (1, 2)]
    for channel, image in enumerate(images):
        msd_folder.add_case(f"x_{channel:04d}", image=image, affine=np.eye(4))
    label = np.zeros((3, 4, 5), np.uint8)
    msd_folder.add_case("x", image=images[0], label=label, affine=np.eye(4))
    names = [f"imagesTr/x_{channel:04d}.nii.gz" for channel in range(2)]
    entry = {"image": names, "label": ["labelsTr/x.nii.gz"], "fold": 3}
    msd_folder.write(training=[entry], modality={"0": "T1", "1": "T2"})
    (case,) = open_dataset(msd_folder.folder).cases
    assert (case.uid, case.columns) == ("x", (("fold", "3"),))
    image, _ = read_case(case, num_channels=2)
    np.testing.assert_array_equal(image.array, np.stack(images, axis=-1))
    del msd_folder.fields["modality"]
    msd_folder.write()
    dataset = open_dataset(msd_folder.folder)
    assert dataset.channel_names == ["channel 0", "channel 1"]


def test_lists_that_are_no_channels_say_how(msd_folder):
    entry = {"image": [["a.nii"]], "label": "l.nii"}
    msd_folder.write(training=[entry])
    with pytest.raises(InputError, match="list of files, one for each channel"):
        open_dataset(msd_folder.folder)


@pytest.mark.parametrize("declared, is_told", [(1, False), (5, True)])
def test_number_of_test_images(msd_folder, declared, is_told):
    msd_folder.add_case("a")
    msd_folder.write(test=["./imagesTs/t.nii.gz"], numTest=declared)
    notes = open_dataset(msd_folder.folder).notes
    assert bool(notes) == is_told
    assert all("lists 1 test images, its 'numTest' is 5" in note for note in notes)
