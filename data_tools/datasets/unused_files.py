"""Finds volumes beside the files of a data set's cases that belong to no case.

They show that a table was cut short, a file ending differs or a case was forgotten.
"""

import os

from tf_diffseg.volumes.file_endings import scan_endings


def unused_volumes(dataset):
    """Finds volumes that the cases of a data set do not use.

    Looks in the folders of the cases' files. If each case has a folder of its own, the
    folders beside these count too, and so do folders of slices beside others.

    Args:
        dataset: `dataset.Dataset`.

    Returns:
        Dict from folder to sorted names of unused volumes in it.
    """
    files = [
        path for case in dataset.cases for path in (*case.image_paths, case.label_path)
    ]
    used = {os.path.abspath(path) for path in (*files, *dataset.other_files)}
    folders = {os.path.dirname(os.path.abspath(path)) for path in files}
    endings = scan_endings(files)
    unused = {}
    for folder in sorted(folders):
        has_series = any(
            os.path.dirname(path) == folder and os.path.isdir(path) for path in used
        )
        unused[folder] = _unused_in(folder, used, endings, has_series)
    for parent in sorted(_parents_of_case_folders(dataset) - folders):
        for name in _names(parent):
            folder = os.path.join(parent, name)
            if folder not in folders and os.path.isdir(folder):
                unused[folder] = _unused_in(folder, used, endings)
    return {folder: names for folder, names in unused.items() if names}


def _parents_of_case_folders(dataset):
    """Folders that hold the folders of cases, if each case has one of its own.

    A folder beside those of cases may hold a case that is not listed.
    """
    own = {os.path.dirname(os.path.abspath(c.image_paths[0])) for c in dataset.cases}
    if len(own) < 2 or len(own) < len(dataset.cases):
        return set()
    return {os.path.dirname(folder) for folder in own}


def _unused_in(folder, used, endings, has_series=False):
    names = []
    for name in _names(folder):
        path = os.path.join(folder, name)
        if path in used:
            continue
        is_volume = name.lower().endswith(endings) and not os.path.isdir(path)
        is_series = has_series and os.path.isdir(path)
        if is_volume or is_series:
            names.append(name)
    return names


def _names(folder):
    """Sorted names in a folder, without hidden ones; none if it cannot be read."""
    try:
        return sorted(name for name in os.listdir(folder) if not name.startswith("."))
    except OSError:  # `case_problems` reports it for each case
        return []
