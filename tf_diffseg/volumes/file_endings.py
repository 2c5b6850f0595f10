"""How files of volumes are named."""

import os

# What `volume_files` reads, beside folders of DICOM slices; longer endings first.
VOLUME_ENDINGS = (
    ".nii.gz",
    ".nii",
    ".mgz",
    ".mgh",
    ".nrrd",
    ".mha",
)


def uid_of_file(path):
    """A case's name from its image's file name."""
    name = os.path.basename(path)
    for ending in VOLUME_ENDINGS:
        if name.lower().endswith(ending):
            return name[: -len(ending)]
    return name
