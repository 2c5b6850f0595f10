"""One case becomes an Example that keeps its voxels, or an error that names it."""

import errno

import numpy as np
import pytest

from data_tools.conversion import case_conversion
from tests.data_tools.in_process import open_dataset
from tf_diffseg.data.example_schema import parse_example
from tf_diffseg.errors import CaseError, InputError
from tf_diffseg.preprocessing import SourceGrid, VolumePreprocessor


def _convert(folder, index=0, **preprocessing):
    dataset = open_dataset(folder)
    config = VolumePreprocessor(**preprocessing).get_config()
    recipe = case_conversion.Recipe.of(dataset, config, "float32")
    return case_conversion.convert_case(dataset.cases[index], recipe)


@pytest.mark.parametrize("index", range(3))
def test_label_comes_back_on_the_grid_of_its_file(toy_folder, index):
    converted = _convert(toy_folder.folder, index, volume_shape=(12, 12, 12))
    example = parse_example(converted.example)
    preprocessor = VolumePreprocessor(volume_shape=(12, 12, 12))
    restored = preprocessor.restore(
        np.eye(3)[example["label"]], SourceGrid.of_example(example)
    )
    np.testing.assert_array_equal(
        restored.numpy().argmax(axis=-1), example["source_label"]
    )
    assert converted.uid == example["uid"].numpy().decode() == f"toy_{index:02d}"
    assert example["image"].shape == (12, 12, 12, 1)
    spacing = sorted(example["spacing_mm"].numpy())
    np.testing.assert_allclose(spacing, [1.0, 1.5, 2.0], rtol=1e-6)


def test_values_become_class_ids(msd_folder):
    label = np.zeros((8, 9, 10), np.float32)
    label[0], label[1] = 2.0, 6.9999
    msd_folder.add_case("a", label=label)
    converted = _convert(msd_folder.folder)
    source_label = parse_example(converted.example)["source_label"].numpy()
    np.testing.assert_array_equal(source_label[:3, 0, 0], [1, 2, 0])
    assert converted.summary.measures.voxels_per_class == [6 * 90, 90, 90]


def test_image_of_two_channels(msd_folder):
    msd_folder.add_case("liver_3", image=np.zeros((8, 9, 10, 2), np.float32))
    msd_folder.write(modality={"0": "T1", "1": "T2"})
    converted = _convert(msd_folder.folder)
    assert parse_example(converted.example)["image"].shape[-1] == 2


@pytest.mark.parametrize("error", [MemoryError("no\nroom"), KeyError("no room")])
def test_unforeseen_error_names_case_and_files(msd_folder, monkeypatch, error):
    def fail(*_):
        raise error

    msd_folder.add_case("liver_3")
    monkeypatch.setattr(case_conversion, "measure_case", fail)
    message = (
        r"case 'liver_3' \(.*imagesTr/liver_3.nii.gz, .*labelsTr/liver_3.nii.gz\) "
        rf"cannot be converted: {type(error).__name__}: '?no room"
    )
    with pytest.raises(InputError, match=message) as raised:
        _convert(msd_folder.folder)
    assert not isinstance(raised.value, CaseError)  # it may succeed another time


@pytest.mark.parametrize(
    "place, error, is_bad",
    [
        ("nibabel.load", OSError(errno.EIO, "Input/output error"), False),
        ("nibabel.load", OSError("Expected 9 bytes, got 8"), True),
        ("tf_diffseg.volumes.nifti.read", OSError(errno.ESTALE, "Stale file"), False),
        ("tf_diffseg.volumes.nifti.read", MemoryError("no room"), False),
        ("tf_diffseg.volumes.nifti.read", RuntimeError("no reader expects it"), True),
    ],
)
def test_only_faults_of_a_file_make_a_bad_case(
    msd_folder, monkeypatch, place, error, is_bad
):
    def fail(*_, **__):
        raise error

    msd_folder.add_case("liver_3")
    monkeypatch.setattr(place, fail)
    with pytest.raises(InputError, match="^case 'liver_3'.*liver_3.nii.gz") as raised:
        _convert(msd_folder.folder)
    assert isinstance(raised.value, CaseError) == is_bad


def test_cropped_foreground_is_counted(msd_folder):
    label = np.zeros((8, 8, 8), np.uint8)
    label[0, 0, :5], label[4, 4, 4] = 2, 7
    image = np.zeros((8, 8, 8), np.float32)
    msd_folder.add_case("a", image=image, label=label, affine=np.eye(4))
    assert _convert(msd_folder.folder).summary.cropped_voxels == 0
    cropped = _convert(msd_folder.folder, volume_shape=(4, 4, 4))
    assert cropped.summary.cropped_voxels == 5


def test_box_of_the_crop_is_stored(msd_folder):
    image = np.zeros((8, 8, 8), np.float32)
    image[2:6, 1:8, 3:5] = np.random.default_rng(0).normal(100, 9, (4, 7, 2))
    label = (image > 90).astype(np.uint8) * 2
    msd_folder.add_case("a", image=image, label=label, affine=np.eye(4))
    example = parse_example(
        _convert(msd_folder.folder, crop_to_foreground=True).example
    )
    np.testing.assert_array_equal(example["crop_box"], [(2, 1, 3), (4, 7, 2)])
    restored = VolumePreprocessor(crop_to_foreground=True).restore_label(
        example["label"], SourceGrid.of_example(example)
    )
    np.testing.assert_array_equal(restored, example["source_label"])
