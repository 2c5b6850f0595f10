"""The name of a converted case, made of all that decides what it contains."""

import dataclasses
import functools
import hashlib
import json
import os
import pathlib

import numpy as np
import tensorflow as tf

from tf_diffseg.errors import CaseError, MachineError, is_of_machine
from tf_diffseg.text import shown
from tf_diffseg.volumes.file_endings import READ_ENDINGS

# The code that decides how a case is converted: all that `case_conversion` imports
# except the modules common to all packages. A test compares this list with the imports.
_DECIDING_MODULES = {
    "data_tools/conversion": (
        "case_conversion case_preprocessing case_statistics class_ids "
        "intensity_statistics tfrecord"
    ),
    "tf_diffseg/data": "example_schema example_wire gzip_member record_checksum",
    "tf_diffseg/preprocessing": (
        "crop_pad foreground grid_preprocessor intensity intensity_choice limits "
        "old_calls orientation resampling source_grid volume_preprocessor"
    ),
    "tf_diffseg/volumes": (
        "dicom_files dicom_series dicom_slices dicom_stack file_endings grids headers "
        "itk_files mgh nibabel_volume nifti nifti_notes pictures simpleitk volume "
        "volume_files volume_limits voxels"
    ),
}
DECIDING_FILES = tuple(
    f"{package}/{module}.py"
    for package, modules in _DECIDING_MODULES.items()
    for module in modules.split()
)


def case_key(case, recipe):
    """Name for the result of a case: it changes whenever the result could change.

    Args:
        case: `dataset.Case`; the sizes and times of its files count, not their content.
        recipe: `Recipe`.

    Returns:
        A hexadecimal digest.

    Raises:
        CaseError: if a file cannot be looked up and the file is at fault.
        MachineError: if the machine is at fault.
    """
    files = (*case.image_paths, case.label_path)
    try:
        states = [_file_states(path) for path in files]
    except OSError as error:
        kind = MachineError if is_of_machine(error) else CaseError
        raise kind(
            f"case {shown(case.uid)}: {error.filename} cannot be read: {error.strerror}"
        ) from error
    # The split decides where the case goes, not what it contains, so it is left out.
    names = case.uid, case.image_paths, case.label_path
    parts = [names, states, dataclasses.asdict(recipe), _code_digest()]
    text = json.dumps(parts, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _file_states(path):
    """Size and time of a file, or of each file in the folder of a DICOM series."""
    if not path.lower().endswith(READ_ENDINGS) and os.path.isfile(path):
        path = os.path.dirname(path) or "."  # this file stands for its series
    files = [path]
    if os.path.isdir(path):
        files = [os.path.join(path, name) for name in sorted(os.listdir(path))]
    return [(file, os.stat(file).st_size, os.stat(file).st_mtime_ns) for file in files]


@functools.cache
def _code_digest():
    """Digest of the converting code, so that no other version's cases are used."""
    digest = hashlib.sha256(f"{tf.__version__} {np.__version__}".encode())
    root = pathlib.Path(__file__).parents[2]
    for file in DECIDING_FILES:
        digest.update(file.encode())
        digest.update((root / file).read_bytes())
    return digest.hexdigest()
