"""Trains a network for each fold, and scores every case by one that has not seen it."""

import dataclasses
import pathlib

from tf_diffseg.errors import InputError
from tf_diffseg.output_path import output_folder
from tf_diffseg.runs.equal_length import check_not_longer
from tf_diffseg.runs.folds.run_data import fold_dir
from tf_diffseg.runs.inference_options import InferenceOptions
from tf_diffseg.runs.run_folder import RunFolder
from tf_diffseg.runs.training import checked_plan
from tf_diffseg.whole_files import alone_in, write_text

DEFAULT_FOLDS = 5
RESULTS = "results"


def cross_validate(
    config,
    data_dir,
    output_dir,
    num_devices=None,
    memory_gib=None,
    viewer_mb=60.0,
    **options,
):
    """Trains and scores all folds, or goes on where that stopped.

    Args:
        config: `TrainConfig`; `folds` of 0 means 5, and `fold` is ignored.
        data_dir: folder of the shards and their manifest.
        output_dir: folder for a run folder per fold, `fold_0` and so on, and for the
            tables and the page in `results`. `load_segmenter` and others take it for
            the ensemble of all folds.
        num_devices: as in `train`.
        memory_gib: as in `train`.
        viewer_mb: largest size in MB of the volumes in report.html.
        **options: fields of `InferenceOptions`, such as num_samples.

    Returns:
        The summary, as in results/metrics.json.

    Raises:
        InputError: as in `train` and `evaluate_run`, there are fewer groups than folds,
            or the folder holds runs on other folds.
        TrainingStopped: as in `train`.
        WorkerLost: as in `train`.

    Example:
        >>> network = {"num_channels": (4,), "patch_shape": (8, 8, 8)}
        >>> config = TrainConfig(epochs=1, folds=2, **network)
        >>> summary = cross_validate(config, data_dir, "FOLDS")
        >>> len(summary["folds"])
        2
    """
    inference = InferenceOptions(**options)
    output_dir = _checked_output(output_dir, data_dir)
    num_folds = config.folds or DEFAULT_FOLDS
    plans = [
        checked_plan(
            dataclasses.replace(config, folds=num_folds, fold=fold),
            data_dir,
            fold_dir(output_dir, fold),
            memory_gib=memory_gib,
        )
        for fold in range(num_folds)
    ]
    for plan in plans:
        check_not_longer(f"fold {plan.config.fold}", plan)
    with alone_in("output_dir", output_dir):
        parts = [
            _train_and_score(plan, inference, num_devices, viewer_mb * 1e6)
            for plan in plans
        ]
        return _write(output_dir, plans[0], parts, inference, viewer_mb * 1e6)


def _checked_output(output_dir, data_dir):
    """Path of a folder for runs; raises InputError if it has another use."""
    output_dir = output_folder("output_dir", output_dir)
    if output_dir.resolve() == pathlib.Path(data_dir).resolve():
        raise InputError(
            f"output_dir={output_dir} is `data_dir`, name another",
            argument="output_dir",
        )
    if RunFolder(output_dir).config_path.is_file():
        raise InputError(
            f"output_dir={output_dir} holds a run, and is to hold a folder of one for "
            "each fold; name another",
            argument="output_dir",
        )
    return output_dir


def _train_and_score(plan, inference, num_devices, viewer_bytes):
    """`FoldScores` of one fold."""
    import keras

    from tf_diffseg.runs.folds.fold_scores import score_fold
    from tf_diffseg.runs.training_run import train_plan

    print(f"== fold {plan.config.fold} of {plan.config.folds}", flush=True)
    keras.backend.clear_session()
    train_plan(plan, num_devices=num_devices)
    return score_fold(plan, inference, viewer_bytes)


def _write(output_dir, plan, parts, inference, viewer_bytes):
    """Writes the results over all folds; returns the summary."""
    from tf_diffseg.evaluation.fold_summary import summarize_folds
    from tf_diffseg.evaluation.targets import targets_of
    from tf_diffseg.reports import evaluation_report, fold_report
    from tf_diffseg.reports.report_page import ReportPage

    targets = targets_of(plan.config, plan.manifest)
    split = f"{len(parts)} folds"
    page = ReportPage(plan.manifest, targets, split, viewer_bytes)
    for fold, part in enumerate(parts):
        page.extend(part.entries, fold)
    saved_steps = [part.saved_steps for part in parts if part.saved_steps is not None]
    summary = evaluation_report.write(
        sum((part.cases for part in parts), []),
        {},
        plan.manifest,
        split,
        output_dir / RESULTS,
        page,
        {
            "checkpoints": [part.checkpoint for part in parts],
            **dataclasses.asdict(inference),
            "saved_steps": sum(saved_steps) / len(parts) if saved_steps else None,
            "outside_trained_spacing": sum((part.outside_uids for part in parts), []),
        },
        targets.names,
        summarize_folds([part.cases for part in parts], targets.names),
    )
    path = output_dir / RESULTS / "cross_validation.md"
    write_text(path, fold_report.tables(summary))
    return summary
