"""Volumes that lie beside the files of a data set's cases and are of no case.

A table that was cut short, a file ending that differs, a case that was forgotten: a
smaller data set looks as good as the whole one.
"""

import os

from tf_diffseg.volumes.file_endings import VOLUME_ENDINGS


def unused_volumes(dataset):
    """Finds volumes that the cases of a data set do not use.

    Looks in the folders of the cases' files. Where each case has a folder of its own,
    folders beside these count too, and so do folders of slices beside others.

    Args:
        dataset: `dataset.Dataset`.

    Returns:
        Dict from folder to sorted names in it, of those folders that hold some.
    """
    files = [
        path for case in dataset.cases for path in (*case.image_paths, case.label_path)
    ]
    used = {os.path.abspath(path) for path in (*files, *dataset.other_files)}
    folders = {os.path.dirname(os.path.abspath(path)) for path in files}
    # A folder beside those of cases holds the files of a case that is not listed.
    parents = _parents_of_several(dataset)
    unused = {}
    for folder in sorted(folders):
        has_series = any(
            os.path.dirname(p) == folder and os.path.isdir(p) for p in used
        )
        unused[folder] = _unused_in(folder, used, has_series)
    for parent in sorted(parents - folders):
        for name in _names(parent):
            folder = os.path.join(parent, name)
            if folder not in folders and os.path.isdir(folder):
                unused[folder] = _unused_in(folder, used, has_series=False)
    return {folder: names for folder, names in unused.items() if names}


def _parents_of_several(dataset):
    """Folders of the folders of images, where cases have a folder each."""
    own = {os.path.dirname(os.path.abspath(c.image_paths[0])) for c in dataset.cases}
    if len(own) < 2 or len(own) < len(dataset.cases):
        return set()
    return {os.path.dirname(folder) for folder in own}


def _unused_in(folder, used, has_series):
    names = []
    for name in _names(folder):
        path = os.path.join(folder, name)
        if path in used:
            continue
        is_volume = name.lower().endswith(VOLUME_ENDINGS) and not os.path.isdir(path)
        is_series = has_series and os.path.isdir(path)
        if is_volume or is_series:
            names.append(name)
    return names


def _names(folder):
    """Sorted names in a folder, without hidden ones; none where it cannot be read."""
    try:
        return sorted(name for name in os.listdir(folder) if not name.startswith("."))
    except OSError:  # told of case by case
        return []
