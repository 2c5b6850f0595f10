"""Reading FreeSurfer volumes, .mgz and .mgh."""

import nibabel as nib

from tf_diffseg.volumes import nibabel_volume
from tf_diffseg.volumes.headers import check_spacing

ENDINGS = (".mgz", ".mgh")


def read(path, dtype=None):
    """Reads a volume as it is stored.

    Args:
        path: a .mgz or .mgh file.
        dtype: of floating point numbers to compute in; None keeps the exact type.

    Returns:
        `volume.Volume` of (i, j, k) or (i, j, k, channels), of any number type.

    Raises:
        InputError: if the file is damaged, of another format or shape or without a
            usable spacing and affine.
    """
    image = nibabel_volume.load(path, nib.MGHImage, "a FreeSurfer volume")
    check_spacing(path, image.header["delta"])
    return nibabel_volume.read_voxels(path, image, dtype, has_footer=True)
