"""Where what is found of scans goes."""

import dataclasses
import os
import pathlib

from tf_diffseg.errors import InputError
from tf_diffseg.output_path import output_file, output_folder
from tf_diffseg.runs.segmentation.scans import is_several
from tf_diffseg.volumes.result_files import (
    ENDINGS,
    check_can_write,
    ending_of,
    files_of,
    write_result,
)
from tf_diffseg.whole_files import whole_files, write_json

# How label maps in a folder may be written; "input": as each scan is.
FORMATS = ("input", *(ending[1:] for ending in ENDINGS))
# What is written beside a label map that is asked how sure it is.
_MAPS = ("entropy", "variance")
_VOLUMES = "_volumes.json"


@dataclasses.dataclass(frozen=True)
class ScanOutputs:
    """Where the label maps of scans go, and what is written beside them.

    Attributes:
        place: path of the label map of the one scan, or of a folder.
        is_file: whether it is that of a label map.
        ending: of label maps in a folder; None for that of each scan.
        has_maps: whether entropy, variance and volumes are written too.
    """

    place: pathlib.Path
    is_file: bool
    ending: str | None
    has_maps: bool

    def label_path(self, scan):
        """Path of the label map of a `Scan`."""
        return (
            self.place if self.is_file else output_path(scan, self.place, self.ending)
        )

    def check(self, scans):
        """Raises InputError if a scan would be lost, or one result to another."""
        check_written("output", [self._files(scan) for scan in scans], scans)

    def _files(self, scan):
        """All paths that are written for a scan."""
        label = self.label_path(scan)
        maps = [_map_path(label, name) for name in _MAPS] if self.has_maps else []
        files = [file for path in (label, *maps) for file in files_of(path)]
        return files + ([_beside(label, _VOLUMES)] if self.has_maps else [])

    def write(self, scan, image, result, segmenter):
        """Writes all that was found of a scan, or nothing.

        Args:
            scan: `Scan`.
            image: `Volume` of it.
            result: `Segmentation`.
            segmenter: `VolumeSegmenter` that gave it.

        Raises:
            InputError: a file cannot be written, or cannot hold the scan's grid.
        """
        from tf_diffseg.volumes import smallest_type

        path = self.label_path(scan)
        with whole_files() as whole:
            if self.has_maps:
                _write_uncertainty(whole, path, result, segmenter, image)
            write_result(whole, path, smallest_type(result.label), image)


def find_outputs(source, output, output_format, has_maps):
    """Where the label maps of scans go, checked before any scan is read.

    Args:
        source: of the scans, as `find_scans` reads it.
        output: path of a label map, or of a folder.
        output_format: one of `FORMATS` for label maps in a folder; None for .nii.gz.
        has_maps: as `ScanOutputs` has it.

    Returns:
        `ScanOutputs`.

    Raises:
        InputError: nothing can be written there, that is the folder of the scans, or
            one file is to hold several label maps.
    """
    if ending_of(output) is None:
        chosen = output_format or "nii.gz"
        ending = None if chosen == "input" else f".{chosen}"
        return ScanOutputs(
            _checked_folder(source, output, ending), False, ending, has_maps
        )
    if is_several(source):
        raise InputError(
            f"output={output} is a file, input={source} may name several scans; name a "
            "folder",
            argument="output",
        )
    place = output_file("output", output)
    if output_format is not None:
        raise InputError(
            f"output_format={output_format} is for folders, output={output} says its "
            "format by its ending",
            argument="output_format",
        )
    check_can_write(place)
    return ScanOutputs(place, True, None, has_maps)


def _checked_folder(source, output, ending):
    """Path of a folder to write into, which must not be that of the scans."""
    several = is_several(source)
    if not several and pathlib.Path(output).suffix:
        raise InputError(
            f"output={output}: expected a name in {', '.join(ENDINGS)}, or a folder",
            argument="output",
        )
    folder = output_folder("output", output)
    if ending:
        check_can_write(f"{folder}/label{ending}")
    for path in [source] if several else source.split(","):
        path = path if os.path.isdir(path) else os.path.dirname(path) or "."
        if folder.exists() and os.path.isdir(path) and folder.samefile(path):
            raise InputError(
                f"output={folder} is the folder of input, name another",
                argument="output",
            )
    return folder


def output_path(scan, folder, ending=".nii.gz"):
    """Where the label map of a scan goes in a folder.

    Args:
        scan: `Scan`.
        folder: to write into.
        ending: of the file; None for that of the scan's own first file, and .nii.gz
            where nothing of that kind is written, as of DICOM.
    """
    ending = ending or ending_of(scan.paths[0]) or ".nii.gz"
    return pathlib.Path(folder) / f"{scan.name}{ending}"


def check_written(argument, files, scans):
    """Checks that nothing is written over a scan, or over what is written.

    Args:
        argument: the one that says where, for the message.
        files: for each scan the paths that will be written for it.
        scans: list of `Scan`.

    Raises:
        InputError: a file is a scan, by whatever link, or is that of two scans.
    """
    sources = {
        _identity(path): path
        for scan in scans
        for path in scan.paths
        if os.path.exists(path)
    }
    written = set()
    for path in (path for of_scan in files for path in of_scan):
        if path in written:
            raise InputError(
                f"{argument}: {path} would be that of two scans", argument=argument
            )
        written.add(path)
        if path.exists() and _identity(path) in sources:
            raise InputError(
                f"{argument}: {path} is the scan {sources[_identity(path)]}, which "
                "would be lost; name another place",
                argument=argument,
            )


def _identity(path):
    """The same for all links to one file."""
    status = os.stat(path)
    return status.st_dev, status.st_ino


def _write_uncertainty(whole, output, result, segmenter, image):
    from tf_diffseg.metrics import voxel_ml

    for name in _MAPS:
        values = getattr(result, name).astype("f4")
        write_result(whole, _map_path(output, name), values, image)
    found = {
        "num_samples": segmenter.options.num_samples,
        "seed": segmenter.options.seed,
        "classes": result.volumes(
            segmenter.class_names, segmenter.label_values, voxel_ml(image.affine)
        ),
    }
    write_json(_beside(output, _VOLUMES), found, 2, whole)


def _map_path(output, name):
    """Path of a map beside a label map: always compressed where that is NIfTI."""
    ending = ending_of(output)
    return _beside(output, f"_{name}{'.nii.gz' if ending == '.nii' else ending}")


def _beside(output, ending):
    return output.with_name(output.name[: -len(ending_of(output))] + ending)
