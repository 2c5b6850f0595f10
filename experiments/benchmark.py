r"""Measures speed on this machine.

    python -m experiments.benchmark --suite=train_step [--json=FILE]
    python -m experiments.benchmark --suite=train_memory [--memory_gib=16]
    python -m experiments.benchmark --suite=plan_memory [--memory_gib=8]
    python -m experiments.benchmark --suite=inference
    python -m experiments.benchmark --suite=serving
    python -m experiments.benchmark --suite=conversion --repeats=3
    python -m experiments.benchmark --suite=input_pipeline [--data_dir=SHARDS]
    python -m experiments.benchmark --suite=input_memory [--data_dir=SHARDS]

Figures are medians of several runs. Shares of the matrix product rate compare with
what the same machine does in the same minute, so they carry over to others.
"""

from absl import flags

from tf_diffseg import command_line
from tf_diffseg.data.manifest import read_manifest
from tf_diffseg.errors import InputError
from tf_diffseg.output_path import output_file
from tf_diffseg.quiet import load_tensorflow
from tf_diffseg.text_table import text_table
from tf_diffseg.whole_files import write_json

_SUITES = (
    "train_step",
    "train_memory",
    "plan_memory",
    "inference",
    "serving",
    "conversion",
    "input_pipeline",
    "input_memory",
)
_OF_MEMORY = ("train_memory", "plan_memory")
_OF_DATA = ("input_pipeline", "input_memory")
_SUITE = flags.DEFINE_enum("suite", "train_step", _SUITES, "What to measure.")
_JSON = flags.DEFINE_string("json", None, "File to write the figures to as JSON.")
_DATA_DIR = flags.DEFINE_string(
    "data_dir",
    None,
    "Folder that data_tools.convert_nifti wrote, for the suites of the input; random "
    "volumes by default.",
)
_MEMORY_GIB = flags.DEFINE_float(
    "memory_gib",
    16.0,
    "What a process may take in the suites train_memory and plan_memory.",
    1.0,
)
_REPEATS = flags.DEFINE_integer("repeats", 7, "Timed runs of each part.", lower_bound=1)


def main(argv):
    """Runs one suite and shows its table."""
    del argv
    json_path = _JSON.value and output_file("json", _JSON.value)
    if _DATA_DIR.value is not None:
        if _SUITE.value not in _OF_DATA:
            raise InputError(f"--data_dir does not apply to --suite={_SUITE.value}")
        read_manifest(_DATA_DIR.value)
    load_tensorflow()
    from experiments.benchmarks import (
        conversion,
        inference,
        input_memory,
        input_pipeline,
        plan_memory,
        serving,
        train_memory,
        train_step,
    )

    if _SUITE.value in _OF_DATA:
        suite = {"input_pipeline": input_pipeline, "input_memory": input_memory}
        figures = suite[_SUITE.value].run(_REPEATS.value, _DATA_DIR.value)
    elif _SUITE.value in _OF_MEMORY:
        suite = {"train_memory": train_memory, "plan_memory": plan_memory}
        figures = suite[_SUITE.value].run(_MEMORY_GIB.value)
    else:
        suite = {
            "train_step": train_step,
            "inference": inference,
            "serving": serving,
            "conversion": conversion,
        }
        figures = suite[_SUITE.value].run(_REPEATS.value)
    print(text_table([(name, _figure(value)) for name, value in figures.items()]))
    if json_path:
        write_json(json_path, figures, indent=2)


def _figure(value):
    return f"{value:.4g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    command_line.run(main)
