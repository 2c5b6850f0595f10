"""Reads FreeSurfer volumes, .mgz and .mgh."""

import nibabel as nib

from tf_diffseg.volumes import nibabel_volume
from tf_diffseg.volumes.headers import check_spacing

ENDINGS = (".mgz", ".mgh")


def read(path, dtype=None):
    """Reads a volume as it is stored; see `nifti.read`."""
    image = nibabel_volume.load(path, nib.MGHImage, "a FreeSurfer volume")
    check_spacing(path, image.header["delta"])
    return nibabel_volume.read_voxels(path, image, dtype, has_footer=True)
