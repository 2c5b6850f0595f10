"""Images of one or several channels, and label maps."""

import nibabel as nib
import numpy as np
import pytest

from tf_diffseg.errors import InputError
from tf_diffseg.volumes.volume_files import read_image, read_label


@pytest.fixture
def save(tmp_path):
    def save_volume(name, array, spacing_mm=(1.0, 1.0, 1.0)):
        affine = np.diag([*spacing_mm, 1.0])
        nib.save(nib.Nifti1Image(array, affine), tmp_path / name)
        return tmp_path / name

    return save_volume


def test_channels_of_a_4d_file_come_last(save):
    array = np.random.default_rng(0).normal(size=(4, 3, 2, 5)).astype(np.float32)
    image = read_image(save("a.nii.gz", array))
    np.testing.assert_array_equal(image.array, array)
    assert image.grid_shape == (4, 3, 2)


def test_channels_of_several_files_keep_their_order(save):
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=(4, 3, 2)).astype(np.float32) for _ in range(3)]
    paths = [save(f"a_{index}.nii", array) for index, array in enumerate(arrays)]
    image = read_image(paths)
    np.testing.assert_array_equal(image.array, np.stack(arrays, axis=-1))
    assert image.path == str(paths[0])


def test_channels_must_share_a_grid(save):
    array = np.zeros((4, 3, 2), np.float32)
    paths = [save("a_0.nii", array), save("a_1.nii", array, (2.0, 1.0, 1.0))]
    message = r"a_1.nii and the first channel's file .*a_0.nii have different affines"
    with pytest.raises(InputError, match=message):
        read_image(paths)


@pytest.mark.parametrize(
    "array, message",
    [
        (np.zeros((4, 3, 2, 2), np.uint8), r"is 4D \(4x3x2x2\), a label map must be"),
        (np.float32([0, 1, 1.25, 2]), "a.nii holds the label value 1.25"),
        (np.float64([2.0**31]), "label value 2.14748e\\+09, expected whole numbers up"),
        (np.float64([-(2.0**32)]), "label value -4.29497e\\+09, expected whole"),
        (np.float64([1e30]), "label value 1e\\+30, expected whole numbers up"),
    ],
)
def test_arrays_that_are_no_label_map_are_refused(save, array, message):
    array = array if array.ndim == 4 else array.reshape(1, 1, -1)
    with pytest.raises(InputError, match=message):
        read_label(save("a.nii", array))
