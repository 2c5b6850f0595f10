"""Conversion without worker processes, for tests."""

from absl import flags
from absl.testing import flagsaver

from data_tools.conversion.converter import Options, convert
from data_tools.conversion.preprocessing_choice import Choice
from data_tools.conversion.worker_pool import InProcess
from data_tools.datasets.dataset_check import check_cases
from data_tools.datasets.open_dataset import read_dataset
from data_tools.datasets.split_plan import SplitRule, with_splits
from data_tools.flags.conversion_flags import convert_with


def open_dataset(path, labels=None):
    """`read_dataset`, and a check that every file is there."""
    dataset = read_dataset(path, labels)
    check_cases(dataset)
    return dataset


def split(dataset, fractions=None):
    """The `Dataset` with its cases in splits, by default in halves."""
    return with_splits(dataset, SplitRule(fractions or {"train": 0.5, "test": 0.5}))


def convert_here(folder, output_dir, fractions=None, preprocessing=None, **options):
    """Converts a folder's data set, and returns its manifest."""
    dataset = split(open_dataset(folder), fractions)
    return convert(
        dataset,
        output_dir,
        Choice(channel_names=tuple(dataset.channel_names), **(preprocessing or {})),
        InProcess(),
        Options(**options),
    )


def convert_by_flags(**values):
    """Converts and prints as the command does with these flags."""
    flags.FLAGS.mark_as_parsed()
    values = {name: str(value) for name, value in values.items()}
    with flagsaver.as_parsed(**values):
        convert_with(InProcess)


def contents(folder):
    """Dict from the name of each file in a folder to its bytes."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}
