"""Reads a DICOM series: the slices of one folder that belong together.

Other files of the folder are passed over and named. The slices must be a stack:
parallel, each exactly above the other, equally far apart. Other slices, such as those
of a tilted gantry or with a gap, are refused and not resampled silently.
"""

import dataclasses
import os

import numpy as np

from tf_diffseg.errors import InputError
from tf_diffseg.volumes import dicom_files, dicom_slices
from tf_diffseg.volumes.dicom_stack import stack_affine
from tf_diffseg.volumes.volume import Volume
from tf_diffseg.volumes.volume_limits import check_size

# How many entries of a list a message names; it counts the others.
_MOST_NAMED = 5


@dataclasses.dataclass(frozen=True)
class Series:
    """The pictures of one series in a folder.

    Attributes:
        headers: list of `dicom_files.Header`, in the order of their file names.
    """

    headers: list

    @property
    def path(self):
        """Path of the first file, which stands for the series."""
        return self.headers[0].path

    @property
    def number(self):
        """SeriesNumber, or ""."""
        return self.headers[0].number

    @property
    def is_one_picture(self):
        """Whether it is a single picture, such as a scout."""
        return len(self.headers) == 1 and self.headers[0].is_picture

    def __str__(self):
        """Describes the series by one of its files."""
        first = self.headers[0]
        words = filter(None, [first.kind, first.description])
        return f"{self.path} ({', '.join(words)}, {len(self.headers)} file(s))"


def series_in(folder):
    """Finds the series of a folder, but not of its sub-folders.

    Returns:
        `(series, passed_over)`: list of `Series` sorted by number and path, and list
        of the names of all else in the folder, each with its kind.

    Raises:
        InputError: a DICOM file is damaged, or pydicom is not installed.
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
    """Reads a series and rescales each slice as its header says.

    Args:
        path: path of its folder, or of any of its files if the folder holds several
            series.
        dtype: type of the result; None for float32.

    Returns:
        `Volume` of (i, j, k): column, row, slice. A note names what was passed over.

    Raises:
        InputError: pydicom is not installed, a file is damaged, the folder holds
            several series, or the slices are not a stack.
    """
    path = str(path)
    series, passed_over = _chosen(path)
    slices = [dicom_slices.slice_of(header) for header in series.headers]
    slices, affine = stack_affine(path, slices)
    shape = (*slices[0].shape, len(slices))
    check_size(path, shape, 4, float("inf"))
    array = np.empty(shape, np.float32)
    for index, one in enumerate(slices):
        array[:, :, index] = dicom_slices.pixels(one)
    notes = (f"{path}: passed over {some(passed_over)}",) if passed_over else ()
    return Volume(path, array.astype(dtype or np.float32, copy=False), affine, notes)


def _chosen(path):
    """Returns `(Series, names of all else in its folder)` for a folder or a file."""
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
    """Finds a path for each series of a folder that `read` takes.

    Returns:
        Dict from path to a text that tells the series from the others: if there is
        only one series, from the folder to "". Single pictures beside a series, such
        as scouts, are left out.

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
    """Joins the first names of a list and tells how many more there are."""
    num_more = len(names) - _MOST_NAMED
    text = separator.join(names[:_MOST_NAMED])
    return f"{text}{separator}and {num_more} more" if num_more > 0 else text
