"""Checks of the cases of a data set that need not read a volume."""

import collections
import dataclasses
import os
import stat

from data_tools.datasets.problems import Problem, Severity, first_names, warning
from data_tools.datasets.unused_files import unused_volumes
from tf_diffseg.errors import InputError
from tf_diffseg.text import shown, shown_path
from tf_diffseg.volumes.dicom_files import is_dicom
from tf_diffseg.volumes.file_endings import READ_ENDINGS

# `data_tools.verify_dataset` lists all problems.
_MOST_MESSAGES = 5

# A file name may have 255 bytes, with endings and prefixes.
_LONGEST_UID = 200


def check_cases(dataset):
    """Raises InputError if `case_problems` finds any in a `dataset.Dataset`."""
    problems = case_problems(dataset)
    if not problems:
        return
    text = "; ".join(problem.message for problem in problems[:_MOST_MESSAGES])
    more = len(problems) - _MOST_MESSAGES
    if more > 0:
        text += f"; and {more} more, which data_tools.verify_dataset lists"
    raise InputError(f"{dataset.path}: {text}")


def usable_cases(dataset, skip_bad_cases=False):
    """Finds the cases without `case_problems`.

    Args:
        dataset: `dataset.Dataset`.
        skip_bad_cases: whether to leave out the other cases.

    Returns:
        `(dataset, skipped)`: a `Dataset` of the usable cases, and a dict from uid to
        the reason why a case is left out.

    Raises:
        InputError: if a case cannot be used, or with `skip_bad_cases` if no case of
            some split can.
    """
    if not skip_bad_cases:
        check_cases(dataset)
        return dataset, {}
    problems = case_problems(dataset)
    of_all = [problem.message for problem in problems if problem.uid is None]
    if of_all:
        raise InputError(f"{dataset.path}: {'; '.join(of_all)}")
    skipped = {problem.uid: problem.message for problem in reversed(problems)}
    cases = [case for case in dataset.cases if case.uid not in skipped]
    check_splits(dataset, cases, skipped)
    # These files lie beside the others, and have their messages already.
    files = [
        path
        for case in dataset.cases
        if case.uid in skipped
        for path in (*case.image_paths, case.label_path)
    ]
    other_files = (*dataset.other_files, *files)
    return dataclasses.replace(dataset, cases=cases, other_files=other_files), skipped


def check_splits(dataset, cases, skipped):
    """Raises InputError if a split of a `Dataset` has none of the cases.

    Args:
        dataset: `dataset.Dataset`.
        cases: those of its cases that are left.
        skipped: dict from uid to reason, of its other cases.
    """
    left = {case.split for case in cases}
    for case in dataset.cases:
        if case.split not in left:
            of_split = "" if case.split is None else f" of the split {case.split!r}"
            raise InputError(
                f"{dataset.path}: no case{of_split} can be converted; "
                f"{skipped[case.uid]}"
            )


def dataset_warnings(dataset):
    """Warnings about a `dataset.Dataset` as a whole, a list of `Problem`."""
    unused = [
        f"{dataset.path}: column {shown(name)} is not used"
        for name in dataset.unused_columns
    ]
    notes = [warning("dataset", None, note) for note in (*dataset.notes, *unused)]
    notes += [warning("splits", None, note) for note in dataset.split_notes]
    for folder, names in unused_volumes(dataset).items():
        message = (
            f"{folder} holds {len(names)} volume(s) that no case of {dataset.path} "
            f"uses: {first_names(names)}"
        )
        notes.append(warning("left out", None, message, files=len(names)))
    return notes


def case_problems(dataset):
    """Errors of the cases of a `dataset.Dataset`, a list of `Problem`.

    These are names that clash or are no file names, and files that cannot be opened.
    """
    problems = []

    def add(check, uid, message):
        problems.append(Problem(Severity.ERROR, check, uid, message))

    cases_of = collections.defaultdict(list)
    for case in dataset.cases:
        cases_of[case.uid].append(case)
    for uid, cases in cases_of.items():
        if not is_usable_uid(uid):
            add(
                "uid",
                None,
                f"a case has the uid {shown(uid)}, expected a file name of at most "
                f"{_LONGEST_UID} bytes, other than mean",
            )
        if len(cases) > 1:
            _add_clash(add, uid, cases)
    for case in dataset.cases:
        files = (*case.image_paths, case.label_path)
        messages = [file_problem(path, dataset.root) for path in files]
        if case.label_path in case.image_paths:
            messages.append(f"{shown_path(case.label_path)} is both image and label")
        for message in filter(None, messages):
            add("file", case.uid, f"case {shown(case.uid)}: {message}")
    return problems


def is_usable_uid(uid):
    """Whether a uid can be a file name, as predictions and pictures need it."""
    return (
        uid.isprintable()
        and not set("/\\") & set(uid)
        # In a table of results "mean" is the mean of the cases.
        and uid not in ("", ".", "..", "mean")
        and len(uid.encode()) <= _LONGEST_UID
    )


def _add_clash(add, uid, cases):
    splits = sorted({case.split for case in cases if case.split is not None})
    if len(splits) > 1:
        message = (
            f"case {shown(uid)} is in the splits {', '.join(splits)}, expected one"
        )
        add("splits", uid, message)
    else:
        images = ", ".join(shown_path(case.image_paths[0]) for case in cases)
        add("uid", uid, f"{len(cases)} cases have the uid {shown(uid)}: {images}")


def file_problem(path, root=None):
    """Finds out why a volume file cannot be opened.

    Args:
        path: of a file, or of a folder of DICOM slices.
        root: folder that must hold `path`, or None. Links in this folder may lead
            elsewhere.

    Returns:
        A message that names the file, or None if it can be opened.
    """
    if not path.isprintable():  # first, because the system refuses a NUL otherwise
        return f"{shown_path(path)} has characters in its name that cannot be printed"
    if root is not None and not _is_in(path, root):
        return f"{path} lies outside of {root}, the folder of the data set"
    try:
        mode = os.stat(path).st_mode
        if stat.S_ISDIR(mode):
            return None if os.listdir(path) else f"{path} is an empty folder"
        if not stat.S_ISREG(mode):  # open() of a pipe waits for ever
            return f"{path} is not a regular file"
        with open(path, "rb"):
            pass
    except FileNotFoundError:
        return f"{path} does not exist"
    except OSError as error:  # a loop of links, no permission, a name too long
        return f"{path} cannot be opened: {error.strerror}"
    if not (path.lower().endswith(READ_ENDINGS) or is_dicom(path)):
        return f"{path} is of no known format, expected {', '.join(READ_ENDINGS)}"
    return None


def _is_in(path, root):
    path, root = os.path.abspath(path), os.path.abspath(root)
    return os.path.commonpath([path, root]) == root
