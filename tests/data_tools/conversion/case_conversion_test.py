"""One case: what goes in comes back out, and what is wrong is named."""

import errno

import numpy as np
import pytest

from data_tools.conversion import case_conversion
from tests.data_tools.in_process import open_dataset
from tf_diffseg.data.example_schema import parse_example
from tf_diffseg.errors import CaseError, InputError
from tf_diffseg.preprocessing import SourceGrid, VolumePreprocessor


def _convert(folder, index=0, image_dtype="float32", **preprocessing):
    dataset = open_dataset(folder)
    config = VolumePreprocessor(**preprocessing).get_config()
    recipe = case_conversion.Recipe.of(dataset, config, image_dtype)
    return case_conversion.convert_case(dataset.cases[index], recipe)


@pytest.mark.parametrize("index", range(9))
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


def test_undeclared_value_names_case_value_and_declared(msd_folder):
    label = np.zeros((8, 9, 10), np.uint8)
    label[0, 0, 0] = 5
    msd_folder.add_case("liver_3", label=label)
    message = r"case 'liver_3': .*liver_3.nii.gz holds the label value 5, .* 0, 2, 7"
    with pytest.raises(InputError, match=message):
        _convert(msd_folder.folder)


def test_number_of_channels_must_be_the_declared_one(msd_folder):
    msd_folder.add_case("liver_3", image=np.zeros((8, 9, 10, 2), np.float32))
    message = r"case 'liver_3': .*liver_3.nii.gz has 2 channel\(s\), .* declares 1"
    with pytest.raises(InputError, match=message):
        _convert(msd_folder.folder)
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
    assert not isinstance(raised.value, CaseError)  # another time it may succeed


_UNFORESEEN = [
    (OSError(errno.EIO, "Input/output error"), False),
    (OSError(errno.ESTALE, "Stale file handle"), False),
    (MemoryError("no room"), False),
    (OSError("Expected 9 bytes, got 8"), True),
    (RuntimeError("no reader expects this"), True),
]


@pytest.mark.parametrize("error, is_bad", _UNFORESEEN)
@pytest.mark.parametrize("place", ["tf_diffseg.volumes.nifti.read", "nibabel.load"])
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


def test_image_and_label_must_share_a_grid(msd_folder):
    msd_folder.add_case("a", label=np.zeros((8, 9, 11), np.uint8))
    with pytest.raises(InputError, match=r"shape \(8, 9, 11\), its image"):
        _convert(msd_folder.folder)


def test_cropped_foreground_is_counted(msd_folder):
    label = np.zeros((8, 8, 8), np.uint8)
    label[0, 0, :5], label[4, 4, 4] = 2, 7
    image = np.zeros((8, 8, 8), np.float32)
    msd_folder.add_case("a", image=image, label=label, affine=np.eye(4))
    assert _convert(msd_folder.folder).summary.cropped_voxels == 0
    cropped = _convert(msd_folder.folder, volume_shape=(4, 4, 4))
    assert cropped.summary.cropped_voxels == 5


def test_statistics_are_those_of_the_file(msd_folder):
    image = np.arange(720, dtype=np.int16).reshape(8, 9, 10)
    affine = np.diag([-3.0, 1.0, 2.0, 1.0])
    msd_folder.add_case("a", image=image, affine=affine)
    summary = _convert(msd_folder.folder).summary.measures
    assert summary.source_shape == [8, 9, 10]
    assert summary.source_spacing_mm == [3.0, 1.0, 2.0]
    assert summary.intensity["mean"] == [359.5]
    assert summary.intensity["max"] == [719.0]


def test_whole_numbers_are_stored_as_such(msd_folder):
    image = np.arange(-300, 420, dtype=np.int16).reshape(8, 9, 10)
    msd_folder.add_case("a", image=image, affine=np.eye(4))
    converted = _convert(msd_folder.folder, image_dtype="int16", intensity="none")
    assert converted.summary.measures.is_whole
    example = parse_example(converted.example)
    np.testing.assert_array_equal(example["image"][..., 0], image)


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


def test_real_case(hippocampus_dir):
    converted = _convert(hippocampus_dir, spacing_mm=(1, 1, 1))
    example = parse_example(converted.example)
    # Nothing to resample: the stored label is the file's.
    np.testing.assert_array_equal(example["label"], example["source_label"])
    np.testing.assert_allclose(np.mean(example["image"]), 0.0, atol=1e-4)
    assert set(np.unique(example["label"])) == {0, 1, 2}
