"""Warnings at the end of a conversion, and data sets that it refuses to write.

Training on a data set without a labelled voxel, or with constant images, would run to
the last epoch and learn nothing.
"""

import numpy as np

from data_tools.conversion.case_findings import (
    absent_classes,
    crop_warning,
    file_warnings,
    grid_settings,
    ignored_voxels,
    image_settings,
    lost_classes,
    no_foreground_at_all,
    preprocessing_warnings,
)
from tf_diffseg.errors import InputError


def check_is_something(dataset, summaries, uids_of, preprocessing):
    """Raises InputError unless there is something to learn from.

    Args:
        dataset: `dataset.Dataset`.
        summaries: dict from uid to `case_statistics.CaseSummary`, one at least.
        uids_of: dict from split name to the uids in it.
        preprocessing: config of the `VolumePreprocessor`.
    """
    _check_foreground(dataset, summaries, "all cases", preprocessing)
    train = {
        uid: summaries[uid] for uid in uids_of.get("train", ()) if uid in summaries
    }
    if train:
        _check_foreground(dataset, train, "all cases of the split train", preprocessing)
    constant = [
        len(summary.constant_channels) == len(summary.measures.intensity["min"])
        for summary in summaries.values()
    ]
    if all(constant) and any(_varies(summary) for summary in summaries.values()):
        raise InputError(
            f"{dataset.path}: the images of all {len(summaries)} cases have one value "
            f"once preprocessed ({image_settings(preprocessing)}), expected images "
            "that differ from voxel to voxel: choose other settings"
        )


def _varies(summary):
    intensity = summary.measures.intensity
    return intensity["min"] != intensity["max"]


def _check_foreground(dataset, summaries, which, preprocessing):
    if any(sum(summary.stored_voxels[1:]) for summary in summaries.values()):
        return
    measures = [summary.measures for summary in summaries.values()]
    in_files = sum(sum(measure.voxels_per_class[1:]) for measure in measures)
    if in_files:
        raise InputError(
            f"{dataset.path}: preprocessing ({grid_settings(preprocessing)}) leaves no "
            f"labelled voxel in {which}, of {in_files} in the files of "
            f"{len(summaries)} case(s): choose a finer spacing or a larger shape"
        )
    if which == "all cases":
        raise InputError(no_foreground_at_all(dataset).message)
    raise InputError(
        f"{dataset.path}: no label map in {which} ({len(summaries)}) has a labelled "
        "voxel, so there is nothing to train on: choose other splits"
    )


def all_file_warnings(dataset, cases, measures):
    """Warnings about the files of cases, the same as from `verification`.

    Args:
        dataset: `dataset.Dataset`.
        cases: list of the converted `dataset.Case`s.
        measures: dict from uid to `case_statistics.CaseMeasures`.

    Returns:
        List of `Problem`.
    """
    problems = []
    for case in cases:
        problems += file_warnings(case, measures[case.uid])
    measures = [measures[case.uid] for case in cases]
    voxels = np.sum([measure.voxels_per_class for measure in measures], axis=0)
    counts = zip(dataset.label_values, voxels, strict=True)
    found = {value for value, count in counts if count}
    ignored = [measure.ignored_voxels for measure in measures]
    problems += [p for p in ignored_voxels(dataset, ignored) if p.is_warning]
    return absent_classes(dataset, found) + problems


def all_preprocessing_warnings(dataset, cases, summaries, preprocessing):
    """Warnings about what preprocessing takes away from cases.

    Args:
        dataset: `dataset.Dataset`.
        cases: list of the preprocessed `dataset.Case`s.
        summaries: dict from uid to `case_statistics.CaseSummary`.
        preprocessing: config of the `VolumePreprocessor`.

    Returns:
        List of `Problem`.
    """
    problems = []
    for case in cases:
        problems += preprocessing_warnings(
            case, summaries[case.uid], dataset.class_names, preprocessing
        )
    summaries = [summaries[case.uid] for case in cases]
    before = np.array([summary.measures.voxels_per_class for summary in summaries])
    after = np.array([summary.stored_voxels for summary in summaries])
    return lost_classes(dataset, before, after, preprocessing) + problems


def crop_warnings(splits, preprocessing):
    """A `Problem` for each `manifest.Split` that the crop took labelled voxels from."""
    return [
        crop_warning(name, split, preprocessing)
        for name, split in splits.items()
        if split.statistics["cropped_cases"]
    ]
