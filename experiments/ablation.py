r"""Trains variants of a run for several seeds each, and tests their differences.

    python -m experiments.ablation --data_dir=SHARDS --output_dir=OUT \
        [--seeds=3] [--budget_minutes=600] [--arms=noise,dice,supervised]

The arms are those of the paper: what is predicted, the loss, recycling and its kin, the
number of steps, and the same network without diffusion. --arms_file names others, a
JSON file of the values in which each differs:

    {"wide": {"num_channels": [32, 64, 128, 256]}, "ema": {"ema": 0.995}}

What all arms share is set by --config and the flags of experiments.train. Called again,
it goes on where it stopped. Writes ablation.md, .html, .png and .json in OUT/SPLIT;
choose by the validation split, then use --split=test once.
"""

from absl import flags

from experiments.flags import config_flags
from tf_diffseg import command_line
from tf_diffseg.errors import InputError
from tf_diffseg.runs.ablation.arms import paper_arms, read_arms
from tf_diffseg.runs.ablation.run_ablation import run_ablation
from tf_diffseg.runs.ablation.settings import EQUAL, shared_folder
from tf_diffseg.runs.training_exit import exit_code
from tf_diffseg.text_table import markdown_table

_DATA_DIR = flags.DEFINE_string(
    "data_dir", None, "Folder that data_tools.convert_nifti wrote."
)
_OUTPUT_DIR = flags.DEFINE_string("output_dir", None, "Folder for runs and results.")
_ARMS = flags.DEFINE_list(
    "arms",
    [],
    f"What to train beside the default, by default all: {', '.join(paper_arms())}; or "
    "names of --arms_file.",
)
_ARMS_FILE = flags.DEFINE_string(
    "arms_file",
    None,
    "JSON file of other arms: {name: {value of the config: what it is there}}.",
)
_SEEDS = flags.DEFINE_integer("seeds", 3, "Runs of each arm.", lower_bound=1)
_BUDGET_MINUTES = flags.DEFINE_float(
    "budget_minutes",
    None,
    "Time for all of it: steps are measured, and the runs are as long as fits. Without "
    "the flag they have the epochs of the config.",
    lower_bound=1e-3,
)
_EQUAL = flags.DEFINE_enum(
    "equal", EQUAL[0], EQUAL, "What all arms are trained for equally."
)
_SPLIT = flags.DEFINE_string("split", "validation", "Split to score on.")
flags.mark_flags_as_required(["data_dir", "output_dir"])
config_flags.define_config_flags()


def main(argv):
    """Checks the flags, then trains, scores and compares; returns the exit code."""
    del argv
    if _BUDGET_MINUTES.value and flags.FLAGS["epochs"].present:
        raise InputError("--epochs: --budget_minutes chooses the length of the runs")
    return exit_code(_ablate)


def _ablate():
    in_file = _ARMS_FILE.value and read_arms(_ARMS_FILE.value)
    config = _shared_config(len(_ARMS.value or in_file or paper_arms()) + 1)
    rows = run_ablation(
        config,
        paper_arms(config) if in_file is None else in_file,
        _DATA_DIR.value,
        _OUTPUT_DIR.value,
        _ARMS.value,
        _SEEDS.value,
        _BUDGET_MINUTES.value,
        _EQUAL.value,
        _SPLIT.value,
        config_flags.MEMORY_GIB.value,
    )
    from tf_diffseg.reports.ablation_report import table

    print(markdown_table(table(rows)))
    print(f"ablation: {_OUTPUT_DIR.value}/{_SPLIT.value}/ablation.html")


def _shared_config(num_arms):
    """The config of all arms; `auto` plans for the time of one run."""
    hours = (_BUDGET_MINUTES.value or 0.0) / 60 / (num_arms * _SEEDS.value)
    config, chosen = config_flags.chosen_config(
        _DATA_DIR.value, shared_folder(_OUTPUT_DIR.value), hours=hours
    )
    if chosen:
        print(f"chosen for {chosen.dataset}:\n{chosen.table()}", flush=True)
    return config


if __name__ == "__main__":
    command_line.run(main)
