"""Reading NIfTI volumes, with every way a file can be wrong."""

import gzip
import io
import os
import zlib

import nibabel as nib
import numpy as np

from tf_diffseg.errors import InputError, reading_error
from tf_diffseg.text import one_line
from tf_diffseg.volumes import nibabel_volume
from tf_diffseg.volumes.grids import GRID_TOLERANCE, corner_distance
from tf_diffseg.volumes.headers import MILLIMETRE, check_spacing, in_millimetres

ENDINGS = (".nii", ".nii.gz")

# A header's voxel size and that of its affine differ by no more through rounding.
_SPACING_TOLERANCE = 1e-3

# Intent codes of CIFTI, whose files also end in .nii: vertices of a surface and a few
# voxels in one long axis.
_CIFTI_INTENTS = range(3000, 3100)


def _load(path):
    """`(nibabel image, header as stored)`, checked."""
    if not os.path.isfile(path):
        raise InputError(f"{path} does not exist")
    if not str(path).lower().endswith(ENDINGS):
        raise InputError(f"{path} is not NIfTI, expected a .nii or .nii.gz file")
    header = _stored_header(path)
    if header is not None:
        if int(header["intent_code"]) in _CIFTI_INTENTS:
            raise InputError(
                f"{path} is CIFTI, values of brain surfaces and no 3D volume (intent "
                f"code {int(header['intent_code'])}), expected a volume in NIfTI"
            )
        # nibabel makes 1 of 0, and drops the sign.
        unit = nibabel_volume.length_unit(header)
        pixdim = np.asarray(header["pixdim"][1:4], np.float64)
        check_spacing(path, pixdim * unit.mm, unit)
    # `Nifti2Image` is a `Nifti1Image` too.
    return nibabel_volume.load(path, nib.Nifti1Image, "NIfTI"), header


def load(path):
    """The nibabel image of a file, its voxels not read; raises InputError as `read`."""
    return _load(path)[0]


def _stored_header(path):
    """The header without nibabel's mending; None for `load` to refuse."""
    opened = gzip.open if str(path).lower().endswith(".gz") else open
    try:
        with opened(path, "rb") as file:
            content = file.read(nib.Nifti2Header.template_dtype.itemsize)
    except (OSError, EOFError, zlib.error) as error:
        raise reading_error(
            f"{path} cannot be read as NIfTI: {one_line(error)}", error
        ) from error
    for kind in (nib.Nifti1Header, nib.Nifti2Header):
        if kind.may_contain_header(content):
            try:
                return kind.from_fileobj(io.BytesIO(content), check=False)
            except nibabel_volume.HEADER_ERRORS:
                return None
    return None


def read(path, dtype=None):
    """Reads a volume as it is stored, scaled as the header says.

    Args:
        path: a .nii or .nii.gz file.
        dtype: of floating point numbers to compute in; None keeps the exact type.

    Returns:
        `Volume` of (i, j, k) or (i, j, k, channels), of any number type.

    Raises:
        InputError: if the file is missing, damaged, not NIfTI, of another shape or
            without a usable spacing and affine.
    """
    volume, header = _load(path)
    return nibabel_volume.read_voxels(path, volume, dtype, _notes(path, volume, header))


def _notes(path, volume, header):
    if header is None:
        return ()
    notes = []
    unit = nibabel_volume.length_unit(header)
    pixdim = np.asarray(header["pixdim"][1:4], np.float64) * unit.mm
    affine = in_millimetres(volume.affine, unit)
    spacing_mm = np.linalg.norm(affine[:3, :3], axis=0)
    if not np.allclose(pixdim, spacing_mm, rtol=_SPACING_TOLERANCE):
        notes.append(
            f"{path}: 'pixdim' tells of a spacing of {_by(pixdim)} mm, the affine, "
            f"which is used, of {_by(spacing_mm)} mm"
        )
    if not (volume.header["sform_code"] or volume.header["qform_code"]):
        notes.append(
            f"{path}: neither sform nor qform tells how the volume is oriented, it is "
            "taken to be stored from right to left, back to front and bottom to top"
        )
    notes += _contradiction(path, volume, unit)
    if int(header["xyzt_units"]) % 8 > max(nibabel_volume.UNITS):
        notes.append(
            f"{path}: 'xyzt_units' is {int(header['xyzt_units'])}, which stands for "
            "no unit of length, millimetre is taken"
        )
    if unit != MILLIMETRE:
        notes.append(unit.note(path))
    return tuple(notes)


def _contradiction(path, volume, unit):
    """Notes, one or none, on a qform that says other than the sform."""
    try:
        qform, qform_code = volume.get_qform(coded=True)
    except nibabel_volume.HEADER_ERRORS:  # a quaternion that is none
        return []
    sform, sform_code = volume.get_sform(coded=True)
    if not (qform_code and sform_code):
        return []
    shape = nibabel_volume.shape_of(volume)[:3]
    offset_mm = unit.mm * corner_distance(sform, qform, shape)
    voxel_mm = np.linalg.norm(in_millimetres(sform, unit)[:3, :3], axis=0).min()
    if offset_mm <= GRID_TOLERANCE * voxel_mm:
        return []
    mirrored = np.linalg.det(sform[:3, :3]) * np.linalg.det(qform[:3, :3]) < 0
    what = "are mirrored to each other" if mirrored else "differ"
    return [
        f"{path}: sform (code {sform_code}) and qform (code {qform_code}) {what}, "
        f"their corners lie up to {offset_mm:.3g} mm apart; the sform is used"
    ]


def _by(values):
    return " x ".join(f"{value:.4g}" for value in values)
