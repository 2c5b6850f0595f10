"""Reading a folder of DICOM slices with SimpleITK.

The folder holds the slices of one series and nothing else. They must be a stack:
parallel, each exactly above the other, equally far apart. What is not, such as a
tilted gantry or a missing slice, is refused and not resampled in silence.
"""

import dataclasses
import os

import numpy as np

from data_tools import simpleitk
from data_tools.errors import InputError
from data_tools.volume import Volume, check_affine, check_size, check_spacing

_SERIES_UID = "0020|000e"

# Directions are cosines with up to 6 digits, positions millimetres with a few.
_ANGLE_TOLERANCE = 1e-3
# Of the distance between slices. Positions are rounded to 0.01 mm at times.
_DISTANCE_TOLERANCE = 0.02
# Of a pixel: what slices may be shifted against each other from first to last.
_SHIFT_TOLERANCE = 0.1


@dataclasses.dataclass(frozen=True)
class _Slice:
    path: str
    series: str
    shape: tuple[int, int]
    spacing_mm: tuple[float, float]
    origin: np.ndarray
    directions: np.ndarray  # (3, 3), the last column is the normal

    @property
    def position_mm(self):
        """Along the normal."""
        return float(self.origin @ self.directions[:, 2])


def read(path, dtype=None):
    """Reads the one series of a folder, rescaled as each slice says.

    Args:
        path: of a folder. Hidden files and DICOMDIR are passed over.
        dtype: of the result; None is float32.

    Returns:
        `Volume` of (i, j, k): column, row, slice.

    Raises:
        InputError: if SimpleITK is not installed, a file is no DICOM slice, there
            are slices of several series, or they are no stack as above.
    """
    path = str(path)
    sitk = simpleitk.load_simpleitk(path)
    names = sorted(
        name
        for name in os.listdir(path)
        if not name.startswith(".") and name.upper() != "DICOMDIR"
    )
    slices = [_slice(sitk, os.path.join(path, name)) for name in names]
    if len(slices) < 2:
        raise InputError(f"{path} holds {len(slices)} DICOM slice(s), expected a stack")
    slices.sort(key=lambda one: one.position_mm)
    _check_alike(path, slices)
    affine = _affine(path, slices)
    shape = (*slices[0].shape, len(slices))
    check_size(path, shape, 4, float("inf"))
    array = np.empty(shape, np.float32)
    for index, one in enumerate(slices):
        array[:, :, index] = _pixels(sitk, one)
    return Volume(path, array.astype(dtype or np.float32, copy=False), affine)


def _slice(sitk, path):
    if not os.path.isfile(path):
        raise InputError(f"{path} is no file, expected DICOM slices only in its folder")
    reader = simpleitk.header_of(sitk, path, "GDCMImageIO")
    size = reader.GetSize()
    if any(count != 1 for count in size[2:]) or reader.GetNumberOfComponents() != 1:
        raise InputError(
            f"{path} holds {'x'.join(map(str, size))} pixels of "
            f"{reader.GetNumberOfComponents()} component(s), expected one slice of "
            "grey values"
        )
    dimension = reader.GetDimension()
    if dimension != 3:
        raise InputError(f"{path} does not tell where in space its slice lies")
    series = _SERIES_UID in reader.GetMetaDataKeys() and reader.GetMetaData(_SERIES_UID)
    return _Slice(
        path=path,
        series=str(series).strip("\0 "),
        shape=size[:2],
        spacing_mm=reader.GetSpacing()[:2],
        origin=np.array(reader.GetOrigin()),
        directions=np.reshape(reader.GetDirection(), (3, 3)),
    )


def _check_alike(path, slices):
    """Raises InputError unless all slices are of one series, size and direction."""
    series = {one.series for one in slices}
    if len(series) > 1:
        raise InputError(
            f"{path} holds slices of {len(series)} series ({', '.join(sorted(series))})"
            ", expected one"
        )
    first = slices[0]
    for one in slices[1:]:
        if one.shape != first.shape or not np.allclose(
            one.spacing_mm, first.spacing_mm, rtol=1e-3
        ):
            raise InputError(
                f"{one.path} has {one.shape} pixels of {one.spacing_mm} mm, "
                f"{first.path} has {first.shape} of {first.spacing_mm} mm: expected "
                "slices of one size"
            )
        if not np.allclose(one.directions, first.directions, atol=_ANGLE_TOLERANCE):
            raise InputError(
                f"{one.path} is not parallel to {first.path}: expected an axis-aligned "
                "stack of slices"
            )


def _affine(path, slices):
    """Affine of the stack; raises InputError if slices do not lie on one line."""
    first, last = slices[0], slices[-1]
    distances = np.diff([one.position_mm for one in slices])
    # The lower median: of two distances the longer is that of a missing slice.
    distance = float(np.sort(distances)[(len(distances) - 1) // 2])
    if distance <= 0 or distances.min() < _DISTANCE_TOLERANCE * distance:
        index = int(distances.argmin())
        raise InputError(
            f"{slices[index].path} and {slices[index + 1].path} lie in one place"
        )
    off = np.abs(distances - distance)
    if off.max() > _DISTANCE_TOLERANCE * distance:
        index = int(off.argmax())
        raise InputError(
            f"{slices[index].path} and {slices[index + 1].path} are "
            f"{distances[index]:.4g} mm apart, the others {distance:.4g} mm: expected "
            "slices at equal distances, is one missing?"
        )
    shift = first.directions[:, :2].T @ (last.origin - first.origin)
    if np.abs(shift).max() > _SHIFT_TOLERANCE * min(first.spacing_mm):
        raise InputError(
            f"{path} is no axis-aligned stack: its last slice is shifted by "
            f"{np.round(shift, 3).tolist()} mm in the plane against the first, as with "
            "a tilted gantry"
        )
    mean_distance = (last.position_mm - first.position_mm) / (len(slices) - 1)
    spacing_mm = (*first.spacing_mm, mean_distance)
    check_spacing(path, spacing_mm)
    affine = simpleitk.affine_of(first.origin, first.directions, spacing_mm)
    check_affine(path, affine)
    return affine


def _pixels(sitk, one):
    """float32 (column, row); slices of one series may be scaled each its own way."""
    try:
        image = sitk.ReadImage(one.path, sitk.sitkFloat32, imageIO="GDCMImageIO")
    except RuntimeError as error:
        raise InputError(
            f"{one.path} is damaged: {simpleitk.reason_of(error)}"
        ) from error
    return sitk.GetArrayFromImage(image).reshape(one.shape[::-1]).T
