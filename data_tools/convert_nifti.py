r"""Converts a data set of medical volumes to shards.

    python -m data_tools.convert_nifti \
        --dataset_json=Task04_Hippocampus/dataset.json --output_dir=hippocampus \
        --spacing_mm=1,1,1 --volume_shape=48,64,48

It refuses wrong input by name before `output_dir` appears. If it is stopped at any
moment, the same command goes on from there.
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
