"""Names of volume files."""

import os

NIFTI_ENDINGS = (".nii", ".nii.gz")
# Endings of volumes that `volume_files` reads, beside DICOM series; longer ones first.
VOLUME_ENDINGS = (
    *reversed(NIFTI_ENDINGS),
    ".mgz",
    ".mgh",
    ".nrrd",
    ".mha",
)


# Endings of 2D pictures, which it reads as volumes of one slice. Such files often lie
# beside volumes as previews: a search for scans takes them only if there is no volume.
PICTURE_ENDINGS = (".png", ".bmp")
READ_ENDINGS = (*VOLUME_ENDINGS, *PICTURE_ENDINGS)


def scan_endings(names):
    """Endings of scans among files: pictures count if there is no volume."""
    has_volume = any(str(name).lower().endswith(VOLUME_ENDINGS) for name in names)
    return VOLUME_ENDINGS if has_volume else READ_ENDINGS


def uid_of_file(path):
    """Returns the name of a case: the file name of its image without the ending."""
    name = os.path.basename(path)
    for ending in READ_ENDINGS:
        if name.lower().endswith(ending):
            return name[: -len(ending)]
    return name
