"""Reading and writing NIfTI volumes, with every way a file can be wrong."""

import dataclasses
import math
import os
import zlib

import nibabel as nib
import numpy as np

from data_tools.errors import InputError

# Float label files hold 0.9999 for 1: some tools resample and scale labels.
_ROUNDING = 1e-3

# Image and label are on one grid if no corner is off by more, in voxels.
_GRID_TOLERANCE = 0.1

# What nibabel raises on headers that are damaged or of something else.
_HEADER_ERRORS = (
    nib.filebasedimages.ImageFileError,
    nib.spatialimages.HeaderDataError,
    nib.wrapstruct.WrapStructError,
    OSError,
    EOFError,
    ValueError,
    OverflowError,
    MemoryError,
    zlib.error,
)

# No byte of a deflate stream stands for more, see https://zlib.net/zlib_tech.html.
_LARGEST_COMPRESSION = 1032


@dataclasses.dataclass(frozen=True)
class Volume:
    """A volume as its file has it.

    Attributes:
        path: of the file.
        array: (i, j, k).
        affine: float64 (4, 4), voxel to world in mm.
    """

    path: str
    array: np.ndarray
    affine: np.ndarray

    @property
    def spacing_mm(self):
        """Voxel size (3,) along i, j and k."""
        return np.linalg.norm(self.affine[:3, :3], axis=0)


def _load(path):
    """Opens a file and checks all that its header tells."""
    if not os.path.isfile(path):
        raise InputError(f"{path} does not exist")
    if not str(path).lower().endswith((".nii", ".nii.gz")):
        raise InputError(f"{path} is not NIfTI, expected a .nii or .nii.gz file")
    try:
        volume = nib.load(path)
        shape = _grid_shape(volume)
    except _HEADER_ERRORS as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path} cannot be read as NIfTI: {reason}") from error
    # `Nifti2Image` is one too; CIFTI in a .dscalar.nii is not.
    if not isinstance(volume, nib.Nifti1Image):
        raise InputError(
            f"{path} is not NIfTI but a {type(volume).__name__}, expected a .nii or "
            ".nii.gz file"
        )
    size = "x".join(map(str, shape))
    if len(shape) == 4:
        raise InputError(
            f"{path} is 4D ({size}): several channels are not supported yet, "
            "expected one 3D volume"
        )
    if len(shape) != 3 or min(shape) < 1:
        raise InputError(f"{path} is {len(shape)}D ({size}), expected one 3D volume")
    axes = volume.affine[:3, :3]
    if not np.isfinite(volume.affine).all() or np.linalg.matrix_rank(axes) < 3:
        raise InputError(
            f"{path} has an affine without volume, its voxel size is "
            f"{tuple(np.linalg.norm(axes, axis=0).tolist())} mm"
        )
    return volume


def _grid_shape(volume):
    """Shape without trailing axes of 1: (i, j, k, 1) is one channel."""
    shape = tuple(map(int, volume.shape))
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    return shape


def _check_size(path, volume):
    """Raises InputError if the file or the memory cannot hold what the header says."""
    shape = _grid_shape(volume)
    size = "x".join(map(str, shape))
    itemsize = volume.get_data_dtype().itemsize
    expected = math.prod(shape) * itemsize
    largest = os.path.getsize(path)
    if str(path).lower().endswith(".gz"):
        largest *= _LARGEST_COMPRESSION
    if expected > largest:
        raise InputError(
            f"{path} is damaged: its header tells of {size} voxels of {itemsize} "
            "bytes, more than the file can hold"
        )
    needed = math.prod(shape) * max(itemsize, 4)
    if needed > _memory_bytes():
        raise InputError(
            f"{path} is too large: {size} voxels take {needed / 2**30:.1f} GiB, "
            f"this machine has {_memory_bytes() / 2**30:.1f} GiB"
        )


def _memory_bytes():
    """Physical memory, or no limit where the system does not tell."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return math.inf


def _voxels(path, volume):
    _check_size(path, volume)
    try:
        array = np.asanyarray(volume.dataobj).reshape(_grid_shape(volume))
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise InputError(f"{path} is damaged: {error}") from error
    except MemoryError as error:
        raise InputError(f"{path} does not fit in memory: {error}") from error
    if array.dtype.kind not in "buif":
        raise InputError(f"{path} holds {array.dtype} voxels, expected numbers")
    bad = array.size - np.count_nonzero(np.isfinite(array))
    if bad:
        raise InputError(f"{path} has {bad} voxel(s) that are NaN or infinite")
    return array


def read_image(path):
    """Reads an image, its intensities scaled as the header says.

    Args:
        path: a .nii or .nii.gz file, (i, j, k) or (i, j, k, 1).

    Returns:
        `Volume` of float32.

    Raises:
        InputError: if the file is missing, damaged, not NIfTI, not 3D, not
            finite or without a usable affine.
    """
    volume = _load(path)
    array = _voxels(path, volume)
    return Volume(str(path), np.ascontiguousarray(array, np.float32), volume.affine)


def read_label(path):
    """Reads a label map, whatever number type the file has.

    Args:
        path: a .nii or .nii.gz file.

    Returns:
        `Volume` of int32, with the values of the file.

    Raises:
        InputError: as `read_image`, or if a value is further than 0.001 from a
            whole number.
    """
    volume = _load(path)
    array = _voxels(path, volume)
    rounded = np.rint(array)
    off = np.abs(array - rounded) > _ROUNDING
    if off.any():
        raise InputError(
            f"{path} holds the label value {array[off][0]:g}, expected whole numbers"
        )
    return Volume(str(path), np.ascontiguousarray(rounded, np.int32), volume.affine)


def check_same_grid(image, label):
    """Raises InputError unless two `Volume`s lie on one grid."""
    if image.array.shape != label.array.shape:
        raise InputError(
            f"{label.path} has shape {label.array.shape}, "
            f"its image {image.path} has {image.array.shape}"
        )
    corners = np.array(list(np.ndindex(2, 2, 2))) * (np.array(image.array.shape) - 1)
    matrix = image.affine - label.affine
    offset_mm = np.linalg.norm(corners @ matrix[:3, :3].T + matrix[:3, 3], axis=1)
    if offset_mm.max() > _GRID_TOLERANCE * image.spacing_mm.min():
        raise InputError(
            f"{label.path} and its image {image.path} have different affines, "
            f"their corners lie up to {offset_mm.max():.3g} mm apart"
        )


def write_label(path, label, like):
    """Writes class ids on the grid of another file, with that file's header.

    Args:
        path: a .nii or .nii.gz file to write.
        label: integer (i, j, k), not negative.
        like: file whose shape, affine, units and codes to take.

    Raises:
        InputError: if `like` cannot be read.
        ValueError: if `label` does not have its shape.
    """
    reference = _load(like)
    label = np.asarray(label)
    shape = _grid_shape(reference)
    if label.shape != shape:
        raise ValueError(
            f"label must have the shape {shape} of {like}, got {label.shape}"
        )
    smallest = np.min_scalar_type(int(label.max(initial=0)))
    header = reference.header.copy()
    header.set_data_dtype(smallest)
    header.set_slope_inter(1, 0)
    header["cal_min"], header["cal_max"] = 0, 0  # the image's display window
    header.set_intent("label")
    written = type(reference)(label.astype(smallest), reference.affine, header)
    nib.save(written, path)
