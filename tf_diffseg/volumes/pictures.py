"""Reads 2D pictures, .png and .bmp, as volumes of one slice.

A picture has no place in the world: its pixels are taken to be 1 mm large, its columns
to go to the right and its rows to the back of the patient. So it is shown as it is
stored; ITK takes the columns to go to the left, and shows the patient from below.
"""

import numpy as np
from PIL import Image

from tf_diffseg.errors import InputError, reading_error
from tf_diffseg.text import one_line
from tf_diffseg.volumes.file_endings import PICTURE_ENDINGS
from tf_diffseg.volumes.volume import Volume

ENDINGS = PICTURE_ENDINGS
# Names of these formats in Pillow, which goes by content and not by name.
_FORMATS = ("PNG", "BMP")
_AFFINE = np.diag([1.0, -1.0, 1.0, 1.0])
# Number of colours, by Pillow's mode of a picture; the values of other modes are grey,
# or numbers of a palette as label maps have them.
_COLOURS = {"LA": 1, "RGB": 3, "RGBA": 3}
_PALETTES = ("P", "PA")


def read(path, dtype=None):
    """Reads a picture.

    Args:
        path: path of the file.
        dtype: floating type for an image, whose palette gives its colours. Otherwise
            it is a label map, whose classes are the numbers of a palette. Values stay
            the whole numbers that are stored.

    Returns:
        `Volume` of (i, j, 1); or of (i, j, 1, 3) if it has colours. Transparency is
        left out.

    Raises:
        InputError: the file is damaged, of another format, or has several pictures.
    """
    is_image = dtype is not None and np.issubdtype(dtype, np.floating)
    path = str(path)
    try:
        with Image.open(path, formats=_FORMATS) as picture:
            if getattr(picture, "n_frames", 1) > 1:
                raise InputError(f"{path} holds several pictures, expected one")
            if is_image and picture.mode in _PALETTES:
                picture = picture.convert("RGB")
            mode, array = picture.mode, np.asarray(picture)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        if isinstance(error, InputError):
            raise
        raise reading_error(
            f"{path} cannot be read as a picture: {one_line(error)}", error
        ) from error
    if array.dtype == bool:  # White is 255, as in pictures of 2 or 4 bits.
        array = array * np.uint8(255)
    if mode in _COLOURS:
        array = _without_equal(array[..., : _COLOURS[mode]])
    # From (row, column) to (column, row), and a slice.
    array = np.expand_dims(np.swapaxes(array, 0, 1), 2)
    return Volume(path, array, _AFFINE.copy())


def _without_equal(colours):
    """(row, column) if all colours are grey, as of ultrasound, or else the channels."""
    is_grey = (colours == colours[..., :1]).all()
    return colours[..., 0] if is_grey else colours
