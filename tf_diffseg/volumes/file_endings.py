"""Names of volume files."""

import os

# Endings that `volume_files` reads, beside DICOM series; longer endings first.
VOLUME_ENDINGS = (
    ".nii.gz",
    ".nii",
    ".mgz",
    ".mgh",
    ".nrrd",
    ".mha",
)


def uid_of_file(path):
    """Returns the name of a case: the file name of its image without the ending."""
    name = os.path.basename(path)
    for ending in VOLUME_ENDINGS:
        if name.lower().endswith(ending):
            return name[: -len(ending)]
    return name
