"""Whether the input pipeline's memory grows with the number of cases.

    python -m experiments.benchmark --suite=input_memory --data_dir=SHARDS

One process streams one shard of the training cases, another streams all shards. The
figures are the peak memory of both. Without --data_dir they read twelve random volumes
of 192x192x128.
"""

import json
import subprocess

from experiments.benchmarks.example_shards import example_shards
from tf_diffseg.module_process import module_command


def run(repeats, data_dir=None):
    """Measures the peak memory of processes that stream `repeats` epochs."""
    with example_shards(data_dir, (192, 192, 128), 12) as shards:
        one = _stream(shards.paths[:1], repeats)
        every = _stream(shards.paths, repeats)
    return {
        "volume": "x".join(map(str, shards.shape)),
        "one_shard_cases": one["cases"],
        "all_shards_cases": every["cases"],
        "before_streaming_mb": one["before_mb"],
        "one_shard_peak_mb": one["peak_mb"],
        "all_shards_peak_mb": every["peak_mb"],
        "peak_all_over_one": every["peak_mb"] / one["peak_mb"],
    }


def _stream(paths, epochs):
    module = "experiments.benchmarks.stream_shards"
    command = module_command(module, str(epochs), *paths)
    process = subprocess.run(
        command, stdout=subprocess.PIPE, check=True, encoding="utf-8"
    )
    return json.loads(process.stdout.splitlines()[-1])
