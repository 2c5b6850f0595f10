"""The comparison of evaluations, of cases whose scores are known."""

import csv
import json

import numpy as np
import pytest
from scipy import stats

from tests.commands import run_module
from tf_diffseg.evaluation.results_folder import read_values
from tf_diffseg.evaluation.run_comparison import compare
from tf_diffseg.reports.run_comparison import draw


def _write(folder, dice):
    """Writes the table of an evaluation with dice {class: [values]}."""
    folder.mkdir()
    with open(folder / "metrics.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["uid", "class_id", "class_name", "dice"])
        for class_id, (name, values) in enumerate(dice.items(), 1):
            for case, value in enumerate(values):
                text = "" if np.isnan(value) else f"{value:.6f}"
                writer.writerow([f"case{case}", class_id, name, text])
            writer.writerow(["mean", class_id, name, "0.5"])
        writer.writerow(["mean", "", "foreground", "0.5"])
    return folder


def _table(folder, dice):
    return read_values(_write(folder, dice), "dice")


def _dice(seed, shift=0.0):
    rng = np.random.default_rng(seed)
    return {name: rng.uniform(0.3, 0.6, 20) + shift for name in ("liver", "spleen")}


def test_differences_are_paired(tmp_path):
    first, better = _dice(0), _dice(0)
    rng = np.random.default_rng(1)
    better["liver"] = better["liver"] + 0.02 + rng.normal(0.0, 0.005, 20)
    dice = {"a": first, "b": better, "c": _dice(0)}
    tables = [_table(tmp_path / name, values) for name, values in dice.items()]
    rows = {(row["class"], row["run"]): row for row in compare(tables)}
    liver = rows["liver", 1]
    difference = np.round(better["liver"], 6) - np.round(first["liver"], 6)
    assert liver["p"] == pytest.approx(stats.wilcoxon(difference).pvalue)
    assert liver["p"] < 1e-4
    assert liver["mean_difference"] == pytest.approx(difference.mean())
    assert (liver["num_better"], liver["num_worse"]) == (20, 0)
    assert rows["liver", 0]["mean"] == pytest.approx(first["liver"].mean(), abs=1e-6)
    assert rows["spleen", 2]["p"] == rows["spleen", 2]["p_holm"] == 1.0
    foreground = rows["foreground", 1]["mean_difference"]
    assert foreground == pytest.approx(difference.mean() / 2)


def test_p_values_are_corrected_for_their_number(tmp_path):
    rng = np.random.default_rng(2)
    tables = [
        _table(tmp_path / str(i), {"liver": rng.uniform(0.4, 0.6, 12) + 0.03 * i})
        for i in range(4)
    ]
    tested = sorted((r for r in compare(tables) if "p" in r), key=lambda r: r["p"])
    assert len(tested) == 6  # The one class, and the foreground.
    weighted = [row["p"] * (6 - rank) for rank, row in enumerate(tested)]
    expected = np.minimum(np.maximum.accumulate(weighted), 1.0)
    np.testing.assert_allclose([row["p_holm"] for row in tested], expected)


def test_a_case_without_the_class_is_left_out(tmp_path):
    liver, spleen = [0.5, np.nan, 0.7, 0.4], [0.1, np.nan, 0.3, 0.2]
    table = _table(tmp_path / "a", {"liver": liver, "spleen": spleen})
    assert np.isnan(table["foreground"]["case1"])
    assert table["foreground"]["case2"] == pytest.approx(0.5)
    assert all(row["num_cases"] == 3 for row in compare([table, table]))


# Older versions of SciPy tell how they take differences of 0.
@pytest.mark.filterwarnings(
    "error", "ignore:Exact p-value:UserWarning", "ignore:Sample size:UserWarning"
)
def test_a_class_that_no_case_has_is_compared_and_drawn_without_a_warning(tmp_path):
    dice = {"liver": np.array([0.5, 0.6, 0.7]), "spleen": np.full(3, np.nan)}
    less = dice | {"liver": dice["liver"] * [1.0, 1.0, 0.9]}
    first, other = _table(tmp_path / "a", dice), _table(tmp_path / "b", less)
    rows = compare([first, other])
    assert {row["class"]: row["num_cases"] for row in rows} == {
        "liver": 3,
        "spleen": 0,
        "foreground": 3,
    }
    draw(tmp_path / "comparison.png", [first, other], ["a", "b"], "dice")
    assert (tmp_path / "comparison.png").stat().st_size > 10_000


def test_the_command_writes_a_table_and_a_plot(tmp_path):
    folders = [_write(tmp_path / n, _dice(0, i)) for i, n in enumerate(("a", "b"))]
    out = f"--output_dir={tmp_path / 'out'}"
    process = run_module("experiments.compare_runs", *folders, out)
    assert process.returncode == 0, process.stderr
    lines = process.stdout.splitlines()
    assert lines[0].split()[:3] == ["class", "run", "dice"]
    assert lines[2].split()[:2] == ["liver", "b"] and "+1.0000" in lines[2]
    found = json.loads((tmp_path / "out" / "comparison.json").read_text())
    assert len(found["rows"]) == 6 and found["metric"] == "dice"
    png = (tmp_path / "out" / "comparison.png").read_bytes()
    assert png.startswith(b"\x89PNG") and len(png) > 10_000


@pytest.mark.parametrize(
    "arguments, message",
    [
        (("a", "b", "--metric=foo"), "--metric=foo: expected one of dice, iou, "),
        (("a",), "expected the folders of two runs or evaluations, or more, got 1"),
    ],
)
def test_the_command_refuses_wrong_arguments_in_one_line(arguments, message):
    process = run_module("experiments.compare_runs", *arguments)
    assert process.returncode == 1
    assert process.stderr.startswith(f"error: {message}")
    assert process.stderr.count("\n") == 1
