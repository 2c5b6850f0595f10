"""Makes nibabel images of label maps and maps of numbers on the grid of a scan.

They keep the fields of the scan's header that tell where its voxels lie: both forms
with their codes, and the units. They keep nothing about its intensities, acquisition
or patient: no window, scaling, intent, description or extensions.
"""

import nibabel as nib
import numpy as np

# Fields of NIfTI headers that tell where voxels lie, beside the first values of
# `pixdim`: the sign of the qform and the spacing of three axes.
_PLACE = (
    "dim_info",
    "xyzt_units",
    "qform_code",
    "sform_code",
    "quatern_b",
    "quatern_c",
    "quatern_d",
    "qoffset_x",
    "qoffset_y",
    "qoffset_z",
    "srow_x",
    "srow_y",
    "srow_z",
)
# Largest cosine of the angle between two voxel axes that comes from rounding.
_LARGEST_SHEAR = 1e-5
# Types to try if a format does not have the type of an array.
_TYPES = (np.uint8, np.int16, np.uint16, np.int32, np.float32, np.float64)


def smallest_type(label):
    """Converts whole numbers, none negative, to the smallest type that holds them."""
    label = np.asarray(label)
    return label.astype(np.min_scalar_type(int(label.max(initial=0))))


def nifti_like(array, like):
    """Makes a NIfTI image on the grid of another image.

    Args:
        array: (i, j, k); whole numbers are a label map, other numbers a map.
        like: nibabel image of this shape, with channels or without. If it is NIfTI,
            its version is kept.

    Returns:
        `nibabel.Nifti1Image` or `Nifti2Image`.
    """
    if not isinstance(like, nib.Nifti1Pair):
        return nifti_of(array, like.affine)
    is_second = isinstance(like.header, nib.Nifti2Header)
    kind = nib.Nifti2Image if is_second else nib.Nifti1Image
    return _nifti(array, like.affine, kind, _place_of(like, kind.header_class()))


def nifti_of(array, affine):
    """Makes a NIfTI image with an affine.

    Args:
        array: as for `nifti_like`.
        affine: (4, 4), voxel to world (RAS+) in mm.

    Returns:
        `nibabel.Nifti1Image`.
    """
    affine = np.asarray(affine, np.float64)
    spacing_mm = np.linalg.norm(affine[:3, :3], axis=0)
    header = nib.Nifti1Header()
    header.set_data_shape(np.shape(array))
    header.set_zooms(spacing_mm)
    header.set_sform(affine, code="scanner")
    # Some programs read the qform alone. It cannot hold shear.
    axes = affine[:3, :3] / spacing_mm
    if np.allclose(axes.T @ axes, np.eye(3), atol=_LARGEST_SHEAR):
        header.set_qform(affine, code="scanner")
    header.set_xyzt_units("mm")
    return _nifti(array, affine, nib.Nifti1Image, header)


def image_like(array, like):
    """Does what `nifti_like` does, but keeps the type of `like` if nibabel writes it.

    Raises:
        ValueError: the format has no number type that holds the values.
    """
    kind = type(like)
    if isinstance(like, nib.Nifti1Pair) or not kind.rw:
        image = nifti_like(array, like)
        # The two files of a pair stay two.
        is_pair = kind in (nib.Nifti1Pair, nib.Nifti2Pair)
        return kind.from_image(image) if is_pair else image
    array = np.asarray(array)
    return kind(array.astype(_stored_type(kind, array)), like.affine)


def _place_of(like, header):
    """Copies the place in the world from an image to a new header."""
    for name in _PLACE:
        header[name] = like.header[name]
    header["pixdim"][:4] = like.header["pixdim"][:4]
    return header


def _nifti(array, affine, kind, header):
    array = np.asarray(array)
    header.set_data_dtype(array.dtype)
    if array.dtype.kind in "iu":
        header.set_intent("label")
    image = kind(array, affine, header)
    image.header.set_slope_inter(1, 0)
    return image


def _stored_type(kind, array):
    """Returns the first type that a format has and that holds an array's values."""
    header = kind.header_class()
    for dtype in (array.dtype, *_TYPES):
        try:
            header.set_data_dtype(dtype)
        except (nib.spatialimages.HeaderDataError, nib.freesurfer.mghformat.MGHError):
            continue
        if _holds(dtype, array):
            return dtype
    raise ValueError(
        f"{kind.__name__} has no type that holds {array.dtype} up to {array.max()}"
    )


def _holds(dtype, array):
    if array.dtype.kind == "f":
        return np.dtype(dtype).kind == "f"
    if np.dtype(dtype).kind == "f":
        return False
    limits = np.iinfo(dtype)
    return limits.min <= array.min() and array.max() <= limits.max
