r"""Converts a data set of medical volumes to shards.

    python -m data_tools.convert_nifti \
        --dataset_json=Task04_Hippocampus/dataset.json --output_dir=hippocampus \
        --spacing_mm=1,1,1 --volume_shape=48,64,48

Everything wrong with the input is refused by name before `output_dir` appears. Stopped
at any moment, the same command goes on where it was.
"""

import os

from absl import flags

from data_tools.flags.conversion_flags import convert_with
from tf_diffseg import command_line

_NUM_WORKERS = flags.DEFINE_integer(
    "num_workers", os.cpu_count(), "Worker processes.", lower_bound=1
)


def _workers():
    from data_tools.conversion.worker_pool import WorkerPool

    return WorkerPool(_NUM_WORKERS.value)


def main(_):
    """Converts the data set that the flags name."""
    convert_with(_workers)


if __name__ == "__main__":
    command_line.run(main)
