"""Conversion without worker processes, for tests."""

from absl import flags
from absl.testing import flagsaver

from data_tools.conversion.converter import Options, convert
from data_tools.conversion.preprocessing_choice import Choice
from data_tools.datasets.open_dataset import open_dataset
from data_tools.flags.conversion_flags import convert_with


class InProcess:
    """Runs tasks here, one after the other; see `worker_pool.WorkerPool`."""

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        return None

    def run(self, function, tasks, unit=None, done=0):
        """Results, in order."""
        return map(function, tasks)


def convert_here(folder, output_dir, fractions=None, preprocessing=None, **options):
    """Converts a folder's data set; gives its manifest."""
    dataset = open_dataset(folder)
    return convert(
        dataset,
        output_dir,
        fractions or {"train": 0.5, "test": 0.5},
        Choice(channel_names=tuple(dataset.channel_names), **(preprocessing or {})),
        InProcess(),
        Options(**options),
    )


def convert_by_flags(**values):
    """Converts as the command does with these flags, and prints what it prints."""
    flags.FLAGS.mark_as_parsed()
    values = {name: str(value) for name, value in values.items()}
    with flagsaver.as_parsed(**values):
        convert_with(InProcess)
