"""Streams shards through the training pipeline and prints its peak memory as JSON.

python -m experiments.benchmarks.stream_shards EPOCHS SHARD...
"""

import json
import sys

from experiments.benchmarks.peak_memory import peak_bytes
from tf_diffseg.quiet import load_tensorflow

PATCH_SHAPE = (96, 96, 96)
BATCH_SIZE = 2
_MIB = 2**20


def main(epochs, paths):
    """Reads every batch of some epochs."""
    load_tensorflow()
    from tf_diffseg.data import index_shards, steps_per_epoch, training_dataset
    from tf_diffseg.runs.train_config import TrainConfig

    cases = len(index_shards(paths))
    before_mb = peak_bytes() / _MIB
    dataset = training_dataset(
        paths, cases, PATCH_SHAPE, BATCH_SIZE, **TrainConfig().pipeline_arguments()
    )
    for _ in dataset.take(epochs * steps_per_epoch(cases, BATCH_SIZE)):
        pass
    peak_mb = peak_bytes() / _MIB
    print(json.dumps({"cases": cases, "before_mb": before_mb, "peak_mb": peak_mb}))


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
