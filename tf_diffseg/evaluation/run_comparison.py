"""Compares evaluations case by case."""

import numpy as np
from scipy import stats


def compare(tables):
    """Compares every run with the first.

    Args:
        tables: two or more results of `results_folder.read_values`.

    Returns:
        List of dicts, one for each class and run: `class`, `run` (its number), `mean`
        and `std` over the cases that both runs have, and `num_cases`. All but the first
        run also have `mean_difference` (run minus first), `num_better` and `num_worse`
        (cases with a higher and a lower value), `p` of the Wilcoxon test (1 if no case
        differs) and `p_holm`, corrected for the number of comparisons.
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
