"""Notes about odd headers of NIfTI files."""

import numpy as np

from tf_diffseg.volumes import nibabel_volume
from tf_diffseg.volumes.grids import GRID_TOLERANCE, corner_distance
from tf_diffseg.volumes.headers import MILLIMETRE, in_millimetres

# Rounding puts no larger difference between a header's voxel size and its affine's.
_SPACING_TOLERANCE = 1e-3
# Codes that NIfTI has: for no form, and for five kinds of world.
_FORM_CODES = range(6)


def notes_of(path, volume, header):
    """Lists what is odd about a header without being wrong, in lines of text.

    `volume` is the nibabel image of the file. `header` is the header as it is stored,
    not repaired by nibabel.
    """
    notes = []
    unit = nibabel_volume.length_unit(header)
    pixdim = np.asarray(header["pixdim"][1:4], np.float64) * unit.mm
    affine = in_millimetres(volume.affine, unit)
    spacing_mm = np.linalg.norm(affine[:3, :3], axis=0)
    if not np.allclose(pixdim, spacing_mm, rtol=_SPACING_TOLERANCE):
        notes.append(
            f"{path}: 'pixdim' tells of a spacing of {_joined(pixdim)} mm, the affine, "
            f"which is used, of {_joined(spacing_mm)} mm"
        )
    notes += _unknown_codes(path, header)
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


def _unknown_codes(path, header):
    """Lists notes on forms whose code NIfTI does not have."""
    return [
        f"{path}: {form}_code is {int(header[f'{form}_code'])}, which NIfTI does not "
        f"have: the {form} is not used, though other programs may use it"
        for form in ("sform", "qform")
        if int(header[f"{form}_code"]) not in _FORM_CODES
    ]


def _contradiction(path, volume, unit):
    """Lists the note on a qform that contradicts the sform, if it does."""
    sform, sform_code = volume.get_sform(coded=True)
    qform_code = int(volume.header["qform_code"])
    if not (qform_code and sform_code):
        return []
    try:
        with np.errstate(invalid="ignore"):
            qform = volume.get_qform()
    except nibabel_volume.HEADER_ERRORS:
        qform = np.full((4, 4), np.nan)
    if not np.isfinite(qform).all():
        quaternion = ", ".join(f"{volume.header[f'quatern_{x}']:g}" for x in "bcd")
        return [
            f"{path}: the qform (code {qform_code}) is not valid, its quaternion is "
            f"{quaternion}; the sform is used"
        ]
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


def _joined(values):
    return " x ".join(f"{value:.4g}" for value in values)
