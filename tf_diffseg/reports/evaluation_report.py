"""What an evaluation writes: tables, pictures and a page."""

import csv

import numpy as np

from tf_diffseg.evaluation.evaluation_summary import summarize
from tf_diffseg.evaluation.means import nan_mean
from tf_diffseg.evaluation.metric_columns import METRICS, metric_values
from tf_diffseg.evaluation.results_folder import FOREGROUND, data_of
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
):
    """Writes metrics.csv, overlays, report.html and metrics.json.

    Args:
        cases: list of `CaseScores`.
        volumes: `CaseVolumes` by uid, of the `drawn_cases` at least.
        manifest: `Manifest` of the data.
        split: name of the split that the cases are.
        output_dir: folder, made where it is missing.
        page: a `ReportPage` that all cases were added to, or None for no page.
        inference: JSON-able dict that tells how the cases were segmented.
        target_names: what was scored, background first; the classes, unless the
            network told regions of them apart.

    Returns:
        The summary, as metrics.json has it.

    Raises:
        InputError: a file cannot be written; then none is.
    """
    names = target_names or manifest.class_names
    summary = summarize(cases, names)
    summary["data"] = data_of(manifest, split)
    if inference:
        summary["inference"] = inference
    with whole_files() as whole:
        with whole(output_dir / "metrics.csv") as path:
            _write_csv(path, cases, names, summary)
        for name, uid in drawn_cases(cases).items():
            with whole(output_dir / f"{name}.png") as path:
                _draw(path, name, uid, cases, volumes[uid], manifest)
        if page is not None:
            write_text(output_dir / "report.html", page.html(summary), whole)
        # Last, so that whoever finds it finds the rest.
        write_json(output_dir / "metrics.json", summary, 2, whole)
    return summary


def drawn_cases(cases):
    """Which cases are drawn.

    Args:
        cases: list of `CaseScores`.

    Returns:
        Dict from "worst", "median" and "best" to uids, by mean Dice; empty where
        no case has one.
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
        rows.append(
            [
                name,
                spread_text(values["dice"], values["dice_std"]),
                number_text(values["hd95_mm"], 2),
                "  ".join(map(number_text, values["dice_per_step"])),
            ]
        )
    mean_dice = number_text(summary["mean_foreground_dice"])
    per_step = map(number_text, summary["mean_foreground_dice_per_step"])
    rows.append(["mean", mean_dice, "", "  ".join(per_step)])
    lines = [f"{summary['num_cases']} cases", text_table(rows), *_ignored(summary)]
    return "\n".join(lines)


def _ignored(summary):
    """What was left out of the scores, in a line; none where nothing was."""
    ignored = summary["ignored"]
    if not ignored["voxels"]:
        return []
    return [
        f"{ignored['voxels']} voxels of {ignored['cases']} case(s) have no true class "
        "and are in no score"
    ]


def _write_csv(path, cases, class_names, summary):
    keys = [metric.key for metric in METRICS]
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["uid", "class_id", "class_name", *keys])
        rows = {class_id: [] for class_id in range(1, len(class_names))}
        for case in cases:
            found = metric_values(case)
            for class_id, values in rows.items():
                values.append([found[key][class_id] for key in keys])
                _write_row(writer, case.uid, class_id, class_names, values[-1])
        for class_id, values in rows.items():
            means = nan_mean(values, axis=0)
            _write_row(writer, "mean", class_id, class_names, means)
        foreground = number_text(summary["mean_foreground_dice"], 6)
        writer.writerow(["mean", "", FOREGROUND, foreground])


def _write_row(writer, uid, class_id, class_names, values):
    texts = ["" if np.isnan(value) else f"{value:.6g}" for value in values]
    writer.writerow([uid, class_id, class_names[class_id], *texts])


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
