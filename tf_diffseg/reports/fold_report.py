"""The tables of a cross-validation."""

import numpy as np

from tf_diffseg.text_table import markdown_table, number_text, spread_text


def tables(summary):
    """Markdown tables: each fold and all cases, and the worst cases.

    Args:
        summary: as in the metrics.json of a cross-validation.

    Returns:
        Text.
    """
    return f"{_folds_table(summary)}\n\n{_worst_table(summary)}\n"


def _folds_table(summary):
    names = list(summary["classes"])
    digits = [3] * (1 + len(names)) + [2] * len(names)
    of_folds = [_figures(fold) for fold in summary["folds"]]
    means = [_mean_and_std(column) for column in zip(*of_folds, strict=True)]
    of_cases = [(summary["mean_foreground_dice"], None)]
    for key in ("dice", "hd95_mm"):
        figures = [found["metrics"][key] for found in summary["classes"].values()]
        of_cases += [(figure["mean"], figure["std"]) for figure in figures]
    rows = [
        [
            "validated",
            "cases",
            "foreground Dice",
            *(f"{name} Dice" for name in names),
            *(f"{name} HD95 mm" for name in names),
        ]
    ]
    for fold, figures in zip(summary["folds"], of_folds, strict=True):
        texts = map(number_text, figures, digits)
        rows.append([f"fold {fold['fold']}", str(fold["num_cases"]), *texts])
    rows.append(["folds, mean ± std", "", *map(_spread, means, digits)])
    cases = str(summary["num_cases"])
    rows.append(["cases, mean ± std", cases, *map(_spread, of_cases, digits)])
    return markdown_table(rows)


def _figures(summary):
    """Foreground Dice, Dice of each class, HD95 of each class; None if not defined."""
    classes = summary["classes"].values()
    return [
        summary["mean_foreground_dice"],
        *(found["dice"] for found in classes),
        *(found["hd95_mm"] for found in classes),
    ]


def _mean_and_std(values):
    known = [value for value in values if value is not None]
    return (np.mean(known), np.std(known)) if known else (None, None)


def _spread(mean_and_std, digits):
    mean, std = mean_and_std
    if std is None:
        return number_text(mean, digits)
    return spread_text(mean, std, digits)


def _worst_table(summary):
    names = list(summary["classes"])
    rows = [["worst cases", "fold", "mean Dice", *(f"{name} Dice" for name in names)]]
    for case in summary["worst_cases"]:
        dice = [case["mean_dice"], *(case["dice"][name] for name in names)]
        rows.append([case["uid"], str(case["fold"]), *map(number_text, dice)])
    return markdown_table(rows)
