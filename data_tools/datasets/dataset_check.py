"""What can be told about the cases of a data set before a file is read."""

import collections
import dataclasses
import os
import stat

from data_tools.datasets.problems import Problem, Severity, warning
from data_tools.datasets.unused_files import unused_volumes
from tf_diffseg.errors import InputError
from tf_diffseg.text import shown
from tf_diffseg.volumes.dicom_files import is_dicom
from tf_diffseg.volumes.file_endings import VOLUME_ENDINGS

# More make a line that nobody reads; `data_tools.verify_dataset` lists all.
_MOST_TOLD = 5

# Files may have 255 bytes in their name, endings and what is put before it included.
_LONGEST_UID = 200


def check_cases(dataset):
    """Raises InputError if a case cannot be used, as `case_problems` tells.

    Args:
        dataset: `dataset.Dataset`.
    """
    problems = case_problems(dataset)
    if not problems:
        return
    told = "; ".join(problem.message for problem in problems[:_MOST_TOLD])
    left_out = len(problems) - _MOST_TOLD
    if left_out > 0:
        told += f"; and {left_out} more, which data_tools.verify_dataset lists"
    raise InputError(f"{dataset.path}: {told}")


def usable_cases(dataset, skip_bad_cases=False):
    """The cases that can be used, as far as can be told before a file is read.

    Args:
        dataset: `dataset.Dataset`.
        skip_bad_cases: whether to leave out those that cannot.

    Returns:
        `(dataset, skipped)`: what is left, and the reason per uid that is left out.

    Raises:
        InputError: if a case cannot be used, or with `skip_bad_cases` if none can.
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
    if not cases:
        raise InputError(f"{dataset.path}: no case can be used: {problems[0].message}")
    # They lie beside the others and are told of already.
    files = [
        path
        for case in dataset.cases
        if case.uid in skipped
        for path in (*case.image_paths, case.label_path)
    ]
    other_files = (*dataset.other_files, *files)
    return dataclasses.replace(dataset, cases=cases, other_files=other_files), skipped


def dataset_warnings(dataset):
    """What is odd about a data set as a whole, before a file of it is read.

    Args:
        dataset: `dataset.Dataset`.

    Returns:
        List of `Problem`, warnings all.
    """
    unused = [
        f"{dataset.path}: column {shown(name)} is not used"
        for name in dataset.unused_columns
    ]
    notes = [warning("dataset", None, note) for note in (*dataset.notes, *unused)]
    notes += [warning("splits", None, note) for note in dataset.split_notes]
    return notes + files_left_out(dataset)


def files_left_out(dataset):
    """Tells of volumes beside the cases' files that are of no case.

    Args:
        dataset: `dataset.Dataset`.

    Returns:
        List of `Problem`, a warning per folder.
    """
    problems = []
    for folder, names in unused_volumes(dataset).items():
        first = ", ".join(map(shown, names[:_MOST_TOLD]))
        more = f" and {len(names) - _MOST_TOLD} more" if len(names) > _MOST_TOLD else ""
        problems.append(
            warning(
                "left out",
                None,
                f"{folder} holds {len(names)} volume(s) that no case of {dataset.path} "
                f"uses: {first}{more}",
                files=len(names),
            )
        )
    return problems


def case_problems(dataset):
    """Looks for names that clash and files that cannot be opened.

    Args:
        dataset: `dataset.Dataset`.

    Returns:
        List of `Problem`, errors all.
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
                f"{_LONGEST_UID} bytes",
            )
        if len(cases) > 1:
            _add_clash(add, uid, cases)
    for case in dataset.cases:
        for path in (*case.image_paths, case.label_path):
            message = file_problem(path, dataset.root)
            if message:
                add("file", case.uid, f"case {shown(case.uid)}: {message}")
        if case.label_path in case.image_paths:
            add(
                "file",
                case.uid,
                f"case {shown(case.uid)}: {shown(case.label_path)} is both image and "
                "label",
            )
    return problems


def is_usable_uid(uid):
    """Whether a uid can be a file name: predictions and pictures are named so."""
    return (
        uid.isprintable()
        and not set("/\\") & set(uid)
        and uid not in ("", ".", "..")
        and len(uid.encode()) <= _LONGEST_UID
    )


def _add_clash(add, uid, cases):
    splits = sorted({case.split for case in cases if case.split is not None})
    if len(splits) > 1:
        add(
            "splits",
            uid,
            f"case {shown(uid)} is in the splits {', '.join(splits)}, expected one",
        )
    else:
        images = ", ".join(shown(case.image_paths[0]) for case in cases)
        add("uid", uid, f"{len(cases)} cases have the uid {shown(uid)}: {images}")


def file_problem(path, root=None):
    """What keeps a file from being opened.

    Args:
        path: of a file, or of a folder of DICOM slices.
        root: folder that `path` must not leave, or None. Links in it may lead
            elsewhere: whoever made them had the right to.

    Returns:
        A message that names the file, or None where there is nothing.
    """
    if not path.isprintable():  # before the system is asked: it may hold a NUL
        return f"{shown(path)} has characters in its name that cannot be printed"
    if root is not None and not _is_in(path, root):
        return f"{path} lies outside of {root}, the folder of the data set"
    try:
        mode = os.stat(path).st_mode
        if stat.S_ISDIR(mode):
            return None if os.listdir(path) else f"{path} is an empty folder"
        if not stat.S_ISREG(mode):  # opening a pipe would wait for ever
            return f"{path} is not a regular file"
        with open(path, "rb"):
            pass
    except FileNotFoundError:
        return f"{path} does not exist"
    except OSError as error:  # a loop of links, no permission, a name too long
        return f"{path} cannot be opened: {error.strerror}"
    if not (path.lower().endswith(VOLUME_ENDINGS) or is_dicom(path)):
        return f"{path} is of no known format, expected {', '.join(VOLUME_ENDINGS)}"
    return None


def _is_in(path, root):
    path, root = os.path.abspath(path), os.path.abspath(root)
    return os.path.commonpath([path, root]) == root
