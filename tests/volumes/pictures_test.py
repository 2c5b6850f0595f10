"""2D pictures as volumes of one slice."""

import numpy as np
import pytest
from PIL import Image

from tf_diffseg.errors import InputError
from tf_diffseg.volumes.volume_files import read_image, read_label, read_volume

# Three rows of five columns.
_ROWS = np.arange(15, dtype=np.uint8).reshape(3, 5)


def _save(path, array, mode=None):
    Image.fromarray(array, mode).save(path)
    return path


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "A.PNG"])
def test_a_picture_is_a_slice(tmp_path, name):
    image = read_image(_save(tmp_path / name, _ROWS))
    assert image.array.shape == (5, 3, 1, 1) and image.array.dtype == np.float32
    np.testing.assert_array_equal(image.array[..., 0, 0].T, _ROWS)
    np.testing.assert_array_equal(image.spacing_mm, [1, 1, 1])
    assert read_volume(tmp_path / name).array.dtype == np.uint8


def test_itk_has_the_same_pixels_and_the_other_side(tmp_path):
    sitk = pytest.importorskip("SimpleITK")
    path = _save(tmp_path / "a.png", _ROWS)
    nifti = tmp_path / "a.nii"
    sitk.WriteImage(sitk.JoinSeries(sitk.ReadImage(str(path))), str(nifti))
    expected = read_image(nifti)
    np.testing.assert_array_equal(read_image(path).array, expected.array)
    mirrored = np.diag([-1.0, 1.0, 1.0, 1.0]) @ expected.affine
    np.testing.assert_allclose(read_image(path).affine, mirrored)


def test_colours_are_channels_unless_all_are_grey(tmp_path):
    grey = np.repeat(_ROWS[..., np.newaxis], 3, axis=-1)
    path = _save(tmp_path / "grey.png", grey)
    np.testing.assert_array_equal(read_label(path).array[..., 0].T, _ROWS)
    colours = grey + np.array([0, 10, 20], np.uint8)
    opaque = np.full((3, 5, 1), 255, np.uint8)
    path = _save(tmp_path / "rgba.png", np.concatenate([colours, opaque], axis=-1))
    image = read_image(path).array
    np.testing.assert_array_equal(image[:, :, 0].swapaxes(0, 1), colours)


def _save_with_palette(path, *colours):
    """Saves the remainders of `_ROWS` by 3 as numbers of three colours."""
    picture = Image.fromarray(_ROWS % 3, "L").convert("P")
    picture.putdata((_ROWS % 3).ravel())
    picture.putpalette(sum(colours, []))
    picture.save(path)
    return path


def test_an_image_has_the_colours_of_its_palette(tmp_path):
    greys = ([10] * 3, [90] * 3, [200] * 3)
    image = read_image(_save_with_palette(tmp_path / "a.png", *greys)).array
    expected = np.array([10, 90, 200])[_ROWS % 3]
    np.testing.assert_array_equal(image[..., 0, 0].T, expected)


def test_a_label_map_has_the_numbers_of_its_palette(tmp_path):
    colours = ([255, 0, 0], [0, 255, 0], [0, 0, 255])
    label = read_label(_save_with_palette(tmp_path / "a.png", *colours)).array
    np.testing.assert_array_equal(label[..., 0].T, _ROWS % 3)
    Image.fromarray(_ROWS > 7).save(tmp_path / "black_and_white.png")
    label = read_label(tmp_path / "black_and_white.png").array
    assert label.dtype == np.uint8 and set(np.unique(label)) == {0, 255}
    wide = _ROWS.astype(np.uint16) * 4000
    assert read_label(_save(tmp_path / "b.png", wide)).array.max() == 56000


@pytest.mark.parametrize("content", [b"", b"no picture", None])
def test_damaged_pictures_are_refused(tmp_path, content):
    path = _save(tmp_path / "a.png", np.tile(_ROWS, (30, 30)))
    path.write_bytes(path.read_bytes()[:-200] if content is None else content)
    with pytest.raises(InputError, match="a.png cannot be read as a picture"):
        read_image(path)


def test_several_pictures_in_one_file_are_refused(tmp_path):
    first, *more = (Image.fromarray(_ROWS + i) for i in range(2))
    first.save(tmp_path / "a.png", save_all=True, append_images=more)
    with pytest.raises(InputError, match="holds several pictures, expected one"):
        read_image(tmp_path / "a.png")
