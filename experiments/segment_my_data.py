r"""Makes a model of your own volumes and label maps, in one command.

    python -m experiments.segment_my_data --images=DIR --labels=DIR --output_dir=OUT

It verifies and converts the data, trains by `--config=auto`, evaluates and exports.
Each of these stages is a command that it prints; called by hand, the command does the
same. If anything stops it, the same call goes on from there. What belongs to one
patient by the names of the files stays in one split. See docs/own_data.md.
"""

from absl import flags

# They define the flags that are handed on.
from data_tools.flags import dataset_flags, preprocessing_flags
from experiments.chains import own_data
from experiments.flags import config_flags
from tf_diffseg import command_line
from tf_diffseg.output_path import output_folder
from tf_diffseg.text import read_json
from tf_diffseg.whole_files import alone_in

_OUTPUT_DIR = flags.DEFINE_string(
    "output_dir", None, "Folder for the results of all stages.", required=True
)
_CHOSEN = ("group_by", "spacing_mm", "volume_shape", "intensity")
for _name in _CHOSEN:
    flags.FLAGS.set_default(_name, "auto")
# Printed in any case, so that what is chosen shows.
_SHOWN = (*_CHOSEN, "config", "time_budget_hours")


def main(argv):
    """Runs the stages that are not done; returns the exit code."""
    del argv
    folder = output_folder("output_dir", _OUTPUT_DIR.value)
    modules = (dataset_flags, preprocessing_flags, config_flags)
    given = [_flags_to_hand_on(module) for module in modules]
    with alone_in("output_dir", folder):
        own_data.check_options(folder, sum(given, []))
        code = own_data.run(own_data.stages(folder, *given))
    if not code:
        _tell(folder)
    return code


def _flags_to_hand_on(module):
    """Flags of a module that are given, or are to be shown, as text."""
    defined = flags.FLAGS.flags_by_module_dict()[module.__name__]
    chosen = [flag for flag in defined if flag.present or flag.name in _SHOWN]
    return [text for flag in chosen for text in flag.serialize().split("\n")]


def _tell(folder):
    """Says what came out and where to look."""
    metrics = read_json(folder / "results" / "metrics.json")
    model = own_data.newest_version(folder / "export")
    split = metrics["data"]["split"]
    dice = metrics["mean_foreground_dice"]
    dice = "not defined" if dice is None else f"{dice:.3f}"
    print(
        f"\nmean foreground Dice {dice} on {metrics['num_cases']} case(s) of the split "
        f"{split}\n"
        f"  report   {folder / 'results' / 'report.html'}, opens in any browser\n"
        f"  model    {model}; a new scan is segmented by\n"
        f"  python -m experiments.segment --model={model} --input=SCAN --output=LABEL"
    )


if __name__ == "__main__":
    command_line.run(main)
