"""Reads NIfTI volumes."""

import gzip
import zlib

import nibabel as nib
import numpy as np

from tf_diffseg.errors import InputError, reading_error
from tf_diffseg.text import one_line
from tf_diffseg.volumes import nibabel_volume
from tf_diffseg.volumes.file_endings import NIFTI_ENDINGS
from tf_diffseg.volumes.headers import check_spacing
from tf_diffseg.volumes.nifti_notes import notes_of

ENDINGS = NIFTI_ENDINGS

# Intent codes of CIFTI, whose files also end in .nii. They hold vertices of a surface
# and a few voxels along one long axis.
_CIFTI_INTENTS = range(3000, 3100)


def _load(path):
    """Returns the nibabel image and the header as it is stored, both checked."""
    header = _stored_header(path)
    if header is not None:
        if int(header["intent_code"]) in _CIFTI_INTENTS:
            raise InputError(
                f"{path} is CIFTI, values of brain surfaces and no 3D volume (intent "
                f"code {int(header['intent_code'])}), expected a volume in NIfTI"
            )
        # nibabel turns 0 into 1 and drops the sign.
        unit = nibabel_volume.length_unit(header)
        pixdim = np.asarray(header["pixdim"][1:4], np.float64)
        check_spacing(path, pixdim * unit.mm, unit)
    # `Nifti2Image` is a `Nifti1Image` too.
    return nibabel_volume.load(path, nib.Nifti1Image, "NIfTI"), header


def load(path):
    """Opens a file as a nibabel image without its voxels; refuses what `read` does."""
    return _load(path)[0]


def _stored_header(path):
    """Reads the header unchanged; None if it is one that `nibabel_volume.load` refuses.

    nibabel itself repairs some fields when it loads a file.
    """
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
            return kind(content[: kind.template_dtype.itemsize], check=False)
    return None


def read(path, dtype=None):
    """Reads a volume as it is stored, scaled as the header says.

    Args:
        path: path of the file.
        dtype: type of floating point numbers to compute in; None keeps the exact type.

    Returns:
        `Volume` of (i, j, k) or (i, j, k, channels), of any number type.

    Raises:
        InputError: the file is missing, damaged, of another format or shape, or has no
            usable spacing and affine.
    """
    volume, header = _load(path)
    return nibabel_volume.read_voxels(
        path, volume, dtype, notes_of(path, volume, header)
    )
