"""Which scans a path names."""

import collections
import dataclasses
import glob
import os
import pathlib
import re

from tf_diffseg.errors import InputError
from tf_diffseg.volumes.dicom_series import series_paths, some
from tf_diffseg.volumes.file_endings import VOLUME_ENDINGS
from tf_diffseg.volumes.volume_files import UNREAD_ENDINGS, read_image

# The channel in nnU-Net's file names: case_0000.nii.gz, case_0001.nii.gz. No scan has
# a hundred, and case_2026.nii.gz is of a year.
_CHANNEL = re.compile(r"(.+)_(00\d\d)")


@dataclasses.dataclass(frozen=True)
class Scan:
    """One scan.

    Attributes:
        name: of its files, without channel and suffix.
        paths: of its files, one or one a channel.
        problem: why these are not all its channels, or None.
    """

    name: str
    paths: tuple[str, ...]
    problem: str | None = None


def read_scan(scan):
    """The image of a `Scan`, as `read_image` gives it; raises InputError as that."""
    if scan.problem:
        raise InputError(scan.problem)
    return read_image(scan.paths)


def find_scans(argument, value, num_channels):
    """The scans that an argument names.

    Args:
        argument: its name, for the message.
        value: a file; several, separated by commas, that are the channels of one
            scan; a folder, of which all volumes are taken, and all DICOM series in it
            and below it, each named by the folders that lead to it; or a pattern with
            *, ? or [] of volumes and of folders of DICOM series. In a folder and by a
            pattern, files of a model of several channels are put together where they
            are named as nnU-Net has them, with _0000 for the first. For a model of one
            channel, case_0000.nii.gz is the scan `case`, unless files of other numbers
            lie beside it: these are scans of their own, with their whole names.
        num_channels: that the model wants.

    Returns:
        List of `Scan`, by name.

    Raises:
        InputError: there is none.
    """
    if os.path.isdir(value):
        entries = [str(path) for path in sorted(pathlib.Path(value).iterdir())]
        paths = [path for path in entries if _is_volume(path)]
        series = _series_below(value)
        if not (paths or series or all(map(os.path.isdir, entries))):
            return [Scan(_stem(os.path.normpath(value)), (value,))]
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
    if not (paths or series):
        raise InputError(
            f"{argument}={value}: no file there in {', '.join(VOLUME_ENDINGS)}, and "
            "no DICOM series",
            argument=argument,
        )
    return _with_own_names([*_together(paths, num_channels), *series])


def is_several(value):
    """Whether an argument may name several scans, as `find_scans` reads it."""
    if os.path.isdir(value):
        entries = list(pathlib.Path(value).iterdir())
        if any(map(_is_volume, entries)):
            return True
        num_series = len(_series_below(value))
        return num_series > 1 if num_series else all(map(os.path.isdir, entries))
    return not os.path.exists(value) and glob.has_magic(value)


def passed_over_note(value, scans):
    """What to tell of files that look like scans and are none of those found.

    Args:
        value: as of `find_scans`.
        scans: that it found there.

    Returns:
        A line of text that names them, or None.
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

    Args:
        folder: to look into.
        prefix: of the names of those below it; they have the names of the folders
            that lead to them.
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
                of_series = f"{name}_{number}" if number else name
                scans.append(Scan(of_series, (path,)))
        except InputError as error:  # of one scan among others
            scans.append(Scan(name, (place,), str(error)))
    return scans


def _is_volume(path, endings=VOLUME_ENDINGS):
    name = os.path.basename(path)
    # macOS leaves hidden files beside those it copies.
    is_named = name.lower().endswith(endings) and not name.startswith(".")
    # A link to nothing is one too: it fails when it is read, and so is told of.
    return is_named and not os.path.isdir(path)


def _name_of_given(paths):
    """Name of a scan that is asked for file by file."""
    name = _stem(os.path.normpath(paths[0]))
    match = _CHANNEL.fullmatch(name)
    if match is None or match[2] != "0000":
        return name
    folder = pathlib.Path(paths[0]).parent
    beside = map(str, folder.iterdir()) if folder.is_dir() else ()
    is_alone = match[1] in _lone_channels([paths[0], *filter(_is_volume, beside)])
    return match[1] if len(paths) > 1 or is_alone else name


def _lone_channels(paths):
    """Names of which there is the file of channel _0000 and of no other."""
    channels = collections.defaultdict(set)
    for path in paths:
        match = _CHANNEL.fullmatch(_stem(path))
        if match:
            channels[match[1]].add(match[2])
    return {name for name, found in channels.items() if found == {"0000"}}


def _together(paths, num_channels):
    grouped = {}
    lone = _lone_channels(paths)
    for path in paths:
        name = _stem(path)
        match = _CHANNEL.fullmatch(name)
        if num_channels == 1 and match and match[1] not in lone:
            match = None
        key = (os.path.dirname(path), match.group(1)) if match else path
        name = match.group(1) if match else name
        grouped.setdefault(key, (name, []))[1].append(path)
    return [
        Scan(name, tuple(files), _problem(files) if num_channels > 1 else None)
        for name, files in grouped.values()
    ]


def _with_own_names(scans):
    """Scans as they are; raises InputError if two of them share a name."""
    names = [scan.name for scan in scans]
    for scan in scans:
        if names.count(scan.name) > 1:
            same = [other.paths[0] for other in scans if other.name == scan.name]
            raise InputError(f"{' and '.join(same)} would have one label map")
    return scans


def _problem(paths):
    """What is wrong with the channels of files named as nnU-Net has them, or None."""
    matches = [_CHANNEL.fullmatch(_stem(path)) for path in paths]
    found = [int(match.group(2)) for match in matches if match]
    for channel in range(max(found, default=-1) + 1):
        if found.count(channel) != 1:
            fault = "two files of" if channel in found else "no file of"
            return f"{fault} channel _{channel:04d}, there are {', '.join(paths)}"
    return None


def _stem(path):
    return os.path.basename(_without_suffix(path))


def _without_suffix(path):
    for suffix in VOLUME_ENDINGS:
        if path.lower().endswith(suffix):
            return path[: -len(suffix)]
    return path
