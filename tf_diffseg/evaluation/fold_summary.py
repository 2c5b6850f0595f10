"""Figures of a cross-validation beside those over all cases."""

import numpy as np

from tf_diffseg.evaluation.evaluation_summary import number, summarize

_NUM_WORST = 5


def summarize_folds(cases_of_folds, class_names):
    """Summarizes each fold, and names the worst cases of all.

    Args:
        cases_of_folds: for each fold the list of `CaseScores` of the cases that its
            network has not seen.
        class_names: names of the targets, background first.

    Returns:
        JSON-able dict. `folds`: for each the dict of `summarize`, with its number as
        `fold`. `worst_cases`: `uid`, `fold`, `mean_dice` and `dice` by target of the
        cases with the lowest mean Dice, the worst first.
    """
    scored = [
        (case, fold) for fold, cases in enumerate(cases_of_folds) for case in cases
    ]
    ranked = sorted(
        (pair for pair in scored if not np.isnan(pair[0].mean_dice)),
        key=lambda pair: pair[0].mean_dice,
    )
    return {
        "folds": [
            {"fold": fold, **summarize(cases, class_names)}
            for fold, cases in enumerate(cases_of_folds)
        ],
        "worst_cases": [
            {
                "uid": case.uid,
                "fold": fold,
                "mean_dice": number(case.mean_dice),
                "dice": dict(
                    zip(class_names[1:], map(number, case.dice[1:]), strict=True)
                ),
            }
            for case, fold in ranked[:_NUM_WORST]
        ],
    }
