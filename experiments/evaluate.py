r"""Evaluates a trained model on a split, on the grids of the original files.

    python -m experiments.evaluate --data_dir=SHARDS --model_dir=RUN \
        --split=test --output_dir=OUT

Writes metrics.json, metrics.csv (one row for each case and class, then means),
overlays of the best, the median and the worst case, and report.html, one page with all
cases that any browser opens.
"""

import dataclasses

from absl import flags

from experiments.flags.inference_flags import define_flags, options_from_flags
from tf_diffseg import command_line
from tf_diffseg.data.manifest import read_manifest
from tf_diffseg.output_path import output_folder
from tf_diffseg.quiet import load_tensorflow
from tf_diffseg.runs.trained_models import TrainedModels

_DATA_DIR = flags.DEFINE_string(
    "data_dir", None, "Folder that data_tools.convert_nifti wrote."
)
_MODEL_DIR = flags.DEFINE_string(
    "model_dir", None, "Folder of a training run, or a checkpoint in it."
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
    """Checks run and data, scores every case, writes the results."""
    del argv
    options = options_from_flags()
    output_dir = output_folder("output_dir", _OUTPUT_DIR.value)
    trained = TrainedModels(
        [_MODEL_DIR.value, *flags.FLAGS["ensemble_with"].value], options
    )
    manifest = read_manifest(_DATA_DIR.value)
    trained.check_data(manifest, _SPLIT.value)
    shard_paths = manifest.shard_paths(_DATA_DIR.value, _SPLIT.value)
    uids = set(manifest.split(_SPLIT.value).uids)
    load_tensorflow()

    from tf_diffseg.reports import evaluation_report
    from tf_diffseg.reports.report_page import ReportPage
    from tf_diffseg.runs import evaluation

    scorer = evaluation.scorer_of(trained, manifest, shard_paths)
    page = ReportPage(manifest, trained.targets, _SPLIT.value, _VIEWER_MB.value * 1e6)
    cases = []
    for scores, volumes in scorer.score(uids):
        cases.append(scores)
        page.add(scores, volumes)
    inference = {
        "checkpoints": [str(path) for path in trained.checkpoints],
        **dataclasses.asdict(options),
        "saved_steps": trained.saved_steps,
        "outside_trained_spacing": list(scorer.outside_uids),
    }
    # The few that are drawn are segmented again rather than all of them kept.
    drawn = set(evaluation_report.drawn_cases(cases).values())
    volumes = {scores.uid: volumes for scores, volumes in scorer.score(drawn, "draw")}
    summary = evaluation_report.write(
        cases,
        volumes,
        manifest,
        _SPLIT.value,
        output_dir,
        page,
        inference,
        trained.targets.names,
    )
    print(evaluation_report.table(summary))
    for note in trained.resampling.notes_of_cases(inference["outside_trained_spacing"]):
        print(note)
    if trained.saved_steps is not None:
        print(f"early exit saved {inference['saved_steps']:.2f} steps a window")
    print(f"results: {output_dir}, and {output_dir / 'report.html'}")


if __name__ == "__main__":
    command_line.run(main)
