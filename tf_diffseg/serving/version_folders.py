"""The versions in a model's folder, as TF Serving counts them."""

import pathlib


def versions(model_dir):
    """Numbers of the versions in a model's folder, in order."""
    folder = pathlib.Path(model_dir)
    entries = folder.iterdir() if folder.is_dir() else ()
    return sorted(int(entry.name) for entry in entries if entry.name.isdecimal())


def next_version(model_dir):
    """One more than the highest version in a model's folder; 1 in none."""
    return max(versions(model_dir), default=0) + 1
