"""Checks that an export segments scans as its run does."""

import pathlib

import numpy as np

from tf_diffseg.errors import InputError
from tf_diffseg.runs.segmentation.scans import find_scans, read_scan
from tf_diffseg.volumes.file_endings import NIFTI_ENDINGS

# Smallest Dice of a class between a run and its export with rounded weights.
_SMALLEST_DICE = 0.98


def check_export(version_dir, run_segmenter, scans, is_exact):
    """Compares label maps of an export with those of its run.

    Args:
        version_dir: folder of the export.
        run_segmenter: `VolumeSegmenter` of the run, with the options of the export.
        scans: as in `find_scans`.
        is_exact: whether label maps must be equal, because the export has the weights
            of the run; if it has rounded ones, Dice must be high.

    Returns:
        Number of scans; raises InputError if label maps differ too much.
    """
    import tensorflow as tf

    from tf_diffseg.runs.segmentation.segmenter import load_segmenter

    exported = load_segmenter(version_dir)
    loaded = tf.saved_model.load(str(version_dir))
    nifti = loaded.signatures["segment_nifti"]
    batch = nifti.structured_input_signature[1]["seed"].shape[0] or 1
    found = find_scans("verify", scans, run_segmenter.num_channels)
    for scan in found:
        image = read_scan(scan)
        expected = run_segmenter.segment(image).label
        labels = {"segment_volume": exported.segment(image).label}
        if len(scan.paths) == 1 and scan.paths[0].lower().endswith(NIFTI_ENDINGS):
            contents = pathlib.Path(scan.paths[0]).read_bytes()
            outputs = nifti(
                contents=tf.constant([contents] * batch), seed=tf.zeros(batch, tf.int32)
            )
            labels["segment_nifti"] = outputs["label"].numpy()[0]
        for signature, label in labels.items():
            _check_label(scan, signature, label, expected, is_exact)
    return len(found)


def _check_label(scan, signature, label, expected, is_exact):
    differing = np.count_nonzero(label != expected)
    if is_exact and differing:
        raise InputError(
            f"verify: {signature} of {scan.name} differs from the run's label map in "
            f"{differing} of {label.size} voxels",
            argument="verify",
        )
    for value in np.unique(expected):
        one, other = label == value, expected == value
        dice = 2.0 * np.count_nonzero(one & other) / (one.sum() + other.sum())
        if dice < _SMALLEST_DICE:
            raise InputError(
                f"verify: {signature} of {scan.name} agrees with the run's label map "
                f"at Dice {dice:.3f} for the value {value}, expected {_SMALLEST_DICE} "
                "at least; keep more bits per weight",
                argument="verify",
            )
