"""The name of what comes of a case: another whenever that could be another."""

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
from tf_diffseg.volumes.file_endings import VOLUME_ENDINGS

# The code that decides what comes of a case: all that `case_conversion` imports but
# what is common to all packages. A test holds that.
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
        "itk_files mgh nibabel_volume nifti nifti_notes simpleitk volume volume_files "
        "volume_limits voxels"
    ),
}
DECIDING_FILES = tuple(
    f"{package}/{module}.py"
    for package, modules in _DECIDING_MODULES.items()
    for module in modules.split()
)


def case_key(case, recipe):
    """Name for what comes of a case: another whenever that could be another.

    Args:
        case: `dataset.Case`, whose files' sizes and times count, not their content.
        recipe: `Recipe`, or what else decides.

    Returns:
        A hexadecimal digest.

    Raises:
        CaseError: if a file cannot be looked up.
        MachineError: if that is not the file's fault.
    """
    files = (*case.image_paths, case.label_path)
    try:
        states = [_file_states(path) for path in files]
    except OSError as error:
        kind = MachineError if is_of_machine(error) else CaseError
        raise kind(
            f"case {shown(case.uid)}: {error.filename} cannot be read: {error.strerror}"
        ) from error
    # Which split it is in decides where it goes, not what comes of it.
    named = case.uid, case.image_paths, case.label_path
    parts = [named, states, dataclasses.asdict(recipe), _code()]
    text = json.dumps(parts, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _file_states(path):
    """Size and time of a file, or of each file in the folder of a DICOM series."""
    if not path.lower().endswith(VOLUME_ENDINGS) and os.path.isfile(path):
        path = os.path.dirname(path) or "."  # a file that stands for its series
    names = sorted(os.listdir(path)) if os.path.isdir(path) else None
    files = [path] if names is None else [os.path.join(path, name) for name in names]
    return [(file, os.stat(file).st_size, os.stat(file).st_mtime_ns) for file in files]


@functools.cache
def _code():
    """Digest of the code that converts: what another version began is not mixed in."""
    digest = hashlib.sha256(f"{tf.__version__} {np.__version__}".encode())
    root = pathlib.Path(__file__).parents[2]
    for file in DECIDING_FILES:
        digest.update(file.encode())
        digest.update((root / file).read_bytes())
    return digest.hexdigest()
