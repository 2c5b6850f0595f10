"""FreeSurfer volumes."""

import nibabel as nib
import numpy as np
import pytest

from tests.volumes.file_bytes import replace_bytes
from tf_diffseg.errors import InputError
from tf_diffseg.volumes.volume_files import read_image

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


_UNREADABLE = "cannot be read as a FreeSurfer volume"


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda path: path.write_bytes(b"not a volume"), _UNREADABLE),
        (
            lambda path: path.write_bytes(path.read_bytes()[:-900]),
            f"(is damaged|{_UNREADABLE})",
        ),
        (
            lambda path: replace_bytes(path, 4, ">i4", [30000] * 3),
            "is damaged: its header tells of 30000x30000x30000",
        ),
        (lambda path: replace_bytes(path, 4, ">i4", [0] * 4), _UNREADABLE),
        (lambda path: replace_bytes(path, 30, ">f4", [0.0]), "has the spacing"),
        (lambda path: replace_bytes(path, 30, ">f4", [-1.0]), "has the spacing"),
        (
            lambda path: replace_bytes(path, 30, ">f4", [np.nan]),
            "has (the spacing|an affine)",
        ),
    ],
)
def test_damaged_files_are_refused(tmp_path, change, message):
    array = np.random.default_rng(0).normal(size=(9, 9, 9)).astype(np.float32)
    path = _save(tmp_path / "a.mgz", array)
    change(path)
    with pytest.raises(InputError, match=f"a.mgz {message}"):
        read_image(path)
