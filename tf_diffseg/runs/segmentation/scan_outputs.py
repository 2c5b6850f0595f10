"""Output files of segmentation."""

import dataclasses
import itertools
import os
import pathlib

from tf_diffseg.errors import InputError
from tf_diffseg.metrics import voxel_ml
from tf_diffseg.output_path import output_file, output_folder
from tf_diffseg.runs.segmentation.scans import is_several
from tf_diffseg.volumes import smallest_type
from tf_diffseg.volumes.result_files import (
    ENDINGS,
    check_can_write,
    ending_of,
    files_of,
    write_result,
)
from tf_diffseg.whole_files import whole_files, write_json

# Formats of label maps in a folder; "input" is the format of each scan.
FORMATS = ("input", *(ending[1:] for ending in ENDINGS))
# Maps of uncertainty beside a label map.
_MAPS = ("entropy", "variance")
_VOLUMES = "_volumes.json"


@dataclasses.dataclass(frozen=True)
class ScanOutputs:
    """Places of the label maps of scans and of the files beside them.

    Attributes:
        place: path of the label map of the only scan, or of a folder.
        is_file: whether `place` is a label map.
        ending: ending of label maps in a folder; None for that of each scan.
        has_maps: whether entropy, variance and volumes are written too.
    """

    place: pathlib.Path
    is_file: bool
    ending: str | None
    has_maps: bool

    def label_path(self, scan):
        """Path of the label map of a `Scan`."""
        if self.is_file:
            return self.place
        return output_path(scan, self.place, self.ending)

    def check(self, scans):
        """Raises InputError if an output would overwrite a scan or another output."""
        check_written("output", [self._files(scan) for scan in scans], scans)

    def _files(self, scan):
        """All output paths of a scan."""
        label = self.label_path(scan)
        maps = [_map_path(label, name) for name in _MAPS] if self.has_maps else []
        files = [file for path in (label, *maps) for file in files_of(path)]
        return files + ([_beside(label, _VOLUMES)] if self.has_maps else [])

    def write(self, scan, image, result, segmenter):
        """Writes all outputs of a scan, or none.

        Args:
            scan: `Scan`.
            image: `Volume` of the scan.
            result: `Segmentation` of the scan.
            segmenter: `VolumeSegmenter` that made the result.

        Raises:
            InputError: a file cannot be written, or cannot hold the scan's grid.
        """
        path = self.label_path(scan)
        with whole_files() as whole:
            if self.has_maps:
                _write_uncertainty(whole, path, result, segmenter, image)
            write_result(whole, path, smallest_type(result.label), image)


def find_outputs(source, output, output_format, has_maps):
    """Makes `ScanOutputs`, checked before any scan is read.

    Args:
        source: input, as in `find_scans`.
        output: path of a label map, or of a folder.
        output_format: one of `FORMATS` for label maps in a folder; None for .nii.gz.
        has_maps: as in `ScanOutputs`.

    Raises:
        InputError: the path cannot be written, it is the folder of the scans, or one
            file would hold several label maps.
    """
    if ending_of(output) is None:
        chosen = output_format or "nii.gz"
        ending = None if chosen == "input" else f".{chosen}"
        folder = _checked_folder(source, output, ending)
        return ScanOutputs(folder, False, ending, has_maps)
    if is_several(source):
        raise InputError(
            f"output={output} is a file, `input={source}` may name several scans; "
            "name a folder",
            argument="output",
        )
    place = output_file("output", output)
    if output_format is not None:
        raise InputError(
            f"output_format={output_format} is for folders, `output={output}` says its "
            "format by its ending",
            argument="output_format",
        )
    check_can_write(place)
    return ScanOutputs(place, True, None, has_maps)


def _checked_folder(source, output, ending):
    """Path of an output folder; raises InputError if it is that of the scans."""
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
                f"output={folder} is the folder of `input`, name another",
                argument="output",
            )
    return folder


def output_path(scan, folder, ending=".nii.gz"):
    """Path of the label map of a scan in a folder.

    Args:
        scan: `Scan`.
        folder: output folder.
        ending: ending of the file. None for that of the first file of the scan, or
            .nii.gz if label maps are not written in its format, such as DICOM.
    """
    ending = ending or ending_of(scan.paths[0]) or ".nii.gz"
    return pathlib.Path(folder) / f"{scan.name}{ending}"


def check_written(argument, files, scans):
    """Checks that no output overwrites a scan or another output.

    Args:
        argument: name of the argument for the message.
        files: list of output paths for each scan.
        scans: list of `Scan`.

    Raises:
        InputError: an output is a scan, or a link to one, or belongs to two scans.
    """
    sources = {
        _identity(path): path
        for scan in scans
        for path in scan.paths
        if os.path.exists(path)
    }
    written = set()
    for path in itertools.chain.from_iterable(files):
        if path in written:
            raise InputError(
                f"{argument}: two scans would be written to {path}", argument=argument
            )
        written.add(path)
        if path.exists() and _identity(path) in sources:
            raise InputError(
                f"{argument}: {path} is the scan {sources[_identity(path)]}, which "
                "would be lost; name another place",
                argument=argument,
            )


def _identity(path):
    """Device and inode, equal for all links to one file."""
    status = os.stat(path)
    return status.st_dev, status.st_ino


def _write_uncertainty(whole, output, result, segmenter, image):
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
    """Path of a map beside a label map; NIfTI maps are always compressed."""
    ending = ending_of(output)
    return _beside(output, f"_{name}{'.nii.gz' if ending == '.nii' else ending}")


def _beside(output, ending):
    return output.with_name(output.name[: -len(ending_of(output))] + ending)
