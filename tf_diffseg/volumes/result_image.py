"""Label maps and maps of numbers over a scan, as images of nibabel.

Of the scan's header they keep what tells where its voxels lie, both forms with their
codes and the units, and nothing that tells of its intensities, its acquisition or its
patient: window, scaling, intent, description, extensions.
"""

import nibabel as nib
import numpy as np

# Of a NIfTI header, 1 or 2: where the voxels lie. `pixdim` of the first three axes and
# the sign of the qform are copied apart.
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
# Cosine of the angle between two voxel axes that rounding explains.
_LARGEST_SHEAR = 1e-5
# For formats that do not have the smallest type.
_TYPES = (np.uint8, np.int16, np.uint16, np.int32, np.float32, np.float64)


def smallest_type(label):
    """Whole numbers, none negative, in the smallest type that holds them."""
    label = np.asarray(label)
    return label.astype(np.min_scalar_type(int(label.max(initial=0))))


def nifti_like(array, like):
    """A NIfTI image on the grid of another image.

    Args:
        array: (i, j, k); whole numbers are a label map, other numbers a map.
        like: image of nibabel that has this shape, channels aside. Of NIfTI the
            version is kept too.

    Returns:
        `nibabel.Nifti1Image` or `Nifti2Image`.
    """
    if not isinstance(like, nib.Nifti1Pair):
        return nifti_of(array, like.affine)
    is_second = isinstance(like.header, nib.Nifti2Header)
    kind = nib.Nifti2Image if is_second else nib.Nifti1Image
    return _nifti(array, like.affine, kind, _place_of(like, kind.header_class()))


def nifti_of(array, affine):
    """A NIfTI image by its affine.

    Args:
        array: as of `nifti_like`.
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
    # Some programs read the qform alone. It is a rotation, and holds no shear.
    axes = affine[:3, :3] / spacing_mm
    if np.allclose(axes.T @ axes, np.eye(3), atol=_LARGEST_SHEAR):
        header.set_qform(affine, code="scanner")
    header.set_xyzt_units("mm")
    return _nifti(array, affine, nib.Nifti1Image, header)


def image_like(array, like):
    """As `nifti_like`, but of the type of the other image where nibabel writes it.

    Raises:
        ValueError: that type's format has no numbers that hold these.
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
    """Gives a new header the place in the world that an image's header tells."""
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
    """The first type that a format has and that holds the values of an array."""
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
