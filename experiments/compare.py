r"""Trains strategies side by side under the same budget of steps, and scores them.

    python -m experiments.compare --data_dir=SHARDS --output_dir=OUT \
        --strategies=recycling,diffusion,supervised

Writes a run folder per strategy, comparison.json, comparison.md, the table that it
prints, and comparison.png. Called again, it goes on where it stopped. All values of a
training run can be set by flags, as for experiments.train; but for the strategy they
are the same for all.
"""

import dataclasses
import pathlib

from absl import flags

from experiments.flags import config_flags
from tf_diffseg import command_line
from tf_diffseg.data.manifest import read_manifest
from tf_diffseg.errors import InputError
from tf_diffseg.output_path import output_folder
from tf_diffseg.quiet import load_tensorflow
from tf_diffseg.runs.run_folder import RunFolder
from tf_diffseg.runs.train_config import CHOICES
from tf_diffseg.runs.training_shards import training_shards

_DATA_DIR = flags.DEFINE_string(
    "data_dir", None, "Folder that data_tools.convert_nifti wrote."
)
_OUTPUT_DIR = flags.DEFINE_string("output_dir", None, "Folder for runs and results.")
_STRATEGIES = flags.DEFINE_list(
    "strategies",
    ["supervised", "diffusion", "recycling", "recycling_from_last"],
    f"What to compare, of {', '.join(CHOICES['strategy'])}.",
)
_SPLIT = flags.DEFINE_string("split", "test", "Split to score on.")
flags.mark_flags_as_required(["data_dir", "output_dir"])
config_flags.define_config_flags()
flags.adopt_module_key_flags(config_flags)  # So that --help lists them.


def main(argv):
    """Checks all that can be checked, then trains, scores and draws."""
    del argv
    strategies = _checked_strategies()
    config = config_flags.chosen_config(_DATA_DIR.value)
    manifest = read_manifest(_DATA_DIR.value)
    output_dir = output_folder("output_dir", _OUTPUT_DIR.value)
    if output_dir.resolve() == pathlib.Path(_DATA_DIR.value).resolve():
        raise InputError(f"--output_dir={output_dir} is --data_dir, name another")
    if flags.FLAGS["strategy"].present:
        raise InputError("--strategy: name what to compare with --strategies")
    shard_paths = training_shards(config, manifest, _DATA_DIR.value)
    runs = {}
    for strategy in strategies:
        run_folder = RunFolder(output_dir / strategy)
        of_strategy = dataclasses.replace(config, strategy=strategy)
        run_folder.check(of_strategy, manifest)
        runs[strategy] = of_strategy, run_folder

    load_tensorflow()
    from tf_diffseg.runs import strategy_comparison

    strategy_comparison.check({name: run[0] for name, run in runs.items()}, manifest)
    rows = [
        strategy_comparison.train_and_score(
            strategy,
            of_strategy,
            run_folder,
            manifest,
            shard_paths,
            _DATA_DIR.value,
            _SPLIT.value,
        )
        for strategy, (of_strategy, run_folder) in runs.items()
    ]
    strategy_comparison.write(rows, output_dir)
    print(strategy_comparison.table(rows))
    print(f"comparison: {output_dir}, picture {output_dir / 'comparison.png'}")


def _checked_strategies():
    strategies = list(dict.fromkeys(_STRATEGIES.value))
    unknown = [name for name in strategies if name not in CHOICES["strategy"]]
    if unknown or not strategies:
        raise InputError(
            f"--strategies: expected some of {', '.join(CHOICES['strategy'])}, "
            f"got {', '.join(unknown) or 'none'}"
        )
    return strategies


if __name__ == "__main__":
    command_line.run(main)
