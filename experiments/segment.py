r"""Segments scans with a training run or an exported model.

    python -m experiments.segment --model=EXPORT/1 \
        --input=image.nii.gz --output=label.nii.gz

Reads what data_tools.convert_nifti reads: NIfTI, and also .mgz, .nrrd, .mha and DICOM.
Writes .nii.gz, .nii, .mgz, .mgh, .nrrd, .mha and .mhd, by the ending of --output, or in
a folder by --output_format.
--input may be a folder or a pattern as 'scans/*.nii.gz', and --output is a folder
then: a scan that cannot be read is passed over, and named at the end. The channels of
one scan are one 4D file, or several files separated by commas.

With several samples, or --uncertainty, there are beside label.nii.gz the maps
label_entropy.nii.gz and label_variance.nii.gz, and label_volumes.json.
"""

import json
import os
import pathlib
import sys

from absl import flags

from experiments.flags.inference_flags import define_flags, options_from_flags
from tf_diffseg import command_line
from tf_diffseg.errors import InputError
from tf_diffseg.output_path import output_file, output_folder
from tf_diffseg.quiet import load_tensorflow
from tf_diffseg.runs.scans import (
    check_written,
    find_scans,
    is_several,
    output_path,
    read_scan,
)
from tf_diffseg.volumes.result_files import (
    ENDINGS,
    FormatError,
    check_can_write,
    ending_of,
    files_of,
    write_result,
)
from tf_diffseg.whole_files import whole_files

# What is written beside a label map that is asked how sure it is.
_MAPS = ("entropy", "variance")
_VOLUMES = "_volumes.json"

_MODEL = flags.DEFINE_string(
    "model",
    None,
    "Folder of an exported version, EXPORT/1, or of a training run, or the name of a "
    "model that comes with tf_diffseg, as hippocampus.",
)
_INPUT = flags.DEFINE_string(
    "input", None, "Scan, the files of its channels, folder of scans, or pattern."
)
_OUTPUT = flags.DEFINE_string(
    "output", None, f"Label map to write, in {', '.join(ENDINGS)}, or a folder."
)
_OUTPUT_FORMAT = flags.DEFINE_enum(
    "output_format",
    None,
    ["input", *(ending[1:] for ending in ENDINGS)],
    "Format of the label maps in a folder, nii.gz by default; input: that of each "
    "scan, and nii.gz of DICOM. A file says it by its own ending.",
)
_UNCERTAINTY = flags.DEFINE_boolean(
    "uncertainty", False, "Write entropy, variance and volumes, of one sample too."
)
define_flags()
flags.mark_flags_as_required(["model", "input", "output"])


def main(argv):
    """Checks paths, then reads, segments and writes scan by scan."""
    del argv
    options = options_from_flags()
    is_one_file = ending_of(_OUTPUT.value) is not None
    output = _check_output(is_one_file)

    from tf_diffseg.runs.segmenter import check_model, load_segmenter

    check_model(_MODEL.value)
    wants_all = _UNCERTAINTY.value or options.num_samples > 1
    if is_one_file:
        # What cannot be read need not wait for the model.
        scans = find_scans("input", _INPUT.value, num_channels=1)
        _check_written([output], wants_all, scans)
        read_scan(scans[0])
    load_tensorflow()
    segmenter = load_segmenter(
        _MODEL.value, flags.FLAGS["ensemble_with"].value, **vars(options)
    )
    if segmenter.resampling.unknown_note:
        print(segmenter.resampling.unknown_note)
    if is_one_file:
        _segment(segmenter, scans[0], output, wants_all)
        print(f"segmented: {output}")
        failures = []
    else:
        scans = find_scans("input", _INPUT.value, segmenter.num_channels)
        outputs = [output_path(scan, output, _ending_in_folder()) for scan in scans]
        _check_written(outputs, wants_all, scans)
        failures = _segment_all(segmenter, scans, outputs, wants_all)
        print(f"segmented: {len(scans) - len(failures)} scan(s), into {output}")
    if segmenter.saved_steps is not None:
        print(f"early exit saved {segmenter.saved_steps:.2f} steps a window")
    for scan, error in failures:
        print(f"error: {scan.name}: {error}", file=sys.stderr)
    return 1 if failures else 0


def _check_output(is_one_file):
    """Path of --output, which must not be the folder of --input."""
    several = is_several(_INPUT.value)
    if not is_one_file:
        if not several and pathlib.Path(_OUTPUT.value).suffix:
            raise InputError(
                f"--output={_OUTPUT.value}: expected a name in {', '.join(ENDINGS)}, "
                "or a folder"
            )
        folder = output_folder("output", _OUTPUT.value)
        if _ending_in_folder():
            check_can_write(f"{folder}/label{_ending_in_folder()}")
        sources = [_INPUT.value] if several else _INPUT.value.split(",")
        for source in sources:
            source = source if os.path.isdir(source) else os.path.dirname(source) or "."
            if folder.exists() and os.path.isdir(source) and folder.samefile(source):
                raise InputError(
                    f"--output={folder} is the folder of --input, name another"
                )
        return folder
    if several:
        raise InputError(
            f"--output={_OUTPUT.value} is a file, --input={_INPUT.value} may name "
            "several scans; name a folder"
        )
    output = output_file("output", _OUTPUT.value)
    if _OUTPUT_FORMAT.value is not None:
        raise InputError(
            f"--output_format={_OUTPUT_FORMAT.value} is for folders, --output={output} "
            "says its format by its ending"
        )
    check_can_write(output)
    return output


def _ending_in_folder():
    """Ending of the label maps in a folder; None for that of each scan."""
    chosen = _OUTPUT_FORMAT.value or "nii.gz"
    return None if chosen == "input" else f".{chosen}"


def _check_written(outputs, wants_all, scans):
    """Raises InputError where a scan would be lost, or one result to another."""
    files = []
    for output in outputs:
        maps = [_map_path(output, name) for name in _MAPS] if wants_all else []
        paths = [file for path in (output, *maps) for file in files_of(path)]
        files.append(paths + ([_beside(output, _VOLUMES)] if wants_all else []))
    check_written("output", files, scans)


def _segment_all(segmenter, scans, outputs, wants_all):
    """Segments scans; returns pairs of those that failed and why."""
    import tensorflow as tf
    import tqdm

    failures = []
    pairs = zip(scans, outputs, strict=True)
    for scan, output in tqdm.tqdm(pairs, "segment", len(scans), unit="scan"):
        try:
            _segment(segmenter, scan, output, wants_all)
        except (InputError, OSError, tf.errors.OpError) as error:
            failures.append((scan, " ".join(str(error).split())[:500]))
    return failures


def _segment(segmenter, scan, output, wants_all):
    """Segments one scan, and writes what there is to write."""
    from tf_diffseg.inference.memory_errors import named_memory_errors
    from tf_diffseg.volumes import smallest_type

    with named_memory_errors(", ".join(scan.paths)):
        image = read_scan(scan)
        if image.array.shape[-1] != segmenter.num_channels:
            raise InputError(
                f"--model={_MODEL.value} wants {segmenter.num_channels} channel(s), "
                f"{', '.join(scan.paths)} has {image.array.shape[-1]}"
            )
        for text in (*image.notes, *segmenter.notes(image)):
            print(f"{scan.name}: {text}", flush=True)
        result = segmenter.segment(image, wants_all)
        try:
            with whole_files() as whole:
                if wants_all:
                    _write_uncertainty(whole, output, result, segmenter, image)
                write_result(whole, output, smallest_type(result.label), image)
        except FormatError as error:
            raise InputError(f"--output={output}: {error}") from error


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
    with whole(_beside(output, _VOLUMES)) as temporary:
        temporary.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


def _map_path(output, name):
    """Path of a map beside a label map: always compressed where that is NIfTI."""
    ending = ending_of(output)
    return _beside(output, f"_{name}{'.nii.gz' if ending == '.nii' else ending}")


def _beside(output, ending):
    return output.with_name(output.name[: -len(ending_of(output))] + ending)


if __name__ == "__main__":
    command_line.run(main)
