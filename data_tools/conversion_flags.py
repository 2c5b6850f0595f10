"""The flags of every command that converts, and what they ask for."""

import dataclasses

from absl import flags

from data_tools import command_line
from data_tools.dataset_check import case_problems, check_cases
from data_tools.dataset_flags import dataset_of_flags
from data_tools.errors import InputError
from data_tools.fingerprint import fingerprint_table
from data_tools.output_folder import check_output_dir, sibling
from data_tools.preprocessing_choice import AUTO, MEDIAN, NATIVE, Choice
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
    "spacing_mm",
    "native",
    "x,y,z voxel size to resample to, or native, median or auto; see docs/data.md.",
)
_VOLUME_SHAPE = flags.DEFINE_string(
    "volume_shape",
    None,
    "x,y,z voxels to crop or pad to, or auto; none keeps each shape.",
)
_INTENSITY = flags.DEFINE_list(
    "intensity",
    "zscore",
    "zscore, percentile, ct_window or none, for all channels or one for each; or auto.",
)
_CT_WINDOW = flags.DEFINE_multi_string(
    "ct_window",
    None,
    "low,high in Hounsfield units, for --intensity=ct_window; once, or once for each "
    "such channel.",
)
_CROP_TO_FOREGROUND = flags.DEFINE_boolean(
    "crop_to_foreground", False, "Crops to what is brighter than the darkest voxel."
)
_NUM_SHARDS = flags.DEFINE_integer(
    "num_shards", 4, "Files per split; never more than cases.", lower_bound=1
)
_COMPRESSIONS = {"none": "", "gzip": "GZIP"}
_COMPRESSION = flags.DEFINE_enum(
    "compression", "none", list(_COMPRESSIONS), "Compression of the shards."
)
_SKIP_BAD_CASES = flags.DEFINE_boolean(
    "skip_bad_cases",
    False,
    "Leaves cases out that cannot be converted; the manifest lists them.",
)
_OVERWRITE = flags.DEFINE_boolean(
    "overwrite", False, "Replaces the converted data set in --output_dir."
)

# Spelt out: reading the Intensity enum would load TensorFlow for --help.
INTENSITIES = ("zscore", "percentile", "ct_window", "none")


def _numbers_or(name, value, words, number):
    """The flag's three numbers, or one of some words."""
    if value in words:
        return value
    try:
        return command_line.parse_numbers(name, value, 3, number)
    except InputError as error:
        raise InputError(f"{error}, or {' or '.join(words)}") from error


def _choice(channel_names):
    """The `Choice` that the flags describe."""
    intensity, ct_window = _intensity(len(channel_names))
    return Choice(
        spacing_mm=_numbers_or(
            "spacing_mm", _SPACING_MM.value, (AUTO, MEDIAN, NATIVE), float
        ),
        volume_shape=_numbers_or("volume_shape", _VOLUME_SHAPE.value, (AUTO,), int),
        intensity=intensity,
        ct_window=ct_window,
        crop_to_foreground=_CROP_TO_FOREGROUND.value,
        channel_names=tuple(channel_names),
    )


def _intensity(num_channels):
    """`(intensity, ct_window)` as `VolumePreprocessor` takes them, or `AUTO`."""
    kinds = _INTENSITY.value
    flag = f"--intensity={','.join(kinds)}"
    windows = [
        command_line.parse_numbers("ct_window", text, 2)
        for text in _CT_WINDOW.value or ()
    ]
    if kinds == [AUTO]:
        if windows:
            raise InputError(f"{flag} chooses a window itself, leave out --ct_window")
        return AUTO, None
    unknown = [kind for kind in kinds if kind not in INTENSITIES]
    if unknown or len(kinds) not in (1, num_channels):
        raise InputError(
            f"{flag}: expected {', '.join(INTENSITIES)} or {AUTO}, once or once for "
            f"each of {num_channels} channel(s)"
        )
    if len(kinds) == 1 and len(windows) <= 1:
        return kinds[0], windows[0] if windows else None
    kinds = kinds * num_channels if len(kinds) == 1 else kinds
    num_windows = kinds.count("ct_window")
    if len(windows) == 1:
        windows = windows * num_windows
    if len(windows) != num_windows:
        raise InputError(
            f"{flag} needs --ct_window once or {num_windows} time(s), "
            f"got {len(windows)}"
        )
    remaining = iter(windows)
    return tuple(kinds), tuple(
        next(remaining) if kind == "ct_window" else None for kind in kinds
    )


def _print_summary(manifest):
    print(
        fingerprint_table(
            manifest.fingerprint, manifest.class_names, manifest.channel_names
        )
    )
    chosen = {key: value for key, value in manifest.preprocessing.items() if value}
    print("preprocessing: " + ", ".join(f"{k}={v}" for k, v in chosen.items()))
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
    for reason in manifest.skipped.values():
        print(f"left out: {reason}")
    print(f"data set {manifest.dataset} in {_OUTPUT_DIR.value}")


def _usable(dataset):
    """`(dataset, skipped)`: what is left of the cases, and why others are not."""
    if not _SKIP_BAD_CASES.value:
        check_cases(dataset)
        return dataset, {}
    problems = case_problems(dataset)
    of_all = [problem.message for problem in problems if problem.uid is None]
    if of_all:
        raise InputError(f"{dataset.path}: {'; '.join(of_all)}")
    skipped = {problem.uid: problem.message for problem in reversed(problems)}
    cases = [case for case in dataset.cases if case.uid not in skipped]
    if not cases:
        raise InputError(f"{dataset.path}: no case can be used: {problems[0].message}")
    return dataclasses.replace(dataset, cases=cases), skipped


def convert_with(make_workers):
    """Converts the data set that the flags name.

    Args:
        make_workers: function without arguments that gives what runs the tasks, see
            `conversion.convert`.
    """
    # Cheap checks come first: TensorFlow takes seconds to load.
    check_output_dir(_OUTPUT_DIR.value, _OVERWRITE.value)
    fractions = parse_split(_SPLIT.value)
    dataset = dataset_of_flags()
    print(dataset.describe(), flush=True)
    dataset, skipped = _usable(dataset)
    if dataset.has_splits and flags.FLAGS["split"].present:
        raise InputError(
            f"--split={_SPLIT.value}: {dataset.path} has its own splits, leave out "
            "--split or the column"
        )
    choice = _choice(dataset.channel_names)
    load_tensorflow()
    if choice.is_fixed:
        choice.preprocessor()  # before anything is read, to find wrong values
    from data_tools.conversion import Options, convert

    options = Options(
        num_shards=_NUM_SHARDS.value,
        compression=_COMPRESSIONS[_COMPRESSION.value],
        skip_bad_cases=_SKIP_BAD_CASES.value,
        overwrite=_OVERWRITE.value,
    )
    arguments = (fractions, choice, make_workers(), options, skipped)
    try:
        manifest = convert(dataset, _OUTPUT_DIR.value, *arguments)
    except BaseException:
        kept = sibling(_OUTPUT_DIR.value, "partial")
        if kept.is_dir():
            print(f"what is done is kept in {kept}; the same command goes on from it")
        raise
    _print_summary(manifest)
