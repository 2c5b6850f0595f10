"""Scores the runs of an ablation, each once, and reads the scores again."""

import pathlib

from tf_diffseg.evaluation.arm_scores import ArmScores
from tf_diffseg.evaluation.results_folder import read_values
from tf_diffseg.evaluation.strategy_scores import METRICS
from tf_diffseg.runs.ablation.clock import training_seconds
from tf_diffseg.runs.inference_options import InferenceOptions
from tf_diffseg.runs.trained_models import TrainedModels
from tf_diffseg.text import read_json

# Of a folder of scores, written last.
SCORES = "metrics.json"


def score_run(run_folder, manifest, data_dir, split, output_dir):
    """Writes the scores of a run on a split, without pictures.

    Args:
        run_folder: `RunFolder` of a trained run.
        manifest: `Manifest` of the data.
        data_dir: folder of the shards.
        split: name of the split.
        output_dir: `pathlib.Path` of the folder to write to.

    Raises:
        InputError: as in `evaluation.evaluate_run`.
    """
    from tf_diffseg.reports import evaluation_report
    from tf_diffseg.runs.evaluation import scorer_of

    trained = TrainedModels([run_folder], InferenceOptions())
    trained.check_data(manifest, split)
    scorer = scorer_of(trained, manifest, manifest.shard_paths(data_dir, split))
    uids = set(manifest.split(split).uids)
    cases = [scores for scores, _ in scorer.score(uids)]
    names = trained.targets.names
    evaluation_report.write(cases, {}, manifest, split, output_dir, target_names=names)


def read_arm(arm, steps, run_and_score_folders):
    """Reads the `ArmScores` of an `Arm`.

    Args:
        arm: the `Arm`.
        steps: training steps of each run.
        run_and_score_folders: pairs of a run's folder and the folder of its scores, one
            for each seed.
    """
    runs, scores = zip(*run_and_score_folders, strict=True)
    seconds = map(training_seconds, runs)
    summaries = [read_json(pathlib.Path(folder) / SCORES) for folder in scores]
    return ArmScores(
        arm.names,
        arm.changes,
        steps,
        [None if each is None else round(each / 60, 2) for each in seconds],
        {name: [read_values(folder, name) for folder in scores] for name in METRICS},
        [summary["mean_foreground_dice_per_step"] for summary in summaries],
    )
