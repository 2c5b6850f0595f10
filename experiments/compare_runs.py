r"""Compares runs case by case, by a metric of experiments.evaluate.

    python -m experiments.compare_runs RESULTS1 RESULTS2 [RESULTS3 ...] \
        [--metric=dice] [--output_dir=OUT]
    python -m experiments.compare_runs RUN1 RUN2 [RUN3 ...] \
        --data_dir=SHARDS [--split=test] [--output_dir=OUT]

Takes folders that experiments.evaluate wrote; with --data_dir also run folders and
checkpoints, which it evaluates first. All are of the same cases, so that differences
are paired: each run is held against the first with the two-sided Wilcoxon signed-rank
test, and p-values are corrected for their number (Holm 1979).
"""

import pathlib

from absl import flags

from tf_diffseg import command_line
from tf_diffseg.errors import InputError
from tf_diffseg.evaluation.metric_columns import METRICS
from tf_diffseg.output_path import output_folder
from tf_diffseg.runs.compared_runs import find_compared

_METRIC = flags.DEFINE_string(
    "metric", "dice", "What to compare, a column of metrics.csv."
)
_DATA_DIR = flags.DEFINE_string(
    "data_dir", None, "Folder of data_tools.convert_nifti, to evaluate runs on."
)
_SPLIT = flags.DEFINE_string(
    "split",
    None,
    "Split to evaluate runs on, by default test; evaluations must be of it as well.",
)
_OUTPUT_DIR = flags.DEFINE_string(
    "output_dir", None, "Folder for comparison.json and comparison.png; none without."
)


def main(argv):
    """Checks all that is compared, evaluates, compares, prints and draws."""
    paths = [pathlib.Path(text) for text in argv[1:]]
    if len(paths) < 2:
        raise InputError(
            "expected the folders of two runs or evaluations, or more, "
            f"got {len(paths)}"
        )
    output_dir = _OUTPUT_DIR.value and output_folder("output_dir", _OUTPUT_DIR.value)
    metric, keys = _METRIC.value, [of.key for of in METRICS]
    if metric not in keys:
        raise InputError(f"--metric={metric}: expected one of {', '.join(keys)}")
    compared = find_compared(paths, metric, _DATA_DIR.value, _SPLIT.value)
    from tf_diffseg.evaluation.run_comparison import compare
    from tf_diffseg.reports import run_comparison

    tables = [one.values() for one in compared]
    rows = compare(tables)
    names = run_comparison.short_names(paths)
    print(run_comparison.table(rows, names, metric))
    if output_dir:
        found = {
            "metric": metric,
            "data": compared[0].data,
            "runs": list(map(str, paths)),
        }
        run_comparison.write(output_dir, rows, tables, names, found)
        print(f"comparison: {output_dir}")


if __name__ == "__main__":
    command_line.run(main, takes_arguments=True)
