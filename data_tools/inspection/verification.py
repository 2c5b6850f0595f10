"""Finds all problems of all cases of a data set."""

import collections
import dataclasses
import functools

import numpy as np

from data_tools.conversion.case_findings import (
    absent_classes,
    constant_channel,
    ignored_voxels,
    no_foreground,
    no_foreground_at_all,
    shared_image,
    shared_label,
)
from data_tools.datasets.dataset_check import case_problems, dataset_warnings
from data_tools.datasets.problems import Problem, Severity
from tf_diffseg.errors import InputError
from tf_diffseg.text import one_line, shown
from tf_diffseg.volumes.grids import grid_difference
from tf_diffseg.volumes.volume_files import check_finite, read_volume, whole_numbers
from tf_diffseg.volumes.voxels import distinct_values, voxel_digest


def verify(dataset, workers=None):
    """Reads all files of a data set and checks them.

    Args:
        dataset: `dataset.Dataset`.
        workers: runs the work, for example a `worker_pool.WorkerPool`; None reads in
            this process.

    Returns:
        List of `Problem`: those of the data set first, then case by case.

    Raises:
        InputError: if a process dies, most likely because memory is full.
    """
    problems = dataset_warnings(dataset)
    if not dataset.cases:
        message = f"{dataset.path} lists no case"
        problems.append(Problem(Severity.ERROR, "dataset", None, message))
    early_problems = case_problems(dataset)
    unreadable = {problem.uid for problem in early_problems if problem.check == "file"}
    readable = [case for case in dataset.cases if case.uid not in unreadable]
    examine = functools.partial(
        examine_case,
        num_channels=len(dataset.channel_names),
        label_values=dataset.label_values,
        ignore_label=dataset.ignore_label,
    )
    if workers is None:
        examined = list(map(examine, readable))
    else:
        with workers:
            examined = list(workers.run(examine, readable, "case"))
    problems += early_problems
    problems += [problem for case in examined for problem in case.problems]
    problems += _duplicates(examined)
    problems += ignored_voxels(dataset, [one.ignored_voxels for one in examined])
    if not unreadable and all(one.label_values is not None for one in examined):
        found = frozenset().union(*(one.label_values for one in examined))
        problems += absent_classes(dataset, found)
        if found <= {0, dataset.ignore_label}:
            problems.append(no_foreground_at_all(dataset))
    # This keeps the order of the problems of a case.
    return sorted(problems, key=lambda problem: problem.uid or "")


@dataclasses.dataclass(frozen=True)
class ExaminedCase:
    """The result of `examine_case`.

    Attributes:
        case: `dataset.Case`.
        problems: list of `Problem`.
        image_sha256: of the voxels, or None if the image cannot be read.
        label_sha256: of the label map, or None if it cannot be read or is empty.
        label_values: values in the label map, or None if it cannot be read.
        ignored_voxels: number of voxels with the ignore label.
    """

    case: object
    problems: list[Problem]
    image_sha256: str | None
    label_sha256: str | None
    label_values: frozenset[int] | None
    ignored_voxels: int = 0


def examine_case(case, num_channels, label_values, ignore_label=None):
    """Reads a `dataset.Case` whose files exist, and checks it.

    Args:
        case: `dataset.Case`.
        num_channels: as the data set declares.
        label_values: as the data set declares, per class id.
        ignore_label: as the data set declares, or None.

    Returns:
        An `ExaminedCase`.
    """
    problems = []

    def add(check, message, severity=Severity.ERROR):
        text = f"case {shown(case.uid)}: {message}"
        problems.append(Problem(severity, check, case.uid, text))

    channels = [_read(path, add, np.float32) for path in case.image_paths]
    label = _read(case.label_path, add)
    first, *others = [volume for volume in channels if volume is not None] or [None]
    for other in others:
        _compare(first, other, "the first channel's file", add)
    if first is not None and label is not None:
        _compare(first, label, "its image", add)
    image_sha256 = None
    if None not in channels:
        _examine_channels(case, channels, num_channels, add)
        image_sha256 = voxel_digest([each.array for each in channels], np.float32)
    found, label_sha256, num_ignored = None, None, 0
    if label is not None:
        found, label_sha256, num_ignored = _examine_label(
            label, label_values, ignore_label, add
        )
    return ExaminedCase(
        case=case,
        problems=problems,
        image_sha256=image_sha256,
        label_sha256=label_sha256,
        label_values=found,
        ignored_voxels=num_ignored,
    )


def _read(path, add, dtype=None):
    """A `Volume`, or None with a problem added."""
    try:
        volume = read_volume(path, dtype)
    except InputError as error:
        add("file", error)
    except Exception as error:  # whatever it is, the user needs the name of the file
        add("file", f"{path} cannot be read: {type(error).__name__}: {one_line(error)}")
    else:
        for note in volume.notes:
            add("header", note, Severity.WARNING)
        return volume
    return None


def _compare(image, other, whose, add):
    difference = grid_difference(image, other, whose)
    if difference is not None:
        severity = Severity.ERROR if difference.is_error else Severity.WARNING
        add(difference.aspect, difference.message, severity)


def _examine_channels(case, volumes, num_channels, add):
    arrays = [
        channel
        for volume in volumes
        for channel in np.moveaxis(volume.array.reshape(*volume.grid_shape, -1), -1, 0)
    ]
    if len(arrays) != num_channels:
        add(
            "channels",
            f"{', '.join(case.image_paths)} has {len(arrays)} channel(s), the data set "
            f"declares {num_channels}",
        )
    for volume in volumes:
        try:
            check_finite(volume.path, volume.array)
        except InputError as error:
            add("voxels", error)
    for index, array in enumerate(arrays):
        if array.min() == array.max() and np.isfinite(array.flat[0]):
            message = constant_channel(index, array.flat[0])
            add("voxels", message, Severity.WARNING)


def _examine_label(label, label_values, ignore_label, add):
    """`(values, SHA-256 or None if it is empty, number of ignored voxels)`."""
    try:
        array, notes = whole_numbers(label.path, label.array)
    except InputError as error:
        add("labels", error)
        return None, None, 0
    for note in notes:
        add("labels", note, Severity.WARNING)
    found = frozenset(distinct_values(array))
    undeclared = sorted(found - {*label_values, ignore_label})
    if undeclared:
        add(
            "labels",
            f"{label.path} holds the undeclared label value "
            f"{shown(undeclared)[1:-1]}, declared are {shown(label_values)[1:-1]}",
        )
    num_ignored = 0
    if ignore_label in found:
        num_ignored = int(np.count_nonzero(array == ignore_label))
    if found <= {0, ignore_label}:
        add("foreground", no_foreground(label.path), Severity.WARNING)
        return found, None, num_ignored
    return found, voxel_digest([array], np.int32), num_ignored


def _duplicates(examined):
    """Problems of cases that share voxels, an error if an image is in two splits."""
    cases_of = collections.defaultdict(list)
    for one in examined:
        for what in ("image", "label"):
            digest = getattr(one, f"{what}_sha256")
            if digest is not None:
                cases_of[what, digest].append(one.case)
    problems = []
    for (what, _), cases in cases_of.items():
        first, *others = cases
        for case in others:
            if case.uid == first.uid:
                continue  # `case_problems` reports the uid of two cases
            problem_of = shared_image if what == "image" else shared_label
            problems.append(problem_of(case, first))
    return problems
