"""Scores label maps of several methods in one way, and writes what comes out."""

import numpy as np

from tf_diffseg.errors import InputError
from tf_diffseg.evaluation.evaluation_summary import bootstrap_interval
from tf_diffseg.evaluation.results_folder import FOREGROUND, with_foreground
from tf_diffseg.evaluation.run_comparison import compare
from tf_diffseg.evaluation.target_dice import dice_of_targets
from tf_diffseg.reports.run_comparison import draw
from tf_diffseg.text_table import markdown_table
from tf_diffseg.volumes.volume_files import read_label
from tf_diffseg.whole_files import whole_files, write_json, write_text


def dice_of_labels(cases, folder, class_names):
    """Dice of label maps on the grids of the ground truth.

    Args:
        cases: list of dicts with `uid` and `label`, the path of the ground truth.
        folder: `pathlib.Path` of the folder of `UID.nii.gz`.
        class_names: background first.

    Returns:
        Dict from class name, or "foreground", to dict from uid to Dice; 1 if neither
        label map has the class, so that all methods are scored on the same cases.

    Raises:
        InputError: a label map is missing, or on another grid.
    """
    ids = [(class_id,) for class_id in range(1, len(class_names))]
    values = {name: {} for name in class_names[1:]}
    for case in cases:
        path = folder / f"{case['uid']}.nii.gz"
        truth, label = read_label(case["label"]), read_label(path)
        if truth.array.shape != label.array.shape or not np.allclose(
            truth.affine, label.affine, atol=1e-3
        ):
            raise InputError(f"{path} is on another grid than {case['label']}")
        dice = dice_of_targets(truth.array, label.array, ids)
        for name, value in zip(values, dice[1:], strict=True):
            values[name][case["uid"]] = 1.0 if np.isnan(value) else float(value)
    return with_foreground(values)


def comparison(folder, jobs, results):
    """Scores the label maps of methods, and compares them with those of the first.

    Args:
        folder: `pathlib.Path` of the folder of `METHOD/labels/UID.nii.gz`.
        jobs: dict from the name of a method to its job, see `jobs.make_jobs`.
        results: dict from the name of a method to what it took, see
            `jobs.read_results`.

    Returns:
        JSON-able dict: `methods`, with the results of each, its `dice` of each case,
        `ci95` of its mean foreground Dice and its `worst` case; and `rows` of
        `run_comparison.compare`, with the name of the method as `run`.

    Raises:
        InputError: as `dice_of_labels`.
    """
    tables = {
        name: dice_of_labels(job["test"], folder / name / "labels", job["class_names"])
        for name, job in jobs.items()
    }
    names = list(tables)
    rows = [{**row, "run": names[row["run"]]} for row in compare(list(tables.values()))]
    methods = {}
    for name, table in tables.items():
        of_cases = list(table[FOREGROUND].values())
        methods[name] = {
            **results[name],
            "ci95": bootstrap_interval(np.array(of_cases)),
            "worst": float(np.nanmin(of_cases)),
            "dice": table,
        }
    return {"methods": methods, "rows": rows}


def table(compared):
    """The comparison as a table in Markdown."""
    found = {(row["run"], row["class"]): row for row in compared["rows"]}
    classes = list(dict.fromkeys(row["class"] for row in compared["rows"]))
    foreground, *others = sorted(classes, key=lambda name: name != FOREGROUND)
    lines = [
        [
            *("method", "versions", "steps", "training", "preparing", "predicting"),
            *(f"Dice {name}" for name in others),
            *("mean (95 %)", "worst case", "difference", "more/less", "p (Holm)"),
        ]
    ]
    for name, method in compared["methods"].items():
        row = found[name, foreground]
        interval = "–".join(f"{value:.3f}" for value in method["ci95"] or ())
        tested = ["", "", ""]
        if "p_holm" in row:
            tested = [
                f"{row['mean_difference']:+.4f}",
                f"{row['num_better']}/{row['num_worse']}",
                f"{row['p_holm']:.2g}",
            ]
        lines.append(
            [
                name,
                ", ".join(" ".join(pair) for pair in method["versions"].items()),
                str(method["steps"]),
                *(
                    f"{method[f'{part}_seconds']:.0f} s"
                    for part in ("training", "preparing", "predicting")
                ),
                *(f"{found[name, other]['mean']:.4f}" for other in others),
                f"{row['mean']:.4f} ({interval})",
                f"{method['worst']:.3f}",
                *tested,
            ]
        )
    return markdown_table(lines)


def write(folder, compared, job):
    """Writes comparison.json, comparison.md and comparison.png into a folder.

    Args:
        folder: `pathlib.Path`.
        compared: result of `comparison`.
        job: one of the jobs, which tells what was compared.
    """
    about = {name: job[name] for name in ("dataset", "minutes", "cores")}
    about |= {"num_train": len(job["train"]), "num_test": len(job["test"])}
    tables = [method["dice"] for method in compared["methods"].values()]
    with whole_files() as whole:
        with whole(folder / "comparison.png") as path:
            draw(path, tables, list(compared["methods"]), "Dice")
        write_text(folder / "comparison.md", table(compared) + "\n", whole)
        write_json(folder / "comparison.json", {**about, **_plain(compared)}, 2, whole)


def _plain(value):
    """The value with None for NaN, which JSON does not have."""
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_plain(part) for part in value]
    return None if isinstance(value, float) and np.isnan(value) else value
