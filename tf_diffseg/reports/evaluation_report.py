"""The files that an evaluation writes: tables, pictures and a page."""

import csv

import numpy as np

from tf_diffseg.evaluation.evaluation_summary import summarize
from tf_diffseg.evaluation.means import nan_mean
from tf_diffseg.evaluation.metric_columns import METRICS, metric_values
from tf_diffseg.evaluation.results_folder import FOREGROUND, data_of, metric_text
from tf_diffseg.reports.overlay import save_overlay
from tf_diffseg.text_table import number_text, spread_text, text_table
from tf_diffseg.whole_files import whole_files, write_json, write_text


def write(
    cases,
    volumes,
    manifest,
    split,
    output_dir,
    page=None,
    inference=None,
    target_names=None,
    more=None,
):
    """Writes metrics.csv, overlays, report.html and metrics.json.

    Args:
        cases: list of `CaseScores`.
        volumes: dict from uid to `CaseVolumes`, at least of the `drawn_cases`; empty
            for no overlays.
        manifest: `Manifest` of the data.
        split: name of the split of the cases.
        output_dir: folder, made if it is missing.
        page: a `ReportPage` with all cases, or None for no page.
        inference: JSON-able dict that says how the cases were segmented.
        target_names: names of the scored targets, background first; None for the
            classes.
        more: dict of what else the summary holds, or None.

    Returns:
        The summary, as in metrics.json.

    Raises:
        InputError: a file cannot be written; then no file is.
    """
    names = target_names or manifest.class_names
    summary = summarize(cases, names)
    summary["data"] = data_of(manifest, split)
    summary |= more or {}
    if inference:
        summary["inference"] = inference
    with whole_files() as whole:
        with whole(output_dir / "metrics.csv") as path:
            _write_csv(path, cases, names, summary)
        for name, uid in drawn_cases(cases).items() if volumes else ():
            with whole(output_dir / f"{name}.png") as path:
                _draw(path, name, uid, cases, volumes[uid], manifest)
        if page is not None:
            write_text(output_dir / "report.html", page.html(summary), whole)
        # Last, so that the other files exist if this one does.
        write_json(output_dir / "metrics.json", summary, 2, whole)
    return summary


def drawn_cases(cases):
    """Chooses the cases to draw.

    Args:
        cases: list of `CaseScores`.

    Returns:
        Dict from "worst", "median" and "best" to uids, by mean Dice; empty if no case
        has one.
    """
    ranked = sorted(
        (case for case in cases if not np.isnan(case.mean_dice)),
        key=lambda case: case.mean_dice,
    )
    if not ranked:
        return {}
    chosen = {"worst": 0, "median": len(ranked) // 2, "best": -1}
    return {name: ranked[index].uid for name, index in chosen.items()}


def table(summary):
    """The summary as lines of text."""
    rows = [["class", "Dice", "HD95 mm", "Dice after each reverse step"]]
    for name, values in summary["classes"].items():
        dice = spread_text(values["dice"], values["dice_std"])
        steps = "  ".join(map(number_text, values["dice_per_step"]))
        rows.append([name, dice, number_text(values["hd95_mm"], 2), steps])
    mean_dice = number_text(summary["mean_foreground_dice"])
    per_step = map(number_text, summary["mean_foreground_dice_per_step"])
    rows.append(["mean", mean_dice, "", "  ".join(per_step)])
    lines = [f"{summary['num_cases']} cases", text_table(rows)]
    ignored = summary["ignored"]
    if ignored["voxels"]:
        lines.append(
            f"{ignored['voxels']} voxels of {ignored['cases']} case(s) have no true "
            "class and are in no score"
        )
    return "\n".join(lines)


def _write_csv(path, cases, class_names, summary):
    keys = [metric.key for metric in METRICS]
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["uid", "class_id", "class_name", *keys])
        tables = []  # [classes, metrics] of each case
        for case in cases:
            values = metric_values(case)
            tables.append(np.stack([values[key] for key in keys], axis=1))
        means = nan_mean(tables, axis=0)
        uids = [case.uid for case in cases]
        for uid, table in zip([*uids, "mean"], [*tables, means], strict=True):
            for class_id, name in enumerate(class_names[1:], start=1):
                texts = list(map(metric_text, table[class_id]))
                writer.writerow([uid, class_id, name, *texts])
        foreground = number_text(summary["mean_foreground_dice"], 6)
        writer.writerow(["mean", "", FOREGROUND, foreground])


def _draw(path, name, uid, cases, drawn, manifest):
    (mean_dice,) = (case.mean_dice for case in cases if case.uid == uid)
    save_overlay(
        path,
        drawn.image,
        drawn.ground_truth,
        drawn.predicted,
        drawn.spacing_mm,
        manifest.class_names,
        f"{name}: {uid}, mean Dice {mean_dice:.3f}",
        ignored_id=manifest.ignored_id,
    )
