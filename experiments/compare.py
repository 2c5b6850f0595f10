r"""Trains strategies side by side under the same budget of steps, and scores them.

    python -m experiments.compare --data_dir=SHARDS --output_dir=OUT \
        --strategies=recycling,diffusion,supervised

Writes a run folder per strategy, comparison.json, comparison.md, the table that it
prints, and comparison.png. Called again, it goes on where it stopped. All values of a
training run can be set by flags, as for experiments.train; but for the strategy they
are the same for all.
"""

import os

from absl import flags

from experiments.flags import config_flags
from tf_diffseg import command_line
from tf_diffseg.errors import InputError
from tf_diffseg.runs.strategy_comparison import compare_strategies
from tf_diffseg.runs.training_exit import exit_code
from tf_diffseg.training.choices import TrainingStrategy

_KNOWN = [strategy.value for strategy in TrainingStrategy]
_DATA_DIR = flags.DEFINE_string(
    "data_dir", None, "Folder that data_tools.convert_nifti wrote."
)
_OUTPUT_DIR = flags.DEFINE_string("output_dir", None, "Folder for runs and results.")
_STRATEGIES = flags.DEFINE_list(
    "strategies",
    ["supervised", "diffusion", "recycling", "recycling_from_last"],
    f"What to compare, of {', '.join(_KNOWN)}.",
)
_SPLIT = flags.DEFINE_string("split", "test", "Split to score on.")
flags.mark_flags_as_required(["data_dir", "output_dir"])
config_flags.define_config_flags()


def main(argv):
    """Checks the flags, then trains, scores and draws; returns the exit code."""
    del argv
    strategies = _checked_strategies()
    if flags.FLAGS["strategy"].present:
        raise InputError("--strategy: name what to compare with --strategies")
    return exit_code(_compare, strategies)


def _chosen_config(strategies):
    """The config of all strategies, chosen for one that has a mask branch if any."""
    strategy = next((name for name in strategies if name != "supervised"), "supervised")
    folder = os.path.join(_OUTPUT_DIR.value, strategy)
    try:
        config, chosen = config_flags.chosen_config(
            _DATA_DIR.value, folder, strategy=strategy
        )
    except InputError as error:
        if "`strategy=" not in str(error):
            raise
        raise InputError(
            f"strategies={strategy}: {error}", argument="strategies"
        ) from error
    if chosen:
        print(f"chosen for {chosen.dataset}:\n{chosen.table()}", flush=True)
    return config


def _compare(strategies):
    config = _chosen_config(strategies)
    scores = compare_strategies(
        config,
        strategies,
        _DATA_DIR.value,
        _OUTPUT_DIR.value,
        _SPLIT.value,
        config_flags.MEMORY_GIB.value,
    )
    from tf_diffseg.reports.strategy_report import table

    print(table(scores))
    folder = _OUTPUT_DIR.value
    print(f"comparison: {folder}, picture {os.path.join(folder, 'comparison.png')}")


def _checked_strategies():
    strategies = list(dict.fromkeys(_STRATEGIES.value))
    unknown = [name for name in strategies if name not in _KNOWN]
    if unknown or not strategies:
        raise InputError(
            f"--strategies: expected some of {', '.join(_KNOWN)}, "
            f"got {', '.join(unknown) or 'none'}"
        )
    return strategies


if __name__ == "__main__":
    command_line.run(main)
