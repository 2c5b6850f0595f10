r"""Compares runs case by case, by a metric of experiments.evaluate.

    python -m experiments.compare_runs RESULTS1 RESULTS2 [RESULTS3 ...] \
        [--metric=dice] [--output_dir=OUT]
    python -m experiments.compare_runs RUN1 RUN2 [RUN3 ...] \
        --data_dir=SHARDS [--split=test] [--output_dir=OUT]

Takes folders that experiments.evaluate wrote, or run folders, which it evaluates first.
All are of the same cases, so that differences are paired: each run is held against the
first with the two-sided Wilcoxon signed-rank test, and p-values are corrected for their
number (Holm 1979).
"""

import json
import pathlib

from absl import flags

from data_tools import command_line
from data_tools.errors import InputError
from data_tools.quiet import load_tensorflow
from experiments.metric_columns import METRICS, metric_values
from experiments.output_path import output_folder
from experiments.results_folder import read_values, with_foreground

_METRIC = flags.DEFINE_string(
    "metric", "dice", "What to compare, a column of metrics.csv."
)
_DATA_DIR = flags.DEFINE_string(
    "data_dir", None, "Folder of data_tools.convert_nifti, to evaluate run folders on."
)
_SPLIT = flags.DEFINE_string("split", "test", "Split to evaluate run folders on.")
_OUTPUT_DIR = flags.DEFINE_string(
    "output_dir", None, "Folder for comparison.json and comparison.png; none without."
)


def main(argv):
    """Reads the tables, compares, prints and draws."""
    folders = [pathlib.Path(text) for text in argv[1:]]
    if len(folders) < 2:
        raise InputError(
            "expected the folders of two runs or evaluations, or more, "
            f"got {len(folders)}"
        )
    output_dir = _OUTPUT_DIR.value and output_folder("output_dir", _OUTPUT_DIR.value)
    metric = _METRIC.value
    keys = [of.key for of in METRICS]
    if metric not in keys:
        raise InputError(f"--metric={metric}: expected one of {', '.join(keys)}")
    from experiments import run_comparison

    tables = [
        _evaluate(folder)
        if _DATA_DIR.value and not (folder / "metrics.csv").is_file()
        else read_values(folder, metric)
        for folder in folders
    ]
    run_comparison.check_same_cases(folders, tables)
    rows = run_comparison.compare(tables)
    names = run_comparison.short_names(folders)
    print(run_comparison.table(rows, names, metric))
    if output_dir:
        output_dir.mkdir(parents=True, exist_ok=True)
        run_comparison.draw(output_dir / "comparison.png", tables, names, metric)
        found = {"metric": metric, "runs": list(map(str, folders)), "rows": rows}
        path = output_dir / "comparison.json"
        path.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
        print(f"comparison: {output_dir}")


def _evaluate(folder):
    """The metric of a run folder, as `run_comparison.read_values` gives it."""
    load_tensorflow()
    from experiments.evaluation import evaluate_run
    from experiments.run_folder import RunFolder

    names = RunFolder(folder).manifest().class_names
    cases = evaluate_run(folder, _DATA_DIR.value, _SPLIT.value)
    return with_foreground(
        {
            name: {
                case.uid: float(metric_values(case)[_METRIC.value][class_id])
                for case in cases
            }
            for class_id, name in list(enumerate(names))[1:]
        }
    )


if __name__ == "__main__":
    command_line.run(main, takes_arguments=True)
