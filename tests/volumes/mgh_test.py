"""FreeSurfer volumes."""

import gzip

import nibabel as nib
import numpy as np
import pytest

from tf_diffseg.errors import InputError
from tf_diffseg.volumes.result_files import write_label
from tf_diffseg.volumes.volume_files import read_image, read_label

AFFINE = np.array(
    [[0, -2, 0.5, 9], [1, 0, 0, -4], [0, 0.5, 3, 5], [0, 0, 0, 1]], np.float32
)


def _save(path, array, affine=AFFINE):
    nib.save(nib.MGHImage(array, affine), path)
    return path


@pytest.mark.parametrize("name", ["a.mgz", "a.mgh", "A.MGZ"])
@pytest.mark.parametrize("shape", [(4, 3, 2), (4, 3, 2, 5)])
def test_voxels_and_affine(tmp_path, name, shape):
    array = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    image = read_image(_save(tmp_path / name, array))
    np.testing.assert_array_equal(image.array, array.reshape(4, 3, 2, -1))
    np.testing.assert_allclose(image.affine, AFFINE, atol=1e-5)


def test_label_goes_out_as_nifti_on_the_same_grid(tmp_path):
    array = np.arange(24, dtype=np.uint8).reshape(4, 3, 2)
    label = read_label(_save(tmp_path / "a.mgz", array))
    np.testing.assert_array_equal(label.array, array)
    write_label(tmp_path / "b.nii.gz", label.array, like=tmp_path / "a.mgz")
    written = read_label(tmp_path / "b.nii.gz")
    np.testing.assert_array_equal(written.array, array)
    np.testing.assert_allclose(written.affine, AFFINE, atol=1e-5)
    assert written.notes == ()


def test_truncated_file(tmp_path):
    array = np.random.default_rng(0).normal(size=(9, 9, 9)).astype(np.float32)
    path = _save(tmp_path / "a.mgz", array)
    path.write_bytes(path.read_bytes()[:-900])
    with pytest.raises(
        InputError, match="a.mgz (is damaged|cannot be read as a FreeSurfer)"
    ):
        read_image(path)


def test_file_of_something_else(tmp_path):
    (tmp_path / "a.mgz").write_bytes(b"not a volume")
    with pytest.raises(InputError, match="a.mgz cannot be read as a FreeSurfer volume"):
        read_image(tmp_path / "a.mgz")


def _with_header(path, offset, dtype, values):
    _save(path, np.zeros((2, 2, 2), np.float32))
    content = bytearray(gzip.decompress(path.read_bytes()))
    replaced = np.asarray(values, dtype).tobytes()
    content[offset : offset + len(replaced)] = replaced
    path.write_bytes(gzip.compress(content))
    return path


def test_header_of_more_voxels_than_the_file_holds(tmp_path):
    path = _with_header(tmp_path / "a.mgz", 4, ">i4", [30000] * 3)
    with pytest.raises(InputError, match="damaged: its header tells of 30000x30000x30"):
        read_image(path)


def test_header_of_no_voxels(tmp_path):
    path = _with_header(tmp_path / "a.mgz", 4, ">i4", [0] * 4)
    with pytest.raises(InputError, match="a.mgz cannot be read as a FreeSurfer volume"):
        read_image(path)


@pytest.mark.parametrize("size", [0.0, -1.0, np.nan])
def test_unusable_spacing(tmp_path, size):
    path = _with_header(tmp_path / "a.mgz", 30, ">f4", [size])
    with pytest.raises(InputError, match="a.mgz has (the spacing|an affine)"):
        read_image(path)
