"""Scores of a trained run on the cases of a split."""

import dataclasses

from tf_diffseg.data.shard_counts import check_counts
from tf_diffseg.quiet import load_tensorflow
from tf_diffseg.runs.inference_options import InferenceOptions
from tf_diffseg.runs.trained_models import TrainedModels, paths_with


def evaluate_run(model_dir, data_dir, split="test", ensemble_with=(), **options):
    """Scores a run on a split.

    Args:
        model_dir: folder of a training run, or a checkpoint in it.
        data_dir: folder that `data_tools.convert_nifti` wrote.
        split: name of a split with no training case of the run, or "train". For a run
            on a fold, "validation" are the cases of that fold.
        ensemble_with: one or several further runs or checkpoints for an ensemble.
        **options: fields of `InferenceOptions`, such as num_samples and seed.

    Returns:
        List of `CaseScores`, in the order of the shards.

    Raises:
        InputError: a folder cannot be used, data and run do not fit, or an option is
            out of range.

    Example:
        >>> scores = evaluate_run(run, data_dir, split="test")
        >>> dice = [case.mean_dice for case in scores]
    """
    trained = TrainedModels(
        paths_with(model_dir, ensemble_with), InferenceOptions(**options)
    )
    manifest = trained.read_data(data_dir, split)
    scorer = scorer_of(trained, manifest, manifest.shard_paths(data_dir, split))
    return [scores for scores, _ in scorer.score(set(manifest.split(split).uids))]


def evaluate_to_folder(trained, data_dir, split, output_dir, viewer_mb=60.0):
    """Scores models on a split, and writes tables, pictures and a page.

    It checks all it can before it loads TensorFlow.

    Args:
        trained: `TrainedModels`.
        data_dir: folder of the shards and their manifest.
        split: as in `evaluate_run`.
        output_dir: `pathlib.Path` of the folder to write to.
        viewer_mb: largest size in MB of the volumes in report.html.

    Returns:
        The summary, as in metrics.json.

    Raises:
        InputError: as in `evaluate_run`, or a file cannot be written.
    """
    manifest = trained.read_data(data_dir, split)
    shard_paths = manifest.shard_paths(data_dir, split)
    load_tensorflow()
    from tf_diffseg.reports import evaluation_report
    from tf_diffseg.reports.report_page import ReportPage

    scorer = scorer_of(trained, manifest, shard_paths)
    page = ReportPage(manifest, trained.targets, split, viewer_mb * 1e6)
    cases = []
    for scores, volumes in scorer.score(set(manifest.split(split).uids)):
        cases.append(scores)
        page.add(scores, volumes)
    inference = {
        "checkpoints": [str(path) for path in trained.checkpoints],
        **dataclasses.asdict(trained.options),
        "saved_steps": trained.saved_steps,
        "outside_trained_spacing": list(scorer.outside_uids),
    }
    # The few drawn cases are segmented again: all volumes would take too much memory.
    drawn = set(evaluation_report.drawn_cases(cases).values())
    volumes = {scores.uid: volumes for scores, volumes in scorer.score(drawn, "draw")}
    return evaluation_report.write(
        cases,
        volumes,
        manifest,
        split,
        output_dir,
        page,
        inference,
        trained.targets.names,
    )


def scorer_of(trained, manifest, shard_paths):
    """`CaseScorer` of `TrainedModels`; raises InputError like `check_counts`."""
    from tf_diffseg.evaluation.case_scorer import CaseScorer

    check_counts(manifest, shard_paths)
    options, progress = trained.options, trained.window_progress()
    return CaseScorer(
        trained.segmenter(with_steps=True, progress=progress),
        trained.targets,
        shard_paths,
        options.num_samples,
        options.seed,
        options.batch_size,
        options.post_processing(
            trained.manifest.class_names, trained.targets.written_regions
        ),
        trained.resampling,
        manifest.ignored_id,
        progress,
    )
