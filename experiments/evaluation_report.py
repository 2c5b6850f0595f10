"""What an evaluation writes: tables and pictures."""

import csv
import json

import numpy as np

from data_tools.overlay import save_overlay

_COLUMNS = (
    "uid",
    "class_id",
    "class_name",
    "dice",
    "hd95_mm",
    "true_volume_ml",
    "predicted_volume_ml",
)


def write(cases, volumes, manifest, output_dir):
    """Writes metrics.json, metrics.csv and overlays, and prints the table.

    Args:
        cases: list of `CaseScores`.
        volumes: `CaseVolumes` by uid, of the `drawn_cases` at least.
        manifest: `Manifest` of the data.
        output_dir: folder, made where it is missing.
    """
    output_dir.mkdir(parents=True, exist_ok=True)
    summary = summarize(cases, manifest.class_names)
    _write_csv(output_dir / "metrics.csv", cases, manifest.class_names)
    _write_overlays(output_dir, cases, volumes, manifest.class_names)
    # Last, so that whoever finds it finds the rest.
    (output_dir / "metrics.json").write_text(json.dumps(summary, indent=2) + "\n")
    print(table(summary))
    print(f"results: {output_dir}")


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


def summarize(cases, class_names):
    """Means over cases, of the classes that are there.

    Args:
        cases: list of `CaseScores`.
        class_names: name per class id, background first.

    Returns:
        JSON-able dict: `mean_foreground_dice`, `mean_foreground_dice_per_step`,
        and under `classes` for each foreground class its means and in how many
        cases it was counted or absent; a mean of nothing is None.
    """
    dice_per_step = np.stack([case.dice_per_step for case in cases])
    step_means = _nan_mean(dice_per_step, axis=0)[:, 1:]
    hd95_mm = np.stack([case.hd95_mm for case in cases])
    classes = {}
    for class_id, name in list(enumerate(class_names))[1:]:
        is_counted = ~np.isnan(dice_per_step[:, -1, class_id])
        classes[name] = {
            "dice": _number(step_means[-1, class_id - 1]),
            "dice_std": _number(np.std(dice_per_step[is_counted, -1, class_id])),
            "dice_per_step": [_number(v) for v in step_means[:, class_id - 1]],
            "hd95_mm": _number(_nan_mean(hd95_mm[:, class_id])),
            "num_counted": int(is_counted.sum()),
            "num_absent": int((~is_counted).sum()),
        }
    return {
        "num_cases": len(cases),
        "mean_foreground_dice": _number(_nan_mean(step_means[-1])),
        "mean_foreground_dice_per_step": [
            _number(value) for value in _nan_mean(step_means, axis=1)
        ],
        "classes": classes,
    }


def table(summary):
    """The summary as lines of text."""
    rows = [("class", "Dice", "HD95 mm", "Dice after each reverse step")]
    for name, values in summary["classes"].items():
        rows.append(
            (
                name,
                f"{_text(values['dice'])} ± {_text(values['dice_std'])}",
                _text(values["hd95_mm"], 2),
                "  ".join(_text(value) for value in values["dice_per_step"]),
            )
        )
    rows.append(
        (
            "mean",
            _text(summary["mean_foreground_dice"]),
            "",
            "  ".join(
                _text(value) for value in summary["mean_foreground_dice_per_step"]
            ),
        )
    )
    widths = [max(len(row[i]) for row in rows) for i in range(4)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    ]
    return "\n".join([f"{summary['num_cases']} cases", *lines])


def _write_csv(path, cases, class_names):
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(_COLUMNS)
        rows = {class_id: [] for class_id in range(1, len(class_names))}
        for case in cases:
            for class_id, values in rows.items():
                values.append(
                    (
                        case.dice[class_id],
                        case.hd95_mm[class_id],
                        case.true_volume_ml[class_id],
                        case.predicted_volume_ml[class_id],
                    )
                )
                _write_row(writer, case.uid, class_id, class_names, values[-1])
        for class_id, values in rows.items():
            means = _nan_mean(np.array(values), axis=0)
            _write_row(writer, "mean", class_id, class_names, means)
        dice = [_nan_mean(np.array(values)[:, 0]) for values in rows.values()]
        writer.writerow(["mean", "", "foreground", _text(_nan_mean(np.array(dice)), 6)])


def _write_row(writer, uid, class_id, class_names, values):
    texts = ["" if np.isnan(value) else f"{value:.6g}" for value in values]
    writer.writerow([uid, class_id, class_names[class_id], *texts])


def _write_overlays(output_dir, cases, volumes, class_names):
    mean_dice = {case.uid: case.mean_dice for case in cases}
    for name, uid in drawn_cases(cases).items():
        case = volumes[uid]
        save_overlay(
            output_dir / f"{name}.png",
            case.image,
            case.ground_truth,
            case.predicted,
            case.spacing_mm,
            class_names,
            f"{name}: {uid}, mean Dice {mean_dice[uid]:.3f}",
        )


def _nan_mean(values, axis=None):
    """Mean of what is not NaN, NaN where there is nothing, without a warning."""
    count = np.sum(~np.isnan(values), axis=axis)
    total = np.nansum(values, axis=axis)
    return np.where(count, total / np.maximum(count, 1), np.nan)


def _number(value):
    return None if np.isnan(value) else round(float(value), 6)


def _text(value, digits=3):
    return "-" if value is None or np.isnan(value) else f"{value:.{digits}f}"
