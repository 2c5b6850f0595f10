r"""Converts a data set of medical volumes to shards on a cluster, with Apache Beam.

    python -m data_tools.convert_beam \
        --dataset_json=/shared/Task04_Hippocampus/dataset.json \
        --output_dir=/shared/hippocampus --spacing_mm=1,1,1 \
        --beam_options="--runner=FlinkRunner --flink_master=host:8081"

It takes the flags of `data_tools.convert_nifti` and writes the same shards, bit for
bit. All machines must see the data and `--output_dir` under the same path and have this
package installed. See docs/data.md.
"""

import shlex

from absl import flags

from data_tools.flags.conversion_flags import convert_with
from tf_diffseg import command_line
from tf_diffseg.errors import InputError

_BEAM_OPTIONS = flags.DEFINE_string(
    "beam_options",
    "--runner=DirectRunner",
    "Options of Beam and of its runner, in the form of Beam's documentation.",
)


def _workers():
    try:
        import apache_beam  # noqa: F401 only checks that it is there
    except ImportError as error:
        raise InputError(
            "data_tools.convert_beam needs Apache Beam: pip install 'tf_diffseg[beam]'"
        ) from error
    from data_tools.conversion.beam_workers import BeamWorkers

    try:
        options = shlex.split(_BEAM_OPTIONS.value)
    except ValueError as error:
        raise InputError(f"--beam_options={_BEAM_OPTIONS.value}: {error}") from error
    return BeamWorkers(options)


def main(_):
    """Converts the data set that the flags name."""
    convert_with(_workers)


if __name__ == "__main__":
    command_line.run(main)
