"""The arms of an ablation: tables, plot, Markdown and a page."""

import base64
import html
import io

import numpy as np
from matplotlib.figure import Figure

from tf_diffseg.evaluation import metric_columns
from tf_diffseg.evaluation.means import nan_mean
from tf_diffseg.evaluation.results_folder import FOREGROUND
from tf_diffseg.evaluation.strategy_scores import METRICS
from tf_diffseg.text_table import html_table, markdown_table, number_text, spread_text
from tf_diffseg.whole_files import whole_files, write_json, write_text

_METRICS = [metric for metric in metric_columns.METRICS if metric.key in METRICS]
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 80rem;
  padding: 0 1rem; color: #16191d; background: #fff }
div { overflow-x: auto }
table { border-collapse: collapse; font-variant-numeric: tabular-nums }
th, td { border-bottom: 1px solid #d4d9df; padding: 0.3rem 0.7rem; text-align: left;
  white-space: nowrap }
td:first-child { white-space: normal }
img { max-width: 100% }
"""


def table(rows):
    """The main table: a row for each arm.

    Args:
        rows: result of `compare_arms`.

    Returns:
        Rows of texts, for `markdown_table` and others.
    """
    titles = ["arm", "steps", "minutes", "Dice", "± seeds", "± cases", "worst case"]
    titles += ["step 1", "difference ± seeds", "more/less", "p", "p (Holm)"]
    return [titles, *map(_row, rows)]


def _row(row):
    minutes = nan_mean([np.nan if m is None else m for m in row["minutes"]])
    cells = [
        " = ".join(row["names"]),
        str(row["steps"]),
        number_text(minutes, 1),
        *(
            number_text(row[name], 4)
            for name in ("mean", "std_seeds", "std_cases", "worst")
        ),
        number_text(row["dice_per_step"][0], 4),
    ]
    if "p" in row:
        difference = f"{row['difference']:+.4f}"
        spread = number_text(row["difference_std_seeds"], 4)
        cells += [
            f"{difference} ± {spread}",
            f"{row['num_better']}/{row['num_worse']}",
            f"{row['p']:.3g}",
            f"{row['p_holm']:.3g}",
        ]
    return cells


def _class_table(rows):
    titles = [f"{metric.title_with_unit}, mean ± cases" for metric in _METRICS]
    lines = [["arm", "class", *titles]]
    for row in rows:
        for name, metrics in row["classes"].items():
            # The only class may have this name.
            if name == FOREGROUND and len(row["classes"]) > 1:
                continue
            found = [(metrics[metric.key], metric.digits + 1) for metric in _METRICS]
            spreads = [spread_text(of["mean"], of["std"], n) for of, n in found]
            lines.append([row["names"][0], name, *spreads])
    return lines


def _change_table(rows):
    lines = [["arm", "differs from the first by"]]
    for row in rows[1:]:
        values = ", ".join(f"{name}={value}" for name, value in row["changes"].items())
        lines.append([" = ".join(row["names"]), values])
    return lines


def _sections(rows, found):
    """Pairs of a text and the table below it."""
    first = rows[0]
    cases, seeds = first["num_cases"], len(first["dice"])
    of_cases = f"{cases} cases of the split {found['split']} of {found['dataset']}"
    main = (
        f"Mean foreground Dice of {of_cases}; each case counts by its mean over "
        f"{seeds} seed(s). ± seeds: standard deviation of the means of the seeds. "
        "± cases: that of the cases. Step 1: Dice after the first reverse step. "
        f"Difference: from {first['names'][0]}, with its standard deviation over the "
        "seeds. More/less: cases with a higher and a lower Dice. p: two-sided Wilcoxon "
        "signed-rank test over the cases; Holm: corrected for the number of arms."
    )
    if found["left_out"]:
        main += f" Not in the table: {', '.join(found['left_out'])}."
    sections = [(main, table(rows)), ("By class:", _class_table(rows))]
    if len(rows) > 1:
        sections.append(("What the arms change:", _change_table(rows)))
    return sections


def markdown(rows, found):
    """All tables in Markdown; arguments as for `write`."""
    return "\n\n".join(
        f"{text}\n\n{markdown_table(lines)}" for text, lines in _sections(rows, found)
    )


def write(arms, rows, found, folder):
    """Writes ablation.md, ablation.png, ablation.html and ablation.json.

    Args:
        arms: list of `ArmScores`.
        rows: result of `compare_arms` for them.
        found: JSON-able dict that says what was scored, with `dataset` and `split`,
            and in `left_out` the arms that are not there.
        folder: `pathlib.Path`, made if it is missing.

    Raises:
        InputError: a file cannot be written; then no file is.
    """
    picture = _picture(arms, rows)
    with whole_files() as whole:
        write_text(folder / "ablation.md", markdown(rows, found) + "\n", whole)
        with whole(folder / "ablation.png") as path:
            path.write_bytes(picture)
        write_text(folder / "ablation.html", _page(rows, found, picture), whole)
        write_json(folder / "ablation.json", {**found, "arms": rows}, 2, whole)


def _page(rows, found, picture):
    title = html.escape(f"Ablation: {found['dataset']}, {found['split']}")
    tables = "\n".join(
        f"<p>{html.escape(text)}</p>\n<div>{html_table(lines)}</div>"
        for text, lines in _sections(rows, found)
    )
    source = f"data:image/png;base64,{base64.b64encode(picture).decode('ascii')}"
    return (
        f'<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width">\n'
        f"<title>{title}</title>\n<style>{_STYLE}</style>\n<h1>{title}</h1>\n"
        f'<img src="{source}" alt="Dice of each arm">\n{tables}\n</html>\n'
    )


def far_away(means):
    """Which arms would press all others of a picture into a line.

    Args:
        means: floats, the Dice of each arm, the first of which is always shown.

    Returns:
        Bools: differences from the first that are tenfold the median difference and at
        least 0.1.
    """
    away = np.abs(np.asarray(means) - means[0])
    return away > max(10 * np.nanmedian(away), 0.1)


def _point_away(axis, place, value, gain):
    """Writes the value of an arm that is not shown at the edge where it would lie."""
    is_left = gain < 0
    axis.text(
        0.01 if is_left else 0.99,
        place,
        f"← {value:.3f}" if is_left else f"{value:.3f} →",
        transform=axis.get_yaxis_transform(),
        ha="left" if is_left else "right",
        va="center",
    )


def _picture(arms, rows):
    """PNG: Dice of each seed, and what each case gains over the first arm."""
    figure = Figure(figsize=(11, 1.6 + 0.4 * max(len(rows), 4)), layout="constrained")
    seed_axis, case_axis = figure.subplots(1, 2, sharey=True)
    places = range(len(rows))
    means = np.array([row["mean"] for row in rows], float)
    far = far_away(means)
    for place, row in zip(places, rows, strict=True):
        if far[place]:
            _point_away(seed_axis, place, means[place], means[place] - means[0])
            _point_away(case_axis, place, *2 * [means[place] - means[0]])
            continue
        dice = np.array(row["dice"], float)
        seed_axis.plot(dice, np.full(len(dice), place), "o", alpha=0.5, color="#3465a4")
        seed_axis.plot([row["mean"]], [place], "|", markersize=18, color="#16191d")
    seed_axis.axvline(rows[0]["mean"], color="0.6", linewidth=0.8)
    seed_axis.set_yticks(places, [row["names"][0].replace("_", " ") for row in rows])
    seed_axis.set_xlabel("mean foreground Dice; a dot is a seed")
    first, *others = [arm.of_cases("dice", FOREGROUND) for arm in arms]
    gains = [[case[uid] - value for uid, value in first.items()] for case in others]
    gains = [[value for value in of_arm if not np.isnan(value)] for of_arm in gains]
    near = [place for place in places[1:] if not far[place]]
    if near:
        case_axis.boxplot(
            [gains[place - 1] for place in near],
            positions=near,
            orientation="horizontal",
            showmeans=True,
            widths=0.6,
            manage_ticks=False,
        )
    case_axis.axvline(0.0, color="0.6", linewidth=0.8)
    case_axis.set_xlabel(f"Dice of each case minus that of {rows[0]['names'][0]}")
    seed_axis.set_ylim(len(rows) - 0.5, -0.5)
    for axis in (seed_axis, case_axis):
        axis.grid(axis="x", alpha=0.3)
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=120)
    return file.getvalue()
