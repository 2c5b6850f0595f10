r"""Measures speed on this machine.

    python -m experiments.benchmark --suite=train_step [--json=FILE]

Figures are medians of several runs. Shares of the matrix product rate compare with
what the same machine does in the same minute, so they carry over to others.
"""

import json

from absl import flags

from data_tools import command_line
from data_tools.quiet import load_tensorflow
from experiments.output_path import output_file

_SUITES = ("train_step",)
_SUITE = flags.DEFINE_enum("suite", "train_step", _SUITES, "What to measure.")
_JSON = flags.DEFINE_string("json", None, "File to write the figures to as JSON.")
_REPEATS = flags.DEFINE_integer("repeats", 7, "Timed runs of each part.", lower_bound=1)


def main(argv):
    """Runs one suite and shows its table."""
    del argv
    json_path = _JSON.value and output_file("json", _JSON.value)
    load_tensorflow()
    from experiments.benchmarks import train_step

    suite = {"train_step": train_step}[_SUITE.value]
    figures = suite.run(_REPEATS.value)
    width = max(map(len, figures))
    for name, value in figures.items():
        text = f"{value:.4g}" if isinstance(value, float) else str(value)
        print(f"{name:<{width}}  {text}")
    if json_path:
        json_path.parent.mkdir(parents=True, exist_ok=True)
        json_path.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    command_line.run(main)
