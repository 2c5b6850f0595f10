"""Training strategies side by side: table, figures and plot."""

import numpy as np
from matplotlib.figure import Figure

from tf_diffseg.evaluation import metric_columns
from tf_diffseg.evaluation.means import foreground_mean
from tf_diffseg.evaluation.strategy_scores import METRICS
from tf_diffseg.text_table import markdown_table, number_text, spread_text
from tf_diffseg.whole_files import whole_files, write_json, write_text

_METRICS = [metric for metric in metric_columns.METRICS if metric.key in METRICS]


def table(rows):
    """Writes Markdown tables: scores per strategy and class, and Dice along the steps.

    Args:
        rows: list of `StrategyScores`.

    Returns:
        Text.
    """
    titles = [f"{metric.title_with_unit}, mean ± std" for metric in _METRICS]
    lines = [["strategy", "class", *titles]]
    for row in rows:
        spreads = [row.mean_and_std(metric.key) for metric in _METRICS]
        for index, name in enumerate(row.classes):
            cells = [
                spread_text(mean[index], std[index], metric.digits)
                for metric, (mean, std) in zip(_METRICS, spreads, strict=True)
            ]
            lines.append([row.strategy, name, *cells])
    num_steps = max(len(row.dice_per_step) for row in rows)
    steps = [["mean Dice after reverse", *(f"step {i + 1}" for i in range(num_steps))]]
    for row in rows:
        dice = [number_text(value, 4) for value in row.dice_per_step]
        steps.append([row.strategy, *dice])
    return f"{markdown_table(lines)}\n\n{markdown_table(steps)}\n"


def write(rows, output_dir):
    """Writes comparison.json, comparison.md and comparison.png.

    Args:
        rows: list of `StrategyScores`.
        output_dir: folder, made if it is missing.

    Raises:
        InputError: a file cannot be written; then no file is.
    """
    with whole_files() as whole:
        write_text(output_dir / "comparison.md", table(rows), whole)
        with whole(output_dir / "comparison.png") as path:
            _draw(rows, path)
        found = [_as_json(row) for row in rows]
        write_json(output_dir / "comparison.json", found, 2, whole)


def _as_json(row):
    figures = {name: {} for name in row.classes}
    for metric in METRICS:
        mean, std = row.mean_and_std(metric)
        for index, name in enumerate(row.classes):
            mean_and_std = {"mean": float(mean[index]), "std": float(std[index])}
            figures[name][metric] = mean_and_std
    return {
        "strategy": row.strategy,
        "training_minutes": round(row.training_minutes, 2),
        "num_cases": len(row.values["dice"]),
        "mean_dice_per_step": [float(dice) for dice in row.dice_per_step],
        "classes": figures,
    }


def _draw(rows, path):
    height = 1.6 + 0.55 * max(len(rows), 4)
    figure = Figure(figsize=(11, height), layout="constrained")
    case_axis, step_axis = figure.subplots(1, 2)
    names = [row.strategy.replace("_", " ") for row in rows]
    case_dice = [foreground_mean(row.values["dice"]) for row in rows]
    case_dice = [dice[~np.isnan(dice)] for dice in case_dice]
    case_axis.boxplot(case_dice, orientation="horizontal", showmeans=True, widths=0.6)
    case_axis.set_yticks(range(1, len(rows) + 1), names)
    case_axis.invert_yaxis()
    case_axis.set_xlabel("mean foreground Dice per case")
    case_axis.locator_params(axis="x", nbins=5)
    case_axis.grid(axis="x", alpha=0.3)
    for name, row in zip(names, rows, strict=True):
        steps = range(1, len(row.dice_per_step) + 1)
        if len(row.dice_per_step) == 1:
            step_axis.axhline(row.dice_per_step[0], ls="--", c="0.4", label=name)
        else:
            step_axis.plot(steps, row.dice_per_step, marker="o", label=name)
            step_axis.set_xticks(steps)
    step_axis.set_xlabel("reverse step")
    step_axis.set_ylabel("mean foreground Dice")
    step_axis.grid(alpha=0.3)
    step_axis.legend(fontsize="small", loc="center left", bbox_to_anchor=(1.0, 0.5))
    figure.savefig(path, dpi=120)
