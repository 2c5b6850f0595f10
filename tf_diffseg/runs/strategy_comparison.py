"""Training strategies side by side: runs, table and plot."""

import dataclasses
import json
import time

import keras
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from tf_diffseg.errors import InputError
from tf_diffseg.evaluation.means import foreground_mean, nan_mean
from tf_diffseg.evaluation.metric_columns import TOLERANCES_MM, metric_values
from tf_diffseg.evaluation.targets import targets_of
from tf_diffseg.runs.evaluation import evaluate_run
from tf_diffseg.runs.training_run import STOPPED, build_network, train

_SURFACE_DICE = f"surface_dice_{TOLERANCES_MM[0]:g}mm"
_METRICS = {
    "dice": ("Dice", 3),
    "hd95_mm": ("HD95 mm", 2),
    _SURFACE_DICE: (f"surface Dice {TOLERANCES_MM[0]:g} mm", 3),
}


@dataclasses.dataclass(frozen=True)
class StrategyScores:
    """How one strategy did.

    Attributes:
        strategy: its name.
        training_minutes: wall time of this call's training, 0 where it was done.
        classes: name per foreground class.
        values: dict from "dice", "hd95_mm" and surface Dice to an array [cases,
            foreground classes], NaN where a class is neither there nor predicted.
        dice_per_step: [steps], mean over the cases of their `foreground_mean` after
            each reverse step.
    """

    strategy: str
    training_minutes: float
    classes: list[str]
    values: dict[str, np.ndarray]
    dice_per_step: np.ndarray

    def mean_and_std(self, metric):
        """Mean and standard deviation over cases, two arrays [foreground classes]."""
        values = self.values[metric]
        return nan_mean(values, axis=0), np.nanstd(values, axis=0)


def check(configs, manifest):
    """Builds the network of each strategy, so that none fails after hours.

    Args:
        configs: dict from strategy to `TrainConfig`.
        manifest: `Manifest` of the data.

    Raises:
        InputError: a strategy cannot be trained with these values.
    """
    for strategy, config in configs.items():
        try:
            build_network(config, manifest)
        except InputError as error:
            reason = str(error).removeprefix("config: ")
            raise InputError(f"--strategies={strategy}: {reason}") from error


def train_and_score(
    strategy, config, run_folder, manifest, shard_paths, data_dir, split
):
    """Trains a strategy, or goes on with it, and scores it on a split.

    Args:
        strategy: its name.
        config: `TrainConfig` with that strategy.
        run_folder: `RunFolder` of its run.
        manifest: `Manifest` of the data.
        shard_paths: as from `tf_diffseg.runs.training_shards`.
        data_dir: folder of the shards.
        split: name of the split to score on.

    Returns:
        `StrategyScores`.

    Raises:
        InputError: values do not fit one another, or the folder's run.
    """
    print(f"== {strategy}", flush=True)
    keras.backend.clear_session()
    started = time.monotonic()
    if train(config, manifest, shard_paths, run_folder) == STOPPED:
        raise SystemExit(STOPPED)
    minutes = (time.monotonic() - started) / 60.0
    cases = evaluate_run(run_folder.path, data_dir, split)
    metrics = [metric_values(case) for case in cases]
    dice_per_step = np.stack([case.dice_per_step for case in cases])
    return StrategyScores(
        strategy=strategy,
        training_minutes=minutes,
        classes=targets_of(config, manifest).names[1:],
        values={
            name: np.stack([case[name][1:] for case in metrics]) for name in _METRICS
        },
        dice_per_step=nan_mean(foreground_mean(dice_per_step[..., 1:]), axis=0),
    )


def table(rows):
    """A Markdown table: a row per strategy and class, and Dice along the steps.

    Args:
        rows: list of `StrategyScores`.

    Returns:
        Text.
    """
    titles = [f"{title}, mean ± std" for title, _ in _METRICS.values()]
    lines = [_line(["strategy", "class", *titles]), _line(["---"] * 5)]
    for row in rows:
        for index, name in enumerate(row.classes):
            cells = []
            for metric, (_, digits) in _METRICS.items():
                mean, std = (each[index] for each in row.mean_and_std(metric))
                cells.append(f"{mean:.{digits}f} ± {std:.{digits}f}")
            lines.append(_line([row.strategy, name, *cells]))
    num_steps = max(len(row.dice_per_step) for row in rows)
    steps = [f"step {step + 1}" for step in range(num_steps)]
    lines += ["", _line(["mean Dice after reverse", *steps])]
    lines.append(_line(["---"] * (1 + num_steps)))
    for row in rows:
        cells = [f"{dice:.4f}" for dice in row.dice_per_step]
        cells += [""] * (num_steps - len(cells))
        lines.append(_line([row.strategy, *cells]))
    return "\n".join(lines) + "\n"


def _line(cells):
    return "| " + " | ".join(cells) + " |"


def write(rows, output_dir):
    """Writes comparison.json, comparison.md and comparison.png.

    Args:
        rows: list of `StrategyScores`.
        output_dir: folder, made if missing.
    """
    output_dir.mkdir(parents=True, exist_ok=True)
    (output_dir / "comparison.md").write_text(table(rows), encoding="utf-8")
    found = json.dumps([_as_json(row) for row in rows], indent=2)
    (output_dir / "comparison.json").write_text(found + "\n", encoding="utf-8")
    _draw(rows, output_dir / "comparison.png")


def _as_json(row):
    figures = {}
    for metric in _METRICS:
        mean, std = row.mean_and_std(metric)
        for index, name in enumerate(row.classes):
            of_class = figures.setdefault(name, {})
            of_class[metric] = {"mean": float(mean[index]), "std": float(std[index])}
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
    FigureCanvasAgg(figure)
    of_cases, of_steps = figure.subplots(1, 2)
    names = [row.strategy.replace("_", " ") for row in rows]
    case_means = [foreground_mean(row.values["dice"]) for row in rows]
    case_means = [means[~np.isnan(means)] for means in case_means]
    of_cases.boxplot(case_means, orientation="horizontal", showmeans=True, widths=0.6)
    of_cases.set_yticks(range(1, len(rows) + 1), names)
    of_cases.invert_yaxis()
    of_cases.set_xlabel("mean foreground Dice per case")
    of_cases.locator_params(axis="x", nbins=5)
    of_cases.grid(axis="x", alpha=0.3)
    for name, row in zip(names, rows, strict=True):
        steps = range(1, len(row.dice_per_step) + 1)
        if len(row.dice_per_step) == 1:
            of_steps.axhline(row.dice_per_step[0], ls="--", c="0.4", label=name)
        else:
            of_steps.plot(steps, row.dice_per_step, marker="o", label=name)
            of_steps.set_xticks(steps)
    of_steps.set_xlabel("reverse step")
    of_steps.set_ylabel("mean foreground Dice")
    of_steps.grid(alpha=0.3)
    of_steps.legend(fontsize="small", loc="center left", bbox_to_anchor=(1.0, 0.5))
    figure.savefig(path, dpi=120)
