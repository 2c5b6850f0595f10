"""The flags of every command that converts, and what they ask for."""

import dataclasses

from absl import flags

from data_tools.conversion.fingerprint import fingerprint_table
from data_tools.conversion.output_folder import sibling
from data_tools.conversion.staging import InUseError, check_start
from data_tools.datasets.dataset_check import case_problems, check_cases
from data_tools.datasets.problem_table import print_warnings_of
from data_tools.flags.dataset_flags import dataset_of_flags, split_by_flags
from data_tools.flags.preprocessing_flags import choice_of_flags
from tf_diffseg.errors import InputError
from tf_diffseg.quiet import load_tensorflow

_OUTPUT_DIR = flags.DEFINE_string(
    "output_dir", None, "Folder to make; it must be new or empty.", required=True
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
    if manifest.warnings:
        print(f"{len(manifest.warnings)} warning(s), which manifest.json keeps:")
        print_warnings_of(manifest)
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
    # They lie beside the others and are told of already.
    files = [
        path
        for case in dataset.cases
        if case.uid in skipped
        for path in (*case.image_paths, case.label_path)
    ]
    other_files = (*dataset.other_files, *files)
    return dataclasses.replace(dataset, cases=cases, other_files=other_files), skipped


def convert_with(make_workers):
    """Converts the data set that the flags name.

    Args:
        make_workers: function without arguments that gives what runs the tasks, see
            `conversion.convert`.
    """
    # Cheap checks come first: TensorFlow takes seconds to load.
    check_start(_OUTPUT_DIR.value, _OVERWRITE.value)
    dataset = dataset_of_flags()
    dataset, fractions = split_by_flags(dataset)
    print(dataset.describe(), flush=True)
    dataset, skipped = _usable(dataset)
    choice = choice_of_flags(dataset.channel_names)
    load_tensorflow()
    from data_tools.conversion.converter import Options, convert

    options = Options(
        num_shards=_NUM_SHARDS.value,
        compression=_COMPRESSIONS[_COMPRESSION.value],
        skip_bad_cases=_SKIP_BAD_CASES.value,
        overwrite=_OVERWRITE.value,
    )
    arguments = (fractions, choice, make_workers(), options, skipped)
    try:
        manifest = convert(dataset, _OUTPUT_DIR.value, *arguments)
    except InUseError:
        raise  # what is kept is the other's
    except BaseException:
        kept = sibling(_OUTPUT_DIR.value, "partial")
        if kept.is_dir():
            print(f"what is done is kept in {kept}; the same command goes on from it")
        raise
    _print_summary(manifest)
