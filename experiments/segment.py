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

import sys

from absl import flags

from experiments.flags.inference_flags import define_flags, options_from_flags
from tf_diffseg import command_line
from tf_diffseg.runs.segmentation.scan_outputs import FORMATS
from tf_diffseg.runs.segmentation.segment_files import segment_files
from tf_diffseg.volumes.result_files import ENDINGS

_MODEL = flags.DEFINE_string(
    "model",
    None,
    "Folder of an exported version, EXPORT/1, of a training run, or of a "
    "cross-validation, whose mean is taken; or the name of a model that comes with "
    "tf_diffseg, as hippocampus.",
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
    FORMATS,
    "Format of the label maps in a folder, nii.gz by default; input: that of each "
    "scan, and nii.gz of DICOM. A file says it by its own ending.",
)
_UNCERTAINTY = flags.DEFINE_boolean(
    "uncertainty", False, "Write entropy, variance and volumes, of one sample too."
)
define_flags()
flags.mark_flags_as_required(["model", "input", "output"])


def main(argv):
    """Segments, names the scans that failed; returns the exit code."""
    del argv
    failures = segment_files(
        _MODEL.value,
        _INPUT.value,
        _OUTPUT.value,
        _OUTPUT_FORMAT.value,
        _UNCERTAINTY.value,
        flags.FLAGS["ensemble_with"].value,
        **vars(options_from_flags()),
    )
    for scan, error in failures:
        print(f"error: {scan.name}: {error}", file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    command_line.run(main)
