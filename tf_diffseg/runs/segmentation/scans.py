"""Finds the scans that a path names."""

import collections
import dataclasses
import glob
import os
import pathlib
import re

from tf_diffseg.errors import InputError
from tf_diffseg.volumes.dicom_series import series_paths, some
from tf_diffseg.volumes.file_endings import (
    PICTURE_ENDINGS,
    READ_ENDINGS,
    VOLUME_ENDINGS,
    uid_of_file,
)
from tf_diffseg.volumes.volume_files import UNREAD_ENDINGS, read_image

# The channel in file names of nnU-Net: case_0000.nii.gz, case_0001.nii.gz. No scan has
# a hundred channels; the number in case_2026.nii.gz is a year.
_CHANNEL = re.compile(r"(.+)_(00\d\d)")


@dataclasses.dataclass(frozen=True)
class Scan:
    """One scan.

    Attributes:
        name: name of its files without channel and ending.
        paths: paths of its files: one, or one per channel.
        problem: why channels are missing, or None.
    """

    name: str
    paths: tuple[str, ...]
    problem: str | None = None


def read_scan(scan):
    """Reads a `Scan` with `read_image`; raises InputError like it."""
    if scan.problem:
        raise InputError(scan.problem)
    return read_image(scan.paths)


def find_scans(argument, value, num_channels):
    """Finds the scans that an argument names.

    `value` is one of these:

    * a file, or several files with commas between them: the channels of one scan;
    * a folder: all volumes in it, and all DICOM series in it and below it, named after
      the folders on the way to them;
    * a pattern with *, ? or [] of volumes and of folders of DICOM series.

    In a folder or a pattern, files with nnU-Net's names (_0000 for the first channel)
    become one scan if the model has several channels. If it has one, case_0000.nii.gz
    is the scan `case`; but if other numbers lie beside it, each file is a scan with its
    whole name.

    Args:
        argument: name of the argument, for the message.
        value: text of the argument.
        num_channels: number of channels of the model.

    Returns:
        List of `Scan`, by name.

    Raises:
        InputError: there is no scan, or two have one name.
    """
    if os.path.isdir(value):
        entries = [str(path) for path in sorted(pathlib.Path(value).iterdir())]
        paths = [path for path in entries if _is_volume(path)]
        series = _series_below(value)
        paths = paths or _pictures(entries, series)
        if not (paths or series or all(map(os.path.isdir, entries))):
            return [Scan(uid_of_file(os.path.normpath(value)), (value,))]
    elif os.path.exists(value) or not glob.has_magic(value):
        paths = value.split(",") if not os.path.exists(value) else [value]
        return [Scan(_name_of_given(paths), tuple(paths))]
    else:
        found = sorted(glob.glob(value, recursive=True))
        paths = [path for path in found if _is_volume(path)]
        folders = [path for path in found if os.path.isdir(path)]
        series = [
            scan
            for folder in folders
            for scan in _series_below(folder, os.path.basename(os.path.abspath(folder)))
        ]
        series = list({scan.paths: scan for scan in reversed(series)}.values())[::-1]
        paths = paths or _pictures(found, series)
    if not (paths or series):
        raise InputError(
            f"{argument}={value}: no file there in {', '.join(READ_ENDINGS)}, and "
            "no DICOM series",
            argument=argument,
        )
    return _with_unique_names([*_grouped_by_name(paths, num_channels), *series])


def is_several(value):
    """Whether a value of `find_scans` may name several scans."""
    if os.path.isdir(value):
        entries = list(pathlib.Path(value).iterdir())
        if any(map(_is_volume, entries)):
            return True
        num_series = len(_series_below(value))
        if _pictures(entries, num_series):
            return True
        return num_series > 1 if num_series else all(map(os.path.isdir, entries))
    return not os.path.exists(value) and glob.has_magic(value)


def passed_over_note(value, scans):
    """Line of text on files that look like scans and are not used, or None.

    Args:
        value: as in `find_scans`.
        scans: the scans that `find_scans` found.
    """
    if os.path.isdir(value):
        found = [value]
    elif os.path.exists(value) or not glob.has_magic(value):
        return None
    else:
        found = glob.glob(value, recursive=True)
    taken = {os.path.normpath(path) for scan in scans for path in scan.paths}
    endings = (*VOLUME_ENDINGS, *UNREAD_ENDINGS)
    files = {os.path.normpath(file) for path in found for file in _files_below(path)}
    left = [file for file in files - taken if _is_volume(file, endings)]
    if not left:
        return None
    return (
        f"note: passed over {len(left)} file(s) that look like scans, in sub-folders "
        f"or of a format that is not read: {some(sorted(left))}"
    )


def _files_below(path):
    """A file itself, or all files below a folder."""
    if not os.path.isdir(path):
        yield path
    for place, folders, files in os.walk(path):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (os.path.join(place, name) for name in files)


def _series_below(folder, prefix=None):
    """Scans of the DICOM series in a folder and below it.

    Series below the folder are named after the folders on the way to them, with an
    optional prefix.
    """
    scans = []
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        if not files:
            continue
        below = os.path.relpath(place, folder)
        if below == os.curdir:
            name = os.path.basename(os.path.abspath(folder))
        else:
            name = "_".join([*([prefix] if prefix else []), *below.split(os.sep)])
        try:
            for path, number in series_paths(place).items():
                series_name = f"{name}_{number}" if number else name
                scans.append(Scan(series_name, (path,)))
        except InputError as error:  # It must not hide the other scans.
            scans.append(Scan(name, (place,), str(error)))
    return scans


def _is_volume(path, endings=VOLUME_ENDINGS):
    name = os.path.basename(path)
    # macOS leaves hidden files beside those it copies.
    is_named = name.lower().endswith(endings) and not name.startswith(".")
    # A broken link counts too: it fails when it is read, with a message.
    return is_named and not os.path.isdir(path)


def _pictures(paths, series):
    """2D pictures among paths; none if there are series, whose previews they may be."""
    return [] if series else [p for p in paths if _is_volume(p, PICTURE_ENDINGS)]


def _name_of_given(paths):
    """Name of a scan whose files are given one by one."""
    name = uid_of_file(os.path.normpath(paths[0]))
    match = _CHANNEL.fullmatch(name)
    if match is None or match[2] != "0000":
        return name
    folder = pathlib.Path(paths[0]).parent
    beside = map(str, folder.iterdir()) if folder.is_dir() else ()
    is_alone = match[1] in _lone_channels([paths[0], *filter(_is_volume, beside)])
    return match[1] if len(paths) > 1 or is_alone else name


def _lone_channels(paths):
    """Names with a file of channel _0000 and of no other channel."""
    channels = collections.defaultdict(set)
    for path in paths:
        match = _CHANNEL.fullmatch(uid_of_file(path))
        if match:
            channels[match[1]].add(match[2])
    return {name for name, found in channels.items() if found == {"0000"}}


def _grouped_by_name(paths, num_channels):
    grouped = {}
    lone = _lone_channels(paths)
    for path in paths:
        name = uid_of_file(path)
        match = _CHANNEL.fullmatch(name)
        if num_channels == 1 and match and match[1] not in lone:
            match = None
        key = (os.path.dirname(path), match.group(1)) if match else path
        name = match.group(1) if match else name
        grouped.setdefault(key, (name, []))[1].append(path)
    return [
        Scan(name, tuple(files), _channel_problem(files) if num_channels > 1 else None)
        for name, files in grouped.values()
    ]


def _with_unique_names(scans):
    """Returns the scans; raises InputError if two of them share a name."""
    names = [scan.name for scan in scans]
    for scan in scans:
        if names.count(scan.name) > 1:
            same = [other.paths[0] for other in scans if other.name == scan.name]
            raise InputError(f"{' and '.join(same)} would have one label map")
    return scans


def _channel_problem(paths):
    """Text on missing or repeated channels in nnU-Net's file names, or None."""
    matches = [_CHANNEL.fullmatch(uid_of_file(path)) for path in paths]
    found = [int(match.group(2)) for match in matches if match]
    for channel in range(max(found, default=-1) + 1):
        if found.count(channel) != 1:
            fault = "two files of" if channel in found else "no file of"
            return f"{fault} channel _{channel:04d}, there are {', '.join(paths)}"
    return None
