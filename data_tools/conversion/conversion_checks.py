"""What a conversion tells of a data set at its end, and what it refuses to write.

A data set without a labelled voxel or of constant images can be trained on to the last
epoch, and teaches nothing.
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
        len(of.constant_channels) == len(of.measures.intensity["min"])
        for of in summaries.values()
    ]
    if all(constant) and any(_varies(of) for of in summaries.values()):
        raise InputError(
            f"{dataset.path}: the images of all {len(summaries)} cases have one value "
            f"once preprocessed ({image_settings(preprocessing)}), expected images "
            "that differ from voxel to voxel: choose other settings"
        )


def _varies(summary):
    intensity = summary.measures.intensity
    return intensity["min"] != intensity["max"]


def _check_foreground(dataset, summaries, which, preprocessing):
    if any(sum(of.stored_voxels[1:]) for of in summaries.values()):
        return
    in_files = sum(sum(of.measures.voxels_per_class[1:]) for of in summaries.values())
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
    """What is odd about the files of cases, as `verification` tells it.

    Args:
        dataset: `dataset.Dataset`.
        cases: list of `dataset.Case`, those that were converted.
        measures: dict from uid to `case_statistics.CaseMeasures`.

    Returns:
        List of `Problem`, warnings all.
    """
    problems = []
    for case in cases:
        problems += file_warnings(case, measures[case.uid])
    measures = [measures[case.uid] for case in cases]
    voxels = np.sum([of.voxels_per_class for of in measures], axis=0)
    counts = zip(dataset.label_values, voxels, strict=True)
    found = {value for value, count in counts if count}
    ignored = ignored_voxels(dataset, [of.ignored_voxels for of in measures])
    problems += [of for of in ignored if of.is_warning]
    return absent_classes(dataset, found) + problems


def all_preprocessing_warnings(dataset, cases, summaries, preprocessing):
    """What preprocessing takes away from cases.

    Args:
        dataset: `dataset.Dataset`.
        cases: list of `dataset.Case`, those that were preprocessed.
        summaries: dict from uid to `case_statistics.CaseSummary`.
        preprocessing: config of the `VolumePreprocessor`.

    Returns:
        List of `Problem`, warnings all.
    """
    problems = []
    for case in cases:
        problems += preprocessing_warnings(
            case, summaries[case.uid], dataset.class_names, preprocessing
        )
    summaries = [summaries[case.uid] for case in cases]
    before = np.array([of.measures.voxels_per_class for of in summaries])
    after = np.array([of.stored_voxels for of in summaries])
    return lost_classes(dataset, before, after, preprocessing) + problems


def crop_warnings(splits, preprocessing):
    """Tells of labelled voxels that the crop to `volume_shape` took away.

    Args:
        splits: dict from name to `manifest.Split`.
        preprocessing: config of the `VolumePreprocessor`.

    Returns:
        List of `Problem`, one for each split at most.
    """
    return [
        crop_warning(name, split, preprocessing)
        for name, split in splits.items()
        if split.statistics["cropped_cases"]
    ]
