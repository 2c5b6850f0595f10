r"""Measures speed on this machine.

    python -m experiments.benchmark --suite=train_step [--json=FILE]

Figures are medians of several runs. Shares of the matrix product rate compare with
what the same machine does in the same minute, so they carry over to others.
"""

import json
import pathlib

from absl import flags

from data_tools import command_line
from data_tools.quiet import load_tensorflow

_SUITES = ("train_step",)
_SUITE = flags.DEFINE_enum("suite", "train_step", _SUITES, "What to measure.")
_JSON = flags.DEFINE_string("json", None, "File to write the figures to as JSON.")
_REPEATS = flags.DEFINE_integer("repeats", 7, "Timed runs of each part.", lower_bound=1)


def main(argv):
    """Runs one suite and shows its table."""
    del argv
    load_tensorflow()
    from experiments.benchmarks import train_step

    suite = {"train_step": train_step}[_SUITE.value]
    figures = suite.run(_REPEATS.value)
    width = max(map(len, figures))
    for name, value in figures.items():
        text = f"{value:.4g}" if isinstance(value, float) else str(value)
        print(f"{name:<{width}}  {text}")
    if _JSON.value:
        pathlib.Path(_JSON.value).write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    command_line.run(main)
