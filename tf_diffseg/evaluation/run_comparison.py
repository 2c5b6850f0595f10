"""Evaluations beside one another, case by case."""

import os

import numpy as np
from scipy import stats

from tf_diffseg.evaluation.means import nan_mean


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


def table(rows, names, metric):
    """The comparison as lines of text."""
    lines = [("class", "run", metric, "difference", "more/less", "p", "p (Holm)")]
    for row in rows:
        mean = "-" if row["mean"] is None else f"{row['mean']:.4f} ± {row['std']:.4f}"
        cells = [row["class"], names[row["run"]], mean]
        if "p" in row:
            cells += [
                f"{row['mean_difference']:+.4f}",
                f"{row['num_better']}/{row['num_worse']}",
                f"{row['p']:.3g}",
                f"{row['p_holm']:.3g}",
            ]
        lines.append((*cells, *[""] * (7 - len(cells))))
    widths = [max(len(line[i]) for line in lines) for i in range(7)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) for cell, width in zip(line, widths, strict=True)
        ).rstrip()
        for line in lines
    )


def short_names(folders):
    """Names of folders without what they have in common."""
    texts = [str(folder) for folder in folders]
    start = os.path.dirname(os.path.commonprefix([text + os.sep for text in texts]))
    short = [os.path.relpath(text, start) if start else text for text in texts]
    # One inside the other, or twice the same: nothing can be left out.
    return short if "." not in short else texts


def draw(path, tables, names, metric):
    """A dot for every case of every run, those of one case joined."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(
        figsize=(1.5 + 1.3 * len(tables) * len(tables[0]), 4.2), layout="constrained"
    )
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, len(tables[0]), sharey=True, squeeze=False)[0]
    place = np.arange(len(tables))
    for axis, name in zip(axes, tables[0], strict=True):
        values = np.array(
            [[table[name][uid] for uid in tables[0][name]] for table in tables]
        )
        axis.plot(place, values, color="#9aa4b1", linewidth=0.6, alpha=0.6)
        for run, column in enumerate(values):
            axis.plot(np.full(len(column), run), column, "o", markersize=4, alpha=0.7)
            axis.plot([run - 0.25, run + 0.25], [nan_mean(column)] * 2, color="#16191d")
        axis.set_title(name, parse_math=False)
        axis.set_xticks(place, names, rotation=20, ha="right", parse_math=False)
        axis.set_xlim(-0.5, len(tables) - 0.5)
        axis.grid(axis="y", alpha=0.3)
    axes[0].set_ylabel(metric)
    figure.savefig(path, dpi=150)
