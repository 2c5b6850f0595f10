"""Reading a DICOM series: the slices of one folder that belong together.

What lies beside them is passed over and named. They must be a stack: parallel, each
exactly above the other, equally far apart. What is not, such as a tilted gantry or a
missing slice, is refused and not resampled in silence.
"""

import dataclasses
import os

import numpy as np

from tf_diffseg.errors import InputError
from tf_diffseg.volumes import dicom_files, dicom_slices
from tf_diffseg.volumes.dicom_stack import stack_affine
from tf_diffseg.volumes.volume import Volume
from tf_diffseg.volumes.volume_limits import check_size

# How many of a list are told, the rest counted.
_TOLD = 5


@dataclasses.dataclass(frozen=True)
class Series:
    """Pictures of one folder that are of one series.

    Attributes:
        headers: list of `dicom_files.Header`, by the names of their files.
    """

    headers: list

    @property
    def path(self):
        """Of one of its files: a path that stands for the series."""
        return self.headers[0].path

    @property
    def number(self):
        """Its number, or "" without one."""
        return self.headers[0].number

    @property
    def is_one_picture(self):
        """Whether it is no more than a picture, such as a scout."""
        return len(self.headers) == 1 and self.headers[0].is_picture

    def __str__(self):
        """One of its files, and what it is."""
        first = self.headers[0]
        words = filter(None, [first.kind, first.description])
        return f"{self.path} ({', '.join(words)}, {len(self.headers)} file(s))"


def series_in(folder):
    """Finds the series of a folder, and what else is there.

    Args:
        folder: whose sub-folders are not looked into.

    Returns:
        `(series, passed_over)`: list of `Series` by their numbers and paths, and of
        names of what is none, each with what it is.

    Raises:
        InputError: if a file is DICOM and damaged, or pydicom is not installed.
    """
    found, passed_over = {}, []
    for name in sorted(os.listdir(folder)):
        path = os.path.join(folder, name)
        if name.startswith("."):
            continue
        if not os.path.isfile(path):
            is_folder = os.path.isdir(path)
            passed_over.append(f"{name} ({'folder' if is_folder else 'no file'})")
        elif (header := dicom_files.read_header(path)) is None:
            passed_over.append(f"{name} (no DICOM)")
        elif not header.is_image:
            passed_over.append(f"{name} ({header.kind})")
        else:
            found.setdefault(header.series, []).append(header)
    series = [Series(headers) for headers in found.values()]
    return sorted(series, key=lambda one: (one.number.zfill(9), one.path)), passed_over


def read(path, dtype=None):
    """Reads a series, rescaled as each slice says.

    Args:
        path: of its folder, or of any of its files where the folder holds several.
        dtype: of the result; None is float32.

    Returns:
        `Volume` of (i, j, k): column, row, slice. Its notes name what was passed
        over.

    Raises:
        InputError: if pydicom is not installed, a file is damaged, there are several
            series to choose from, or the slices are no stack as above.
    """
    path = str(path)
    series, passed_over = _chosen(path)
    slices = list(map(dicom_slices.slice_of, series.headers))
    slices, affine = stack_affine(path, slices)
    shape = (*slices[0].shape, len(slices))
    check_size(path, shape, 4, float("inf"))
    array = np.empty(shape, np.float32)
    for index, one in enumerate(slices):
        array[:, :, index] = dicom_slices.pixels(one)
    notes = (f"{path}: passed over {some(passed_over)}",) if passed_over else ()
    return Volume(path, array.astype(dtype or np.float32, copy=False), affine, notes)


def _chosen(path):
    """`(Series, names of what lies beside it)` of a folder or a file."""
    if os.path.isfile(path):
        series, _ = series_in(os.path.dirname(path) or ".")
        for one in series:
            if any(os.path.samefile(path, header.path) for header in one.headers):
                return one, [str(other) for other in series if other is not one]
        raise InputError(f"{path} is no DICOM image, expected a slice of a series")
    series, passed_over = series_in(path)
    if not series:
        beside = f", but {some(passed_over)}" if passed_over else ""
        raise InputError(
            f"{path} holds no DICOM slices{beside}: expected the folder of a series"
        )
    if len(series) > 1:
        raise InputError(
            f"{path} holds {len(series)} DICOM series, expected one; name the one by "
            f"any of its files: {some(list(map(str, series)), '; ')}"
        )
    return series[0], passed_over


def series_paths(folder):
    """What to name, to read each series of a folder.

    Args:
        folder: whose sub-folders are not looked into.

    Returns:
        Dict from path to what tells the series from the others there: the folder and
        "" if it holds one. Single pictures beside a series, as scouts, are left out.

    Raises:
        InputError: as `series_in`.
    """
    series, _ = series_in(folder)
    volumes = [one for one in series if not one.is_one_picture]
    if len(series) < 2 or not volumes:
        return {folder: ""} if series else {}
    if len(volumes) == 1:
        return {volumes[0].path: ""}
    numbers = [one.number for one in volumes]
    has_numbers = len(set(numbers)) == len(numbers) and "" not in numbers
    return {
        one.path: one.number if has_numbers else str(index)
        for index, one in enumerate(volumes, 1)
    }


def some(names, separator=", "):
    """The first of a list of names in words, and how many more there are."""
    more = len(names) - _TOLD
    told = separator.join(names[:_TOLD])
    return f"{told}{separator}and {more} more" if more > 0 else told
