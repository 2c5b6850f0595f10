r"""Converts a data set of medical volumes to shards.

    python -m data_tools.convert_nifti \
        --dataset_json=Task04_Hippocampus/dataset.json --output_dir=hippocampus \
        --spacing_mm=1,1,1 --volume_shape=48,64,48

Everything wrong with the input is refused by name before `output_dir` appears.
"""

import os

from absl import flags

from data_tools import command_line
from data_tools.dataset_check import check_cases
from data_tools.dataset_flags import dataset_of_flags
from data_tools.errors import InputError
from data_tools.output_folder import check_output_dir
from data_tools.quiet import load_tensorflow
from data_tools.splits import parse_split

_OUTPUT_DIR = flags.DEFINE_string(
    "output_dir", None, "Folder to make; it must be new or empty.", required=True
)
_SPLIT = flags.DEFINE_string(
    "split",
    "train=0.7,validation=0.15,test=0.15",
    "Split names and fractions, where the data set has no splits of its own; a case's "
    "name decides where it goes.",
)
_SPACING_MM = flags.DEFINE_string(
    "spacing_mm", None, "x,y,z voxel size to resample to; none keeps each file's."
)
_VOLUME_SHAPE = flags.DEFINE_string(
    "volume_shape", None, "x,y,z voxels to crop or pad to; none keeps each shape."
)
_INTENSITY = flags.DEFINE_enum(
    # Spelt out: reading the Intensity enum would load TensorFlow for --help.
    "intensity",
    "zscore",
    ["zscore", "percentile", "ct_window", "none"],
    "How image intensities are scaled.",
)
_CT_WINDOW = flags.DEFINE_string(
    "ct_window", None, "low,high in Hounsfield units, for --intensity=ct_window."
)
_NUM_SHARDS = flags.DEFINE_integer(
    "num_shards", 4, "Files per split; never more than cases.", lower_bound=1
)
_NUM_WORKERS = flags.DEFINE_integer(
    "num_workers", os.cpu_count(), "Worker processes.", lower_bound=1
)
_OVERWRITE = flags.DEFINE_boolean(
    "overwrite", False, "Replaces the converted data set in --output_dir."
)


def _preprocessor():
    """The `VolumePreprocessor` that the flags describe."""
    arguments = {
        "spacing_mm": command_line.parse_numbers("spacing_mm", _SPACING_MM.value, 3),
        "volume_shape": command_line.parse_numbers(
            "volume_shape", _VOLUME_SHAPE.value, 3, int
        ),
        "intensity": _INTENSITY.value,
        "ct_window": command_line.parse_numbers("ct_window", _CT_WINDOW.value, 2),
    }
    load_tensorflow()
    from tf_diffseg.preprocessing import VolumePreprocessor

    try:
        return VolumePreprocessor(**arguments)
    except ValueError as error:
        raise InputError(f"preprocessing flags: {error}") from error


def _print_summary(manifest):
    print(f"{'split':<14}{'cases':>7}{'shards':>8}")
    for name, split in manifest.splits.items():
        print(f"{name:<14}{len(split.uids):>7}{len(split.shards):>8}")
    for name, split in manifest.splits.items():
        if split.statistics["cropped_cases"]:
            print(
                f"note: --volume_shape={_VOLUME_SHAPE.value} cropped "
                f"{split.statistics['cropped_voxels']} labelled voxels away in "
                f"{split.statistics['cropped_cases']} of {len(split.uids)} "
                f"{name} cases"
            )
    print(f"data set {manifest.dataset} in {_OUTPUT_DIR.value}")


def main(_):
    """Converts the data set that the flags name."""
    # Cheap checks come first: TensorFlow takes seconds to load.
    check_output_dir(_OUTPUT_DIR.value, _OVERWRITE.value)
    fractions = parse_split(_SPLIT.value)
    dataset = dataset_of_flags()
    print(dataset.describe(), flush=True)
    check_cases(dataset)
    if dataset.has_splits and flags.FLAGS["split"].present:
        raise InputError(
            f"--split={_SPLIT.value}: {dataset.path} has its own splits, leave out "
            "--split or the column"
        )
    preprocessor = _preprocessor()
    from data_tools.conversion import convert

    manifest = convert(
        dataset,
        _OUTPUT_DIR.value,
        fractions,
        preprocessor,
        num_shards=_NUM_SHARDS.value,
        num_workers=_NUM_WORKERS.value,
        overwrite=_OVERWRITE.value,
    )
    _print_summary(manifest)


if __name__ == "__main__":
    command_line.run(main)
