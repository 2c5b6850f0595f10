"""The comparison of evaluations: table, figures and plot."""

import os

import numpy as np
from matplotlib.figure import Figure

from tf_diffseg.evaluation.means import nan_mean
from tf_diffseg.text_table import spread_text, text_table
from tf_diffseg.whole_files import whole_files, write_json


def table(rows, names, metric):
    """Writes the comparison as lines of text.

    Args:
        rows: result of `evaluation.run_comparison.compare`.
        names: names of the runs.
        metric: name of the compared metric.

    Returns:
        Text.
    """
    lines = [["class", "run", metric, "difference", "more/less", "p", "p (Holm)"]]
    for row in rows:
        mean = "-" if row["mean"] is None else spread_text(row["mean"], row["std"], 4)
        cells = [row["class"], names[row["run"]], mean]
        if "p" in row:
            cells += [
                f"{row['mean_difference']:+.4f}",
                f"{row['num_better']}/{row['num_worse']}",
                f"{row['p']:.3g}",
                f"{row['p_holm']:.3g}",
            ]
        lines.append(cells)
    return text_table(lines)


def short_names(folders):
    """Names of folders without the parent folders that they share."""
    texts = [str(folder) for folder in folders]
    start = os.path.dirname(os.path.commonprefix([text + os.sep for text in texts]))
    short = [os.path.relpath(text, start) if start else text for text in texts]
    # One folder is inside the other, or they are the same: nothing can be left out.
    return short if "." not in short else texts


def write(output_dir, rows, tables, names, found):
    """Writes comparison.json and comparison.png.

    Args:
        output_dir: folder, made if it is missing.
        rows: as in `table`.
        tables: result of `results_folder.read_values` for each run.
        names: names of the runs.
        found: JSON-able dict that says what was compared, with its `metric`.

    Raises:
        InputError: a file cannot be written; then no file is.
    """
    with whole_files() as whole:
        with whole(output_dir / "comparison.png") as path:
            draw(path, tables, names, found["metric"])
        write_json(output_dir / "comparison.json", {**found, "rows": rows}, 2, whole)


def draw(path, tables, names, metric):
    """Draws a dot for every case of every run; a line joins the dots of one case."""
    figure = Figure(
        figsize=(1.5 + 1.3 * len(tables) * len(tables[0]), 4.2), layout="constrained"
    )
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
