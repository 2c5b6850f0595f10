r"""Evaluates a trained model on a split, on the grids of the original files.

    python -m experiments.evaluate --data_dir=SHARDS --model_dir=RUN \
        --split=test --output_dir=OUT

Writes metrics.json, metrics.csv (one row for each case and class, then means),
overlays of the best, the median and the worst case, and report.html, one page with all
cases that any browser opens.
"""

from absl import flags

from experiments.flags.inference_flags import define_flags, options_from_flags
from tf_diffseg import command_line
from tf_diffseg.output_path import output_folder
from tf_diffseg.runs import evaluation
from tf_diffseg.runs.trained_models import TrainedModels

_DATA_DIR = flags.DEFINE_string(
    "data_dir", None, "Folder that data_tools.convert_nifti wrote."
)
_MODEL_DIR = flags.DEFINE_string(
    "model_dir",
    None,
    "Folder of a training run, a checkpoint in it, or the folder of a "
    "cross-validation, whose mean is taken.",
)
_SPLIT = flags.DEFINE_string("split", "test", "Split to evaluate on.")
_OUTPUT_DIR = flags.DEFINE_string("output_dir", None, "Folder for the results.")
_VIEWER_MB = flags.DEFINE_float(
    "viewer_mb",
    60.0,
    "How much of report.html the volumes for its viewer may take; the worst cases "
    "come first.",
    lower_bound=0.0,
)
define_flags()
flags.mark_flags_as_required(["data_dir", "model_dir", "output_dir"])


def main(argv):
    """Scores every case, writes the results and prints their table."""
    del argv
    options = options_from_flags()
    output_dir = output_folder("output_dir", _OUTPUT_DIR.value)
    paths = [_MODEL_DIR.value, *flags.FLAGS["ensemble_with"].value]
    trained = TrainedModels(paths, options)
    summary = evaluation.evaluate_to_folder(
        trained, _DATA_DIR.value, _SPLIT.value, output_dir, _VIEWER_MB.value
    )
    from tf_diffseg.reports.evaluation_report import table

    print(table(summary))
    inference = summary["inference"]
    outside_uids = inference["outside_trained_spacing"]
    for note in trained.resampling.notes_of_cases(outside_uids):
        print(note)
    if inference["saved_steps"] is not None:
        print(f"early exit saved {inference['saved_steps']:.2f} steps a window")
    print(f"results: {output_dir}, and {output_dir / 'report.html'}")


if __name__ == "__main__":
    command_line.run(main)
