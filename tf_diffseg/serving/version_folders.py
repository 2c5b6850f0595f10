"""The versions in a model's folder, numbered as TF Serving expects."""

import pathlib


def versions(model_dir):
    """Numbers of the versions in a model's folder, ascending."""
    folder = pathlib.Path(model_dir)
    entries = folder.iterdir() if folder.is_dir() else ()
    return sorted(int(entry.name) for entry in entries if entry.name.isdecimal())


def next_version(model_dir):
    """The highest version in a model's folder plus one; 1 if there is none."""
    return max(versions(model_dir), default=0) + 1
