"""Evaluations beside one another, case by case."""

import numpy as np
from scipy import stats


def compare(tables):
    """Holds every run against the first.

    Args:
        tables: of `results_folder.read_values`, two or more.

    Returns:
        List of dicts, one for each class and run: `class`, `run` (its number),
        `mean` and `std` of the cases that both have, `num_cases`, and but for the
        first `mean_difference` (run less first), `num_better` and `num_worse` (cases
        with more and with less), `p` of the Wilcoxon test and `p_holm`, corrected
        for the number of comparisons. p is 1 where no case differs.
    """
    rows = []
    for name, first in tables[0].items():
        uids = list(first)
        columns = np.array([[values[name][uid] for uid in uids] for values in tables])
        for run, column in enumerate(columns):
            is_there = ~np.isnan(column + columns[0])
            values, before = column[is_there], columns[0][is_there]
            row = {
                "class": name,
                "run": run,
                "mean": float(values.mean()) if values.size else None,
                "std": float(values.std()) if values.size else None,
                "num_cases": int(values.size),
            }
            if run and values.size:
                difference = values - before
                p = stats.wilcoxon(difference).pvalue if difference.any() else 1.0
                row |= {
                    "mean_difference": float(difference.mean()),
                    "num_better": int((difference > 0).sum()),
                    "num_worse": int((difference < 0).sum()),
                    "p": float(p),
                }
            rows.append(row)
    tested = sorted((row for row in rows if "p" in row), key=lambda row: row["p"])
    largest = 0.0
    for rank, row in enumerate(tested):
        largest = max(largest, min(1.0, row["p"] * (len(tested) - rank)))
        row["p_holm"] = largest
    return rows
